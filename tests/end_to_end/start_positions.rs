//! Where a subscription starts, in every spelling.

use homeroom_tests::{Broker, Client, Frame};

/// Publishes `1` to `5`; returns their positions.
async fn five(broker: &Broker) -> Vec<String> {
    let mut publisher = Client::signed_in(broker, "publisher").await;
    let mut positions = Vec::new();
    for number in 1..=5 {
        positions.push(publisher.publish("/topic/7b", &number.to_string()).await);
    }
    positions
}

/// Subscribes with these headers and publishes a marker; returns the RECEIPT and all bodies before the marker.
async fn starting(broker: &Broker, headers: &[(&str, &str)]) -> (Frame, Vec<String>) {
    let mut reader = Client::signed_in(broker, "reader").await;
    let receipt = reader.subscribe("s", "/topic/7b/**", headers).await;
    let mut publisher = Client::signed_in(broker, "publisher").await;
    publisher.publish("/topic/7b/marker", "marker").await;
    let mut bodies = Vec::new();
    loop {
        let message = reader.message().await;
        match message.text() {
            // Markers of earlier calls are replayed too.
            "marker" if message.header("replayed").is_none() => return (receipt, bodies),
            "marker" => {}
            body => bodies.push(body.to_owned()),
        }
    }
}

fn offset(position: &str) -> &str {
    position.split_once(':').expect("epoch:offset").1
}

#[tokio::test]
async fn x_stream_offset_says_where() {
    let broker = Broker::start().await;
    let positions = five(&broker).await;
    let third = format!("offset={}", offset(&positions[2]));
    for (value, expected) in [
        ("first", &["1", "2", "3", "4", "5"][..]),
        (&third, &["3", "4", "5"]),
        ("next", &[]),
        ("timestamp=0", &["1", "2", "3", "4", "5"]),
        ("timestamp=32503680000", &[]),
    ] {
        let (_, bodies) = starting(&broker, &[("x-stream-offset", value)]).await;
        assert_eq!(bodies, expected, "x-stream-offset:{value}");
    }
}

#[tokio::test]
async fn x_stream_offset_last_is_the_last_record() {
    let broker = Broker::start().await;
    five(&broker).await;
    let (_, bodies) = starting(&broker, &[("x-stream-offset", "last")]).await;
    assert_eq!(bodies, ["5"]);
}

#[tokio::test]
async fn after_is_behind_the_last_one_seen() {
    let broker = Broker::start().await;
    let positions = five(&broker).await;
    let (receipt, bodies) = starting(&broker, &[("after", &positions[2])]).await;
    assert_eq!(bodies, ["4", "5"]);
    assert_eq!(receipt.header("resumed"), Some("true"), "{receipt}");
    assert_eq!(receipt.header("missed"), Some("2"), "{receipt}");
    assert_eq!(receipt.header("position"), Some(positions[2].as_str()), "{receipt}");
    let (receipt, bodies) = starting(&broker, &[("after", &positions[4])]).await;
    assert!(bodies.is_empty(), "{bodies:?} {receipt}");
}

#[tokio::test]
async fn rewind_goes_back_by_count_or_by_time() {
    let broker = Broker::start().await;
    five(&broker).await;
    let (_, bodies) = starting(&broker, &[("rewind", "2")]).await;
    assert_eq!(bodies, ["4", "5"]);
    for value in ["2m", "1h"] {
        let (_, bodies) = starting(&broker, &[("rewind", value)]).await;
        assert_eq!(bodies, ["1", "2", "3", "4", "5"], "rewind:{value}");
    }
    let (_, bodies) = starting(&broker, &[("rewind", "1000")]).await;
    assert_eq!(bodies, ["1", "2", "3", "4", "5"], "there is no more");
}

#[tokio::test]
async fn retroactive_is_from_the_first() {
    let broker = Broker::start().await;
    five(&broker).await;
    let (_, bodies) = starting(&broker, &[("activemq.retroactive", "true")]).await;
    assert_eq!(bodies, ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn without_a_header_it_is_the_next_message() {
    let broker = Broker::start().await;
    five(&broker).await;
    let (receipt, bodies) = starting(&broker, &[]).await;
    assert!(bodies.is_empty(), "{bodies:?}");
    assert_eq!(receipt.header("missed").unwrap_or("0"), "0");
}

#[tokio::test]
async fn a_position_of_another_log_starts_at_the_oldest_and_says_so() {
    let broker = Broker::start().await;
    let positions = five(&broker).await;
    let mut publisher = Client::signed_in(&broker, "publisher").await;
    let foreign = publisher.publish("/topic/8a", "elsewhere").await;
    let beyond = format!("{}:{}", positions[0].split_once(':').expect("epoch:offset").0, 1_u64 << 40);
    for unknown in [foreign.as_str(), &beyond] {
        let (receipt, bodies) = starting(&broker, &[("after", unknown)]).await;
        assert_eq!(receipt.header("resumed"), Some("false"), "after:{unknown}: {receipt}");
        assert_eq!(receipt.header("gap"), Some("unknown"), "after:{unknown}: {receipt}");
        assert_eq!(bodies, ["1", "2", "3", "4", "5"], "after:{unknown}");
    }
}

#[tokio::test]
async fn a_position_that_cannot_be_read_is_refused() {
    let broker = Broker::start().await;
    for (name, value) in [("after", "yesterday"), ("x-stream-offset", "offset=ten"), ("rewind", "a bit")] {
        let mut reader = Client::signed_in(&broker, "reader").await;
        reader.send(&Frame::new("SUBSCRIBE").with("id", "s").with("destination", "/topic/7b").with(name, value)).await;
        let error = reader.error().await;
        assert_eq!(error.header("code"), Some("107"), "{name}:{value}: {error}");
    }
}

#[tokio::test]
async fn positions_hold_across_a_kill() {
    let broker = Broker::start().await;
    let positions = five(&broker).await;
    let broker = broker.killed_and_restarted().await;
    let (receipt, bodies) = starting(&broker, &[("after", &positions[0])]).await;
    assert_eq!(bodies, ["2", "3", "4", "5"], "{receipt}");
    assert_eq!(receipt.header("gap"), None, "{receipt}");
}

#[tokio::test]
async fn a_subscription_over_several_classrooms_takes_a_position_for_each() {
    let broker = Broker::start().await;
    let mut publisher = Client::signed_in(&broker, "publisher").await;
    let mut seen = Vec::new();
    for classroom in ["1a", "1b"] {
        seen.push(publisher.publish(&format!("/topic/{classroom}/quiz"), "seen").await);
        publisher.publish(&format!("/topic/{classroom}/quiz"), classroom).await;
    }
    let mut reader = Client::signed_in(&broker, "reader").await;
    reader.subscribe("s", "/topic/*/quiz", &[("after", &seen.join(","))]).await;
    let mut bodies = reader.bodies(2).await;
    bodies.sort_unstable();
    assert_eq!(bodies, ["1a", "1b"]);
}

#[tokio::test]
async fn an_offset_beyond_the_end_is_the_end() {
    let broker = Broker::start().await;
    five(&broker).await;
    let headers = [("durable", "true"), ("ack", "client"), ("x-stream-offset", "offset=1000")];
    let mut reader = Client::signed_in(&broker, "alice").await;
    reader.subscribe("s", "/topic/7b", &headers).await;
    reader.publish("/topic/7b", "6").await;
    let message = reader.message().await;
    assert_eq!(message.text(), "6");
    reader.ack(&message).await;
    reader.publish("/topic/7b", "7").await;
    reader.hang_up().await;
    let mut reader = Client::signed_in(&broker, "alice").await;
    let receipt = reader.subscribe("s", "/topic/7b", &headers[..2]).await;
    assert_eq!((receipt.header("resumed"), receipt.header("gap")), (Some("true"), None), "{receipt}");
    assert_eq!(reader.message().await.text(), "7");
}
