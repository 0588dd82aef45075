//! Pages of two classrooms that run STOMP today, with their libraries, options and destinations, and nothing changed
//! but the address: Particify (Spring and RabbitMQ) and TUM's Artemis (Spring and ActiveMQ Artemis).

use homeroom_tests::{Broker, Client, Script, node_client};
use serde_json::Value;

const ROOM: &str = "3a5f0c9e8b7d4e21a6f3c2b19d08e7f4";

fn url(broker: &Broker) -> String {
    format!("ws://{}/ws", broker.http())
}

/// A participant's page, once its three streams are watched.
async fn participant(broker: &Broker) -> Script {
    let mut page = node_client("rx-stomp", "particify.js", &[&url(broker), "alice", ROOM]);
    watching(&mut page).await;
    page
}

async fn watching(page: &mut Script) {
    for _ in 0..3 {
        page.until("watching").await;
    }
}

async fn heard(page: &mut Script, count: usize) -> Vec<(String, String)> {
    let mut heard = Vec::new();
    for _ in 0..count {
        let said = page.until("message").await;
        let word = |name: &str| said[name].as_str().expect("text").to_owned();
        heard.push((word("stream"), word("body")));
    }
    heard.sort();
    heard
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(stream, body)| (stream.to_owned(), body.to_owned())).collect()
}

/// Its services publish to the exchange `amq.topic` by routing key, its pages watch `/topic/`.
#[tokio::test]
async fn particify_watches_the_streams_of_a_room() {
    let broker = Broker::start().await;
    let mut page = participant(&broker).await;
    let mut service = Client::signed_in_over_tcp(&broker, "service").await;
    let feedback = r#"{"type":"FeedbackChanged","payload":{"values":[3,1,0,2]}}"#;
    service.publish(&format!("/exchange/amq.topic/{ROOM}.feedback.stream"), feedback).await;
    service.publish(&format!("/topic/{ROOM}.content-4711.answers-changed.stream"), "{}").await;
    service.publish(&format!("/topic/{ROOM}.state.changed"), "open").await;
    service.publish("/topic/00000000000000000000000000000000.feedback.stream", "of another room").await;
    service.publish(&format!("/topic/{ROOM}.state.changed"), "closed").await;
    let expected = [
        ("content-4711.answers-changed.stream", "{}"),
        ("feedback.stream", feedback),
        ("state.changed", "closed"),
        ("state.changed", "open"),
    ];
    assert_eq!(heard(&mut page, 4).await, pairs(&expected));

    page.tell("drop").await;
    page.until("dropped").await;
    watching(&mut page).await;
    service.publish(&format!("/topic/{ROOM}.state.changed"), "back").await;
    assert_eq!(heard(&mut page, 1).await, pairs(&[("state.changed", "back")]));
}

/// Three lines of configuration give the same page what it has never had.
#[tokio::test]
async fn particify_gains_replay_without_a_change() {
    let setting = "[[classrooms]]\nmatch = \"*\"\ndurable = \"signed-in\"\n";
    let broker = Broker::start_with(setting).await;
    let mut page = participant(&broker).await;
    let mut service = Client::signed_in_over_tcp(&broker, "service").await;
    // The page comes back after a second.
    page.tell("drop").await;
    page.until("dropped").await;
    let missed = [("state.changed", "1"), ("state.changed", "2"), ("state.changed", "3")];
    for (stream, body) in missed {
        service.publish(&format!("/topic/{ROOM}.{stream}"), body).await;
    }
    assert_eq!(heard(&mut page, 3).await, pairs(&missed));
}

#[tokio::test]
async fn artemis_finds_its_courses_and_quizzes() {
    let setting = "[destinations]\nclassrooms = [\"/topic/course/{classroom}/**\"]\n";
    let broker = Broker::start_with(setting).await;
    let channels = [
        "/topic/quizExercise/5",
        "/topic/course/42/quizExercises",
        "/topic/course/42/exam/7",
        "/topic/course/43/quizExercises",
    ];
    let url = url(&broker);
    let mut page = node_client("webstomp-client", "artemis.js", &[&[url.as_str()], &channels[..]].concat());
    for channel in channels {
        assert_eq!(page.until("subscribed").await["headers"]["receipt-id"], channel);
    }
    let mut service = Client::signed_in_over_tcp(&broker, "service").await;
    let mut messages = Vec::new();
    for channel in channels {
        service.publish(channel, r#"{"quizStarted":true}"#).await;
        let message = page.until("message").await;
        assert_eq!((&message["channel"], &message["headers"]["destination"]), (&channel.into(), &channel.into()));
        assert_eq!(message["body"], r#"{"quizStarted":true}"#);
        messages.push(message);
    }
    let log = |message: &Value| message["headers"]["epoch"].clone();
    assert_eq!(log(&messages[1]), log(&messages[2]), "a course is a classroom");
    assert_ne!(log(&messages[1]), log(&messages[3]), "and another course another one");

    let mut server = Client::signed_in_over_tcp(&broker, "server").await;
    server.subscribe("s", "/topic/quizExercise/*/submission", &[]).await;
    page.tell("send /topic/quizExercise/5/submission H4sIAAAAAAAAA6tWKkktLlGyUlAqS8wpTgUAXWc0YhQAAAA=").await;
    let submission = server.message().await;
    assert_eq!(submission.header("X-Compressed"), Some("true"), "{submission}");
    assert_eq!(submission.text(), "H4sIAAAAAAAAA6tWKkktLlGyUlAqS8wpTgUAXWc0YhQAAAA=");
}
