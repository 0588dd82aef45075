//! When the cursor of an `ack:auto` subscription moves: not when bytes are
//! written, not by a Pong alone, but when the page has since shown twice that
//! it runs.

use std::time::Duration;

use homeroom_tests::{Broker, Client, Frame, Pongs};
use tokio::time::{Instant, sleep_until, timeout};

/// The negotiated interval of the client's heart-beats.
const INTERVAL: Duration = Duration::from_millis(300);
const SETTINGS: &str = "[stomp]\nheartbeat_receive = \"300ms\"\n[delivery]\nping_after = \"50ms\"";
const MESSAGES: usize = 20;

/// A student whose Pongs the test decides about, with this `heart-beat` header.
async fn attend(broker: &Broker, heart_beat: &str) -> (Client, Frame) {
    let mut client = Client::websocket(broker, &["v12.stomp"]).await;
    client.answer_pings(Pongs::Withheld);
    client.connect(&[("login", "alice"), ("heart-beat", heart_beat)]).await;
    let receipt = client.subscribe("lesson", "/topic/7b", &[("durable", "true")]).await;
    (client, receipt)
}

/// A student to whom messages were sent, and the unanswered Ping behind the last of them.
async fn student_with_messages(broker: &Broker, heart_beat: &str) -> (Client, Vec<u8>) {
    let (mut student, _) = attend(broker, heart_beat).await;
    publish(broker).await;
    student.answer_pings(Pongs::Answered);
    student.messages(MESSAGES).await;
    student.answer_pings(Pongs::Withheld);
    let ping = student.ping().await;
    (student, ping)
}

async fn publish(broker: &Broker) {
    let mut publisher = Client::signed_in(broker, "publisher").await;
    for number in 0..MESSAGES {
        publisher.publish("/topic/7b", &number.to_string()).await;
    }
}

/// Beats so many times, an interval apart.
async fn beat(student: &mut Client, times: usize) {
    for time in 0..times {
        if time > 0 {
            sleep_until(Instant::now() + INTERVAL + Duration::from_millis(50)).await;
        }
        student.heart_beat().await;
    }
}

/// How many messages a new connection of the student is told to have missed.
async fn missed_after_a_break(broker: &Broker, student: Client) -> usize {
    student.hang_up().await;
    let mut student = Client::signed_in(broker, "alice").await;
    let receipt = student.subscribe("lesson", "/topic/7b", &[("durable", "true")]).await;
    let missed = receipt.need("missed").parse().expect("a number");
    for message in student.messages(missed).await {
        assert_eq!(message.header("redelivered"), Some("true"), "a repeat is marked: {message}");
    }
    missed
}

#[tokio::test]
async fn a_pong_without_heart_beats_settles_nothing() {
    let broker = Broker::start_with(SETTINGS).await;
    let (mut student, ping) = student_with_messages(&broker, "300,0").await;
    student.pong(&ping).await;
    assert_eq!(missed_after_a_break(&broker, student).await, MESSAGES);
}

#[tokio::test]
async fn a_pong_and_one_heart_beat_settle_nothing() {
    let broker = Broker::start_with(SETTINGS).await;
    let (mut student, ping) = student_with_messages(&broker, "300,0").await;
    student.pong(&ping).await;
    beat(&mut student, 1).await;
    assert_eq!(missed_after_a_break(&broker, student).await, MESSAGES);
}

#[tokio::test]
async fn two_heart_beats_at_once_settle_nothing() {
    let broker = Broker::start_with(SETTINGS).await;
    let (mut student, ping) = student_with_messages(&broker, "300,0").await;
    student.pong(&ping).await;
    student.heart_beat().await;
    student.heart_beat().await;
    assert_eq!(missed_after_a_break(&broker, student).await, MESSAGES);
}

#[tokio::test]
async fn a_pong_and_two_heart_beats_settle() {
    let broker = Broker::start_with(SETTINGS).await;
    let (mut student, ping) = student_with_messages(&broker, "300,0").await;
    student.pong(&ping).await;
    beat(&mut student, 2).await;
    assert_eq!(missed_after_a_break(&broker, student).await, 0);
}

#[tokio::test]
async fn any_frame_counts_as_a_write() {
    let broker = Broker::start_with(SETTINGS).await;
    let (mut student, ping) = student_with_messages(&broker, "300,0").await;
    student.pong(&ping).await;
    student.publish("/topic/elsewhere", "hello").await;
    sleep_until(Instant::now() + INTERVAL + Duration::from_millis(50)).await;
    student.publish("/topic/elsewhere", "again").await;
    assert_eq!(missed_after_a_break(&broker, student).await, 0);
}

#[tokio::test]
async fn heart_beats_without_a_pong_settle_nothing() {
    let broker = Broker::start_with(SETTINGS).await;
    let (mut student, _) = attend(&broker, "300,0").await;
    publish(&broker).await;
    student.messages(MESSAGES).await;
    student.ping().await;
    beat(&mut student, 3).await;
    assert_eq!(missed_after_a_break(&broker, student).await, MESSAGES);
}

#[tokio::test]
async fn a_pong_nobody_asked_for_settles_nothing() {
    let broker = Broker::start_with(SETTINGS).await;
    let (mut student, _) = attend(&broker, "300,0").await;
    publish(&broker).await;
    student.messages(MESSAGES).await;
    let ping = student.ping().await;
    let mut forged = ping.clone();
    for payload in [&b""[..], b"never sent", &[0xff; 16]] {
        student.pong(payload).await;
    }
    if let Some(last) = forged.last_mut() {
        *last = last.wrapping_add(1);
    }
    student.pong(&forged).await;
    beat(&mut student, 2).await;
    assert_eq!(missed_after_a_break(&broker, student).await, MESSAGES);
}

#[tokio::test]
async fn the_newest_pong_alone_covers_all_before_it() {
    let broker = Broker::start_with(SETTINGS).await;
    let (mut student, _) = attend(&broker, "300,0").await;
    let mut publisher = Client::signed_in(&broker, "publisher").await;
    // A Ping after each message where the broker sends several, and in any case none is answered until the end.
    for number in 0..5 {
        publisher.publish("/topic/7b", &number.to_string()).await;
        student.message().await;
        let _ = timeout(INTERVAL, student.ping()).await;
        student.heart_beat().await;
    }
    let newest = student.unanswered.last().expect("a Ping behind five messages").clone();
    student.pong(&newest).await;
    // A broker that keeps one in flight asks again now for what came since.
    while let Ok(next) = timeout(INTERVAL, student.ping()).await {
        student.pong(&next).await;
    }
    beat(&mut student, 2).await;
    assert_eq!(missed_after_a_break(&broker, student).await, 0);
}

#[tokio::test]
async fn goodbye_with_a_receipt_settles_what_was_reached() {
    let broker = Broker::start_with(SETTINGS).await;
    let (mut student, ping) = student_with_messages(&broker, "300,0").await;
    student.pong(&ping).await;
    student.disconnect().await;
    let mut student = Client::signed_in(&broker, "alice").await;
    let receipt = student.subscribe("lesson", "/topic/7b", &[("durable", "true")]).await;
    assert_eq!(receipt.header("missed"), Some("0"), "{receipt}");
}

#[tokio::test]
async fn without_heart_beats_the_browser_is_the_witness() {
    let broker = Broker::start_with(SETTINGS).await;
    let (mut student, ping) = student_with_messages(&broker, "0,0").await;
    student.pong(&ping).await;
    assert_eq!(missed_after_a_break(&broker, student).await, 0);

    let (mut student, _) = attend(&broker, "0,0").await;
    publish(&broker).await;
    student.answer_pings(Pongs::Withheld);
    student.messages(MESSAGES).await;
    // Nothing was answered: written is not arrived.
    assert_eq!(missed_after_a_break(&broker, student).await, MESSAGES);
}

#[tokio::test]
async fn the_receipt_says_what_counts() {
    let broker = Broker::start_with(SETTINGS).await;
    for (heart_beat, says) in [("300,0", "page"), ("0,0", "browser")] {
        let (student, receipt) = attend(&broker, heart_beat).await;
        assert_eq!(receipt.header("auto-confirm"), Some(says), "with heart-beat:{heart_beat}: {receipt}");
        student.hang_up().await;
    }
    let mut student = Client::signed_in_over_tcp(&broker, "alice").await;
    let receipt = student.subscribe("lesson", "/topic/7b", &[("durable", "true")]).await;
    assert_eq!(receipt.header("auto-confirm"), Some("written"), "{receipt}");
}

#[tokio::test]
async fn over_tcp_written_is_enough() {
    let broker = Broker::start_with(SETTINGS).await;
    let mut student = Client::signed_in_over_tcp(&broker, "alice").await;
    student.subscribe("lesson", "/topic/7b", &[("durable", "true")]).await;
    publish(&broker).await;
    student.messages(MESSAGES).await;
    assert_eq!(missed_after_a_break(&broker, student).await, 0);
}

#[tokio::test]
async fn a_position_that_the_client_gives_wins_over_the_cursor() {
    let broker = Broker::start_with(SETTINGS).await;
    let (mut student, ping) = student_with_messages(&broker, "0,0").await;
    student.pong(&ping).await;
    assert_eq!(missed_after_a_break(&broker, student).await, 0);
    let mut student = Client::signed_in(&broker, "alice").await;
    let headers = [("durable", "true"), ("x-stream-offset", "first")];
    student.subscribe("lesson", "/topic/7b", &headers).await;
    assert_eq!(student.bodies(MESSAGES).await[0], "0");
}
