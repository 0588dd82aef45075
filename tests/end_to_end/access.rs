//! Where everybody shows who they are: who comes in, what they may do on every door, and how it ends.

use std::time::Duration;

use homeroom_tests::{Broker, Client, DEADLINE, Frame, HttpStream, Setup, Sockjs, eventually, exchange, request};
use serde_json::Value;

const QUIZ: &str = "/topic/7b/quiz";

fn send(destination: &str, body: &str) -> Frame {
    Frame::new("SEND").with("destination", destination).body(body)
}

async fn http(broker: &Broker, method: &str, path: &str, authorization: &str, body: &str) -> (u16, Value) {
    let headers: &[(&str, &str)] = if authorization.is_empty() { &[] } else { &[("Authorization", authorization)] };
    let answer = exchange(broker.http(), &request(method, broker.http(), path, headers, body.as_bytes())).await;
    let answer = answer.expect("an answer");
    (answer.status, if answer.body.is_empty() { Value::Null } else { answer.json() })
}

#[tokio::test]
async fn nobody_comes_in_without_showing_who_they_are_on_any_door() {
    let broker = Setup::asks_for_tokens().start().await;
    let connect = |headers: &[(&str, &str)]| {
        Frame::new("CONNECT").with("accept-version", "1.2").with("host", "school").with_all(headers)
    };
    for (headers, code) in [
        (&[][..], "101"),
        (&[("login", "alice"), ("passcode", "secret")], "101"),
        (&[("login", "alice")], "101"),
        (&[("passcode", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.")], "101"),
    ] {
        for mut client in [Client::websocket(&broker, &["v12.stomp"]).await, Client::tcp(&broker).await] {
            client.send(&connect(headers)).await;
            let error = client.error().await;
            assert_eq!((error.header("code"), error.header("retryable")), (Some(code), Some("false")), "{error}");
            client.closed().await;
        }
    }
    let page = "/v1/messages?destination=/topic/7b/quiz";
    for (method, path) in
        [("GET", page), ("POST", page), ("POST", "/v1/tickets"), ("GET", "/v1/revocations"), ("POST", "/v1/erasures")]
    {
        let (status, problem) = http(&broker, method, path, "", "").await;
        assert_eq!((status, &problem["code"]), (401, &101.into()), "{method} {path}: {problem}");
        assert_eq!(http(&broker, method, path, "Bearer a.b.c", "").await.0, 401, "{method} {path}");
    }
    let stream = HttpStream::get(broker.http(), page, &[("Accept", "text/event-stream")]).await;
    assert_eq!((stream.status, stream.header("www-authenticate")), (401, Some("Bearer")));
    let mut sockjs = Sockjs::new(broker.http());
    sockjs.poll().await;
    sockjs.say(&connect(&[("login", "alice")])).await;
    let frames = sockjs.hear().await;
    assert_eq!(frames.first().and_then(|frame| frame.header("code")), Some("101"), "{frames:?}");
    // What needs nobody's rights is there for everybody.
    assert_eq!(http(&broker, "GET", "/v1/time", "", "").await.0, 200);
}

#[tokio::test]
async fn a_student_reads_the_class_and_answers_and_does_no_more_on_any_door() {
    let broker = Setup::asks_for_tokens().start().await;
    let teacher = broker.bearer("smith", "teacher", &["7b"]).await;
    let student = broker.bearer("alice", "student", &["7b"]).await;
    let token = student.trim_start_matches("Bearer ");
    let at = |destination: &str| format!("/v1/messages?destination={destination}");
    assert_eq!(http(&broker, "POST", &at(QUIZ), &teacher, "What is 7 x 8?").await.0, 201);
    for (method, destination, expected) in [
        ("GET", QUIZ, 200),
        ("GET", "/topic/7b/**", 200),
        ("POST", "/topic/7b/quiz/answers", 201),
        ("POST", QUIZ, 403),
        ("GET", "/topic/8a/quiz", 403),
        ("GET", "/topic/**", 403),
        ("GET", "/topic/*/quiz", 403),
        ("GET", "/topic/7b/$presence", 403),
        ("POST", "/topic/8a/answers", 403),
        ("POST", "/user/bob/queue/marks", 403),
    ] {
        let (status, problem) = http(&broker, method, &at(destination), &student, "56").await;
        assert_eq!(status, expected, "{method} {destination}: {problem}");
        if expected == 403 {
            assert_eq!(problem["code"], 103, "{problem}");
            assert!(problem["detail"].as_str().expect("a text").contains("student"), "{problem}");
        }
    }
    let events = [("Authorization", student.as_str()), ("Accept", "text/event-stream")];
    assert_eq!(HttpStream::get(broker.http(), &at("/topic/8a/**"), &events).await.status, 403);

    let mut alice = Client::websocket(&broker, &["v12.stomp"]).await;
    let connected = alice.connect(&[("passcode", token), ("errors", "soft")]).await;
    assert_eq!(connected.header("user-name"), Some("alice"), "{connected}");
    alice.subscribe("errors", "/user/queue/errors", &[]).await;
    alice.subscribe("quiz", "/topic/7b/**", &[("x-stream-offset", "first")]).await;
    assert_eq!(alice.bodies(2).await, ["What is 7 x 8?", "56"]);
    alice.request(send("/topic/7b/answers", "soft and well")).await;
    alice.message().await;
    for (frame, what) in [
        (send(QUIZ, "forged"), "send to /topic/7b/quiz"),
        (send("/queue/jobs", "forged"), "send to /queue/jobs"),
        (Frame::new("SUBSCRIBE").with("id", "a").with("destination", "/topic/**"), "subscribe to /topic/**"),
        (Frame::new("SUBSCRIBE").with("id", "b").with("destination", "/queue/jobs"), "subscribe to /queue/jobs"),
        (
            Frame::new("SUBSCRIBE").with("id", "c").with("destination", QUIZ).with("group", "graders"),
            "subscribe in a group to /topic/7b/quiz",
        ),
        (
            Frame::new("SUBSCRIBE").with("id", "d").with("destination", "/topic/7b/$presence"),
            "subscribe to /topic/7b/$presence",
        ),
    ] {
        alice.send(&frame).await;
        let error = alice.message().await;
        assert_eq!(error.header("code"), Some("103"), "{error}");
        assert!(error.need("reason").contains(what), "{error}");
    }
    // A transaction with one step that is not allowed has none of its steps.
    alice.send(&Frame::new("BEGIN").with("transaction", "t")).await;
    alice.send(&send("/topic/7b/answers", "never stored").with("transaction", "t")).await;
    alice.send(&send(QUIZ, "never stored").with("transaction", "t")).await;
    alice.send(&Frame::new("COMMIT").with("transaction", "t")).await;
    assert_eq!(alice.message().await.header("code"), Some("103"));
    let (_, page) = http(&broker, "GET", &at("/topic/7b/**"), &student, "").await;
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(3), "{page}");
}

#[tokio::test]
async fn the_sender_is_the_user_of_the_token_whatever_a_client_says() {
    let broker = Setup::asks_for_tokens().start().await;
    let token = broker.token("alice", "teacher", &["7b"], "8h").await;
    let mut alice = Client::showing(&broker, &token).await;
    alice.subscribe("quiz", QUIZ, &[]).await;
    alice.request(send(QUIZ, "hello").with("user-id", "mallory")).await;
    assert_eq!(alice.message().await.header("user-id"), Some("alice"));
    let mut liar = Client::websocket(&broker, &["v12.stomp"]).await;
    let connect = Frame::new("CONNECT").with("accept-version", "1.2").with("host", "school");
    liar.send(&connect.with("login", "mallory").with("passcode", &token)).await;
    assert_eq!(liar.error().await.header("code"), Some("101"));
}

#[tokio::test]
async fn delivery_ends_with_the_token_also_for_silent_listeners() {
    let broker = Setup::asks_for_tokens().start().await;
    let teacher = broker.bearer("smith", "teacher", &["7b"]).await;
    let token = broker.token("alice", "student", &["7b"], "3s").await;
    let bearer = format!("Bearer {token}");
    let mut alice = Client::showing(&broker, &token).await;
    alice.subscribe("auth", "/user/queue/auth", &[]).await;
    let warning = alice.message().await;
    let said: Value = serde_json::from_str(warning.text()).expect("JSON");
    assert_eq!((&said["event"], said["expires_in"].as_u64() < Some(4)), (&"expires".into(), true), "{warning}");
    alice.subscribe("quiz", QUIZ, &[]).await;
    let page = "/v1/messages?destination=/topic/7b/quiz";
    let headers = [("Authorization", bearer.as_str()), ("Accept", "text/event-stream")];
    let mut stream = HttpStream::get(broker.http(), page, &headers).await;
    assert_eq!(stream.status, 200);
    let waits = format!("{page}&wait=30");
    let (waiting, refused) = tokio::join!(http(&broker, "GET", &waits, &bearer, ""), alice.error());
    assert_eq!((waiting.0, &waiting.1["code"]), (401, &109.into()), "{}", waiting.1);
    assert_eq!((refused.header("code"), refused.header("retryable")), (Some("109"), Some("false")), "{refused}");
    let close = alice.closed().await;
    assert!(close.code == Some(4509), "{close:?}");
    while stream.line().await.is_some() {}
    assert_eq!(http(&broker, "POST", page, &teacher, "after the end").await.0, 201);
    assert_eq!(http(&broker, "GET", page, &bearer, "").await.0, 401);
}

#[tokio::test]
async fn a_token_is_renewed_without_a_new_connection() {
    let broker = Setup::asks_for_tokens().start().await;
    let teacher = broker.bearer("smith", "teacher", &["7b"]).await;
    let mut alice = Client::showing(&broker, &broker.token("alice", "student", &["7b"], "3s").await).await;
    alice.subscribe("quiz", QUIZ, &[]).await;
    alice.subscribe("auth", "/user/queue/auth", &[]).await;
    assert!(alice.message().await.text().contains("expires"));
    let newer = broker.token("alice", "student", &["7b"], "8h").await;
    let receipt = alice.request(send("/app/auth", &newer)).await;
    assert!(receipt.need("expires-in").parse::<u64>().expect("seconds") > 1000, "{receipt}");
    assert!(alice.message().await.text().contains("renewed"));
    // Past the end of the first token.
    tokio::time::sleep(Duration::from_millis(3500)).await;
    assert_eq!(http(&broker, "POST", "/v1/messages?destination=/topic/7b/quiz", &teacher, "still here").await.0, 201);
    assert_eq!(alice.message().await.text(), "still here");
    let others = broker.token("bob", "student", &["7b"], "8h").await;
    alice.send(&send("/app/auth", &others).with("receipt", "r")).await;
    let error = alice.error().await;
    assert_eq!((error.header("code"), error.header("receipt-id")), (Some("107"), Some("r")), "{error}");
}

#[tokio::test]
async fn who_is_removed_from_a_class_is_out_within_a_second_on_every_door_and_after_a_restart() {
    let broker = Setup::asks_for_tokens().start().await;
    let teacher = broker.bearer("smith", "teacher", &["7b"]).await;
    let student = broker.bearer("alice", "student", &["7b", "8a"]).await;
    let mut alice = Client::showing(&broker, student.trim_start_matches("Bearer ")).await;
    alice.subscribe("quiz", QUIZ, &[]).await;
    let page = "/v1/messages?destination=/topic/7b/quiz";
    let headers = [("Authorization", student.as_str()), ("Accept", "text/event-stream")];
    let mut stream = HttpStream::get(broker.http(), page, &headers).await;
    let waits = format!("{page}&wait=30");
    let (waiting, removed) = tokio::join!(http(&broker, "GET", &waits, &student, ""), async {
        // The poll is there: it counts as a connection.
        eventually("three readers", DEADLINE, async || (connections(&broker).await == 3).then_some(())).await;
        let out = "/v1/revocations?user=alice&classroom=7b";
        assert_eq!(http(&broker, "POST", out, &student, "").await.0, 403, "students remove nobody");
        assert_eq!(http(&broker, "POST", "/v1/revocations?user=alice", &teacher, "").await.0, 403, "for admins alone");
        let elsewhere = "/v1/revocations?user=alice&classroom=8a";
        assert_eq!(http(&broker, "POST", elsewhere, &teacher, "").await.0, 403, "not the teacher's class");
        http(&broker, "POST", out, &teacher, "").await
    });
    assert_eq!((removed.0, removed.1["told"].as_u64() >= Some(3)), (200, true), "{}", removed.1);
    assert_eq!((waiting.0, &waiting.1["code"]), (403, &103.into()), "{}", waiting.1);
    assert_eq!(alice.error().await.header("code"), Some("103"));
    while stream.line().await.is_some() {}
    let broker = broker.killed_and_restarted().await;
    assert_eq!(http(&broker, "GET", page, &student, "").await.0, 403, "it outlives a kill");
    assert_eq!(http(&broker, "GET", "/v1/messages?destination=/topic/8a/quiz", &student, "").await.0, 200);
    let back = "/v1/revocations?user=alice&classroom=7b";
    assert_eq!(http(&broker, "DELETE", back, &teacher, "").await.0, 204);
    assert_eq!(http(&broker, "GET", page, &student, "").await.0, 200);
    assert_eq!(http(&broker, "DELETE", back, &teacher, "").await.0, 404);
}

#[tokio::test]
async fn a_user_who_is_revoked_is_gone_in_the_middle_of_a_replay() {
    let broker = Setup::asks_for_tokens().start().await;
    let teacher = broker.token("smith", "teacher", &["7b"], "8h").await;
    let admin = broker.bearer("root", "admin", &[]).await;
    let mut smith = Client::showing(&broker, &teacher).await;
    let body = "x".repeat(10_000);
    for _ in 0..400 {
        smith.ask(send(QUIZ, &body)).await;
    }
    smith.request(send(QUIZ, "last")).await;
    let token = broker.token("alice", "student", &["7b"], "8h").await;
    // A small window in the kernel: the replay of 4 MB is under way for as long as nobody reads.
    let mut alice = Client::websocket_with_receive_buffer(&broker, 4096).await;
    alice.connect(&[("passcode", &token)]).await;
    alice.subscribe("quiz", QUIZ, &[("x-stream-offset", "first")]).await;
    alice.message().await;
    assert_eq!(http(&broker, "POST", "/v1/revocations?user=alice", &admin, "").await.0, 200);
    let mut seen = 0;
    let error = loop {
        let frame = alice.frame().await;
        match &*frame.command {
            "MESSAGE" => seen += 1,
            _ => break frame,
        }
    };
    assert_eq!((error.header("code"), error.header("message")), (Some("103"), Some("revoked")), "{error}");
    assert!(seen < 400, "all {seen} came");
    let mut again = Client::websocket(&broker, &["v12.stomp"]).await;
    let connect = Frame::new("CONNECT").with("accept-version", "1.2").with("host", "school");
    again.send(&connect.with("passcode", &token)).await;
    assert_eq!(again.error().await.header("code"), Some("101"));
}

#[tokio::test]
async fn a_ticket_opens_one_stream_and_no_second() {
    let broker = Setup::asks_for_tokens().start().await;
    let student = broker.bearer("alice", "student", &["7b"]).await;
    let (status, made) = http(&broker, "POST", "/v1/tickets", &student, "").await;
    assert_eq!(status, 201, "{made}");
    let ticket = made["ticket"].as_str().expect("a text");
    let path = format!("/v1/messages?destination=/topic/7b/quiz&ticket={ticket}");
    let events = [("Accept", "text/event-stream")];
    assert_eq!(HttpStream::get(broker.http(), &path, &events).await.status, 200);
    assert_eq!(HttpStream::get(broker.http(), &path, &events).await.status, 401);
    assert!(!broker.stderr().contains(ticket), "it is in the log");
}

#[tokio::test]
async fn rules_of_the_settings_take_the_place_of_the_usual_ones() {
    let rules = "[[access.rules]]\nrole = \"student\"\nmay = [\"subscribe\"]\nwhere = \"/topic/{classroom}/notes\"\n\
                 [[access.rules]]\nrole = \"student\"\nmay = [\"send\"]\nwhere = \"/topic/{classroom}/**/of/{user}\"";
    let broker = Setup::asks_for_tokens().config(rules).start().await;
    let student = broker.bearer("alice", "student", &["7b"]).await;
    for (method, destination, expected) in [
        ("GET", "/topic/7b/notes", 200),
        ("GET", QUIZ, 403),
        ("GET", "/topic/7b/**", 403),
        ("POST", "/topic/7b/pictures/of/alice", 201),
        ("POST", "/topic/7b/pictures/of/bob", 403),
        ("POST", "/topic/7b/answers", 403),
    ] {
        let (status, problem) =
            http(&broker, method, &format!("/v1/messages?destination={destination}"), &student, "x").await;
        assert_eq!(status, expected, "{method} {destination}: {problem}");
    }
}

async fn connections(broker: &Broker) -> u64 {
    let metrics = homeroom_tests::get(broker.management(), "/metrics").await;
    let of = |name: &str| {
        let lines = metrics.body.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum::<f64>()
    };
    (of("homeroom_connections{") + of("homeroom_http_readers{")) as u64
}

#[tokio::test]
async fn the_description_says_how_to_show_who_one_is_where_that_is_asked() {
    let broker = Setup::asks_for_tokens().start().await;
    let (status, document) = http(&broker, "GET", "/openapi.json", "", "").await;
    assert_eq!(status, 200);
    for (path, method) in
        [("/v1/messages", "get"), ("/v1/tickets", "post"), ("/v1/revocations", "delete"), ("/v1/erasures", "post")]
    {
        assert!(document["paths"][path][method]["responses"]["401"].is_object(), "{method} {path}");
    }
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!((&schemes["user"]["scheme"], &schemes["ticket"]["in"]), (&"bearer".into(), &"query".into()));
    let open = Broker::start().await;
    assert_eq!(http(&open, "POST", "/v1/tickets", "", "").await.0, 404);
}

#[tokio::test]
async fn the_audit_log_says_who_did_what_and_never_what_was_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("audit.jsonl");
    let broker = Setup::asks_for_tokens().environment("HOMEROOM__LOG__AUDIT", &path.to_string_lossy()).start().await;
    let token = broker.token("alice", "student", &["7b"], "8h").await;
    let (student, teacher) = (format!("Bearer {token}"), broker.bearer("smith", "teacher", &["7b"]).await);
    let mut alice = Client::showing(&broker, &token).await;
    alice.request(send("/topic/7b/answers", "a secret answer").with("note", "a secret header")).await;
    assert_eq!(
        http(&broker, "POST", "/v1/messages?destination=/topic/7b/quiz", &teacher, "a secret question").await.0,
        201
    );
    assert_eq!(http(&broker, "POST", "/v1/messages?destination=/topic/7b/quiz", &student, "no").await.0, 403);
    assert_eq!(http(&broker, "GET", "/v1/messages?destination=/topic/7b/quiz", "Bearer a.b.c", "").await.0, 401);
    assert_eq!(http(&broker, "POST", "/v1/revocations?user=alice&classroom=7b", &teacher, "").await.0, 200);
    alice.send(&send("/topic/7b/answers", "once more")).await;
    alice.error().await;
    let wanted =
        ["connected alice", "published alice", "published smith", "refused alice", "refused null", "revoked smith"];
    let text = eventually("the lines", DEADLINE, async || {
        let text = std::fs::read_to_string(&path).ok()?;
        (text.lines().count() > wanted.len()).then_some(text)
    })
    .await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut seen: Vec<String> =
        lines.iter().map(|line| format!("{} {}", line["event"], line["user"]).replace('"', "")).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen, wanted, "{text}");
    let secrets = ["secret", &token, "once more", "a.b.c"];
    assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
}
