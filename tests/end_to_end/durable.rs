//! Durable subscriptions: a student comes back and gets what was missed.

use homeroom_tests::{Broker, Client, Frame};

async fn student(broker: &Broker, login: &str) -> Client {
    Client::signed_in(broker, login).await
}

async fn publish(broker: &Broker, bodies: &[&str]) {
    let mut publisher = Client::signed_in(broker, "publisher").await;
    for body in bodies {
        publisher.publish("/topic/7b/quiz", body).await;
    }
}

/// The spellings of a durable subscription named `lesson`: headers of CONNECT and of SUBSCRIBE, and the `id`.
type Spelling = (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)], &'static str);

const SPELLINGS: [Spelling; 6] = [
    (&[], &[("durable", "true")], "lesson"),
    (&[], &[("persistent", "true")], "lesson"),
    (&[], &[("durable", "true"), ("auto-delete", "false")], "lesson"),
    (&[("client-id", "tablet")], &[("durable-subscription-name", "lesson")], "0"),
    (&[("client-id", "tablet")], &[("durable-subscriber-name", "lesson")], "0"),
    (&[("client-id", "tablet")], &[("activemq.subscriptionName", "lesson")], "0"),
];

#[tokio::test]
async fn who_was_away_gets_all_of_it_in_order_once_in_every_spelling() {
    for (connect, subscribe, id) in SPELLINGS {
        let broker = Broker::start().await;
        let connect: Vec<_> = [("login", "alice")].iter().chain(connect).copied().collect();
        let subscribe: Vec<_> = [("ack", "client")].iter().chain(subscribe).copied().collect();
        let mut alice = Client::websocket(&broker, &["v12.stomp"]).await;
        alice.connect(&connect).await;
        let receipt = alice.subscribe(id, "/topic/7b/quiz", &subscribe).await;
        assert_eq!(receipt.header("resumed"), Some("false"), "{subscribe:?}: {receipt}");
        publish(&broker, &["1"]).await;
        let first = alice.message().await;
        alice.ack(&first).await;
        alice.disconnect().await;
        publish(&broker, &["2", "3", "4"]).await;

        let mut alice = Client::tcp(&broker).await;
        alice.connect(&connect).await;
        let receipt = alice.subscribe(id, "/topic/7b/quiz", &subscribe).await;
        assert_eq!(receipt.header("resumed"), Some("true"), "{subscribe:?}: {receipt}");
        assert_eq!(receipt.header("missed"), Some("3"), "{receipt}");
        assert_eq!(receipt.header("gap"), None, "{receipt}");
        assert!(receipt.need("position").contains(':'), "{receipt}");
        publish(&broker, &["5"]).await;
        let messages = alice.messages(4).await;
        let bodies: Vec<_> = messages.iter().map(Frame::text).collect();
        assert_eq!(bodies, ["2", "3", "4", "5"]);
        assert_eq!(messages[0].header("replayed"), Some("true"), "{}", messages[0]);
    }
}

#[tokio::test]
async fn the_position_of_the_receipt_is_good_for_after() {
    let broker = Broker::start().await;
    publish(&broker, &["before"]).await;
    let mut alice = student(&broker, "alice").await;
    let receipt = alice.subscribe("lesson", "/topic/7b/quiz", &[("durable", "true")]).await;
    publish(&broker, &["1", "2"]).await;
    assert_eq!(alice.bodies(2).await, ["1", "2"]);
    let mut bob = student(&broker, "bob").await;
    bob.subscribe("s", "/topic/7b/quiz", &[("after", receipt.need("position"))]).await;
    assert_eq!(bob.bodies(2).await, ["1", "2"], "the position is the last one before what comes");
}

#[tokio::test]
async fn a_cursor_survives_a_stop_and_a_kill() {
    let broker = Broker::start().await;
    let headers = [("durable", "true"), ("ack", "client")];
    let mut alice = student(&broker, "alice").await;
    alice.subscribe("lesson", "/topic/7b/quiz", &headers).await;
    publish(&broker, &["1", "2", "3"]).await;
    let messages = alice.messages(3).await;
    alice.ack(&messages[0]).await;
    let broker = broker.stopped_and_restarted().await;

    let mut alice = student(&broker, "alice").await;
    let receipt = alice.subscribe("lesson", "/topic/7b/quiz", &headers).await;
    assert_eq!(receipt.header("missed"), Some("2"), "{receipt}");
    let messages = alice.messages(2).await;
    assert_eq!(messages[0].text(), "2");
    alice.ack(&messages[0]).await;
    let broker = broker.killed_and_restarted().await;

    let mut alice = student(&broker, "alice").await;
    alice.subscribe("lesson", "/topic/7b/quiz", &headers).await;
    assert_eq!(alice.message().await.text(), "3");
}

#[tokio::test]
async fn a_subscription_that_never_got_anything_is_remembered_too() {
    let broker = Broker::start().await;
    let mut alice = student(&broker, "alice").await;
    alice.subscribe("lesson", "/topic/7b/quiz", &[("durable", "true")]).await;
    alice.disconnect().await;
    let broker = broker.killed_and_restarted().await;
    publish(&broker, &["1", "2"]).await;
    let mut alice = student(&broker, "alice").await;
    let receipt = alice.subscribe("lesson", "/topic/7b/quiz", &[("durable", "true")]).await;
    assert_eq!(receipt.header("missed"), Some("2"), "{receipt}");
    assert_eq!(alice.bodies(2).await, ["1", "2"]);
}

#[tokio::test]
async fn unsubscribe_keeps_the_cursor_unless_told_to_forget() {
    let broker = Broker::start().await;
    let headers = [("durable", "true"), ("ack", "client")];
    let mut alice = student(&broker, "alice").await;
    alice.subscribe("lesson", "/topic/7b/quiz", &headers).await;
    alice.request(Frame::new("UNSUBSCRIBE").with("id", "lesson")).await;
    publish(&broker, &["1"]).await;
    alice.subscribe("lesson", "/topic/7b/quiz", &headers).await;
    assert_eq!(alice.message().await.text(), "1");

    alice.request(Frame::new("UNSUBSCRIBE").with("id", "lesson").with("durable", "true")).await;
    publish(&broker, &["2"]).await;
    let receipt = alice.subscribe("lesson", "/topic/7b/quiz", &headers).await;
    assert_eq!(receipt.header("resumed"), Some("false"), "{receipt}");
    publish(&broker, &["3"]).await;
    assert_eq!(alice.message().await.text(), "3");
}

#[tokio::test]
async fn owners_and_names_are_apart() {
    let broker = Broker::start().await;
    let owners: [&[(&str, &str)]; 4] = [
        &[("login", "alice")],
        &[("login", "bob")],
        &[("login", "alice"), ("client-id", "tablet")],
        &[("client-id", "alice")],
    ];
    for name in ["lesson", "other"] {
        for (index, owner) in owners.iter().enumerate() {
            let mut client = Client::tcp(&broker).await;
            client.connect(owner).await;
            let receipt = client.subscribe(name, "/topic/7b/quiz", &[("durable", "true"), ("ack", "client")]).await;
            assert_eq!(receipt.header("resumed"), Some("false"), "owner {index} of {name} is new");
            client.disconnect().await;
        }
    }
}

#[tokio::test]
async fn nobody_in_particular_has_no_cursor() {
    let broker = Broker::start_with("[stomp]\nshared_logins = [\"guest\"]").await;
    for connect in [&[][..], &[("login", "guest")]] {
        let mut client = Client::websocket(&broker, &["v12.stomp"]).await;
        client.connect(connect).await;
        let frame = Frame::new("SUBSCRIBE").with("id", "lesson").with("destination", "/topic/7b");
        client.send(&frame.with("durable", "true")).await;
        let error = client.error().await;
        assert_eq!(error.header("code"), Some("107"), "{error}");
        assert!(error.text().contains("client-id"), "it says what to send: {error}");
    }
    let mut client = Client::websocket(&broker, &["v12.stomp"]).await;
    client.connect(&[("login", "guest"), ("client-id", "tablet-7")]).await;
    client.subscribe("lesson", "/topic/7b", &[("durable", "true")]).await;
}

#[tokio::test]
async fn a_new_durable_subscription_starts_where_the_operator_says() {
    for (start, expected) in [("now", &["new"][..]), ("earliest", &["old", "new"]), ("2h", &["old", "new"])] {
        let broker = Broker::start_with(&format!("[[classrooms]]\nmatch = \"7*\"\nstart = \"{start}\"")).await;
        publish(&broker, &["old"]).await;
        let mut alice = student(&broker, "alice").await;
        alice.subscribe("lesson", "/topic/7b/quiz", &[("durable", "true")]).await;
        publish(&broker, &["new"]).await;
        assert_eq!(alice.bodies(expected.len()).await, expected, "with start = {start}");
    }
}

#[tokio::test]
async fn a_filter_moves_on_past_what_does_not_match() {
    let broker = Broker::start().await;
    let headers = [("durable", "true"), ("ack", "client")];
    let mut alice = student(&broker, "alice").await;
    alice.subscribe("lesson", "/topic/7b/quiz", &headers).await;
    let mut publisher = Client::signed_in(&broker, "publisher").await;
    publisher.publish("/topic/7b/quiz", "1").await;
    let message = alice.message().await;
    alice.ack(&message).await;
    alice.disconnect().await;
    for number in 0..50 {
        publisher.publish("/topic/7b/chat", &number.to_string()).await;
    }
    publisher.publish("/topic/7b/quiz", "2").await;
    let mut alice = student(&broker, "alice").await;
    alice.subscribe("lesson", "/topic/7b/quiz", &headers).await;
    let message = alice.message().await;
    assert_eq!(message.text(), "2");
    assert_eq!(message.header("gap"), None, "what did not match is no gap: {message}");
}

#[tokio::test]
async fn a_name_that_is_too_long_to_keep_is_refused() {
    let broker = Broker::start().await;
    let long = "n".repeat(256);
    for (login, name) in [("alice", &*long), (&*long, "lesson")] {
        let mut student = Client::signed_in(&broker, login).await;
        let subscribe = Frame::new("SUBSCRIBE").with("id", "s").with("destination", "/topic/7b");
        student.send(&subscribe.with("durable-subscription-name", name)).await;
        let error = student.error().await;
        assert_eq!(error.header("code"), Some("107"), "{error}");
        assert!(error.need("reason").contains("255"), "{error}");
    }
}
