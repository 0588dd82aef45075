//! Peers that ask for too much, or for nothing for too long.

use std::time::Duration;

use homeroom_tests::{Broker, Client, DEADLINE, Frame, Opcode, Setup, WebSocket, eventually, exchange, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

const SHORT: &str = "[http]\nheader_timeout = \"1s\"\nupgrade_timeout = \"1s\"\n\
                     [stomp]\nconnect_within = \"1s\"\nframe_within = \"1s\"";

/// How long a peer that was told off may still be listened to, so that it can read why.
const PATIENCE: Duration = Duration::from_secs(8);

/// Writes until the peer closes.
async fn write_until_closed(client: &mut Client, piece: &[u8]) {
    within("the end of somebody who never stops", PATIENCE, async {
        while client.try_send_bytes(piece).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn headers_without_end_are_cut_off_and_cost_no_memory() {
    let broker = Broker::start().await;
    let before = broker.resident_bytes();
    for mut client in [Client::websocket(&broker, &["v12.stomp"]).await, Client::tcp(&broker).await] {
        client.connect(&[("login", "alice")]).await;
        client.send_bytes(b"SEND\ndestination:/topic/7b\n").await;
        write_until_closed(&mut client, &b"x:".repeat(2_000)).await;
    }
    let mut many = Client::signed_in(&broker, "alice").await;
    let frame = (0..200).fold(Frame::new("SEND").with("destination", "/topic/7b"), |frame, number| {
        frame.with(&format!("x{number}"), "1")
    });
    many.send(&frame).await;
    let error = many.error().await;
    assert_eq!(error.header("code"), Some("106"), "{error}");
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "grew by {grown} bytes");
}

#[tokio::test]
async fn headers_over_http_without_end_are_cut_off_and_cost_no_memory() {
    let broker = Broker::start().await;
    let before = broker.resident_bytes();
    for piece in [&b"x: y\r\n"[..], b"x"] {
        let mut stream = TcpStream::connect(broker.http()).await.expect("it listens");
        stream.write_all(b"GET /v1/time HTTP/1.1\r\nHost: localhost\r\n").await.expect("taken");
        let endless = piece.repeat(2_000);
        within("the end of somebody who never stops", PATIENCE, async {
            while stream.write_all(&endless).await.is_ok() {}
        })
        .await;
    }
    let head = format!("GET /v1/time HTTP/1.1\r\nHost: localhost\r\nx: {}\r\n\r\n", "y".repeat(17 * 1024));
    // What was not read any more may take the answer away.
    let status = exchange(broker.http(), head.as_bytes()).await.map(|answer| answer.status);
    assert!(matches!(status, Ok(431) | Err(_)), "beyond http.header_bytes_max: {status:?}");
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "grew by {grown} bytes");
}

#[tokio::test]
async fn connections_are_counted_in_all_and_for_each_user() {
    let full = Broker::start_with("[limits]\nconnections = 2").await;
    let (first, _second) = (Client::signed_in(&full, "alice").await, Client::signed_in_over_tcp(&full, "bob").await);
    assert!(Client::try_over_tcp(full.stomp(), "carol").await.is_none());
    let stream = TcpStream::connect(full.http()).await.expect("it listens");
    let refused = WebSocket::open(stream, "/ws", &["v12.stomp"], &[]).await.err().expect("there is no place");
    assert!(refused.contains("503"), "{refused}");
    drop(first);
    eventually("a place", DEADLINE, || Client::try_over_tcp(full.stomp(), "carol")).await;

    let few = Setup::asks_for_tokens().config("[limits]\nconnections_per_user = 2").start().await;
    let token = few.token("alice", "student", &["7b"], "8h").await;
    let held = [Client::showing(&few, &token).await, Client::showing(&few, &token).await];
    for client in [Client::websocket(&few, &["v12.stomp"]).await, Client::tcp(&few).await] {
        assert_eq!(is_in(client, ("passcode", &token)).await, Err("106".to_owned()));
    }
    let others = few.token("bob", "student", &["7b"], "8h").await;
    assert_eq!(is_in(Client::tcp(&few).await, ("passcode", &others)).await, Ok(()));
    drop(held);
}

/// Whether somebody who shows this comes in; the code of the ERROR if not.
async fn is_in(mut client: Client, shown: (&str, &str)) -> Result<(), String> {
    let connect = Frame::new("CONNECT").with("accept-version", "1.2").with("host", "school").with(shown.0, shown.1);
    client.send(&connect).await;
    let answer = client.frame().await;
    if answer.command == "CONNECTED" { Ok(()) } else { Err(answer.need("code").to_owned()) }
}

#[tokio::test]
async fn a_huge_content_length_is_refused_before_the_body_comes() {
    let broker = Broker::start().await;
    for length in ["1048577", "999999999999", "18446744073709551616", "-1", "ten"] {
        for mut client in [Client::websocket(&broker, &["v12.stomp"]).await, Client::tcp(&broker).await] {
            client.connect(&[("login", "alice")]).await;
            client.send_bytes(format!("SEND\ndestination:/topic/7b\ncontent-length:{length}\n\nx").as_bytes()).await;
            let error = client.error().await;
            assert!(matches!(error.header("code"), Some("106" | "107")), "content-length:{length}: {error}");
            client.closed().await;
        }
    }
    assert!(broker.resident_bytes() < 256 << 20);
}

#[tokio::test]
async fn the_largest_body_passes() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.subscribe("s", "/topic/7b", &[]).await;
    let body = "x".repeat(1 << 20);
    client.publish("/topic/7b", &body).await;
    assert_eq!(client.message().await.body.len(), 1 << 20);
    client.send(&Frame::new("SEND").with("destination", "/topic/7b").body(format!("{body}y"))).await;
    let error = client.error().await;
    assert_eq!(error.header("code"), Some("106"), "{error}");
}

#[tokio::test]
async fn before_connect_little_is_listened_to() {
    let broker = Broker::start().await;
    for mut client in [Client::websocket(&broker, &[]).await, Client::tcp(&broker).await] {
        client.send_bytes(b"CONNECT\naccept-version:1.2\nhost:school\n").await;
        write_until_closed(&mut client, b"a-header:with-a-value\n").await;
    }
}

#[tokio::test]
async fn silent_and_half_finished_connections_are_gone_within_their_deadline() {
    let broker = Broker::start_with(SHORT).await;
    let start = Instant::now();
    let mut doors = Vec::new();
    for (door, half) in [
        (broker.http(), &b""[..]),
        (broker.http(), b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgra"),
        (broker.stomp(), b""),
        (broker.stomp(), b"CONNE"),
        (broker.stomp(), b"CONNECT\naccept-version:1.2\n"),
    ] {
        let mut stream = TcpStream::connect(door).await.expect("it listens");
        stream.write_all(half).await.expect("taken");
        doors.push((String::from_utf8_lossy(half).into_owned(), stream));
    }
    let mut upgraded = Client::websocket(&broker, &["v12.stomp"]).await;
    let mut dripping = Client::signed_in(&broker, "alice").await;
    dripping.send_bytes(b"SEND\ndestination:/topic/7b\n").await;

    for (half, mut stream) in doors {
        let mut answer = Vec::new();
        let what = format!("the end of a connection that said {half:?}");
        // A reset is an end too.
        let _ = within(&what, Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    }
    upgraded.closed_within(Duration::from_secs(5)).await;
    dripping.closed_within(Duration::from_secs(5)).await;
    assert!(start.elapsed() < Duration::from_secs(8), "all together took {:?}", start.elapsed());
}

#[tokio::test]
async fn a_frame_that_drips_forever_is_cut_off() {
    let broker = Broker::start_with(SHORT).await;
    let mut client = Client::signed_in_over_tcp(&broker, "alice").await;
    client.send_bytes(b"SEND\ndestination:/topic/7b\n\n").await;
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    let start = Instant::now();
    while client.try_send_bytes(b"x").await.is_ok() {
        pace.tick().await;
        assert!(start.elapsed() < DEADLINE, "still listened to after {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_websocket_message_that_is_begun_and_never_ends_is_cut_off() {
    let broker = Broker::start_with(SHORT).await;
    let begun = [&b"\x81"[..], b"\x82\xfe\x10\x00\0\0\0\0SEND", b"\x01\x84\0\0\0\0SEND"];
    for (bytes, goes_on) in begun.map(|bytes| (bytes, &b""[..])).into_iter().chain([(begun[2], &b"\0\x80\0\0\0\0"[..])])
    {
        let mut client = Client::signed_in(&broker, "alice").await;
        client.socket().write_raw(bytes).await.expect("taken");
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        let error = loop {
            tokio::select! {
                error = client.error() => break error,
                _ = pace.tick(), if !goes_on.is_empty() => {}
            }
            // Empty pieces of a message are none that lead to its end.
            let _ = client.socket().write_raw(goes_on).await;
        };
        assert!(error.need("reason").contains("frame"), "{bytes:?}: {error}");
        client.closed_within(PATIENCE).await;
    }
}

#[tokio::test]
async fn who_goes_on_after_its_close_stops_nobody_else() {
    let broker = Broker::start().await;
    for number in 0..8 {
        let mut client = Client::signed_in(&broker, &format!("student-{number}")).await;
        client.request(Frame::new("DISCONNECT")).await;
        for code in [1000_u16, 1001, 1000] {
            client.socket().write(Opcode::Close, true, &code.to_be_bytes()).await.expect("taken");
        }
        client.send_bytes(b"and another thing").await;
        client.closed().await;
    }
    let before = broker.processor_time();
    let start = Instant::now();
    let mut client = Client::signed_in(&broker, "alice").await;
    while start.elapsed() < Duration::from_secs(3) {
        client.publish("/topic/7b", "still served").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let used = broker.processor_time() - before;
    assert!(used < Duration::from_secs(1), "{used:?} of processor time for nothing");
}

#[tokio::test]
async fn subscriptions_and_transactions_are_counted() {
    let broker = Broker::start_with("[limits]\nsubscriptions = 3\ntransactions = 2").await;
    let mut client = Client::signed_in(&broker, "alice").await;
    for number in 0..3 {
        client.subscribe(&number.to_string(), "/topic/7b", &[]).await;
    }
    client.send(&Frame::new("SUBSCRIBE").with("id", "3").with("destination", "/topic/7b")).await;
    assert_eq!(client.error().await.header("code"), Some("106"));

    let mut client = Client::signed_in(&broker, "alice").await;
    for number in 0..3 {
        client.send(&Frame::new("BEGIN").with("transaction", number.to_string())).await;
    }
    assert_eq!(client.error().await.header("code"), Some("106"));
}
