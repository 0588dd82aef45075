//! `idempotency-key`: a retry is stored once.

use homeroom_tests::{Broker, Client, Frame};

fn answer(name: &str, key: &str, body: &str) -> Frame {
    Frame::new("SEND").with("destination", "/topic/7b/answers").with(name, key).body(body)
}

/// How many messages the log holds.
async fn kept(broker: &Broker) -> Vec<String> {
    let mut reader = Client::signed_in(broker, "reader").await;
    reader.publish("/topic/7b/answers", "the end").await;
    reader.subscribe("s", "/topic/7b/answers", &[("x-stream-offset", "first")]).await;
    let mut bodies = Vec::new();
    loop {
        match reader.message().await.text() {
            "the end" => return bodies,
            body => bodies.push(body.to_owned()),
        }
    }
}

#[tokio::test]
async fn a_known_key_gets_the_first_position_in_every_spelling() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    let first = alice.request(answer("idempotency-key", "q7", "B")).await;
    assert_eq!(first.header("duplicate"), None, "{first}");
    for name in ["idempotency-key", "Nats-Msg-Id", "_AMQ_DUPL_ID", "x-deduplication-header"] {
        let again = alice.request(answer(name, "q7", "B")).await;
        assert_eq!(again.header("duplicate"), Some("true"), "{name}: {again}");
        assert_eq!(again.header("position"), first.header("position"), "{name}");
    }
    assert_eq!(kept(&broker).await, ["B"]);
}

#[tokio::test]
async fn a_duplicate_in_flight_waits_for_the_first() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    let mut asked = Vec::new();
    for _ in 0..50 {
        asked.push(alice.ask(answer("idempotency-key", "q7", "B")).await);
    }
    let mut positions = Vec::new();
    for receipt in asked {
        positions.push(alice.receipt(&receipt).await.need("position").to_owned());
    }
    positions.dedup();
    assert_eq!(positions.len(), 1, "{positions:?}");
    assert_eq!(kept(&broker).await, ["B"]);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.request(answer("idempotency-key", "q7", "B")).await;
    alice.send(&answer("idempotency-key", "q7", "C")).await;
    let error = alice.error().await;
    assert_eq!((error.header("code"), error.header("retryable")), (Some("114"), Some("false")), "{error}");
    assert_eq!(kept(&broker).await, ["B"]);
}

#[tokio::test]
async fn keys_belong_to_a_publisher_and_a_log() {
    let broker = Broker::start().await;
    for login in ["alice", "bob"] {
        let mut client = Client::signed_in(&broker, login).await;
        let receipt = client.request(answer("idempotency-key", "q7", login)).await;
        assert_eq!(receipt.header("duplicate"), None, "{login}: {receipt}");
        let elsewhere = Frame::new("SEND").with("destination", "/topic/8a").with("idempotency-key", "q7");
        let receipt = client.request(elsewhere.body(login)).await;
        assert_eq!(receipt.header("duplicate"), None, "{login} elsewhere: {receipt}");
    }
    assert_eq!(kept(&broker).await, ["alice", "bob"]);
}

#[tokio::test]
async fn a_key_is_known_after_a_kill_and_after_a_stop() {
    let mut broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    let first = alice.request(answer("idempotency-key", "q7", "B")).await;
    for graceful in [false, true] {
        broker = if graceful { broker.stopped_and_restarted().await } else { broker.killed_and_restarted().await };
        let mut alice = Client::signed_in(&broker, "alice").await;
        let again = alice.request(answer("idempotency-key", "q7", "B")).await;
        assert_eq!(again.header("duplicate"), Some("true"), "{again}");
        assert_eq!(again.header("position"), first.header("position"));
    }
    assert_eq!(kept(&broker).await, ["B"]);
}
