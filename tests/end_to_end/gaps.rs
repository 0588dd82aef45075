//! Retention: what is gone is said to be gone, and the rest is contiguous.

use std::time::Duration;

use homeroom_tests::{Broker, Client, Frame, eventually};

const SMALL: &str = "[retention]\nrecords = 20";

async fn publish(broker: &Broker, numbers: std::ops::Range<u64>) {
    let mut publisher = Client::signed_in(broker, "publisher").await;
    for number in numbers {
        publisher.publish("/topic/7b", &number.to_string()).await;
    }
}

/// Waits until the oldest record kept is not the first one.
async fn trimmed(broker: &Broker) {
    eventually("retention", Duration::from_secs(90), || async {
        let mut reader = Client::signed_in(broker, "trimmed?").await;
        reader.subscribe("s", "/topic/7b", &[("x-stream-offset", "first")]).await;
        (reader.message().await.text() != "0").then_some(())
    })
    .await;
}

fn number(message: &Frame) -> u64 {
    message.text().parse().expect("a number")
}

#[tokio::test]
async fn a_student_who_was_away_too_long_is_told_what_is_missing() {
    let broker = Broker::start_with(SMALL).await;
    let headers = [("durable", "true"), ("ack", "client")];
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("lesson", "/topic/7b", &headers).await;
    alice.disconnect().await;
    publish(&broker, 0..100).await;
    trimmed(&broker).await;

    let mut alice = Client::signed_in(&broker, "alice").await;
    let receipt = alice.subscribe("lesson", "/topic/7b", &headers).await;
    let (first_lost, last_lost) = receipt.need("gap").split_once('-').expect("A-B");
    let (first_lost, last_lost): (u64, u64) = (first_lost.parse().expect("A"), last_lost.parse().expect("B"));
    assert!(first_lost <= last_lost, "{receipt}");
    let message = alice.message().await;
    let offset: u64 = message.need("offset").parse().expect("an offset");
    assert!(offset > last_lost, "{receipt} but then {message}");
    let mut expected = number(&message);
    assert!(expected > 0, "{message}");
    while expected < 99 {
        expected += 1;
        assert_eq!(number(&alice.message().await), expected);
    }
}

#[tokio::test]
async fn a_slow_reader_that_is_overtaken_is_told_on_its_next_message() {
    let broker = Broker::start_with(SMALL).await;
    let mut slow = Client::signed_in(&broker, "slow").await;
    slow.subscribe("s", "/topic/7b", &[("ack", "client-individual"), ("prefetch-count", "1")]).await;
    publish(&broker, 0..400).await;
    trimmed(&broker).await;
    let mut last = slow.message().await;
    assert_eq!(number(&last), 0);
    let mut gaps = 0;
    while number(&last) < 399 {
        slow.ack(&last).await;
        let next = slow.message().await;
        let contiguous = number(&next) == number(&last) + 1;
        assert_eq!(contiguous, next.header("gap").is_none(), "{last} and then {next}");
        gaps += u32::from(!contiguous);
        last = next;
    }
    assert!(gaps > 0, "nothing was overtaken");
}
