//! SockJS over WebSocket, and WebSocket as it is.

use homeroom_tests::{Broker, Frame, HttpStream, Opcode, Piece, WebSocket, array};
use tokio::net::TcpStream;

use super::*;

#[tokio::test]
async fn websocket_http_errors() {
    let broker = broker().await;
    assert_eq!(get(&broker, "/ws/0/0/websocket").await.status, 400);
    let headers = [("Upgrade", "WebSocket"), ("Connection", "close")];
    let answer = HttpStream::get(broker.http(), "/ws/0/0/websocket", &headers).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().await.contains("Not a valid websocket request"));
    for headers in [&[("Upgrade", "WebSocket"), ("Connection", "Upgrade")][..], &[]] {
        let answer = HttpStream::post(broker.http(), "/ws/0/0/websocket", headers, "").await;
        assert_eq!((answer.status, answer.header("content-type")), (405, None));
        assert!(answer.header("allow").is_some());
    }
}

async fn open(broker: &Broker, path: &str) -> WebSocket {
    let stream = TcpStream::connect(broker.http()).await.expect("it listens");
    WebSocket::open(stream, path, &[], &[]).await.expect("an upgrade")
}

async fn heard(socket: &mut WebSocket) -> Option<String> {
    loop {
        match socket.read().await {
            Ok(Some(Piece { opcode: Opcode::Text, payload, .. })) => return String::from_utf8(payload).ok(),
            Ok(None | Some(Piece { opcode: Opcode::Close, .. })) | Err(_) => return None,
            Ok(Some(_)) => {}
        }
    }
}

async fn say(socket: &mut WebSocket, text: &str) {
    socket.write(Opcode::Text, true, text.as_bytes()).await.expect("it is taken");
}

/// Says CONNECT, subscribes and sends; the body comes back.
async fn verify_echo(socket: &mut WebSocket, body: &str) {
    let connect = text(&Frame::new("CONNECT").with("accept-version", "1.2"));
    let subscribe = text(&Frame::new("SUBSCRIBE").with("id", "s").with("destination", ECHO).with("receipt", "r"));
    say(socket, &list(&[connect, subscribe])).await;
    assert!(array(&heard(socket).await.expect("CONNECTED"))[0].starts_with("CONNECTED\n"));
    assert!(array(&heard(socket).await.expect("RECEIPT"))[0].starts_with("RECEIPT\n"));
    say(socket, &list(&[send_echo(body)])).await;
    let message = array(&heard(socket).await.expect("MESSAGE")).remove(0);
    assert!(message.starts_with("MESSAGE\n") && message.ends_with(&format!("\n\n{body}\0")), "{message}");
}

#[tokio::test]
async fn websocket() {
    let broker = broker().await;
    let mut first = open(&broker, "/ws/000/reused/websocket").await;
    assert_eq!(heard(&mut first).await.as_deref(), Some("o"));
    // Empty messages and lists are passed over.
    say(&mut first, "").await;
    say(&mut first, "[]").await;
    // Sessions over WebSocket may share a name.
    let mut second = open(&broker, "/ws/000/reused/websocket").await;
    assert_eq!(heard(&mut second).await.as_deref(), Some("o"));
    verify_echo(&mut first, "a").await;
    drop(first);
    verify_echo(&mut second, "b\u{2028}").await;

    // The close frame, and then the close.
    say(&mut second, &list(&[text(&Frame::new("UNHEARD"))])).await;
    assert!(array(&heard(&mut second).await.expect("ERROR"))[0].starts_with("ERROR\n"));
    assert!(heard(&mut second).await.expect("a close frame").starts_with("c[4507,"));
    assert_eq!(heard(&mut second).await, None);

    let mut broken = open(&broker, "/ws/000/broken/websocket").await;
    assert_eq!(heard(&mut broken).await.as_deref(), Some("o"));
    say(&mut broken, "[\"a").await;
    assert_eq!(heard(&mut broken).await.as_deref(), Some("c[1007,\"Broken JSON encoding.\"]"));
    assert_eq!(heard(&mut broken).await, None);
}

#[tokio::test]
async fn raw_websocket() {
    let broker = broker().await;
    let mut socket = open(&broker, "/ws/websocket").await;
    say(&mut socket, &text(&Frame::new("CONNECT").with("accept-version", "1.2"))).await;
    assert!(heard(&mut socket).await.expect("CONNECTED").starts_with("CONNECTED\n"));
}
