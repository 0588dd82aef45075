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

/// Everything but letters and digits, as it can be written in a destination.
fn encoded(user: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02x}"),
    };
    user.bytes().map(byte).collect()
}

#[tokio::test]
async fn whoever_is_called_like_a_part_of_a_destination_is_somebody_of_ones_own() {
    let broker = Broker::start().await;
    let users = [
        "alice",
        "Alice",
        "alice.",
        "alice/queue",
        "alice/queue/marks",
        "alice%2Fqueue",
        "*",
        "**",
        "#",
        ">",
        "%2A",
        ".",
        "..",
        "$dead",
        "queue",
        "user",
        "a:b",
        "a\\c",
        "\u{e4}",
        "a\u{308}",
        " alice",
    ];
    let mut clients = Vec::new();
    for user in users {
        let mut client = Client::signed_in(&broker, user).await;
        client.subscribe("mine", "/user/queue/**", &[("durable", "true")]).await;
        clients.push(client);
    }
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    for user in users {
        teacher.publish(&format!("/user/{}/queue/marks", encoded(user)), user).await;
    }
    for user in users {
        teacher.publish(&format!("/user/{}/queue/marks", encoded(user)), "end").await;
    }
    for (user, client) in users.iter().zip(&mut clients) {
        assert_eq!(client.bodies(2).await, [*user, "end"]);
    }
}

/// With everything that another's message says of itself.
#[tokio::test]
async fn nobody_acknowledges_what_is_anothers() {
    let broker = Broker::start().await;
    let durable = [("durable", "true"), ("ack", "client-individual")];
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.publish("/user/alice/queue/marks", "for alice").await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("marks", MARKS, &durable).await;
    let message = alice.message().await;
    let mut mallory = Client::signed_in(&broker, "mallory").await;
    mallory.subscribe("marks", MARKS, &durable).await;
    mallory.ack(&message).await;
    mallory.request(Frame::new("NACK").with("id", message.need("ack")).with("requeue", "false")).await;
    alice.hang_up().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("marks", MARKS, &durable).await;
    assert_eq!(alice.message().await.text(), "for alice");
    mallory.publish("/user/mallory/queue/marks", "for mallory").await;
    assert_eq!(mallory.message().await.text(), "for mallory");
}
