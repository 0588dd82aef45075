//! Every limit of the settings, hit: whoever goes beyond is told by its number, or waits, and
//! `homeroom_limit_hits_total` counts it.

use std::collections::BTreeSet;
use std::time::Duration;

use homeroom_tests::{Broker, Client, DEADLINE, Frame, Setup, eventually, exchange, get, metric};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Limits that a client of STOMP hits once it is CONNECTED: settings, what it sends (`…` is a long text), the code of
/// the ERROR, which is empty where it only has to wait.
const SAID: &[(&str, &str, &[&str], &str)] = &[
    ("subscriptions", "[limits]\nsubscriptions = 1", &[SUBSCRIBE, "SUBSCRIBE\nid:2\ndestination:/topic/7b\n\n"], "106"),
    ("header_count", "[limits]\nheader_count = 8", &["SEND\na:1\na:1\na:1\na:1\na:1\na:1\na:1\na:1\na:1\n\n"], "106"),
    ("header_bytes", "[limits]\nheader_bytes = \"1KiB\"", &["SEND\ndestination:/topic/7b\nlong:…\n\n"], "106"),
    ("body_bytes", "[limits]\nbody_bytes = \"1KiB\"", &["SEND\ndestination:/topic/7b\n\n…"], "106"),
    ("identifier_bytes", "[limits]\nidentifier_bytes = 16", &["SEND\ndestination:/topic/7b\nreceipt:…\n\n"], "106"),
    ("transactions", "[limits]\ntransactions = 0", &[BEGIN], "106"),
    ("transaction_messages", "[limits]\ntransaction_messages = 1", &[BEGIN, SEND_IN_IT, SEND_IN_IT], "106"),
    (
        "transaction_bytes",
        "[limits]\nbody_bytes = \"4KiB\"\ntransaction_bytes = \"4KiB\"",
        &[BEGIN, SEND_IN_IT, SEND_IN_IT, SEND_IN_IT],
        "106",
    ),
    ("transaction_age", "[limits]\ntransaction_age = \"1s\"", &[BEGIN], "106"),
    ("classrooms", "[limits]\nclassrooms = 1", &[SEND, "SEND\ndestination:/topic/8a\n\n"], "106"),
    ("reply_queues", "[limits]\nreply_queues = 0", &["SEND\ndestination:/topic/7b\nreply-to:/temp-queue/x\n\n"], "106"),
    ("publish_per_service", "[limits]\npublish_per_service = 1\npublish_wait = \"0s\"", &[SEND; 4], "111"),
    (
        "publish_wait",
        "[limits]\npublish_per_service = 1\npublish_wait = \"1s\"",
        &[BEGIN, SEND_IN_IT, SEND_IN_IT, SEND_IN_IT, SEND_IN_IT, "COMMIT\ntransaction:t\n\n", SEND],
        "111",
    ),
    (
        "publish_per_classroom",
        "[limits]\npublish_per_user = 1\npublish_per_classroom = 1\npublish_wait = \"0s\"",
        &[SEND; 20],
        "111",
    ),
    ("in_flight_messages", "[limits]\nin_flight_messages = 1", &[SEND; 9], ""),
    ("in_flight_bytes", "[limits]\nin_flight_bytes = \"4KiB\"", &[LONG_SEND; 9], ""),
    ("receipts", "[limits]\nreceipts = 1", &["SEND\ndestination:/topic/7b\nreceipt:1\n\n"; 9], ""),
    (
        "delivery.prefetch",
        "[delivery]\nprefetch = 1",
        &["SUBSCRIBE\nid:1\ndestination:/topic/7b\nack:client\n\n", SEND],
        "",
    ),
    (
        "queues.bytes",
        "[limits]\nin_flight_messages = 1\nbody_bytes = \"4KiB\"\n[queues]\nbytes = \"4KiB\"",
        &[TO_A_QUEUE; 9],
        "106",
    ),
    ("stomp.frame_within", "[stomp]\nframe_within = \"1s\"", &["half"], "107"),
];

const SUBSCRIBE: &str = "SUBSCRIBE\nid:1\ndestination:/topic/7b\n\n";
const BEGIN: &str = "BEGIN\ntransaction:t\n\n";
const SEND: &str = "SEND\ndestination:/topic/7b\n\n";
const LONG_SEND: &str = "SEND\ndestination:/topic/7b\n\n……";
const SEND_IN_IT: &str = "SEND\ndestination:/topic/7b\ntransaction:t\n\n…";
const TO_A_QUEUE: &str = "SEND\ndestination:/queue/a\n\n…";

/// What is hit elsewhere: where users are known, and under TLS.
const ELSEWHERE: [&str; 4] = ["publish_per_user", "handshakes_per_address", "tls.handshakes", "tls.handshake_timeout"];
/// What is hit by tests of this file that are no row of the table.
const OTHERWISE: [&str; 13] = [
    "connections",
    "connections_per_user",
    "connections_per_address",
    "accepts_per_second",
    "bytes_before_connected",
    "stomp.connect_within",
    "http.header_timeout",
    "http.header_bytes_max",
    "http.upgrade_timeout",
    "doctor_probes",
    "replies",
    "reply_bytes",
    "outbox_bytes",
];

/// How often a limit was hit.
pub(crate) async fn hits(broker: &Broker, limit: &str) -> f64 {
    let text = get(broker.management(), "/metrics").await.body;
    let line = format!("homeroom_limit_hits_total{{limit=\"{limit}\"}} ");
    let value = text.lines().find_map(|row| row.strip_prefix(&line)).unwrap_or_else(|| panic!("{line} is not there"));
    value.parse().expect("a number")
}

pub(crate) async fn is_hit(broker: &Broker, limit: &str) {
    let look = async || (hits(broker, limit).await > 0.0).then_some(());
    eventually(&format!("limits hit: {limit}"), DEADLINE, look).await;
}

#[tokio::test]
async fn whoever_goes_beyond_a_limit_is_told_which_or_waits_and_is_counted() {
    for (limit, settings, frames, code) in SAID {
        let broker = Broker::start_with(settings).await;
        let mut client = Client::signed_in_over_tcp(&broker, "alice").await;
        assert_eq!(hits(&broker, limit).await, 0.0, "{limit}");
        let ended = |frame: &&str| if *frame == "half" { "SEND\n".to_owned() } else { format!("{frame}\0") };
        let said: String = frames.iter().map(ended).collect();
        // What comes after the end is not taken.
        let _ = client.try_send_bytes(said.replace('…', &"x".repeat(2_000)).as_bytes()).await;
        if !code.is_empty() {
            let error = client.error().await;
            assert_eq!(error.header("code"), Some(*code), "{limit}: {error}");
        }
        is_hit(&broker, limit).await;
    }
}

#[tokio::test]
async fn every_limit_is_shown_from_the_beginning_and_hit_by_some_test() {
    let broker = Broker::start().await;
    let text = get(broker.management(), "/metrics").await.body;
    let label =
        |line: &str| Some(line.strip_prefix("homeroom_limit_hits_total{limit=\"")?.split('"').next()?.to_owned());
    let shown: BTreeSet<String> = text.lines().filter_map(label).collect();
    let hit = SAID.iter().map(|(limit, ..)| *limit).chain(ELSEWHERE).chain(OTHERWISE);
    assert_eq!(shown, hit.map(str::to_owned).collect(), "add a row for the new limit");
    assert_eq!(metric(&text, "homeroom_limit_hits_total"), Some(0.0));
}

#[tokio::test]
async fn strangers_who_say_too_much_or_nothing_are_counted() {
    let settings = "[limits]\nbytes_before_connected = \"1KiB\"\n[stomp]\nconnect_within = \"1s\"\n\
                    [http]\nheader_timeout = \"1s\"\nupgrade_timeout = \"2s\"";
    let broker = Broker::start_with(settings).await;
    let mut talkative = Client::tcp(&broker).await;
    talkative.send_bytes(format!("CONNECT\nlogin:{}\n\n\0", "x".repeat(2_000)).as_bytes()).await;
    assert_eq!(talkative.error().await.header("code"), Some("106"));
    let mut silent = Client::tcp(&broker).await;
    let error = silent.error().await;
    assert_eq!((error.header("code"), error.header("retryable")), (Some("106"), Some("true")));
    let mut slow = TcpStream::connect(broker.http()).await.expect("it listens");
    let half = "POST /v1/messages?destination=/topic/7b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf";
    slow.write_all(half.as_bytes()).await.expect("taken");
    let mut half = TcpStream::connect(broker.http()).await.expect("it listens");
    half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.expect("taken");
    let much = format!("GET / HTTP/1.1\r\nHost: x\r\nx: {}\r\n\r\n", "x".repeat(40_000));
    assert_eq!(exchange(broker.http(), much.as_bytes()).await.map_or(431, |answer| answer.status), 431);
    for limit in [
        "bytes_before_connected",
        "stomp.connect_within",
        "http.upgrade_timeout",
        "http.header_timeout",
        "http.header_bytes_max",
    ] {
        is_hit(&broker, limit).await;
    }
}

#[tokio::test]
async fn connections_beyond_their_limits_are_counted_by_which_it_was() {
    for (limit, settings) in [
        ("connections", "[limits]\nconnections = 1"),
        ("connections_per_address", "[limits]\nconnections_per_address = 1"),
    ] {
        let broker = Broker::start_with(settings).await;
        let _one = Client::signed_in_over_tcp(&broker, "alice").await;
        Client::tcp(&broker).await.closed().await;
        is_hit(&broker, limit).await;
        if limit == "connections" {
            assert_eq!(get(broker.http(), "/v1/doctor/wait?seconds=1").await.status, 503);
        }
    }
}

#[tokio::test]
async fn connections_of_one_user_beyond_the_limit_are_counted() {
    let broker = Setup::asks_for_tokens().config("[limits]\nconnections_per_user = 1").start().await;
    let token = broker.token("alice", "student", &["7b"], "8h").await;
    let _one = Client::showing(&broker, &token).await;
    let mut another = Client::tcp(&broker).await;
    another.send(&Frame::new("CONNECT").with("accept-version", "1.2").with("passcode", &token)).await;
    assert_eq!(another.error().await.header("code"), Some("106"));
    is_hit(&broker, "connections_per_user").await;
}

#[tokio::test]
async fn who_comes_faster_than_connections_are_taken_waits_and_comes_in() {
    let broker = Broker::start_with("[limits]\naccepts_per_second = 2").await;
    // A burst of two seconds' worth passes; then it takes half a second each.
    let begun = tokio::time::Instant::now();
    for number in 0..8 {
        Client::signed_in_over_tcp(&broker, &format!("student-{number}")).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(1), "all came in after {:?}", begun.elapsed());
    // The operator does not wait behind them.
    is_hit(&broker, "accepts_per_second").await;
}

#[tokio::test]
async fn replies_probes_and_bytes_on_their_way_are_counted() {
    for (limit, settings) in [("replies", "[limits]\nreplies = 1"), ("reply_bytes", "[limits]\nreply_bytes = \"1KiB\"")]
    {
        let broker = Broker::start_with(settings).await;
        let mut service = Client::signed_in(&broker, "service").await;
        service.subscribe("s", "/topic/7b", &[]).await;
        let mut asks = Client::signed_in(&broker, "alice").await;
        asks.send(&Frame::new("SEND").with("destination", "/topic/7b").with("reply-to", "/temp-queue/x")).await;
        let address = service.message().await.need("reply-to").to_owned();
        // Both want room at once.
        service.send(&Frame::new("BEGIN").with("transaction", "t")).await;
        for _ in 0..2 {
            let reply = Frame::new("SEND").with("destination", &address).with("transaction", "t");
            service.send(&reply.body("x".repeat(800))).await;
        }
        service.request(Frame::new("COMMIT").with("transaction", "t")).await;
        asks.message().await;
        is_hit(&broker, limit).await;
    }
    let broker = Broker::start_with("[limits]\ndoctor_probes = 0\noutbox_bytes = \"4KiB\"").await;
    let refused = get(broker.http(), "/v1/doctor/wait?seconds=1").await;
    assert_eq!((refused.status, refused.json()["code"].as_u64().is_some()), (429, true), "{refused:?}");
    is_hit(&broker, "doctor_probes").await;
    let mut stalled = Client::websocket_with_receive_buffer(&broker, 4096).await;
    stalled.connect(&[("login", "bob")]).await;
    stalled.subscribe("s", "/topic/7b", &[]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    for _ in 0..8 {
        teacher.publish("/topic/7b", &"x".repeat(1 << 20)).await;
    }
    stalled.send(&Frame::new("SEND").with("destination", "/topic/8a")).await;
    is_hit(&broker, "outbox_bytes").await;
}

#[tokio::test]
async fn over_http_the_same_limits_are_counted() {
    let broker = Setup::default().config("[limits]\nbody_bytes = \"1KiB\"").start().await;
    let path = "/v1/messages?destination=/topic/7b";
    assert_eq!(homeroom_tests::post(broker.http(), path, &[], vec![b'x'; 2_000]).await.status, 413);
    is_hit(&broker, "body_bytes").await;
}
