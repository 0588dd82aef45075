//! Heart-beats: negotiated as specified; any byte is life; silence ends.

use std::time::Duration;

use homeroom_tests::{Broker, Client, DEADLINE, Frame, Heard, within};
use tokio::time::{Instant, interval};

const QUICK: &str = "[stomp]\nheartbeat_send = \"300ms\"\nheartbeat_receive = \"300ms\"";

#[tokio::test]
async fn both_directions_are_negotiated_apart() {
    let broker = Broker::start_with(QUICK).await;
    let mut client = Client::tcp(&broker).await;
    let connected = client.connect(&[("heart-beat", "0,0")]).await;
    assert_eq!(connected.header("heart-beat"), Some("300,300"));
}

#[tokio::test]
async fn the_broker_beats_when_it_has_nothing_to_say() {
    let broker = Broker::start_with(QUICK).await;
    for mut client in [Client::websocket(&broker, &["v12.stomp"]).await, Client::tcp(&broker).await] {
        client.connect(&[("heart-beat", "0,300")]).await;
        let start = Instant::now();
        for beat in 1..=3_u32 {
            within("a heart-beat", DEADLINE, async { while !matches!(client.hear().await, Heard::HeartBeat) {} }).await;
            assert!(start.elapsed() <= Duration::from_millis(300) * beat * 3, "beat {beat} at {:?}", start.elapsed());
        }
    }
}

#[tokio::test]
async fn a_peer_that_promised_to_beat_and_falls_silent_is_closed() {
    let broker = Broker::start_with(QUICK).await;
    for mut client in [Client::websocket(&broker, &["v12.stomp"]).await, Client::tcp(&broker).await] {
        client.connect(&[("heart-beat", "300,0")]).await;
        client.answer_pings(homeroom_tests::Pongs::Withheld);
        let start = Instant::now();
        let close = client.closed_within(Duration::from_secs(5)).await;
        let silent = start.elapsed();
        assert!(silent >= Duration::from_millis(600), "closed after {silent:?}, within the tolerance");
        assert!(close.code.is_none_or(|code| (4000..4500).contains(&code)), "come back: {close:?}");
    }
}

#[tokio::test]
async fn a_peer_that_promised_nothing_may_be_silent() {
    let broker = Broker::start_with(QUICK).await;
    let mut silent = Client::tcp(&broker).await;
    silent.connect(&[]).await;
    silent.subscribe("s", "/topic/7b", &[]).await;
    let mut other = Client::tcp(&broker).await;
    other.connect(&[("heart-beat", "300,0")]).await;
    other.closed().await;
    let mut publisher = Client::signed_in(&broker, "alice").await;
    publisher.publish("/topic/7b", "still there?").await;
    assert_eq!(silent.message().await.text(), "still there?");
}

#[tokio::test]
async fn any_byte_is_a_sign_of_life_even_a_pong() {
    let broker = Broker::start_with(QUICK).await;
    let mut pongs = Client::websocket(&broker, &["v12.stomp"]).await;
    let mut beats = Client::tcp(&broker).await;
    let mut halves = Client::tcp(&broker).await;
    for client in [&mut pongs, &mut beats, &mut halves] {
        client.connect(&[("heart-beat", "300,0")]).await;
    }
    let half = Frame::new("SEND").with("destination", "/topic/7b").body("slowly").encode(homeroom_tests::Dialect::V1_2);
    let mut pace = interval(Duration::from_millis(150));
    for byte in half.iter().take(20) {
        pace.tick().await;
        pongs.pong(b"nobody asked").await;
        beats.heart_beat().await;
        halves.send_bytes(&[*byte]).await;
    }
    // Three seconds are four times the tolerance; all three are still served.
    halves.send_bytes(&half[20..]).await;
    for client in [&mut pongs, &mut beats, &mut halves] {
        client.publish("/topic/7b", "alive").await;
    }
}
