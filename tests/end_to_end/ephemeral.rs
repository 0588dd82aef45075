//! `persistent:false`: seen at once by who is here, kept nowhere.

use homeroom_tests::{Broker, Client, Frame};

fn stroke(body: &str) -> Frame {
    Frame::new("SEND").with("destination", "/topic/7b/pen").with("persistent", "false").body(body)
}

#[tokio::test]
async fn an_ephemeral_message_has_no_place_and_is_not_kept() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("s", "/topic/7b/**", &[]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    let receipt = teacher.request(stroke("a line")).await;
    assert_eq!(receipt.header("position"), None, "{receipt}");
    let message = alice.message().await;
    assert_eq!((message.text(), message.header("offset")), ("a line", None), "{message}");

    teacher.publish("/topic/7b/quiz", "kept").await;
    let mut late = Client::signed_in(&broker, "bob").await;
    late.subscribe("s", "/topic/7b/**", &[("x-stream-offset", "first")]).await;
    assert_eq!(late.message().await.text(), "kept");
}

#[tokio::test]
async fn it_follows_what_its_own_connection_sent_before() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("s", "/topic/7b/**", &[]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    for number in 0..100 {
        let durable = Frame::new("SEND").with("destination", "/topic/7b/quiz").body(format!("question {number}"));
        teacher.send(&durable).await;
        teacher.send(&stroke(&format!("under {number}"))).await;
    }
    for number in 0..100 {
        assert_eq!(alice.bodies(2).await, [format!("question {number}"), format!("under {number}")]);
    }
}

#[tokio::test]
async fn it_needs_no_acknowledgement_and_takes_no_room_in_the_window() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    let headers = [("ack", "client-individual"), ("prefetch-count", "1"), ("durable", "true")];
    alice.subscribe("lesson", "/topic/7b/**", &headers).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    for number in 0..5 {
        teacher.request(stroke(&number.to_string())).await;
        let message = alice.message().await;
        assert_eq!(message.text(), number.to_string());
        if message.header("ack").is_some() {
            alice.ack(&message).await;
        }
    }
    teacher.publish("/topic/7b/quiz", "durable").await;
    assert_eq!(alice.message().await.text(), "durable");
}
