//! One person, one durable subscription: the next connection takes it over.

use std::time::Duration;

use homeroom_tests::{Broker, Client, Frame};
use tokio::time::Instant;

async fn attend(broker: &Broker) -> Client {
    let mut client = Client::signed_in(broker, "alice").await;
    client.subscribe("lesson", "/topic/7b", &[("durable", "true"), ("ack", "client")]).await;
    client
}

async fn publish(broker: &Broker, bodies: &[&str]) {
    let mut publisher = Client::signed_in(broker, "publisher").await;
    for body in bodies {
        publisher.publish("/topic/7b", body).await;
    }
}

#[tokio::test]
async fn the_second_takes_over_and_the_first_is_told_and_closed() {
    let broker = Broker::start().await;
    let mut first = attend(&broker).await;
    publish(&broker, &["1", "2"]).await;
    let seen = first.messages(2).await;
    first.ack(&seen[0]).await;

    let mut second = attend(&broker).await;
    let error = first.error().await;
    assert!(!error.need("message").is_empty() && !error.text().is_empty(), "{error}");
    let close = first.closed().await;
    assert!(close.code.is_some_and(|code| (4000..4600).contains(&code)), "{close:?}");
    assert_eq!(second.message().await.text(), "2", "from the cursor of the first");
    publish(&broker, &["3"]).await;
    assert_eq!(second.message().await.text(), "3");
}

#[tokio::test]
async fn late_acknowledgements_of_the_first_are_fenced_off() {
    let broker = Broker::start().await;
    let mut first = attend(&broker).await;
    publish(&broker, &["1", "2"]).await;
    let seen = first.messages(2).await;
    let second = attend(&broker).await;
    // The first has not read yet that it is over.
    let _ = first.try_send(&Frame::new("ACK").with("id", seen[1].need("ack"))).await;
    first.closed().await;
    second.hang_up().await;
    let mut third = attend(&broker).await;
    assert_eq!(third.bodies(2).await, ["1", "2"]);
}

#[tokio::test]
async fn who_keeps_taking_over_waits_longer_each_time() {
    let broker = Broker::start().await;
    let mut holder = attend(&broker).await;
    let mut waits = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        let next = attend(&broker).await;
        waits.push(start.elapsed());
        holder.closed().await;
        holder = next;
    }
    assert!(waits[0] < Duration::from_secs(1), "the first take-over is immediate: {waits:?}");
    assert!(waits[4] > Duration::from_secs(1), "the fifth is not: {waits:?}");
    assert!(waits[4] > waits[2], "{waits:?}");
}

#[tokio::test]
async fn who_left_leaves_nothing_to_take_over() {
    let broker = Broker::start().await;
    let start = Instant::now();
    for _ in 0..8 {
        attend(&broker).await.hang_up().await;
    }
    assert!(start.elapsed() < Duration::from_secs(3), "eight returns took {:?}", start.elapsed());
}

#[tokio::test]
async fn of_two_who_come_at_once_one_is_told_that_the_other_has_it() {
    let broker = Broker::start_with("[delivery]\ntakeover_delay_max = \"0s\"\n").await;
    for round in 0..30 {
        let name = format!("lesson-{round}");
        let subscribe = Frame::new("SUBSCRIBE").with("id", name.as_str()).with("destination", "/topic/7b/quiz");
        let subscribe = subscribe.with("durable", "true").with("receipt", "subscribed");
        let (mut one, mut other) =
            tokio::join!(Client::signed_in(&broker, "alice"), Client::signed_in(&broker, "alice"));
        tokio::join!(one.send(&subscribe), other.send(&subscribe));
        let refused = async |client: &mut Client| loop {
            let frame = client.frame().await;
            if frame.command == "ERROR" {
                return frame;
            }
        };
        let error = tokio::select! {
            error = refused(&mut one) => error,
            error = refused(&mut other) => error,
        };
        assert_eq!(error.need("code"), "117", "round {round}: {error}");
    }
}
