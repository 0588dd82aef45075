//! `expires` and `expiration`: what is of no use any more is shown to nobody.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use homeroom_tests::{Broker, Client, Frame};

/// Long enough for everybody who is here, short enough to wait for.
const LIFE: Duration = Duration::from_secs(2);

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("later than 1970").as_millis() as u64
}

fn question(body: &str, header: (&str, &str)) -> Frame {
    Frame::new("SEND").with("destination", "/topic/7b/quiz").with(header.0, header.1).body(body)
}

#[tokio::test]
async fn who_is_here_sees_it_and_who_comes_after_its_time_does_not() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("s", "/topic/7b/**", &[]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    let before = now();
    teacher.request(question("answer now", ("expiration", &LIFE.as_millis().to_string()))).await;
    teacher.request(question("the solution", ("expires", "0"))).await;

    let message = alice.message().await;
    let expires: u64 = message.need("expires").parse().unwrap();
    assert!((before..=now()).contains(&(expires - LIFE.as_millis() as u64)), "{message}");
    assert_eq!((message.text(), message.header("expiration")), ("answer now", None), "{message}");
    let message = alice.message().await;
    assert_eq!((message.text(), message.header("expires")), ("the solution", None), "{message}");

    tokio::time::sleep(Duration::from_millis(expires.saturating_sub(now()) + 1)).await;
    let mut late = Client::signed_in(&broker, "bob").await;
    late.subscribe("s", "/topic/7b/**", &[("x-stream-offset", "first")]).await;
    assert_eq!(late.message().await.text(), "the solution");
}

#[tokio::test]
async fn a_cursor_passes_what_has_expired() {
    for ack in ["client", "client-individual"] {
        let broker = Broker::start().await;
        let durable = [("durable", "true"), ("ack", ack), ("prefetch-count", "1")];
        let mut alice = Client::signed_in(&broker, "alice").await;
        alice.subscribe("lesson", "/topic/7b/quiz", &durable).await;
        let mut teacher = Client::signed_in(&broker, "teacher").await;
        for number in 0..5 {
            teacher.request(question("too late", ("expires", "1000"))).await;
            teacher.request(question(&number.to_string(), ("x", "y"))).await;
            let message = alice.message().await;
            assert_eq!(message.text(), number.to_string(), "{ack}");
            alice.ack(&message).await;
        }
        teacher.request(question("too late as well", ("expires", "1000"))).await;
        alice.disconnect().await;

        let mut alice = Client::signed_in(&broker, "alice").await;
        let receipt = alice.subscribe("lesson", "/topic/7b/quiz", &durable).await;
        assert_eq!(receipt.header("resumed"), Some("true"), "{ack}: {receipt}");
        teacher.request(question("new", ("x", "y"))).await;
        assert_eq!(alice.message().await.text(), "new", "{ack}");
    }
}

#[tokio::test]
async fn a_message_that_was_refused_and_expires_does_not_come_again() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("s", "/topic/7b/quiz", &[("ack", "client-individual"), ("prefetch-count", "1")]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.request(question("answer now", ("expiration", &LIFE.as_millis().to_string()))).await;
    teacher.request(question("next", ("x", "y"))).await;
    let message = alice.message().await;
    let left = message.need("expires").parse::<u64>().unwrap().saturating_sub(now());
    let nack = Frame::new("NACK").with("id", message.need("ack")).with("delay", (left + 1).to_string());
    alice.send(&nack).await;
    // Its place in the window is free again.
    assert_eq!(alice.message().await.text(), "next");
}

#[tokio::test]
async fn a_time_that_is_none_is_refused_with_what_to_write() {
    let broker = Broker::start().await;
    for header in [("expires", "soon"), ("expires", "-1"), ("expiration", "1m"), ("expiration", "0")] {
        let mut teacher = Client::signed_in(&broker, "teacher").await;
        teacher.send(&question("when?", header)).await;
        let error = teacher.error().await;
        assert_eq!(error.header("code"), Some("107"), "{error}");
        let said = format!("{} {}", error.need("reason"), error.text());
        assert!(said.contains(header.0) && said.contains(header.1) && said.contains("milliseconds"), "{error}");
    }
}

#[tokio::test]
async fn what_is_to_be_delivered_later_is_refused_and_not_delivered_at_once() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("s", "/topic/7b/**", &[]).await;
    for header in [("AMQ_SCHEDULED_DELAY", "60000"), ("AMQ_SCHEDULED_CRON", "0 * * * *"), ("x-delay", "5000")] {
        let mut teacher = Client::signed_in(&broker, "teacher").await;
        teacher.send(&question("the solution", header)).await;
        let error = teacher.error().await;
        assert_eq!(error.header("code"), Some("107"), "{error}");
        assert!(error.need("reason").contains(header.0) && error.text().contains("when it is due"), "{error}");
    }
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.publish("/topic/7b/quiz", "the question").await;
    assert_eq!(alice.message().await.text(), "the question");
}
