//! The management listener where people show who they are: health is for everybody, figures are not.

use std::process::Stdio;

use homeroom_tests::{Answer, Broker, Client, Setup, binary, exchange, get, request};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

async fn ask(broker: &Broker, path: &str, headers: &[(&str, &str)]) -> Answer {
    let bytes = request("GET", broker.management(), path, headers, b"");
    exchange(broker.management(), &bytes).await.expect("an answer")
}

/// The status of `/metrics` for whoever brings this.
async fn figures(broker: &Broker, authorization: &str) -> u16 {
    let headers: &[(&str, &str)] = if authorization.is_empty() { &[] } else { &[("Authorization", authorization)] };
    let answer = ask(broker, "/metrics", headers).await;
    assert_eq!(answer.body.contains("homeroom_connections"), answer.status == 200, "{answer:?}");
    answer.status
}

/// What the program prints, with this on its standard input.
async fn made(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(binary());
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn().expect("the binary runs");
    process.stdin.take().expect("piped").write_all(input.as_bytes()).await.expect("it reads");
    let output = process.wait_with_output().await.expect("it ends");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[tokio::test]
async fn on_loopback_figures_are_for_everybody_unless_the_settings_say_otherwise() {
    let usual = Setup::asks_for_tokens().start().await;
    assert_eq!(figures(&usual, "").await, 200);
    let asking = Setup::asks_for_tokens().config("[listen]\nmanagement_asks = \"always\"").start().await;
    assert_eq!(figures(&asking, "").await, 401);
}

#[tokio::test]
async fn elsewhere_figures_are_for_admins_and_for_what_collects_them() {
    let setup = Setup::asks_for_tokens().flag("--management").flag("0.0.0.0:0");
    let [keys, users, audit] = ["keys.toml", "users.toml", "audit.jsonl"].map(|name| {
        let path = setup.directory().join(name);
        path.to_string_lossy().into_owned()
    });
    let scraper = made(&["key", "add", "prometheus", "--role", "metrics", "--file", &keys], "").await;
    let service = made(&["key", "add", "quiz", "--send", "/topic/**", "--file", &keys], "").await;
    for (name, role) in [("root", "admin"), ("alice", "student")] {
        made(&["user", "add", name, "--role", role, "--password-stdin", "--file", &users], "correct horse\n").await;
    }
    let setup = setup.environment("HOMEROOM__ACCESS__KEYS", &keys).environment("HOMEROOM__ACCESS__USERS", &users);
    let broker = setup.environment("HOMEROOM__LOG__AUDIT", &audit).start().await;
    let basic =
        |user: &str| format!("Basic {}", data_encoding::BASE64.encode(format!("{user}:correct horse").as_bytes()));
    for (authorization, expected) in [
        (String::new(), 401),
        ("Bearer a.b.c".to_owned(), 401),
        (broker.bearer("alice", "student", &["7b"]).await, 403),
        (broker.bearer("smith", "teacher", &["7b"]).await, 403),
        (basic("alice"), 403),
        (format!("Bearer {service}"), 403),
        (broker.bearer("root", "admin", &[]).await, 200),
        (basic("root"), 200),
        (format!("Bearer {scraper}"), 200),
    ] {
        assert_eq!(figures(&broker, &authorization).await, expected, "{authorization}");
    }
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(ask(&broker, path, &[]).await.status, 200, "{path}");
    }
    // Whoever collects figures can do nothing else.
    let mut client = Client::showing(&broker, &scraper).await;
    client.send(&homeroom_tests::Frame::new("SUBSCRIBE").with("id", "s").with("destination", "/topic/7b/quiz")).await;
    assert_eq!(client.error().await.header("code"), Some("103"));
    let noted = std::fs::read_to_string(&audit).expect("an audit log");
    assert!(noted.contains("\"management\""), "{noted}");
    assert!(![scraper.as_str(), "correct horse"].iter().any(|secret| noted.contains(secret)), "{noted}");
}

#[tokio::test]
async fn no_page_reads_loopback_by_a_name_that_is_made_to_point_there() {
    let broker = Broker::start_with("[http]\nhosts = [\"lessons.example\", \"localhost\"]").await;
    let port = broker.management().rsplit_once(':').expect("a port").1;
    for (host, expected) in [
        (format!("localhost:{port}"), 200),
        (format!("127.0.0.1:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("lessons.example".to_owned(), 200),
        (format!("evil.example:{port}"), 403),
        ("a b".to_owned(), 400),
    ] {
        for path in ["/metrics", "/health/ready"] {
            assert_eq!(ask(&broker, path, &[("Host", &host)]).await.status, expected, "{host} {path}");
        }
    }
    let page = [("Origin", "https://evil.example")];
    assert_eq!(ask(&broker, "/metrics", &page).await.status, 403);
    // Some load balancers ask in HTTP/1.0, which names no host.
    let bare = exchange(broker.management(), b"GET /health/ready HTTP/1.0\r\n\r\n").await.expect("an answer");
    assert_eq!(bare.status, 200);
    assert_eq!(get(broker.management(), "/metrics").await.status, 200);
}
