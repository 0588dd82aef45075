//! Unmodified `@stomp/stompjs` over WebSocket, as pages use it.

use homeroom_tests::{Broker, Client, Script, node};
use serde_json::json;

const ROOM: &str = "/topic/7b/quiz";

fn url(broker: &Broker) -> String {
    format!("ws://{}/ws", broker.http())
}

async fn publish(broker: &Broker, bodies: &[&str]) {
    let mut service = Client::signed_in_over_tcp(broker, "service").await;
    for body in bodies {
        service.publish(ROOM, body).await;
    }
}

/// The next messages' bodies; repeats of what came before are left out, as a page would that compares ids.
async fn bodies(student: &mut Script, seen: &mut Vec<String>, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let said = student.until("message").await;
        let id = said["headers"]["message-id"].as_str().expect("a message-id").to_owned();
        if seen.contains(&id) {
            assert_eq!(said["headers"]["redelivered"], "true", "a repeat is marked: {said}");
            continue;
        }
        seen.push(id);
        bodies.push(said["body"].as_str().expect("a body").to_owned());
    }
    bodies
}

#[tokio::test]
async fn a_student_who_drops_and_returns_misses_nothing() {
    for ack in ["client", "client-individual", "auto"] {
        let broker = Broker::start().await;
        let mut student = node("student.js", &[&url(&broker), "alice", ROOM, ack]);
        let mut seen = Vec::new();
        let subscribed = student.until("subscribed").await;
        assert_eq!(subscribed["headers"]["resumed"], "false", "{subscribed}");
        publish(&broker, &["1", "2"]).await;
        assert_eq!(bodies(&mut student, &mut seen, 2).await, ["1", "2"], "ack:{ack}");

        student.tell("away").await;
        student.until("away").await;
        publish(&broker, &["3", "4"]).await;
        let broker = broker.killed_and_restarted().await;
        publish(&broker, &["5"]).await;

        student.tell(&format!("url {}", url(&broker))).await;
        student.tell("back").await;
        let subscribed = student.until("subscribed").await;
        assert_eq!(subscribed["headers"]["resumed"], "true", "{subscribed}");
        assert_eq!(bodies(&mut student, &mut seen, 3).await, ["3", "4", "5"], "ack:{ack}");

        // A broken socket: the library returns by itself.
        student.tell("drop").await;
        student.until("subscribed").await;
        publish(&broker, &["6", "schön"]).await;
        assert_eq!(bodies(&mut student, &mut seen, 2).await, ["6", "schön"], "ack:{ack}");
        assert!(student.ended().await.success());
    }
}

#[tokio::test]
async fn a_publisher_gets_its_receipts() {
    let broker = Broker::start().await;
    let mut publisher = node("publisher.js", &[&url(&broker), "service", ROOM]);
    let connected = publisher.until("connected").await;
    assert_eq!(connected["version"], "1.2");
    publisher.tell("publish 100").await;
    let confirmed = publisher.until("confirmed").await;
    let positions = confirmed["positions"].as_array().expect("a list");
    assert_eq!(positions.len(), 100);
    assert!(positions.iter().all(|position| position.as_str().is_some_and(|text| text.contains(':'))), "{confirmed}");

    publisher.tell("again q7 B").await;
    let first = publisher.until("confirmed").await;
    publisher.tell("again q7 B").await;
    let again = publisher.until("confirmed").await;
    assert_eq!(again["headers"]["position"], first["headers"]["position"]);
    assert_eq!(again["headers"]["duplicate"], "true");
    assert!(publisher.ended().await.success());

    let mut auditor = Client::signed_in(&broker, "auditor").await;
    auditor.subscribe("s", ROOM, &[("x-stream-offset", "first")]).await;
    let expected: Vec<String> = (1..=100).map(|number| format!("message {number}")).chain(["B".to_owned()]).collect();
    assert_eq!(auditor.bodies(101).await, expected);
}

#[tokio::test]
async fn a_wrong_destination_is_explained_before_the_close() {
    let broker = Broker::start().await;
    let mut lost = node("lost.js", &[&url(&broker), "7b/quiz"]);
    let error = lost.until("error").await;
    assert_eq!(error["headers"]["code"], "102", "{error}");
    assert!(error["body"].as_str().is_some_and(|body| body.contains("/topic/")), "{error}");
    let closed = lost.until("closed").await;
    assert!(closed["code"].as_u64().is_some_and(|code| (4500..4600).contains(&code)), "{closed}");
}

#[tokio::test]
async fn two_students_and_a_lesson() {
    let broker = Broker::start().await;
    let mut students = ["alice", "bob"].map(|login| node("student.js", &[&url(&broker), login, ROOM, "auto"]));
    for student in &mut students {
        let subscribed = student.until("subscribed").await;
        assert_eq!(subscribed["headers"]["auto-confirm"], json!("page"), "{subscribed}");
    }
    let expected: Vec<String> = (0..50).map(|number| format!("question {number}")).collect();
    publish(&broker, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for student in &mut students {
        assert_eq!(bodies(student, &mut Vec::new(), 50).await, expected);
    }
}
