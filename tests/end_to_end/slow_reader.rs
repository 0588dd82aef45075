//! A student that stops reading: costs little, delays nobody, and gets
//! everything when it reads again.

use homeroom_tests::{Broker, Client, Frame};

const STALLED: usize = 20;
const MESSAGES: usize = 1_000;
const BODY_BYTES: usize = 16 * 1024;

#[tokio::test]
async fn memory_stays_bounded_and_everything_comes_later() {
    let broker = Broker::start().await;
    let mut lively = Client::signed_in(&broker, "lively").await;
    lively.subscribe("s", "/topic/7b", &[]).await;
    let mut service = Client::signed_in_over_tcp(&broker, "service").await;
    let first = MessageRange { start: 0 };
    first.publish_and_read(&mut service, &mut lively).await;
    let without = broker.resident_bytes();

    let mut stalled = Vec::new();
    for number in 0..STALLED {
        let mut student = Client::websocket_with_receive_buffer(&broker, 4096).await;
        student.connect(&[("login", &format!("stalled-{number}"))]).await;
        student.subscribe("s", "/topic/7b", &[]).await;
        stalled.push(student);
    }
    let second = MessageRange { start: MESSAGES };
    second.publish_and_read(&mut service, &mut lively).await;
    let with = broker.resident_bytes();
    let grown = with.saturating_sub(without);
    println!(
        "{} MB behind {STALLED} stalled students each: {} kB grew to {} kB",
        MESSAGES * BODY_BYTES / 1_000_000,
        without / 1024,
        with / 1024
    );
    // The store's own memory for 16 MB is in it; queues of copies would be 320 MB.
    assert!(grown < 64 << 20, "grew by {grown} bytes");

    for student in &mut stalled {
        for number in MESSAGES..2 * MESSAGES {
            let message = student.message().await;
            assert!(message.text().starts_with(&format!("{number} ")), "{number} is due, not {message}");
            assert_eq!(message.body.len(), BODY_BYTES);
        }
    }
}

struct MessageRange {
    start: usize,
}

impl MessageRange {
    /// Publishes the range, while somebody lively reads it.
    async fn publish_and_read(&self, service: &mut Client, lively: &mut Client) {
        for chunk in (self.start..self.start + MESSAGES).collect::<Vec<_>>().chunks(50) {
            let mut asked = Vec::new();
            for number in chunk {
                let body = format!("{:.<BODY_BYTES$}", format!("{number} "));
                asked.push(service.ask(Frame::new("SEND").with("destination", "/topic/7b").body(body)).await);
            }
            for receipt in asked {
                service.receipt(&receipt).await;
            }
            for number in chunk {
                assert!(lively.message().await.text().starts_with(&format!("{number} ")));
            }
        }
    }
}
