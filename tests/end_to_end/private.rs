//! Private destinations: what is for one person alone, kept like everything else.

use homeroom_tests::{Broker, Client, Frame};

const MARKS: &str = "/user/queue/marks";

#[tokio::test]
async fn what_is_sent_to_a_user_reaches_that_user_and_nobody_else() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice@school.de").await;
    let mut tablet = Client::signed_in_over_tcp(&broker, "alice@school.de").await;
    let mut mallory = Client::signed_in(&broker, "mallory").await;
    for client in [&mut alice, &mut tablet, &mut mallory] {
        client.subscribe("mine", MARKS, &[]).await;
        client.subscribe("all", "/topic/**", &[]).await;
    }
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.publish("/user/alice@school.de/queue/marks", "for alice").await;
    teacher.publish("/user/mallory/queue.marks", "for mallory").await;
    for client in [&mut alice, &mut tablet] {
        let message = client.message().await;
        assert_eq!((message.text(), message.need("destination")), ("for alice", MARKS), "{message}");
        assert_eq!((message.need("subscription"), message.need("user-id")), ("mine", "teacher"), "{message}");
        assert!(message.header("offset").is_some(), "{message}");
    }
    let message = mallory.message().await;
    assert_eq!((message.text(), message.need("destination")), ("for mallory", "/user/queue.marks"), "{message}");
    teacher.publish("/topic/7b", "for all").await;
    for client in [&mut alice, &mut tablet, &mut mallory] {
        assert_eq!(client.message().await.text(), "for all");
    }
}

#[tokio::test]
async fn what_was_sent_while_the_user_was_away_comes_once_in_order_after_a_crash_too() {
    let broker = Broker::start().await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    // Before the first visit.
    teacher.publish("/user/alice/queue/marks", "1").await;
    let broker = broker.killed_and_restarted().await;
    let durable = [("durable", "true"), ("ack", "client")];
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("marks", MARKS, &durable).await;
    let message = alice.message().await;
    assert_eq!(message.text(), "1");
    alice.ack(&message).await;
    alice.hang_up().await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    for mark in ["2", "3"] {
        teacher.publish("/user/alice/queue/marks", mark).await;
    }
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("marks", MARKS, &durable).await;
    assert_eq!(alice.bodies(2).await, ["2", "3"]);
}

#[tokio::test]
async fn nobody_reads_what_is_anothers() {
    let broker = Broker::start_with("[stomp]\nshared_logins = [\"guest\"]").await;
    for (login, destination, code) in [
        ("mallory", "/user/alice/queue/marks", "102"),
        ("mallory", "/user/*/queue/marks", "102"),
        ("mallory", "/user/**", "102"),
        ("mallory", "/user/%2A/queue/marks", "102"),
        ("mallory", "/user/queue", "102"),
        ("mallory", "/user/topic/marks", "102"),
        ("guest", MARKS, "107"),
        ("", MARKS, "107"),
    ] {
        let mut client = Client::signed_in(&broker, login).await;
        client.send(&Frame::new("SUBSCRIBE").with("id", "s").with("destination", destination)).await;
        let error = client.error().await;
        assert_eq!(error.need("code"), code, "{login} {destination}: {error}");
    }
}

#[tokio::test]
async fn a_private_destination_is_named_in_full_to_send_to_it() {
    let broker = Broker::start().await;
    for (destination, code) in [
        ("/user/queue/marks", "102"),
        ("/user/alice", "102"),
        ("/user/alice/queue", "102"),
        ("/user/alice/topic/marks", "102"),
        ("/user/alice/queue/errors", "102"),
        ("/user/alice/queue/auth", "102"),
        ("/user/alice/queue/*", "107"),
    ] {
        let mut client = Client::signed_in(&broker, "teacher").await;
        client.send(&Frame::new("SEND").with("destination", destination)).await;
        let error = client.error().await;
        assert_eq!(error.need("code"), code, "{destination}: {error}");
    }
}

#[tokio::test]
async fn private_topics_are_there_where_the_settings_map_them() {
    let broker = Broker::start_with("[destinations]\nprivate = [\"topic\"]").await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("s", "/user/topic/quizExercise/7/submission", &[]).await;
    let mut service = Client::signed_in(&broker, "artemis").await;
    service.publish("/user/alice/topic/quizExercise/7/submission", "graded").await;
    let message = alice.message().await;
    assert_eq!(message.text(), "graded");
    assert_eq!(message.need("destination"), "/user/topic/quizExercise/7/submission");
}
