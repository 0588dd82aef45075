//! Proxies say for whom they speak, and only those that are listed are believed.

use homeroom_tests::{Authority, Broker, Client, DEADLINE, Setup, WebSocket, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Whoever is taken for the same as another is not let in.
const ONE_EACH: &str = "[limits]\nconnections_per_address = 1\n";

/// A header of the PROXY protocol, version 2, for somebody at 192.0.2.N.
fn announcement(last: u8) -> Vec<u8> {
    let addresses = [192, 0, 2, last, 10, 0, 0, 1, 0x30, 0x39, 0x01, 0xbb];
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &addresses].concat()
}

async fn announced(address: &str, last: u8) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(&announcement(last)).await.expect("written");
    stream
}

/// Whether the conversation over this WebSocket goes on.
async fn is_let_in(mut socket: WebSocket) -> Option<WebSocket> {
    let connect = b"CONNECT\naccept-version:1.2\nhost:school\n\n\0";
    socket.write(homeroom_tests::Opcode::Text, true, connect).await.ok()?;
    let first = within("an answer", DEADLINE, socket.read()).await.ok()??;
    first.payload.starts_with(b"CONNECTED").then_some(socket)
}

async fn upgraded(stream: TcpStream, headers: &[(&str, &str)]) -> Option<WebSocket> {
    let socket = within("the upgrade", DEADLINE, WebSocket::open(stream, "/ws", &["v12.stomp"], headers)).await;
    is_let_in(socket.ok()?).await
}

#[tokio::test]
async fn the_address_that_a_trusted_proxy_names_is_the_one_that_counts() {
    let config = format!("{ONE_EACH}[proxies]\ntrusted = [\"127.0.0.0/8\"]\nproxy_protocol = [\"http\", \"stomp\"]");
    let broker = Broker::start_with(&config).await;
    let first = upgraded(announced(broker.http(), 1).await, &[]).await;
    assert!(first.is_some());
    assert!(upgraded(announced(broker.http(), 1).await, &[]).await.is_none(), "the same address twice");
    let second = upgraded(announced(broker.http(), 2).await, &[]).await;
    assert!(second.is_some());
    // What somebody says who is no proxy is nobody's word.
    assert!(upgraded(announced(broker.http(), 2).await, &[("X-Forwarded-For", "192.0.2.9")]).await.is_none());

    for (last, expected) in [(1, ""), (3, "CONNECTED")] {
        let mut stream = announced(broker.stomp(), last).await;
        stream.write_all(b"CONNECT\naccept-version:1.2\nhost:school\n\n\0").await.expect("written");
        let mut bytes = [0; 64];
        let count = within("an answer", DEADLINE, stream.read(&mut bytes)).await.unwrap_or(0);
        assert!(String::from_utf8_lossy(&bytes[..count]).starts_with(expected) && (count > 0) == (last == 3), "{last}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_that_says_nothing_or_nonsense_is_closed() {
    let config = "[proxies]\ntrusted = [\"127.0.0.1\"]\nproxy_protocol = [\"http\"]";
    let broker = Broker::start_with(config).await;
    let mut too_long = announcement(1);
    too_long[14] = 0xff;
    for bytes in [
        &b"GET /v1/time HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\nGET /v1/time HTTP/1.1\r\nHost: a\r\n\r\n",
        &too_long,
        &[0x16, 3, 1, 0, 0],
    ] {
        let mut stream = TcpStream::connect(broker.http()).await.expect("it listens");
        stream.write_all(bytes).await.expect("written");
        let mut said = Vec::new();
        let _ = within("the end", DEADLINE, stream.read_to_end(&mut said)).await;
        assert_eq!(said, b"", "{bytes:?}");
    }
    assert!(broker.stderr().contains("a connection of a trusted proxy is closed"), "{}", broker.stderr());
    // STOMP was not named, and begins as ever.
    Client::signed_in_over_tcp(&broker, "alice").await;
}

#[tokio::test]
async fn from_anybody_else_a_header_is_refused() {
    let config = "[proxies]\ntrusted = [\"192.0.2.0/24\"]\nproxy_protocol = [\"http\", \"stomp\"]";
    for broker in [Broker::start().await, Broker::start_with(config).await] {
        let mut http = announced(broker.http(), 1).await;
        http.write_all(b"GET /v1/time HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("written");
        let mut said = Vec::new();
        let _ = within("the end", DEADLINE, http.read_to_end(&mut said)).await;
        assert!(!String::from_utf8_lossy(&said).contains(" 200 "), "{}", String::from_utf8_lossy(&said));

        let mut stomp = announced(broker.stomp(), 1).await;
        stomp.write_all(b"CONNECT\naccept-version:1.2\nhost:school\n\n\0").await.expect("written");
        let mut said = Vec::new();
        let _ = within("the end", DEADLINE, stomp.read_to_end(&mut said)).await;
        assert!(!String::from_utf8_lossy(&said).contains("CONNECTED"), "{}", String::from_utf8_lossy(&said));
        // Without one they come in as ever.
        Client::signed_in(&broker, "alice").await;
        Client::signed_in_over_tcp(&broker, "alice").await;
    }
}

#[tokio::test]
async fn a_forwarded_address_counts_from_a_trusted_proxy_alone() {
    for (trusted, expected) in [("127.0.0.1", true), ("192.0.2.0/24", false)] {
        let broker = Broker::start_with(&format!("{ONE_EACH}[proxies]\ntrusted = [\"{trusted}\"]")).await;
        let mut inside = Vec::new();
        for (number, forwarded) in ["192.0.2.200, 203.0.113.1", "203.0.113.2"].iter().enumerate() {
            let stream = TcpStream::connect(broker.http()).await.expect("it listens");
            let socket = upgraded(stream, &[("X-Forwarded-For", forwarded)]).await;
            assert_eq!(socket.is_some(), expected || number == 0, "{trusted} {forwarded}");
            inside.extend(socket);
        }
        let stream = TcpStream::connect(broker.http()).await.expect("it listens");
        assert!(upgraded(stream, &[("X-Forwarded-For", "8.8.8.8, 203.0.113.1")]).await.is_none(), "{trusted}");
    }
}

#[tokio::test]
async fn the_header_comes_before_tls() {
    let authority = Authority::new();
    let config = "[proxies]\ntrusted = [\"127.0.0.1\"]\nproxy_protocol = [\"http\"]";
    let broker = Setup::default().config(config).tls(&authority).start().await;
    let stream = announced(broker.http(), 1).await;
    let mut stream = within("a handshake", DEADLINE, authority.over(stream)).await.expect("TLS behind the header");
    stream.write_all(b"GET /v1/time HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("written");
    let mut bytes = [0; 15];
    within("an answer", DEADLINE, stream.read_exact(&mut bytes)).await.expect("open");
    assert_eq!(&bytes, b"HTTP/1.1 200 OK");
    assert!(authority.connect(broker.http()).await.is_err(), "without the header");
}
