//! What is exchanged under a running broker: passwords, services' keys, secrets and keys of tokens. Whoever came in by
//! the old one is gone within a second, and whoever did not stays.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use homeroom_tests::{Broker, Client, Frame, HttpStream, Setup, binary, eventually, exchange, request};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::Instant;

const QUIZ: &str = "/topic/7b/quiz";
const PAGE: &str = "/v1/messages?destination=/topic/7b/quiz";
/// The files are looked at every half second, and the machine may be busy.
const SOON: Duration = Duration::from_secs(5);

/// What the program prints in this directory, with this on its standard input.
async fn made(directory: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn().expect("the binary runs");
    process.stdin.take().expect("piped").write_all(input.as_bytes()).await.expect("it reads");
    let output = process.wait_with_output().await.expect("it ends");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

async fn ask(broker: &Broker, method: &str, path: &str, authorization: &str) -> (u16, Value) {
    let bytes = request(method, broker.http(), path, &[("Authorization", authorization)], b"");
    let answer = exchange(broker.http(), &bytes).await.expect("an answer");
    (answer.status, if answer.body.is_empty() { Value::Null } else { answer.json() })
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes()))
}

/// Somebody on every door: a listener over STOMP, an event stream, and a ticket that waits to be used.
struct Listener {
    client: Client,
    stream: HttpStream,
    ticket: String,
}

impl Listener {
    async fn new(broker: &Broker, connect: &[(&str, &str)], authorization: &str) -> Listener {
        let mut client = Client::websocket(broker, &["v12.stomp"]).await;
        client.connect(connect).await;
        client.subscribe("quiz", QUIZ, &[]).await;
        let headers = [("Authorization", authorization), ("Accept", "text/event-stream")];
        let stream = HttpStream::get(broker.http(), PAGE, &headers).await;
        assert_eq!(stream.status, 200);
        let (status, made) = ask(broker, "POST", "/v1/tickets", authorization).await;
        assert_eq!(status, 201, "{made}");
        Listener { client, stream, ticket: made["ticket"].as_str().expect("a text").to_owned() }
    }

    async fn ends(mut self, broker: &Broker) {
        let start = Instant::now();
        let error = self.client.error().await;
        assert_eq!((error.header("code"), error.header("retryable")), (Some("103"), Some("false")), "{error}");
        while self.stream.line().await.is_some() {}
        assert!(start.elapsed() < SOON, "after {:?}", start.elapsed());
        let path = format!("{PAGE}&ticket={}", self.ticket);
        let again = HttpStream::get(broker.http(), &path, &[("Accept", "text/event-stream")]).await;
        assert_eq!(again.status, 401, "its ticket lets in");
    }

    async fn stays(&mut self, said: &str) {
        self.client.request(Frame::new("SEND").with("destination", "/topic/7b/answers").body(said)).await;
    }
}

#[tokio::test]
async fn a_new_password_or_key_ends_what_rests_on_the_old_one_and_nothing_else() {
    let setup = Setup::asks_for_tokens();
    let office = setup.directory().to_owned();
    let [users, keys] = ["users.toml", "keys.toml"].map(|name| office.join(name).to_string_lossy().into_owned());
    for user in ["alice", "bob"] {
        let add = ["user", "add", user, "--role", "student", "--classroom", "7b", "--password-stdin", "--file", &users];
        made(&office, &add, "correct horse\n").await;
    }
    let add = ["key", "add", "quiz", "--subscribe", "/topic/7b/**", "--file", &keys];
    let key = made(&office, &add, "").await;
    let setup = setup.environment("HOMEROOM__ACCESS__USERS", &users).environment("HOMEROOM__ACCESS__KEYS", &keys);
    let broker = setup.start().await;
    let showing = |user: &'static str| [("login", user), ("passcode", "correct horse")];
    let alice = Listener::new(&broker, &showing("alice"), &basic("alice", "correct horse")).await;
    let mut bob = Listener::new(&broker, &showing("bob"), &basic("bob", "correct horse")).await;
    let service = Listener::new(&broker, &[("passcode", &key)], &format!("Bearer {key}")).await;
    // The same person with a token rests on that alone.
    let token = broker.token("alice", "student", &["7b"], "8h").await;
    let mut by_token = Listener::new(&broker, &[("passcode", &token)], &format!("Bearer {token}")).await;

    made(&office, &["user", "passwd", "alice", "--password-stdin", "--file", &users], "battery staple\n").await;
    alice.ends(&broker).await;
    assert_eq!(ask(&broker, "GET", PAGE, &basic("alice", "correct horse")).await.0, 401);
    assert_eq!(ask(&broker, "GET", PAGE, &basic("alice", "battery staple")).await.0, 200);

    made(&office, &["key", "remove", "quiz", "--file", &keys], "").await;
    let newer = made(&office, &add, "").await;
    service.ends(&broker).await;
    assert_eq!(ask(&broker, "GET", PAGE, &format!("Bearer {key}")).await.0, 401);
    eventually("the new key", SOON, async || {
        (ask(&broker, "GET", PAGE, &format!("Bearer {newer}")).await.0 == 200).then_some(())
    })
    .await;
    bob.stays("still here").await;
    by_token.stays("so am I").await;
}

#[tokio::test]
async fn a_new_secret_or_public_key_is_taken_from_its_file_and_a_bad_one_is_not() {
    let setup = Setup::default().environment("HOMEROOM__ACCESS__JWT__SECRET_FILE", "secret");
    let setup = setup.environment("HOMEROOM__ACCESS__JWT__PUBLIC_KEYS", "school.pem");
    let office = setup.directory().to_owned();
    let secret = |name: &str| format!("{name} secret, only for tests, of 32 bytes and more\n");
    std::fs::write(office.join("secret"), secret("the first")).expect("a secret");
    for name in ["first", "second"] {
        let line = format!(
            "umask 077; openssl genpkey -algorithm ed25519 -out {name}.key && openssl pkey -in {name}.key -pubout -out {name}.pem"
        );
        let made = Command::new("sh").args(["-c", &line]).current_dir(&office).output().await.expect("openssl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let exchange_key = |name: &str| {
        std::fs::copy(office.join(format!("{name}.pem")), office.join("new.pem")).expect("a copy");
        std::fs::rename(office.join("new.pem"), office.join("school.pem")).expect("in one step");
    };
    exchange_key("first");
    let broker = setup.start().await;
    let config = "[access.jwt]\nsecret_file = \"secret\"\n";
    std::fs::write(office.join("tokens.toml"), config).expect("a configuration");
    let token = async |user: &str, key: &[&str]| {
        let words = ["token", "--user", user, "--role", "student", "--classroom", "7b", "--config", "tokens.toml"];
        made(&office, &[&words, key].concat(), "").await
    };
    let by_secret = token("alice", &[]).await;
    let by_key = token("bob", &["--key", "first.key"]).await;
    let listener = async |token: &str| Listener::new(&broker, &[("passcode", token)], &format!("Bearer {token}")).await;
    let (mut alice, mut bob) = (listener(&by_secret).await, listener(&by_key).await);

    for (file, bad) in [("secret", "short"), ("school.pem", "no key at all")] {
        std::fs::write(office.join(file), bad).expect("a bad file");
        eventually("the complaint", SOON, async || {
            let said = broker.stderr();
            said.lines().any(|line| line.contains(file) && line.contains("stays in force")).then_some(())
        })
        .await;
    }
    assert!(!broker.stderr().contains("no key at all"), "what a file says is in the log");
    alice.stays("the old secret holds").await;
    bob.stays("the old key holds").await;

    exchange_key("second");
    bob.ends(&broker).await;
    alice.stays("of another key").await;
    assert_eq!(ask(&broker, "GET", PAGE, &format!("Bearer {by_key}")).await.0, 401);
    let newer = token("bob", &["--key", "second.key"]).await;
    assert_eq!(ask(&broker, "GET", PAGE, &format!("Bearer {newer}")).await.0, 200);

    std::fs::write(office.join("secret"), secret("the second")).expect("a new secret");
    alice.ends(&broker).await;
    assert_eq!(ask(&broker, "GET", PAGE, &format!("Bearer {by_secret}")).await.0, 401);
    assert_eq!(ask(&broker, "GET", PAGE, &format!("Bearer {}", token("alice", &[]).await)).await.0, 200);
}
