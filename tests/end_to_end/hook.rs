//! A service of the school's own decides as well: on every door, and against whoever asks when it is silent.

use std::time::Duration;

use homeroom_tests::{
    Broker, Client, DEADLINE, Frame, HookServer, HttpStream, Reply, Setup, Sockjs, binary, eventually, exchange, get,
    metric, python, request,
};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::Command;

pub(crate) const QUIZ: &str = "/topic/7b/quiz";
pub(crate) const SECRET: &str = "/topic/7b/secret";

pub(crate) fn send(destination: &str, body: &str) -> Frame {
    Frame::new("SEND").with("destination", destination).body(body)
}

pub(crate) fn at(destination: &str) -> String {
    format!("/v1/messages?destination={destination}")
}

/// What concerns the secret is refused, all else allowed.
pub(crate) fn keeps_the_secret(question: &Value) -> Reply {
    match question["destination"].as_str() {
        Some(SECRET) => Reply::no("only in the staff room"),
        _ => Reply::yes(),
    }
}

pub(crate) async fn http(broker: &Broker, method: &str, path: &str, authorization: &str, body: &str) -> (u16, Value) {
    http_with(broker, method, path, &[("Authorization", authorization)], body).await
}

async fn http_with(broker: &Broker, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let answer = exchange(broker.http(), &request(method, broker.http(), path, headers, body.as_bytes())).await;
    let answer = answer.expect("an answer");
    (answer.status, if answer.body.is_empty() { Value::Null } else { answer.json() })
}

pub(crate) async fn counted(broker: &Broker, name: &str) -> f64 {
    let text = get(broker.management(), "/metrics").await.body;
    metric(&text, name).unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// A client that goes on after what is refused.
pub(crate) async fn softly(broker: &Broker, token: &str) -> Client {
    let mut client = Client::websocket(broker, &["v12.stomp"]).await;
    client.connect(&[("passcode", token), ("errors", "soft")]).await;
    client.subscribe("errors", "/user/queue/errors", &[]).await;
    client
}

#[tokio::test]
async fn it_may_refuse_what_the_rules_allow_on_every_door_and_allows_nothing_that_they_refuse() {
    let hook = HookServer::deciding(keeps_the_secret).await;
    let directory = tempfile::tempdir().expect("a directory");
    let audit = directory.path().join("audit.jsonl");
    let setup = Setup::asks_for_tokens().environment("HOMEROOM__LOG__AUDIT", &audit.to_string_lossy());
    let broker = setup.config(&hook.settings("")).start().await;
    let token = broker.token("smith", "teacher", &["7b"], "8h").await;
    let bearer = format!("Bearer {token}");

    for method in ["POST", "GET"] {
        let (status, problem) = http(&broker, method, &at(SECRET), &bearer, "x").await;
        assert_eq!((status, &problem["code"], &problem["retryable"]), (403, &103.into(), &false.into()), "{problem}");
        assert!(problem["detail"].as_str().expect("a text").contains("only in the staff room"), "{problem}");
    }
    assert_eq!(http(&broker, "POST", &at(QUIZ), &bearer, "one").await.0, 201);
    let cursor = format!("/v1/cursors/mine?destination={SECRET}");
    for path in [format!("{}&wait=5", at(SECRET)), format!("{}&reverse=true", at(SECRET)), cursor] {
        assert_eq!(http(&broker, "GET", &path, &bearer, "").await.0, 403, "{path}");
    }
    for media_type in ["text/event-stream", "application/x-ndjson"] {
        let headers = [("Authorization", bearer.as_str()), ("Accept", media_type)];
        assert_eq!(HttpStream::get(broker.http(), &at(SECRET), &headers).await.status, 403);
        assert_eq!(HttpStream::get(broker.http(), &at(QUIZ), &headers).await.status, 200);
    }
    let batch = [("Authorization", bearer.as_str()), ("Content-Type", "application/vnd.homeroom.batch+json")];
    let messages = format!(r#"[{{"destination":"{QUIZ}"}},{{"destination":"{SECRET}"}},{{"destination":"{SECRET}"}}]"#);
    let (status, problem) = http_with(&broker, "POST", "/v1/messages", &batch, &messages).await;
    assert_eq!((status, &problem["code"], &problem["index"]), (403, &103.into(), &1.into()), "{problem}");

    let mut smith = softly(&broker, &token).await;
    for frame in [
        send(SECRET, "x"),
        Frame::new("SUBSCRIBE").with("id", "a").with("destination", SECRET),
        Frame::new("SUBSCRIBE").with("id", "b").with("destination", SECRET).with("group", "graders"),
    ] {
        smith.send(&frame).await;
        let error = smith.message().await;
        assert_eq!((error.header("code"), error.header("retryable")), (Some("103"), Some("false")), "{error}");
        assert!(error.need("reason").contains("only in the staff room"), "{error}");
    }
    // A transaction with one step that is refused has none of its steps.
    smith.send(&Frame::new("BEGIN").with("transaction", "t")).await;
    smith.send(&send(QUIZ, "never stored").with("transaction", "t")).await;
    smith.send(&send(SECRET, "never stored").with("transaction", "t")).await;
    smith.send(&Frame::new("COMMIT").with("transaction", "t")).await;
    assert_eq!(smith.message().await.header("code"), Some("103"));
    smith.send(&Frame::new("BEGIN").with("transaction", "u")).await;
    smith.send(&send(QUIZ, "two").with("transaction", "u")).await;
    smith.request(Frame::new("COMMIT").with("transaction", "u")).await;
    smith.subscribe("quiz", QUIZ, &[("x-stream-offset", "first")]).await;
    assert_eq!(smith.bodies(2).await, ["one", "two"]);

    let mut tcp = Client::tcp(&broker).await;
    tcp.connect(&[("passcode", &token)]).await;
    tcp.send(&send(SECRET, "x")).await;
    assert_eq!(tcp.error().await.header("code"), Some("103"));
    let mut sockjs = Sockjs::new(broker.http());
    sockjs.poll().await;
    let connect = Frame::new("CONNECT").with("accept-version", "1.2").with("host", "school");
    sockjs.say(&connect.with("passcode", &token)).await;
    assert_eq!(sockjs.hear().await.first().map(|frame| frame.command.clone()).as_deref(), Some("CONNECTED"));
    sockjs.say(&send(SECRET, "x")).await;
    assert_eq!(
        sockjs.hear().await.first().and_then(|frame| frame.header("code").map(str::to_owned)).as_deref(),
        Some("103")
    );

    let asked = hook.asked().len();
    assert_eq!(http(&broker, "POST", &at("/topic/8a/quiz"), &bearer, "x").await.0, 403, "not the teacher's class");
    assert_eq!(hook.asked().len(), asked, "what the rules refuse is asked of nobody");
    let refused = eventually("the audit log", DEADLINE, async || {
        let text = std::fs::read_to_string(&audit).ok()?;
        let lines = text.lines().filter(|line| line.contains("refused by the hook")).count();
        (lines >= 13).then_some(text)
    });
    assert!(refused.await.contains(r#""user":"smith""#));
}

#[tokio::test]
async fn it_may_refuse_to_let_somebody_in() {
    let hook = HookServer::deciding(|question| match question["user"].as_str() {
        Some("mallory") => Reply::no("suspended until Monday"),
        _ => Reply::yes(),
    })
    .await;
    let broker = Setup::asks_for_tokens().config(&hook.settings("")).start().await;
    let mallory = broker.token("mallory", "student", &["7b"], "8h").await;
    let mut client = Client::websocket(&broker, &["v12.stomp"]).await;
    let connect = Frame::new("CONNECT").with("accept-version", "1.2").with("host", "school");
    client.send(&connect.with("passcode", &mallory)).await;
    let error = client.error().await;
    assert_eq!((error.header("code"), error.header("message")), (Some("103"), Some("refused by the hook")), "{error}");
    assert!(error.need("reason").contains("suspended until Monday"), "{error}");
    assert_eq!(client.closed().await.code, Some(4503));
    let (status, problem) = http(&broker, "GET", &at(QUIZ), &format!("Bearer {mallory}"), "").await;
    assert_eq!((status, &problem["code"]), (403, &103.into()), "{problem}");
    let alice = broker.token("alice", "student", &["7b"], "8h").await;
    Client::showing(&broker, &alice).await;
    let asked = hook.asked();
    let first = asked.first().expect("a question");
    assert_eq!(
        (&first["act"], &first["roles"], &first["classrooms"], &first["from"], &first["destination"]),
        (
            &"connect".into(),
            &serde_json::json!(["student"]),
            &serde_json::json!(["7b"]),
            &"127.0.0.1".into(),
            &Value::Null
        )
    );
    assert_eq!(asked.len(), 2, "the second door of the same person is no new question");
}

#[tokio::test]
async fn whatever_is_no_clear_decision_refuses_and_a_recovery_is_seen_within_seconds() {
    let elsewhere = HookServer::deciding(|_| Reply::yes()).await;
    let hook = HookServer::deciding(|_| Reply::yes()).await;
    let broker =
        Setup::asks_for_tokens().config(&hook.settings("timeout = \"300ms\"\nacts = [\"send\"]")).start().await;
    let token = broker.token("smith", "teacher", &["7b"], "8h").await;
    let bearer = format!("Bearer {token}");
    let location = elsewhere.settings("").split('"').nth(1).expect("an address").to_owned();
    let large = format!(r#"{{"allow":true,"padding":"{}"}}"#, "x".repeat(1 << 20));
    let mut smith = softly(&broker, &token).await;
    for (number, reply) in [
        Reply::status("500 Internal Server Error", &[], r#"{"allow":true}"#),
        Reply::status("201 Created", &[], r#"{"allow":true}"#),
        Reply::status("302 Found", &[("Location", &location)], r#"{"allow":true}"#),
        Reply::status("307 Temporary Redirect", &[("Location", &location)], ""),
        Reply::json(""),
        Reply::json("yes"),
        Reply::json(r#"{"allow":"true"}"#),
        Reply::json(&large),
        Reply::bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"allow\":"),
        Reply::bytes(b"SSH-2.0-OpenSSH_9.6\r\n"),
        Reply::bytes(b""),
        Reply::never(),
    ]
    .into_iter()
    .enumerate()
    {
        hook.now_decides(move |_| reply.clone());
        // A place of its own: no answer is known.
        let place = format!("/topic/7b/{number}");
        let (status, problem) = http(&broker, "POST", &at(&place), &bearer, "x").await;
        assert_eq!((status, &problem["code"], &problem["retryable"]), (503, &108.into(), &true.into()), "{problem}");
        assert!(problem["detail"].as_str().expect("a text").contains("gave no decision"), "{problem}");
        smith.send(&send(&place, "x")).await;
        let error = smith.message().await;
        assert_eq!((error.header("code"), error.header("retryable")), (Some("108"), Some("true")), "{error}");
    }
    assert_eq!(elsewhere.asked().len(), 0, "redirects are not followed");
    assert_eq!(counted(&broker, "homeroom_hook_answers_total{answer=\"failed\"}").await, 12.0);
    hook.now_decides(|_| Reply::yes());
    eventually("the recovery", Duration::from_secs(5), async || {
        (http(&broker, "POST", &at("/topic/7b/0"), &bearer, "x").await.0 == 201).then_some(())
    })
    .await;
    smith.request(send("/topic/7b/0", "x")).await;
    let told = broker.stderr();
    assert_eq!(told.matches("what is asked for is refused").count(), 1, "an outage is said once: {told}");
    assert!(told.contains("decides again"), "{told}");
}

#[tokio::test]
async fn a_broker_starts_without_it_and_lets_nobody_do_anything_until_it_is_there() {
    let port = free_port();
    let settings = format!("[access.hook]\nurl = \"http://127.0.0.1:{port}/decide\"");
    let broker = Setup::asks_for_tokens().config(&settings).start().await;
    let bearer = broker.bearer("smith", "teacher", &["7b"]).await;
    let (status, problem) = http(&broker, "POST", &at(QUIZ), &bearer, "x").await;
    assert_eq!((status, &problem["code"]), (503, &108.into()), "{problem}");
    let _hook = HookServer::at(port, |_| Reply::yes()).await;
    eventually("the recovery", Duration::from_secs(5), async || {
        (http(&broker, "POST", &at(QUIZ), &bearer, "x").await.0 == 201).then_some(())
    })
    .await;
}

#[tokio::test]
async fn it_is_asked_once_for_what_is_done_again_and_again_and_shown_the_token_that_no_log_has() {
    const TOKEN: &str = "the-hook-s-own-token-0123456789-0123456789";
    let hook = HookServer::deciding(|_| Reply::yes()).await;
    let setup = Setup::asks_for_tokens().environment("HOMEROOM__ACCESS__HOOK__TOKEN", TOKEN);
    let setup = setup.environment("HOMEROOM__LOG__FILTER", "trace");
    let broker = setup.config(&hook.settings("cache = \"1h\"")).start().await;
    let mut smith = Client::showing(&broker, &broker.token("smith", "teacher", &["7b"], "8h").await).await;
    for number in 0..10 {
        smith.request(send(QUIZ, &number.to_string())).await;
    }
    smith.subscribe("quiz", QUIZ, &[]).await;
    let acts: Vec<Value> = hook.asked().iter().map(|question| question["act"].clone()).collect();
    assert_eq!(acts, ["connect", "send", "subscribe"]);
    assert_eq!(hook.connections(), 1, "the connection is kept");
    assert!(hook.heads().iter().all(|head| head.contains(&format!("authorization: Bearer {TOKEN}"))));
    assert_eq!(counted(&broker, "homeroom_hook_questions_total").await, 3.0);
    assert_eq!(counted(&broker, "homeroom_hook_answers_total{answer=\"allowed\"}").await, 3.0);
    assert_eq!(counted(&broker, "homeroom_hook_known_total").await, 9.0);
    assert_eq!(counted(&broker, "homeroom_hook_seconds_count").await, 3.0);
    assert_eq!(counted(&broker, "homeroom_hook_waiting").await, 0.0);
    assert!(!broker.stderr().contains(TOKEN), "the token is in the log");
}

#[tokio::test]
async fn a_connection_that_the_service_closed_costs_nobody_an_answer() {
    let hook = HookServer::deciding(|_| Reply::yes().closing()).await;
    let broker = Setup::asks_for_tokens().config(&hook.settings("acts = [\"send\"]")).start().await;
    let mut smith = Client::showing(&broker, &broker.token("smith", "teacher", &["7b"], "8h").await).await;
    for number in 0..20 {
        smith.request(send(&format!("/topic/7b/{number}"), "x")).await;
    }
    assert_eq!(counted(&broker, "homeroom_hook_answers_total{answer=\"failed\"}").await, 0.0);
}

#[tokio::test]
async fn settings_that_cannot_work_are_named_before_the_broker_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("homeroom.toml");
    let spaced = directory.path().join("token.txt");
    std::fs::write(&spaced, "two words that no header would have as they are").expect("a file");
    for (settings, key, remedy) in [
        ("url = \"decide.example\"", "access.hook.url", "Write an address such as"),
        ("url = \"http://decide.example/\"", "access.hook.url", "access.hook.over_http = true"),
        ("url = \"https://decide.example/\"\ntimeout = \"1h\"", "access.hook.timeout", "from \"10ms\" to \"30s\""),
        ("url = \"http://127.0.0.1:1/\"\ntoken_file = \"missing\"", "access.hook.token_file", "cannot be read"),
        ("url = \"http://127.0.0.1:1/\"\ntoken_file = \"token.txt\"", "access.hook.token_file", "one word of ASCII"),
    ] {
        let tokens = "[access.jwt]\nsecret = \"only-for-tests-0123456789-abcdefghijklmnop\"\n[access.hook]\n";
        std::fs::write(&config, format!("{tokens}{settings}")).expect("a file");
        let mut command = Command::new(binary());
        let checked = command.args(["check", "--config"]).arg(&config).current_dir(directory.path()).output().await;
        let checked = checked.expect("the broker's binary runs");
        let told = String::from_utf8_lossy(&checked.stderr);
        assert_eq!(checked.status.code(), Some(2), "{settings}: {told}");
        assert!(told.contains(key) && told.contains(remedy) && !told.contains("two words"), "{settings}: {told}");
    }
}

/// The first block of `broker/HOOK.md` in a language, with this port in place of its own.
fn documented(language: &str, port: u16) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../broker/HOOK.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let (_, block) = text.split_once(&format!("```{language}\n")).expect("a block in that language");
    block.split_once("```").expect("its end").0.replace("9000", &port.to_string())
}

#[tokio::test]
async fn the_program_and_the_settings_of_the_document_work_as_they_stand() {
    let port = free_port();
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("decides.py");
    std::fs::write(&program, documented("python", port)).expect("a program");
    let _service = python(program.to_str().expect("UTF-8"), &[]);
    eventually("the service", DEADLINE, async || TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
    let broker = Setup::asks_for_tokens().config(&documented("toml", port)).start().await;
    let alice = broker.bearer("alice", "student", &["7b", "8a"]).await;
    for (method, destination, expected) in [
        ("POST", "/topic/8a/chat", Ok(201)),
        ("POST", "/topic/7b/chat", Err("the chat opens in the break")),
        ("POST", "/topic/7b/quiz/answers", Ok(201)),
        ("GET", "/topic/7b/chat", Ok(200)),
        ("GET", "/topic/9c/chat", Err("that is not your class")),
        ("GET", "/topic/**", Err("that is not your class")),
        ("POST", "/queue/jobs", Err("that is not your class")),
        ("GET", "/user/queue/marks", Ok(200)),
    ] {
        let (status, problem) = http(&broker, method, &at(destination), &alice, "x").await;
        assert_eq!(status, expected.unwrap_or(403), "{method} {destination}: {problem}");
        if let Err(reason) = expected {
            assert!(problem["detail"].as_str().expect("a text").ends_with(reason), "{problem}");
        }
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
