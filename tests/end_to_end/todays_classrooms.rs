//! Pages of two classrooms that run STOMP today, with their libraries, options and destinations, and nothing changed
//! but the host: Particify (Spring and RabbitMQ) and TUM's Artemis (Spring and ActiveMQ Artemis). Their paths are those
//! at which Spring offers WebSocket without SockJS.

use homeroom_tests::{Broker, Client, Script, node_client};
use serde_json::Value;

const ROOM: &str = "3a5f0c9e8b7d4e21a6f3c2b19d08e7f4";
const PARTICIFY: &str = "/api/ws/websocket";
const ARTEMIS: &str = "/websocket/websocket";

/// A broker that is found where Spring was.
async fn at(path: &str, settings: &str) -> Broker {
    Broker::start_with(&format!("[http]\nwebsocket_paths = [\"{path}\"]\n{settings}")).await
}

/// A participant's page, once its three streams are watched.
async fn participant(broker: &Broker) -> Script {
    let url = format!("ws://{}{PARTICIFY}", broker.http());
    let mut page = node_client("rx-stomp", "particify.js", &[&url, "alice", ROOM]);
    watching(&mut page).await;
    page
}

async fn service(broker: &Broker) -> Client {
    Client::signed_in_over_tcp(broker, "service").await
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
    let broker = at(PARTICIFY, "").await;
    let mut page = participant(&broker).await;
    let mut service = service(&broker).await;
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
    let broker = at(PARTICIFY, setting).await;
    let mut page = participant(&broker).await;
    let mut service = service(&broker).await;
    // The page comes back after a second.
    page.tell("drop").await;
    page.until("dropped").await;
    let missed = [("state.changed", "1"), ("state.changed", "2"), ("state.changed", "3")];
    for (stream, body) in missed {
        service.publish(&format!("/topic/{ROOM}.{stream}"), body).await;
    }
    assert_eq!(heard(&mut page, 3).await, pairs(&missed));
}

/// Its pages tell the services what a participant thinks by way of queues, and watch what comes of it.
#[tokio::test]
async fn particify_sends_its_feedback_to_queues_and_no_command_is_lost() {
    let broker = at(PARTICIFY, "").await;
    let mut page = participant(&broker).await;
    // The service is not there yet.
    let vote = |value: u8| format!(r#"{{"type":"CreateFeedback","payload":{{"roomId":"{ROOM}","value":{value}}}}}"#);
    for value in [3, 1] {
        page.tell(&format!("send /queue/feedback.command {}", vote(value))).await;
    }
    page.tell("send /queue/feedback.command.reset {}").await;

    let one_at_a_time = [("ack", "client"), ("prefetch-count", "1")];
    let (mut leaving, mut worker) = (service(&broker).await, service(&broker).await);
    leaving.subscribe("s", "/queue/feedback.command", &one_at_a_time).await;
    let first = leaving.message().await;
    assert_eq!((first.text(), first.header("ars-user-id")), (&*vote(3), Some("alice")), "{first}");
    assert_eq!(first.header("content-type"), Some("application/json"), "{first}");
    worker.subscribe("s", "/queue/feedback.command", &one_at_a_time).await;
    let second = worker.message().await;
    assert_eq!(second.text(), vote(1));
    // The first one goes before it has done its work; the other does both, and the page sees the outcome.
    leaving.hang_up().await;
    worker.ack(&second).await;
    let again = worker.message().await;
    assert_eq!((again.text(), again.header("redelivered")), (&*vote(3), Some("true")), "{again}");
    worker.ack(&again).await;
    let mut resets = service(&broker).await;
    resets.subscribe("s", "/queue/feedback.command.reset", &[]).await;
    assert_eq!(resets.message().await.text(), "{}");
    worker.publish(&format!("/topic/{ROOM}.feedback.stream"), r#"{"payload":{"values":[0,1,0,1]}}"#).await;
    assert_eq!(heard(&mut page, 1).await, pairs(&[("feedback.stream", r#"{"payload":{"values":[0,1,0,1]}}"#)]));
}

/// A student's page of Artemis, once its channels are subscribed.
async fn student(broker: &Broker, login: &str, channels: &[&str]) -> Script {
    let url = format!("ws://{}{ARTEMIS}", broker.http());
    let mut page = node_client("webstomp-client", "artemis.js", &[&[url.as_str(), login], channels].concat());
    for channel in channels {
        assert_eq!(page.until("subscribed").await["headers"]["receipt-id"], *channel);
    }
    page
}

#[tokio::test]
async fn artemis_finds_its_courses_and_quizzes() {
    let broker = at(ARTEMIS, "[destinations]\nclassrooms = [\"/topic/course/{classroom}/**\"]\n").await;
    let channels = [
        "/topic/quizExercise/5",
        "/topic/course/42/quizExercises",
        "/topic/course/42/exam/7",
        "/topic/course/43/quizExercises",
    ];
    let mut page = student(&broker, "-", &channels).await;
    let mut service = service(&broker).await;
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

/// What is for one student: `destinations.private` says that `/user/topic/` means that.
#[tokio::test]
async fn artemis_answers_each_student_alone() {
    const SUBMISSION: &str = "/user/topic/quizExercise/5/submission";
    let broker = at(ARTEMIS, "[destinations]\nprivate = [\"topic\"]\n").await;
    let channels = [SUBMISSION, "/user/topic/quizExercise/5/participation", "/topic/quizExercise/5"];
    let mut alice = student(&broker, "alice", &channels).await;
    let mut bob = student(&broker, "bob", &channels).await;
    let mut server = Client::signed_in_over_tcp(&broker, "server").await;
    server.subscribe("s", "/topic/quizExercise/*/submission", &[]).await;
    for (name, page) in [("alice", &mut alice), ("bob", &mut bob)] {
        page.tell(&format!("send /topic/quizExercise/5/submission of-{name}")).await;
        let submission = server.message().await;
        assert_eq!((submission.text(), submission.header("user-id")), (&*format!("of-{name}"), Some(name)));
        server.publish(&format!("/user/{name}/topic/quizExercise/5/submission"), &format!("saved for {name}")).await;
    }
    server.publish("/user/bob/topic/quizExercise/5/participation", "2 points").await;
    server.publish("/topic/quizExercise/5", "ended").await;
    for (page, expected) in [
        (&mut alice, &[(SUBMISSION, "saved for alice"), (channels[2], "ended")][..]),
        (&mut bob, &[(SUBMISSION, "saved for bob"), (channels[1], "2 points"), (channels[2], "ended")]),
    ] {
        let mut came = Vec::new();
        while came.len() < expected.len() {
            let message = page.until("message").await;
            assert_eq!(message["channel"], message["headers"]["destination"], "named as it was subscribed");
            came.push((message["channel"].as_str().unwrap().to_owned(), message["body"].as_str().unwrap().to_owned()));
        }
        // There is no order between what is private and what is not.
        came.sort();
        let mut expected = pairs(expected);
        expected.sort();
        assert_eq!(came, expected);
    }
}
