//! Those who come in and say nothing, or half of something, before they have said who they are.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: aG9tZXJvb20gdGVzdHMuLg==\r\n\r\n";

/// What somebody says before falling silent.
#[derive(Clone, Copy, Debug)]
pub enum Said {
    /// To the STOMP listener.
    Tcp(&'static [u8]),
    /// To the HTTP listener.
    Http(&'static [u8]),
    /// A frame behind a handshake.
    WebSocket(&'static [u8]),
}

impl Said {
    /// Nothing, at each door.
    pub const NOTHING: [Said; 3] = [Said::Tcp(b""), Said::Http(b""), Said::WebSocket(b"")];
    /// Half of something, at each door.
    pub const HALF: [Said; 9] = [
        Said::Tcp(b"CONNE"),
        Said::Tcp(b"CONNECT\naccept-version:1.2\nhost:sch"),
        Said::Tcp(b"\n\n\n"),
        Said::Http(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgra"),
        Said::Http(
            b"POST /v1/messages?destination=/topic/7b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf",
        ),
        Said::Http(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        // The first byte of a frame; a frame without its body; half a fragmented message.
        Said::WebSocket(b"\x81"),
        Said::WebSocket(b"\x81\xfe\x01\x00\x00\x00\x00\x00CONNECT"),
        Said::WebSocket(b"\x01\x84\x00\x00\x00\x00CONN"),
    ];
}

/// Somebody who has said that and says no more.
#[derive(Debug)]
pub struct Stranger {
    stream: TcpStream,
    since: Instant,
}

impl Stranger {
    /// Comes in at the HTTP or the STOMP listener.
    ///
    /// # Errors
    /// The socket's, or that a handshake was refused.
    pub async fn come(http: &str, stomp: &str, said: Said) -> io::Result<Stranger> {
        let (address, before, bytes) = match said {
            Said::Tcp(bytes) => (stomp, "", bytes),
            Said::Http(bytes) => (http, "", bytes),
            Said::WebSocket(bytes) => (http, HANDSHAKE, bytes),
        };
        let mut stream = TcpStream::connect(address).await?;
        if !before.is_empty() {
            stream.write_all(before.as_bytes()).await?;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await?);
            }
            if !head.starts_with(b"HTTP/1.1 101") {
                return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
            }
        }
        stream.write_all(bytes).await?;
        Ok(Stranger { stream, since: Instant::now() })
    }

    /// Waits until the other side has closed; how long it bore with the stranger.
    pub async fn gone(mut self) -> Duration {
        let mut said = [0; 256];
        // A reset is an end too.
        while self.stream.read(&mut said).await.is_ok_and(|count| count > 0) {}
        self.since.elapsed()
    }
}
