//! Thousands who come in and say nothing, or half of something: each is gone within its deadline, what they held is free
//! again, and a class goes on meanwhile.

use std::time::Duration;

use homeroom_tests::{Broker, Client, Setup, raise_descriptor_limit, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

const EACH: usize = 2_000;
/// What the settings promise without being asked.
const PROMISED: Duration = Duration::from_secs(10);
/// A machine that is busy with other things looks late.
const SLACK: Duration = Duration::from_secs(5);
/// What 2,000 of them may cost while they are there: more than a conversation costs, far less than a message may.
const BYTES_EACH: u64 = 32 * 1024;

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: aG9tZXJvb20gdGVzdHMuLg==\r\n\r\n";

/// What somebody says before falling silent.
#[derive(Clone, Copy)]
enum Said {
    Tcp(&'static [u8]),
    Http(&'static [u8]),
    /// A frame behind a handshake.
    WebSocket(&'static [u8]),
}

const SILENT: [Said; 3] = [Said::Tcp(b""), Said::Http(b""), Said::WebSocket(b"")];
const HALF: [Said; 9] = [
    Said::Tcp(b"CONNE"),
    Said::Tcp(b"CONNECT\naccept-version:1.2\nhost:sch"),
    Said::Tcp(b"\n\n\n"),
    Said::Http(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgra"),
    Said::Http(b"POST /v1/messages?destination=/topic/7b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"),
    Said::Http(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    // The first byte of a frame; a frame without its body; half a fragmented message.
    Said::WebSocket(b"\x81"),
    Said::WebSocket(b"\x81\xfe\x01\x00\x00\x00\x00\x00CONNECT"),
    Said::WebSocket(b"\x01\x84\x00\x00\x00\x00CONN"),
];

async fn begin(broker: (String, String), said: Said) -> (TcpStream, Instant) {
    let (http, stomp) = broker;
    let (address, before, bytes) = match said {
        Said::Tcp(bytes) => (stomp, "", bytes),
        Said::Http(bytes) => (http, "", bytes),
        Said::WebSocket(bytes) => (http, HANDSHAKE, bytes),
    };
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    if !before.is_empty() {
        stream.write_all(before.as_bytes()).await.expect("taken");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an upgrade"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    }
    stream.write_all(bytes).await.expect("taken");
    (stream, Instant::now())
}

/// Until the other side has closed; how long it took.
async fn gone(mut stream: TcpStream, since: Instant) -> Duration {
    let mut said = [0; 4096];
    // A reset is an end too.
    while stream.read(&mut said).await.is_ok_and(|count| count > 0) {}
    since.elapsed()
}

async fn all_are_gone(broker: &Broker, teacher: &mut Client, kinds: &[Said]) {
    let addresses = (broker.http().to_owned(), broker.stomp().to_owned());
    let before = broker.resident_bytes();
    let mut arriving = JoinSet::new();
    let mut ends = JoinSet::new();
    for number in 0..EACH {
        arriving.spawn(begin(addresses.clone(), kinds[number % kinds.len()]));
        // As many as a listener's queue takes: whoever is not accepted is not there yet.
        while arriving.len() >= 100 {
            let (stream, since) = arriving.join_next().await.expect("somebody").expect("no panic");
            ends.spawn(gone(stream, since));
        }
    }
    while let Some(begun) = arriving.join_next().await {
        let (stream, since) = begun.expect("no panic");
        ends.spawn(gone(stream, since));
    }
    let held = broker.resident_bytes().saturating_sub(before);
    // The class does not wait for them.
    teacher.publish("/topic/7b/quiz", "still here").await;
    assert_eq!(teacher.message().await.text(), "still here");
    let mut longest = Duration::ZERO;
    within("the end of all of them", PROMISED + 3 * SLACK, async {
        while let Some(took) = ends.join_next().await {
            longest = longest.max(took.expect("no panic"));
        }
    })
    .await;
    assert!(longest < PROMISED + SLACK, "the last was gone after {longest:?}");
    assert!(held < EACH as u64 * BYTES_EACH, "they held {held} bytes");
}

#[tokio::test]
async fn thousands_who_say_nothing_or_half_of_it_are_gone_within_their_deadline() {
    raise_descriptor_limit();
    let broker = Setup::asks_for_tokens().start().await;
    let token = broker.token("smith", "teacher", &["7b"], "8h").await;
    let mut teacher = Client::showing(&broker, &token).await;
    teacher.subscribe("s", "/topic/7b/quiz", &[]).await;
    all_are_gone(&broker, &mut teacher, &SILENT).await;
    let after_one = broker.resident_bytes();
    all_are_gone(&broker, &mut teacher, &HALF).await;
    all_are_gone(&broker, &mut teacher, &SILENT).await;
    let grown = broker.resident_bytes().saturating_sub(after_one);
    assert!(grown < 32 << 20, "{grown} bytes more with each flood");
}
