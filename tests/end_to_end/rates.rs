//! Whoever sends too fast waits, and nobody else does; whoever sends far too fast is refused and told when to try again.

use std::time::Duration;

use homeroom_tests::{Broker, Client, DEADLINE, Frame, Heard, Setup, eventually, post, within};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::limit_hits::{hits, is_hit};

const QUIZ: &str = "/topic/7b/quiz";
const ANSWERS: &str = "/topic/7b/answers";
/// What somebody waits at most who does not have to wait, on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(500);

async fn student(broker: &Broker, name: &str) -> Client {
    Client::showing(broker, &broker.token(name, "student", &["7b"], "8h").await).await
}

async fn teacher(broker: &Broker) -> Client {
    Client::showing(broker, &broker.token("smith", "teacher", &["7b"], "8h").await).await
}

fn sends(count: usize) -> Vec<u8> {
    (0..count).flat_map(|number| format!("SEND\ndestination:{ANSWERS}\n\n{number}\0").into_bytes()).collect()
}

#[tokio::test]
async fn a_student_who_floods_waits_and_the_teacher_is_heard_at_once() {
    let rates = "publish_per_user = 50\npublish_per_classroom = 100";
    let broker = Setup::asks_for_tokens().config(&format!("[limits]\n{rates}")).start().await;
    let mut listener = teacher(&broker).await;
    listener.subscribe("answers", ANSWERS, &[]).await;
    let mut class = student(&broker, "bob").await;
    class.subscribe("quiz", QUIZ, &[]).await;
    let mut teacher = teacher(&broker).await;
    let mut floods = student(&broker, "alice").await;
    let begun = Instant::now();
    floods.send_bytes(&sends(300)).await;
    for number in 0..5 {
        let asked = Instant::now();
        teacher.publish(QUIZ, &number.to_string()).await;
        assert_eq!(class.message().await.text(), number.to_string());
        assert!(asked.elapsed() < AT_ONCE, "question {number} took {:?}", asked.elapsed());
    }
    // All of it comes in its order, as fast as the rate allows: 100 at once, and 50 in a second.
    let heard = within("all answers", DEADLINE, listener.bodies(300)).await;
    assert_eq!(heard, (0..300).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(begun.elapsed() > Duration::from_secs(3), "300 answers came within {:?}", begun.elapsed());
    is_hit(&broker, "publish_per_user").await;
    assert_eq!(hits(&broker, "publish_wait").await, 0.0, "who waits is not refused");
    floods.publish(ANSWERS, "still here").await;
}

#[tokio::test]
async fn a_class_that_floods_waits_together_and_the_teacher_is_heard_at_once() {
    let rates = "publish_per_user = 50\npublish_per_classroom = 50";
    let broker = Setup::asks_for_tokens().config(&format!("[limits]\n{rates}")).start().await;
    let mut class = student(&broker, "listens").await;
    class.subscribe("quiz", QUIZ, &[]).await;
    let mut teacher = teacher(&broker).await;
    let mut floods = Vec::new();
    for number in 0..4 {
        let mut client = student(&broker, &format!("student-{number}")).await;
        client.send_bytes(&sends(200)).await;
        floods.push(client);
    }
    is_hit(&broker, "publish_per_classroom").await;
    for number in 0..5 {
        let asked = Instant::now();
        teacher.publish(QUIZ, &number.to_string()).await;
        assert_eq!(class.message().await.text(), number.to_string());
        assert!(asked.elapsed() < AT_ONCE, "question {number} took {:?}", asked.elapsed());
    }
}

#[tokio::test]
async fn who_waits_is_not_read_and_keeps_its_heart_beats() {
    let settings = "[limits]\npublish_per_service = 1\npublish_wait = \"60s\"\n\
                    [stomp]\nheartbeat_send = \"200ms\"\nheartbeat_receive = \"200ms\"";
    let broker = Broker::start_with(settings).await;
    let mut client = Client::tcp(&broker).await;
    client.connect(&[("login", "alice"), ("heart-beat", "200,200")]).await;
    // Two seconds' worth and one more pass at once; the others one in a second. Nothing is written meanwhile.
    client.send_bytes(&sends(7)).await;
    client.send_bytes(b"SEND\ndestination:/topic/7b\nreceipt:last\n\n\0").await;
    let begun = Instant::now();
    let mut beats = 0;
    let receipt = within("the receipt of the last", DEADLINE, async {
        loop {
            match client.hear().await {
                Heard::Frame(frame) => return frame,
                Heard::HeartBeat => beats += 1,
                other => panic!("{other:?} after {:?}", begun.elapsed()),
            }
        }
    })
    .await;
    assert_eq!(receipt.header("receipt-id"), Some("last"), "{receipt}");
    assert!(begun.elapsed() > Duration::from_secs(4), "it waited {:?}", begun.elapsed());
    assert!(beats >= 12, "{beats} heart-beats in {:?}", begun.elapsed());
}

#[tokio::test]
async fn who_would_wait_for_too_long_is_refused_and_told_for_how_long() {
    let broker = Broker::start_with("[limits]\npublish_per_service = 10\npublish_wait = \"2s\"").await;
    let mut client = Client::signed_in(&broker, "alice").await;
    // What is larger than a burst passes whole and is paid for by what follows.
    client.send(&Frame::new("BEGIN").with("transaction", "t")).await;
    for _ in 0..100 {
        client.send(&Frame::new("SEND").with("destination", "/topic/7b").with("transaction", "t")).await;
    }
    client.request(Frame::new("COMMIT").with("transaction", "t")).await;
    client.send(&Frame::new("SEND").with("destination", "/topic/7b")).await;
    let error = client.error().await;
    assert_eq!((error.header("code"), error.header("retryable")), (Some("111"), Some("true")), "{error}");
    assert!(error.need("reason").contains("10 messages a second") && error.need("reason").contains("8 s"), "{error}");
    assert!(error.text().contains("limits.publish_per_service"), "{error}");
    let close = client.closed().await;
    assert_eq!(close.code, Some(4011));
    is_hit(&broker, "publish_wait").await;
    // Where nobody is known, others are not held to what one did.
    Client::signed_in(&broker, "bob").await.publish("/topic/7b", "hello").await;
}

#[tokio::test]
async fn all_doors_of_one_user_share_one_rate_and_http_says_when_to_try_again() {
    let broker = Setup::asks_for_tokens().config("[limits]\npublish_per_user = 10").start().await;
    let bearer = broker.bearer("alice", "teacher", &["7b"]).await;
    let headers = [("Authorization", &*bearer), ("Content-Type", "application/vnd.homeroom.batch+json")];
    let path = format!("/v1/messages?destination={QUIZ}");
    let batch = format!("[{}]", vec!["{\"body\":\"x\"}"; 60].join(","));
    assert_eq!(post(broker.http(), &path, &headers, &batch).await.status, 201);
    let refused = post(broker.http(), &path, &headers[..1], "one more").await;
    assert_eq!((refused.status, refused.json()["code"].as_u64()), (429, Some(111)), "{refused:?}");
    let seconds: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("a number");
    assert!((1..=4).contains(&seconds), "{refused:?}");
    // The same user waits over STOMP for what was sent over HTTP.
    let begun = Instant::now();
    let mut alice = Client::showing(&broker, bearer.trim_start_matches("Bearer ")).await;
    alice.publish(QUIZ, "and one more").await;
    assert!(begun.elapsed() > Duration::from_secs(1), "it waited {:?}", begun.elapsed());
    // Nobody else does.
    let bearer = broker.bearer("bob", "teacher", &["7b"]).await;
    assert_eq!(post(broker.http(), &path, &[("Authorization", &*bearer)], "x").await.status, 201);
    is_hit(&broker, "publish_per_user").await;
}

#[tokio::test]
async fn with_soft_errors_a_refusal_costs_nobody_the_connection() {
    let broker = Broker::start_with("[limits]\npublish_per_service = 1\npublish_wait = \"0s\"").await;
    let mut client = Client::websocket(&broker, &["v12.stomp"]).await;
    client.connect(&[("login", "alice"), ("errors", "soft")]).await;
    client.subscribe("e", "/user/queue/errors", &[]).await;
    client.send_bytes(&sends(8)).await;
    assert_eq!(client.message().await.header("code"), Some("111"));
    let client = Mutex::new(client);
    eventually("a SEND that is taken again", DEADLINE, async || {
        let mut client = client.lock().await;
        let receipt = client.ask(Frame::new("SEND").with("destination", QUIZ)).await;
        loop {
            let frame = client.frame().await;
            match frame.header("receipt-id") {
                Some(answered) if answered == receipt => return (frame.command == "RECEIPT").then_some(()),
                // The refusals of what was sent before.
                _ => assert_eq!(frame.header("code"), Some("111"), "{frame}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn by_default_a_service_sends_as_fast_as_it_likes() {
    let broker = Broker::start().await;
    let mut service = Client::signed_in_over_tcp(&broker, "service").await;
    service.send_bytes(&sends(20_000)).await;
    service.publish(QUIZ, "the last").await;
    for limit in ["publish_per_user", "publish_per_service", "publish_per_classroom", "publish_wait"] {
        assert_eq!(hits(&broker, limit).await, 0.0, "{limit}");
    }
}
