//! While the school's own service is asked everything keeps its order, and what goes on ends when it changes its mind.

use std::sync::Arc;

use homeroom_tests::{
    Client, DEADLINE, Frame, HookServer, HttpStream, Reply, Setup, eventually, raise_descriptor_limit,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::hook::{QUIZ, SECRET, at, counted, http, keeps_the_secret, send, softly};

fn closed_gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

#[tokio::test]
async fn three_tabs_of_one_user_are_one_question() {
    let gate = closed_gate();
    let behind = gate.clone();
    let hook = HookServer::deciding(move |_| Reply::yes().behind(&behind)).await;
    let broker =
        Setup::asks_for_tokens().config(&hook.settings("timeout = \"20s\"\nacts = [\"subscribe\"]")).start().await;
    let token = broker.token("alice", "student", &["7b"], "8h").await;
    let mut tabs = Vec::new();
    for _ in 0..3 {
        let mut tab = Client::showing(&broker, &token).await;
        tab.send(&Frame::new("SUBSCRIBE").with("id", "q").with("destination", QUIZ).with("receipt", "r")).await;
        tabs.push(tab);
    }
    eventually("two who wait with the first", DEADLINE, async || {
        (counted(&broker, "homeroom_hook_shared_total").await == 2.0).then_some(())
    })
    .await;
    gate.add_permits(1);
    for tab in &mut tabs {
        tab.receipt("r").await;
    }
    assert_eq!(hook.asked().len(), 1);
}

#[tokio::test]
async fn frames_behind_one_that_waits_keep_their_order_and_nobody_else_waits() {
    let gate = closed_gate();
    let behind = gate.clone();
    let hook = HookServer::deciding(move |question| match question["destination"].as_str() {
        Some("/topic/7b/slow") => Reply::yes().behind(&behind),
        _ => Reply::yes(),
    })
    .await;
    let broker = Setup::asks_for_tokens().config(&hook.settings("timeout = \"20s\"")).start().await;
    let token = broker.token("smith", "teacher", &["7b"], "8h").await;
    let mut reader = Client::showing(&broker, &token).await;
    reader.subscribe("all", "/topic/7b/**", &[]).await;
    let mut smith = Client::showing(&broker, &token).await;
    smith.request(send(QUIZ, "before")).await;
    assert_eq!(reader.message().await.text(), "before");
    // Nothing that stands behind the first of these overtakes it, though it is allowed already.
    smith.send(&send("/topic/7b/slow", "1").with("receipt", "r1")).await;
    smith.send(&send(QUIZ, "2").with("receipt", "r2")).await;
    smith.send(&Frame::new("SUBSCRIBE").with("id", "q").with("destination", QUIZ).with("receipt", "r3")).await;
    smith.send(&send(QUIZ, "3").with("receipt", "r4")).await;
    smith.send(&Frame::new("BEGIN").with("transaction", "t")).await;
    smith.send(&send("/topic/7b/new", "4").with("transaction", "t")).await;
    smith.send(&send(QUIZ, "5").with("transaction", "t")).await;
    smith.send(&Frame::new("COMMIT").with("transaction", "t").with("receipt", "r5")).await;
    eventually("the question", DEADLINE, async || (hook.asked_to("send") == 2).then_some(())).await;
    let mut other = Client::showing(&broker, &token).await;
    other.request(send(QUIZ, "meanwhile")).await;
    assert_eq!(reader.message().await.text(), "meanwhile");
    gate.add_permits(1);
    let mut receipts = Vec::new();
    let mut bodies = Vec::new();
    while receipts.len() < 5 || bodies.len() < 2 {
        let frame = smith.frame().await;
        match &*frame.command {
            "RECEIPT" => receipts.push(frame.need("receipt-id").to_owned()),
            _ => bodies.push(frame.text().to_owned()),
        }
    }
    assert_eq!((receipts.concat(), bodies.concat()), ("r1r2r3r4r5".to_owned(), "35".to_owned()));
    assert_eq!(reader.bodies(5).await, ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn what_goes_on_ends_on_every_door_when_it_changes_its_mind() {
    let hook = HookServer::deciding(|_| Reply::yes()).await;
    let broker = Setup::asks_for_tokens().config(&hook.settings("cache = \"1s\"")).start().await;
    let token = broker.token("alice", "student", &["7b"], "8h").await;
    let bearer = format!("Bearer {token}");
    let mut alice = Client::showing(&broker, &token).await;
    alice.subscribe("quiz", QUIZ, &[]).await;
    let mut soft = softly(&broker, &token).await;
    soft.subscribe("quiz", QUIZ, &[]).await;
    soft.subscribe("chat", "/topic/7b/chat", &[]).await;
    let mut streams = Vec::new();
    for media_type in ["text/event-stream", "application/x-ndjson"] {
        let headers = [("Authorization", bearer.as_str()), ("Accept", media_type)];
        streams.push(HttpStream::get(broker.http(), &at(QUIZ), &headers).await);
    }
    // Three answers later all of them still go on.
    eventually("answers that are renewed", DEADLINE, async || (hook.asked_to("subscribe") >= 8).then_some(())).await;
    let teacher = broker.bearer("smith", "teacher", &["7b"]).await;
    assert_eq!(http(&broker, "POST", &at(QUIZ), &teacher, "still here").await.0, 201);
    assert_eq!(alice.message().await.text(), "still here");
    assert_eq!(soft.message().await.text(), "still here");
    let waits = format!("{}&wait=30", at(QUIZ));
    let ((status, problem), error) = tokio::join!(http(&broker, "GET", &waits, &bearer, ""), async {
        eventually("the poll", DEADLINE, async || {
            (counted(&broker, "homeroom_http_readers").await == 3.0).then_some(())
        })
        .await;
        hook.now_decides(|question| match (question["act"].as_str(), question["destination"].as_str()) {
            (Some("subscribe"), Some(QUIZ)) => Reply::no("the test has begun"),
            _ => Reply::yes(),
        });
        alice.error().await
    });
    assert_eq!((status, &problem["code"]), (403, &103.into()), "{problem}");
    assert_eq!(error.header("code"), Some("103"), "{error}");
    assert!(error.need("reason").contains("the test has begun"), "{error}");
    assert_eq!(soft.message().await.header("code"), Some("103"));
    for stream in &mut streams {
        while stream.line().await.is_some() {}
    }
    // What was not refused goes on.
    assert_eq!(http(&broker, "POST", &at(QUIZ), &teacher, "not seen").await.0, 201);
    assert_eq!(http(&broker, "POST", &at("/topic/7b/chat"), &teacher, "seen").await.0, 201);
    assert_eq!(soft.message().await.text(), "seen");
}

#[tokio::test]
async fn whoever_has_other_rights_from_now_on_is_asked_about_at_once() {
    let hook = HookServer::deciding(|question| match question["roles"][0].as_str() {
        Some("teacher") if question["act"] == "subscribe" => Reply::no("teachers use the other room"),
        _ => Reply::yes(),
    })
    .await;
    let broker = Setup::asks_for_tokens().config(&hook.settings("cache = \"1h\"")).start().await;
    let mut alice = Client::showing(&broker, &broker.token("alice", "student", &["7b"], "1h").await).await;
    alice.subscribe("quiz", QUIZ, &[]).await;
    alice.request(send("/app/auth", &broker.token("alice", "teacher", &["7b"], "8h").await)).await;
    let error = alice.error().await;
    assert!(error.need("reason").contains("teachers use the other room"), "{error}");
    assert_eq!(hook.asked_to("subscribe"), 2);
}

#[tokio::test]
async fn what_goes_on_survives_a_short_outage_and_no_long_one() {
    let hook = HookServer::deciding(|_| Reply::yes()).await;
    let settings = hook.settings("cache = \"1s\"\ntimeout = \"500ms\"\nacts = [\"subscribe\"]");
    let broker = Setup::asks_for_tokens().config(&settings).start().await;
    let mut alice = Client::showing(&broker, &broker.token("alice", "student", &["7b"], "8h").await).await;
    alice.subscribe("quiz", QUIZ, &[]).await;
    let failed = async || counted(&broker, "homeroom_hook_answers_total{answer=\"failed\"}").await;
    hook.now_decides(|_| Reply::status("502 Bad Gateway", &[], ""));
    eventually("one failure", DEADLINE, async || (failed().await == 1.0).then_some(())).await;
    hook.now_decides(|_| Reply::yes());
    let asked = hook.asked().len();
    eventually("two more answers", DEADLINE, async || (hook.asked().len() >= asked + 2).then_some(())).await;
    let teacher = broker.bearer("smith", "teacher", &["7b"]).await;
    assert_eq!(http(&broker, "POST", &at(QUIZ), &teacher, "still here").await.0, 201);
    assert_eq!(alice.message().await.text(), "still here");
    hook.now_decides(|_| Reply::never());
    let error = alice.error().await;
    assert_eq!((error.header("code"), error.header("retryable")), (Some("108"), Some("true")), "{error}");
    assert_eq!(failed().await, 3.0, "one more try");
    assert_eq!(alice.closed().await.code, Some(4008));
}

#[tokio::test]
async fn what_a_client_said_before_it_went_away_still_waits_for_its_decision() {
    let gate = closed_gate();
    let behind = gate.clone();
    let hook = HookServer::deciding(move |question| match question["destination"].as_str() {
        Some(QUIZ | SECRET) if question["act"] == "send" => keeps_the_secret(question).behind(&behind),
        _ => Reply::yes(),
    })
    .await;
    let broker = Setup::asks_for_tokens().config(&hook.settings("")).start().await;
    let token = broker.token("smith", "teacher", &["7b"], "8h").await;
    for destination in [QUIZ, SECRET] {
        let mut smith = Client::showing(&broker, &token).await;
        smith.send(&send(destination, "last words")).await;
        eventually("the question", DEADLINE, async || {
            hook.asked().iter().any(|question| question["destination"] == destination).then_some(())
        })
        .await;
        drop(smith);
        gate.add_permits(1);
    }
    eventually("both gone", DEADLINE, async || (counted(&broker, "homeroom_connections").await == 0.0).then_some(()))
        .await;
    let mut reader = Client::showing(&broker, &token).await;
    reader.subscribe("all", "/topic/7b/**", &[("x-stream-offset", "first")]).await;
    assert_eq!(reader.message().await.text(), "last words");
    reader.request(send("/topic/7b/chat", "end")).await;
    assert_eq!(reader.message().await.text(), "end", "what was refused is stored");
    assert_eq!(counted(&broker, "homeroom_hook_waiting").await, 0.0);
}

#[tokio::test]
async fn five_hundred_at_once_are_let_in_with_eight_questions_at_a_time() {
    raise_descriptor_limit();
    let hook = HookServer::deciding(|_| Reply::yes()).await;
    let settings = format!(
        "[access]\nanonymous = \"guest\"\n{}\n[[access.rules]]\nrole = \"guest\"\nmay = [\"subscribe\"]\nwhere = \"/**\"",
        hook.settings("concurrency = 8\ntimeout = \"30s\"")
    );
    let broker = Arc::new(Setup::asks_for_tokens().config(&settings).start().await);
    let mut class = JoinSet::new();
    for number in 0..500 {
        let broker = broker.clone();
        class.spawn(async move {
            let mut client = Client::websocket(&broker, &["v12.stomp"]).await;
            client.connect(&[("client-id", &format!("tablet-{number}"))]).await;
            client.subscribe("quiz", QUIZ, &[]).await;
            client
        });
    }
    let class = class.join_all().await;
    assert_eq!((class.len(), hook.asked().len()), (500, 1000));
    assert!(hook.at_once_max() <= 8 && hook.connections() <= 8, "{} {}", hook.at_once_max(), hook.connections());
    assert_eq!(counted(&broker, "homeroom_hook_answers_total{answer=\"allowed\"}").await, 1000.0);
}
