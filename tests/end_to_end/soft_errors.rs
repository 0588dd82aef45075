//! `errors:soft`: a refusal is a MESSAGE on `/user/queue/errors`, and the conversation goes on.

use homeroom_tests::{Broker, Client, Frame};

const ERRORS: &str = "/user/queue/errors";

async fn soft(broker: &Broker) -> Client {
    let mut client = Client::websocket(broker, &["v12.stomp"]).await;
    client.connect(&[("login", "alice"), ("errors", "soft")]).await;
    client
}

fn send(destination: &str, body: &str) -> Frame {
    Frame::new("SEND").with("destination", destination).body(body)
}

#[tokio::test]
async fn a_refused_send_is_told_in_the_place_of_its_receipt() {
    let broker = Broker::start().await;
    let mut alice = soft(&broker).await;
    alice.subscribe("errors", ERRORS, &[]).await;
    alice.send(&send("/topic/7b/quiz", "1").with("receipt", "r1")).await;
    alice.send(&send("/nowhere", "2").with("receipt", "r2")).await;
    alice.send(&send("/topic/7b/quiz", "3").with("receipt", "r3")).await;
    assert_eq!(alice.frame().await.header("receipt-id"), Some("r1"));
    let error = alice.frame().await;
    assert_eq!((&*error.command, error.header("subscription")), ("MESSAGE", Some("errors")), "{error}");
    assert_eq!((error.header("destination"), error.header("receipt-id")), (Some(ERRORS), Some("r2")), "{error}");
    assert_eq!((error.header("code"), error.header("retryable")), (Some("102"), Some("false")), "{error}");
    assert!(error.need("reason").contains("/nowhere") && !error.text().is_empty(), "{error}");
    assert_eq!(alice.frame().await.header("receipt-id"), Some("r3"));
    // Without a receipt it is told at once.
    alice.send(&send("/topic/7b/*", "4")).await;
    let error = alice.frame().await;
    assert_eq!((error.header("code"), error.header("receipt-id")), (Some("107"), None), "{error}");
}

#[tokio::test]
async fn an_append_that_is_refused_costs_those_behind_it_and_no_more() {
    let broker = Broker::start().await;
    let mut alice = soft(&broker).await;
    alice.subscribe("errors", ERRORS, &[]).await;
    let keyed = |body: &str| send("/topic/7b/quiz", body).with("idempotency-key", "k");
    alice.request(keyed("one")).await;
    alice.request(send("/topic/7b/quiz", "of the same class")).await;
    alice.send(&keyed("another").with("receipt", "conflict")).await;
    let error = alice.frame().await;
    assert_eq!((error.header("code"), error.header("receipt-id")), (Some("114"), Some("conflict")), "{error}");
    let receipt = alice.request(send("/topic/7b/quiz", "after it")).await;
    assert!(receipt.header("position").is_some(), "{receipt}");
}

#[tokio::test]
async fn a_refused_subscription_leaves_its_id_free() {
    let broker = Broker::start().await;
    let mut alice = soft(&broker).await;
    alice.subscribe("errors", ERRORS, &[("ack", "client")]).await;
    let refused = Frame::new("SUBSCRIBE").with("id", "s").with("destination", "/nowhere");
    alice.send(&refused).await;
    let error = alice.frame().await;
    assert_eq!((error.header("code"), error.header("subscription")), (Some("102"), Some("errors")), "{error}");
    alice.ack(&error).await;
    alice.subscribe("s", "/topic/7b", &[]).await;
    alice.publish("/topic/7b", "good morning").await;
    assert_eq!(alice.message().await.text(), "good morning");
}

#[tokio::test]
async fn where_nobody_listens_or_nobody_asked_an_error_ends_it_as_ever() {
    let broker = Broker::start().await;
    let mut deaf = soft(&broker).await;
    deaf.send(&send("/nowhere", "1")).await;
    assert_eq!(deaf.error().await.header("code"), Some("102"));

    let mut strict = Client::signed_in(&broker, "bob").await;
    strict.subscribe("errors", ERRORS, &[]).await;
    strict.send(&send("/nowhere", "1")).await;
    assert_eq!(strict.error().await.header("code"), Some("102"));

    let mut gone = soft(&broker).await;
    gone.subscribe("errors", ERRORS, &[]).await;
    gone.request(Frame::new("UNSUBSCRIBE").with("id", "errors")).await;
    gone.send(&send("/nowhere", "1")).await;
    assert_eq!(gone.error().await.header("code"), Some("102"));
}
