//! ACK, NACK and the window of what may be unacknowledged.

use homeroom_tests::{Broker, Client, Frame};

const DURABLE: (&str, &str) = ("durable", "true");

async fn publish(broker: &Broker, bodies: &[&str]) {
    let mut publisher = Client::signed_in(broker, "publisher").await;
    for body in bodies {
        publisher.publish("/topic/7b", body).await;
    }
}

/// A student's session with a durable subscription; returns it and how many are said to wait.
async fn attend(broker: &Broker, ack: &str, more: &[(&str, &str)]) -> (Client, u64) {
    let mut student = Client::signed_in(broker, "alice").await;
    let headers: Vec<(&str, &str)> = [DURABLE, ("ack", ack)].iter().chain(more).copied().collect();
    let receipt = student.subscribe("lesson", "/topic/7b", &headers).await;
    let missed = receipt.need("missed").parse().expect("a number");
    (student, missed)
}

#[tokio::test]
async fn client_acknowledges_all_up_to_it() {
    let broker = Broker::start().await;
    let (mut student, _) = attend(&broker, "client", &[]).await;
    publish(&broker, &["1", "2", "3", "4"]).await;
    let messages = student.messages(4).await;
    student.ack(&messages[2]).await;
    student.hang_up().await;
    let (mut student, missed) = attend(&broker, "client", &[]).await;
    assert_eq!(missed, 1);
    let last = student.message().await;
    assert_eq!(last.text(), "4");
    assert_eq!(last.header("redelivered"), Some("true"), "{last}");
}

/// Neither what was written to a TCP connection nor what a Pong shows counts for a message that waits for its ACK.
#[tokio::test]
async fn nothing_but_an_ack_acknowledges() {
    let broker = Broker::start().await;
    for (login, websocket) in [("alice", true), ("bob", false)] {
        let connected = async || match websocket {
            true => Client::signed_in(&broker, login).await,
            false => Client::signed_in_over_tcp(&broker, login).await,
        };
        let room = format!("/topic/{login}");
        let mut student = connected().await;
        // Pings follow the messages of this one, and their Pongs come before the ACK.
        student.subscribe("beside", &room, &[DURABLE]).await;
        student.subscribe("lesson", &room, &[DURABLE, ("ack", "client")]).await;
        for body in ["1", "2", "3"] {
            student.publish(&room, body).await;
        }
        let messages = student.messages(6).await;
        if websocket {
            student.ping().await;
            student.request(Frame::new("UNSUBSCRIBE").with("id", "none")).await;
        }
        let first = messages.iter().find(|message| message.header("ack").is_some()).expect("one to acknowledge");
        student.ack(first).await;
        student.hang_up().await;

        let mut student = connected().await;
        student.subscribe("lesson", &room, &[DURABLE, ("ack", "client")]).await;
        assert_eq!(student.bodies(2).await, ["2", "3"], "over WebSocket: {websocket}");
    }
}

#[tokio::test]
async fn client_individual_acknowledges_one() {
    let broker = Broker::start().await;
    let (mut student, _) = attend(&broker, "client-individual", &[]).await;
    publish(&broker, &["1", "2", "3", "4"]).await;
    let messages = student.messages(4).await;
    student.ack(&messages[0]).await;
    student.ack(&messages[2]).await;
    student.hang_up().await;
    let (mut student, _) = attend(&broker, "client-individual", &[]).await;
    assert_eq!(student.bodies(2).await, ["2", "4"]);
}

/// Nothing of a long stretch comes again, and what lies behind it comes all the same.
#[tokio::test]
async fn what_was_acknowledged_one_by_one_is_passed_over() {
    let broker = Broker::start().await;
    let (mut student, _) = attend(&broker, "client-individual", &[]).await;
    let long = "x".repeat(2_000);
    publish(&broker, &vec![long.as_str(); 200]).await;
    let messages = student.messages(200).await;
    for message in &messages[1..] {
        student.send(&Frame::new("ACK").with("id", message.need("ack"))).await;
    }
    student.disconnect().await;
    publish(&broker, &["behind"]).await;
    let broker = broker.killed_and_restarted().await;
    let (mut student, _) = attend(&broker, "client-individual", &[]).await;
    assert_eq!(student.bodies(2).await, [long.as_str(), "behind"]);
}

#[tokio::test]
async fn an_acknowledgement_with_a_receipt_survives_a_kill() {
    for ack in ["client", "client-individual"] {
        let broker = Broker::start().await;
        let (mut student, _) = attend(&broker, ack, &[]).await;
        publish(&broker, &["1", "2", "3"]).await;
        let messages = student.messages(3).await;
        for message in &messages[..2] {
            student.ack(message).await;
        }
        let broker = broker.killed_and_restarted().await;
        let (mut student, _) = attend(&broker, ack, &[]).await;
        assert_eq!(student.message().await.text(), "3", "with ack:{ack}");
    }
}

#[tokio::test]
async fn older_versions_acknowledge_by_message_id() {
    let broker = Broker::start().await;
    for (version, names) in [("1.0", &["message-id"][..]), ("1.1", &["message-id", "subscription"])] {
        let headers = [("accept-version", version), ("login", "bob")];
        let subscription = [DURABLE, ("ack", "client")];
        let destination = format!("/topic/{version}");
        let mut student = Client::tcp(&broker).await;
        student.connect(&headers).await;
        student.subscribe("lesson", &destination, &subscription).await;
        student.publish(&destination, "old").await;
        let message = student.message().await;
        let ack = names.iter().fold(Frame::new("ACK"), |frame, name| frame.with(name, message.need(name)));
        student.request(ack).await;
        student.disconnect().await;
        let mut student = Client::tcp(&broker).await;
        student.connect(&headers).await;
        let receipt = student.subscribe("lesson", &destination, &subscription).await;
        assert_eq!(receipt.header("missed"), Some("0"), "with {version}");
    }
}

/// Over TCP nothing more is known of an `ack:auto` message than that it was written; here the client says.
#[tokio::test]
async fn over_tcp_what_was_written_is_not_acknowledged() {
    for (ack, left) in [("client", &["3", "4"][..]), ("client-individual", &["1", "3", "4"])] {
        let broker = Broker::start().await;
        let mut student = Client::signed_in_over_tcp(&broker, "alice").await;
        student.subscribe("lesson", "/topic/7b", &[DURABLE, ("ack", ack)]).await;
        publish(&broker, &["1", "2", "3", "4"]).await;
        let messages = student.messages(4).await;
        student.ack(&messages[1]).await;
        student.hang_up().await;
        let (mut student, _) = attend(&broker, ack, &[]).await;
        assert_eq!(student.bodies(left.len()).await, left, "with ack:{ack}");
    }
}

/// A Pong settles what lies behind it under `ack:auto`, and nothing under the other subscription of the connection.
#[tokio::test]
async fn what_is_at_the_browser_is_not_acknowledged() {
    let broker = Broker::start().await;
    let (mut student, _) = attend(&broker, "client", &[]).await;
    student.subscribe("chat", "/topic/8a", &[DURABLE]).await;
    publish(&broker, &["1", "2"]).await;
    let mut messages = student.messages(2).await;
    student.publish("/topic/8a", "now a Ping follows").await;
    messages.extend(student.messages(1).await);
    let ping = student.ping().await;
    student.pong(&ping).await;
    student.ack(&messages[0]).await;
    student.hang_up().await;
    let (mut student, _) = attend(&broker, "client", &[]).await;
    assert_eq!(student.bodies(1).await, ["2"]);
}

#[tokio::test]
async fn a_nack_brings_the_message_again() {
    let broker = Broker::start().await;
    let (mut student, _) = attend(&broker, "client-individual", &[]).await;
    publish(&broker, &["1", "2"]).await;
    let messages = student.messages(2).await;
    assert_eq!(messages[0].header("delivery-count").unwrap_or("1"), "1");
    student.request(Frame::new("NACK").with("id", messages[0].need("ack"))).await;
    let again = student.message().await;
    assert_eq!((again.text(), again.header("redelivered")), ("1", Some("true")));
    assert_eq!(again.header("delivery-count"), Some("2"));
    assert_eq!(again.header("message-id"), messages[0].header("message-id"));
    student.ack(&again).await;
    student.ack(&messages[1]).await;
    student.hang_up().await;
    assert_eq!(attend(&broker, "client-individual", &[]).await.1, 0);
}

#[tokio::test]
async fn a_nack_under_ack_client_brings_all_up_to_it_again() {
    let broker = Broker::start().await;
    let (mut student, _) = attend(&broker, "client", &[]).await;
    publish(&broker, &["1", "2", "3"]).await;
    let messages = student.messages(3).await;
    // Asked for twice, it comes again once.
    student.send(&Frame::new("NACK").with("id", messages[1].need("ack")).with("delay", "3600000")).await;
    student.request(Frame::new("NACK").with("id", messages[1].need("ack"))).await;
    let again = student.messages(2).await;
    assert_eq!(again.iter().map(Frame::text).collect::<Vec<_>>(), ["1", "2"]);
    publish(&broker, &["4"]).await;
    assert_eq!(student.message().await.text(), "4");
}

#[tokio::test]
async fn a_whole_window_comes_again_in_its_order() {
    let broker = Broker::start().await;
    let (mut student, _) = attend(&broker, "client", &[]).await;
    let bodies: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    publish(&broker, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let messages = student.messages(bodies.len()).await;
    student.request(Frame::new("NACK").with("id", messages[bodies.len() - 1].need("ack"))).await;
    assert_eq!(student.bodies(bodies.len()).await, bodies);
}

#[tokio::test]
async fn what_is_acknowledged_meanwhile_does_not_come_again() {
    let broker = Broker::start().await;
    let (mut student, _) = attend(&broker, "client-individual", &[]).await;
    publish(&broker, &["1", "2"]).await;
    let messages = student.messages(2).await;
    student.send(&Frame::new("NACK").with("id", messages[0].need("ack")).with("delay", "200")).await;
    student.ack(&messages[0]).await;
    // Due behind the first: it comes after all that is due before it.
    student.send(&Frame::new("NACK").with("id", messages[1].need("ack")).with("delay", "400")).await;
    assert_eq!(student.message().await.text(), "2");
}

#[tokio::test]
async fn a_nack_without_requeue_acknowledges() {
    let broker = Broker::start().await;
    let (mut student, _) = attend(&broker, "client-individual", &[]).await;
    publish(&broker, &["1"]).await;
    let message = student.message().await;
    student.request(Frame::new("NACK").with("id", message.need("ack")).with("requeue", "false")).await;
    student.hang_up().await;
    assert_eq!(attend(&broker, "client-individual", &[]).await.1, 0);
}

#[tokio::test]
async fn a_full_window_pauses_that_subscription_alone() {
    let broker = Broker::start().await;
    for name in ["prefetch-count", "activemq.prefetchSize"] {
        let mut student = Client::signed_in(&broker, "alice").await;
        student.subscribe("narrow", "/topic/7b", &[("ack", "client-individual"), (name, "2")]).await;
        student.subscribe("wide", "/topic/7b", &[]).await;
        publish(&broker, &["1", "2", "3", "4"]).await;
        let mut seen = Vec::new();
        while seen.len() < 6 {
            let message = student.message().await;
            seen.push((message.need("subscription").to_owned(), message.text().to_owned(), message));
        }
        let narrow: Vec<_> = seen.iter().filter(|(subscription, ..)| subscription == "narrow").collect();
        let bodies: Vec<_> = narrow.iter().map(|(_, body, _)| body.as_str()).collect();
        assert_eq!(bodies, ["1", "2"], "with {name}");
        student.ack(&narrow[0].2).await;
        assert_eq!(student.message().await.text(), "3");
        student.ack(&narrow[1].2).await;
        assert_eq!(student.message().await.text(), "4");
    }
}

#[tokio::test]
async fn without_a_durable_subscription_nothing_is_remembered() {
    let broker = Broker::start().await;
    for ack in ["auto", "client", "client-individual"] {
        let mut student = Client::signed_in(&broker, "alice").await;
        student.subscribe("s", "/topic/7b", &[("ack", ack)]).await;
        publish(&broker, &["old"]).await;
        student.message().await;
        student.hang_up().await;
        let mut student = Client::signed_in(&broker, "alice").await;
        student.subscribe("s", "/topic/7b", &[("ack", ack)]).await;
        publish(&broker, &["new"]).await;
        assert_eq!(student.message().await.text(), "new", "with ack:{ack}");
    }
}

#[tokio::test]
async fn an_acknowledgement_twice_or_by_a_stranger_changes_nothing() {
    let broker = Broker::start().await;
    let (mut student, _) = attend(&broker, "client", &[]).await;
    publish(&broker, &["1", "2", "3"]).await;
    let messages = student.messages(3).await;
    student.ack(&messages[1]).await;
    for message in &messages[..2] {
        student.ack(message).await;
    }
    let mut mallory = Client::signed_in(&broker, "mallory").await;
    mallory.subscribe("lesson", "/topic/7b", &[("ack", "client"), ("x-stream-offset", "first")]).await;
    mallory.messages(3).await;
    mallory.ack(&messages[2]).await;
    student.hang_up().await;
    let (mut student, missed) = attend(&broker, "client", &[]).await;
    assert_eq!((missed, student.message().await.text()), (1, "3"));
}
