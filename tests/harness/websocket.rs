//! A WebSocket client without habits.
//!
//! Libraries answer every Ping by themselves and keep only the newest one. The
//! tests are about exactly that, so this client answers nothing by itself.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The kinds of frames of RFC 6455.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of a fragmented message.
    Continuation,
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
    /// The end.
    Close,
    /// A question.
    Ping,
    /// Its answer.
    Pong,
}

impl Opcode {
    fn number(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            other => panic!("a WebSocket frame of unknown opcode {other}"),
        }
    }
}

/// One WebSocket frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its kind.
    pub opcode: Opcode,
    /// Whether the message ends with it.
    pub last: bool,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// A key any server accepts; its secrecy protects proxies, not tests.
const KEY: &str = "aG9tZXJvb20gdGVzdHMuLg==";
/// Masks are for proxies too: a fixed one keeps the bytes of a failing test readable.
const MASK: [u8; 4] = [0x17, 0x2a, 0x5c, 0x01];

/// One open WebSocket.
pub struct WebSocket {
    stream: TcpStream,
    received: Vec<u8>,
    /// How much of `received` was handed out already.
    start: usize,
    /// The subprotocol that the server chose.
    pub subprotocol: Option<String>,
}

impl WebSocket {
    /// Upgrades `stream` at `path`, offering `subprotocols`; extra header lines go out as given.
    ///
    /// # Errors
    /// The whole head of the answer, when the server did not upgrade.
    pub async fn open(
        mut stream: TcpStream,
        path: &str,
        subprotocols: &[&str],
        extra: &[(&str, &str)],
    ) -> Result<Self, String> {
        let address = stream.peer_addr().expect("a connected stream");
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
        );
        if !subprotocols.is_empty() {
            request.push_str(&format!("Sec-WebSocket-Protocol: {}\r\n", subprotocols.join(", ")));
        }
        for (name, value) in extra {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;

        let mut received = Vec::with_capacity(512);
        let end = loop {
            if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            let count = stream.read_buf(&mut received).await.map_err(|error| error.to_string())?;
            if count == 0 {
                return Err(format!("closed after {:?}", String::from_utf8_lossy(&received)));
            }
        };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        if !head.starts_with("HTTP/1.1 101") {
            return Err(head);
        }
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (known, value) = line.split_once(':')?;
                known.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        assert_eq!(field("sec-websocket-accept"), Some(derive_accept_key(KEY.as_bytes())), "{head}");
        let subprotocol = field("sec-websocket-protocol");
        received.drain(..end + 4);
        Ok(Self { stream, received: received.as_slice().to_vec(), start: 0, subprotocol })
    }

    /// Writes one frame.
    ///
    /// # Errors
    /// The socket's.
    pub async fn write(&mut self, opcode: Opcode, last: bool, payload: &[u8]) -> io::Result<()> {
        let mut bytes = vec![(u8::from(last) << 7) | opcode.number()];
        match payload.len() {
            length @ 0..126 => bytes.push(0x80 | length as u8),
            length @ 126..0x1_0000 => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.write_raw(&bytes).await
    }

    /// Writes bytes as they are, valid or not.
    ///
    /// # Errors
    /// The socket's.
    pub async fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Closes our half of the TCP connection, without a Close frame, as a crashed browser's kernel does.
    ///
    /// # Errors
    /// The socket's.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// The next frame, `None` when the server closed its half. Safe to cancel.
    ///
    /// # Errors
    /// The socket's.
    pub async fn read(&mut self) -> io::Result<Option<Piece>> {
        loop {
            if let Some((piece, used)) = cut(&self.received[self.start..]) {
                self.start += used;
                if self.start == self.received.len() {
                    // Thousands of idle clients must cost little.
                    self.received = Vec::new();
                    self.start = 0;
                }
                return Ok(Some(piece));
            }
            self.received.drain(..self.start);
            self.start = 0;
            // No buffer is set aside before there is something to read.
            self.stream.readable().await?;
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Whether bytes of an unfinished frame wait.
    pub fn is_mid_frame(&self) -> bool {
        self.start < self.received.len()
    }
}

/// The first whole frame of `bytes`, and how many bytes it took.
fn cut(bytes: &[u8]) -> Option<(Piece, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert_eq!(first & 0x70, 0, "no extension was negotiated");
    assert_eq!(second & 0x80, 0, "a server masks nothing");
    let (length, start) = match second {
        126 => (u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?) as usize, 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize, 10),
        length => (length as usize, 2),
    };
    let payload = bytes.get(start..start + length)?.to_vec();
    let piece = Piece { opcode: Opcode::from_number(first & 0x0f), last: first & 0x80 != 0, payload };
    Some((piece, start + length))
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt, StreamExt};
    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_async;
    use tokio_tungstenite::tungstenite::Message;

    use super::*;

    /// A library on the other side: it pings, then sends back what comes, and closes after `bye`.
    async fn echo(listener: TcpListener) {
        let (stream, _) = listener.accept().await.expect("somebody comes");
        let mut socket = accept_async(stream).await.expect("a handshake");
        socket.send(Message::Ping("are you there?".into())).await.expect("sent");
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(text) if text == "bye" => socket.close(None).await.expect("closed"),
                Message::Text(_) | Message::Binary(_) => socket.send(message).await.expect("sent"),
                _ => {}
            }
        }
    }

    #[tokio::test]
    async fn every_length_survives_and_no_ping_is_answered_by_itself() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(echo(listener));
        let stream = TcpStream::connect(address).await.expect("it listens");
        let mut client = WebSocket::open(stream, "/", &[], &[]).await.expect("an upgrade");
        let ping = client.read().await.expect("open").expect("a frame");
        assert_eq!((ping.opcode, ping.payload.as_slice()), (Opcode::Ping, &b"are you there?"[..]));
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            let payload = vec![b'x'; length];
            let (first, rest) = payload.split_at(length / 2);
            client.write(Opcode::Binary, false, first).await.expect("written");
            client.write(Opcode::Continuation, true, rest).await.expect("written");
            let echoed = client.read().await.expect("open").expect("a frame");
            assert_eq!(echoed, Piece { opcode: Opcode::Binary, last: true, payload }, "of {length} bytes");
        }
        client.write(Opcode::Text, true, b"bye").await.expect("written");
        let close = client.read().await.expect("open").expect("a frame");
        assert_eq!(close.opcode, Opcode::Close);
        client.write(Opcode::Close, true, &close.payload).await.expect("written");
        server.await.expect("the server is content");
    }
}
