//! Unmodified stompjs over unmodified sockjs-client in Node, over each transport that it has there.

use homeroom_tests::{Broker, Client, Script, node_client};

const QUIZ: &str = "/topic/7b/quiz";
/// `iframe-…`, `xdr-…` and `jsonp-polling` are for old browsers.
const TRANSPORTS: [&str; 4] = ["websocket", "xhr-streaming", "eventsource", "xhr-polling"];

fn student(broker: &Broker, transport: &str, login: &str) -> Script {
    node_client("sockjs", "student.js", &[&format!("http://{}/ws", broker.http()), transport, login, QUIZ])
}

async fn bodies(student: &mut Script, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let said = student.until("message").await;
        bodies.push(said["body"].as_str().expect("a body").to_owned());
    }
    bodies
}

#[tokio::test]
async fn a_student_who_drops_and_returns_misses_nothing() {
    let broker = Broker::start().await;
    for transport in TRANSPORTS {
        let mut teacher = Client::signed_in_over_tcp(&broker, "teacher").await;
        let mut student = student(&broker, transport, transport);
        let subscribed = student.until("subscribed").await;
        assert_eq!(subscribed["transport"], transport, "{subscribed}");
        let confirmed = if transport == "eventsource" { "written" } else { "page" };
        assert_eq!(subscribed["headers"]["auto-confirm"], confirmed, "{transport}");
        let all: Vec<String> = (0..100).map(|number| format!("{transport} {number} schön 😀 \u{2028} 100%")).collect();
        for body in &all[..50] {
            teacher.publish(QUIZ, body).await;
        }
        assert_eq!(bodies(&mut student, 50).await, all[..50], "{transport}");
        student.tell("away").await;
        student.until("away").await;
        for body in &all[50..] {
            teacher.publish(QUIZ, body).await;
        }
        student.tell("back").await;
        assert_eq!(student.until("subscribed").await["headers"]["resumed"], "true", "{transport}");
        assert_eq!(bodies(&mut student, 50).await, all[50..], "{transport}");
        student.tell("publish by the student").await;
        assert_eq!(bodies(&mut student, 1).await, ["by the student"], "{transport}");
        assert!(student.ended().await.success(), "{transport}");
    }
}

#[tokio::test]
async fn a_large_message_passes_both_ways() {
    let broker = Broker::start().await;
    for transport in TRANSPORTS {
        let mut student = student(&broker, transport, transport);
        student.until("subscribed").await;
        student.tell("publish-large 1000000").await;
        let echoed = student.until("message").await;
        assert_eq!(echoed["body"].as_str().map(str::len), Some(1_000_000), "{transport}");
        assert!(student.ended().await.success(), "{transport}");
    }
}

#[tokio::test]
async fn a_wrong_destination_is_explained_before_the_close() {
    let broker = Broker::start().await;
    for transport in TRANSPORTS {
        let url = format!("http://{}/ws", broker.http());
        let mut lost = node_client("sockjs", "student.js", &[&url, transport, "alice", "7b/quiz"]);
        let error = lost.until("error").await;
        assert_eq!(error["headers"]["code"], "102", "{error}");
        assert_eq!(lost.until("closed").await["code"], 4502, "{transport}");
    }
}
