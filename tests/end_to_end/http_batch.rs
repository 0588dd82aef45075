//! Batches over HTTP: all or nothing, and an error says which message.

use homeroom_tests::{Answer, Broker, Client, post};
use serde_json::{Value, json};

const ALICE: (&str, &str) = ("Authorization", "Basic YWxpY2U6");
const TYPE: (&str, &str) = ("Content-Type", "application/vnd.homeroom.batch+json; charset=utf-8");

async fn publish(broker: &Broker, query: &str, headers: &[(&str, &str)], batch: &Value) -> Answer {
    let headers = [&[ALICE, TYPE], headers].concat();
    post(broker.http(), &format!("/v1/messages{query}"), &headers, batch.to_string()).await
}

async fn all(broker: &Broker) -> Client {
    let mut reader = Client::signed_in(broker, "reader").await;
    for room in ["7b", "8a"] {
        reader.subscribe(room, &format!("/topic/{room}/**"), &[("x-stream-offset", "first")]).await;
    }
    reader
}

#[tokio::test]
async fn a_batch_over_several_rooms_arrives_with_the_positions_that_were_told() {
    let broker = Broker::start().await;
    let mut reader = all(&broker).await;
    let batch = json!([
        {"body": "one", "content_type": "text/plain", "headers": {"x-own": "a\\b:c"}},
        {"destination": "/topic/8a/quiz", "body_base64": "AP8K", "correlation_id": "c"},
        {"body": "three", "expiration": 60_000},
    ]);
    let answer = publish(&broker, "?destination=/topic/7b/quiz", &[("Idempotency-Key", "b1")], &batch).await;
    assert_eq!((answer.status, &answer.json()["duplicate"]), (201, &false.into()), "{answer:?}");
    let told: Vec<String> = serde_json::from_value(answer.json()["positions"].clone()).expect("three positions");
    let mut messages = reader.messages(3).await;
    messages.sort_by_key(|message| message.need("subscription").to_owned());
    for (message, (number, body)) in messages.iter().zip([(0, &b"one"[..]), (2, b"three"), (1, b"\x00\xff\n")]) {
        assert!(message.need("message-id").ends_with(&format!("@{}", told[number])), "{told:?} {message}");
        assert_eq!((message.body.as_slice(), message.need("user-id")), (body, "alice"), "{message}");
    }
    assert_eq!((messages[0].need("x-own"), messages[0].need("content-type")), ("a\\b:c", "text/plain"));
    assert_eq!(messages[2].need("correlation-id"), "c");

    let broker = broker.killed_and_restarted().await;
    let again = publish(&broker, "?destination=/topic/7b/quiz", &[("Idempotency-Key", "b1")], &batch).await;
    let positions = json!([told[0], null, told[2]]);
    assert_eq!((&again.json()["positions"], &again.json()["duplicate"]), (&positions, &true.into()), "{again:?}");
    let other = publish(&broker, "", &[("Idempotency-Key", "b1")], &json!([{"destination": "/topic/7b"}])).await;
    assert_eq!((other.status, &other.json()["code"]), (409, &114.into()), "{other:?}");
}

#[tokio::test]
async fn one_bad_message_keeps_all_from_being_stored_and_is_named() {
    let broker = Broker::start_with("[limits]\ntransaction_messages = 20\nbody_bytes = \"1KiB\"").await;
    let good = json!({"destination": "/topic/7b/quiz", "body": "good"});
    let long = "x".repeat(1025);
    for (status, code, member, words, bad) in [
        (400, 107, "body", "expected a string", json!({"body": 5})),
        (413, 106, "body", "limits.body_bytes", json!({"body": long})),
        (400, 107, "destination", "missing", json!({"body": "a"})),
        (404, 102, "destination", "no known prefix", json!({"destination": "quiz"})),
        (404, 102, "destination", "/reply-queue/", json!({"destination": "/reply-queue/0"})),
        (400, 107, "headers", "control", json!({"destination": "/topic/7b", "headers": {"a\nb": "1"}})),
        (400, 107, "headers", "key of its own", json!({"destination": "/topic/7b", "headers": {"Nats-Msg-Id": "1"}})),
        (400, 107, "headers", "/temp-queue/", json!({"destination": "/topic/7b", "reply_to": "/temp-queue/x"})),
        (400, 107, "persistent", "always stored", json!({"destination": "/topic/7b", "persistent": false})),
        (400, 107, "bdoy", "unknown", json!({"bdoy": "a"})),
    ] {
        let answer = publish(&broker, "", &[], &json!([good, bad])).await;
        let problem = answer.json();
        assert_eq!((answer.status, &problem["code"]), (status, &code.into()), "{bad}: {answer:?}");
        assert_eq!((&problem["index"], &problem["member"]), (&1.into(), &member.into()), "{bad}: {answer:?}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{words}: {answer:?}");
    }
    for (status, words, batch) in [
        (400, "at least one", json!([])),
        (400, "array", json!({"body": "a"})),
        (413, "20 messages", Value::Array(vec![good.clone(); 21])),
        (413, "17 classrooms", (0..17).map(|n| json!({"destination": format!("/topic/room-{n}")})).collect()),
    ] {
        let answer = publish(&broker, "", &[], &batch).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains(words), "{words}: {answer:?}");
    }
    let query = publish(&broker, "?destination=/topic/7b&expires=1", &[], &json!([good])).await;
    assert!(query.status == 400 && query.body.contains("expires"), "{query:?}");
    assert_eq!(publish(&broker, "", &[], &json!([{"destination": "/topic/7b", "body": "first"}])).await.status, 201);
    assert_eq!(all(&broker).await.message().await.text(), "first");
}

#[tokio::test]
async fn a_full_queue_keeps_the_whole_batch_out() {
    let broker = Broker::start_with("[queues]\nbytes = \"1MiB\"").await;
    let batch = json!([
        {"destination": "/topic/7b/quiz", "body": "a"},
        {"destination": "/queue/jobs", "body": "x".repeat(600_000)},
        {"destination": "/queue/jobs", "body": "x".repeat(600_000)},
    ]);
    let answer = publish(&broker, "", &[], &batch).await;
    assert_eq!((answer.status, &answer.json()["index"]), (429, &1.into()), "{answer:?}");
    assert_eq!(publish(&broker, "", &[], &json!([{"destination": "/topic/7b", "body": "first"}])).await.status, 201);
    assert_eq!(all(&broker).await.message().await.text(), "first");
}
