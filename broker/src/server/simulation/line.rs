//! A STOMP client's line to the broker, over TCP or WebSocket, with heart-beats of its own.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use homeroom_protocol::{Command, Decoded, Decoder, Frame, Limits, Version, encode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::house::{BEAT, House};
use crate::transport::Socket;
use crate::transport::memory::Memory;

/// Whoever says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(12);

/// The line is no more.
#[derive(Debug)]
pub(super) struct Gone;

/// What carries the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Tcp,
    WebSocket,
}

enum Carrier {
    Tcp(Memory),
    WebSocket(Box<WebSocketStream<Socket>>),
}

pub(super) struct Line {
    carrier: Carrier,
    decoder: Decoder,
    frames: VecDeque<Frame>,
    heard: Instant,
    spoke: Instant,
}

impl Line {
    /// A line on which CONNECTED was heard.
    pub(super) async fn open(house: &House, door: Door, client: &str) -> Result<Line, Gone> {
        let carrier = match door {
            Door::Tcp => Carrier::Tcp(house.stomp().ok_or(Gone)?),
            Door::WebSocket => {
                let socket = house.http().ok_or(Gone)?;
                timeout(SILENCE, upgraded(socket)).await.map_err(|_| Gone)??
            }
        };
        let decoder = Decoder::new(Version::V1_2, &Limits::default());
        let now = Instant::now();
        let mut line = Line { carrier, decoder, frames: VecDeque::new(), heard: now, spoke: now };
        let beats = format!("{0},{0}", BEAT.as_millis());
        let connect = Frame::new(Command::Connect).with("accept-version", "1.2").with("host", "school");
        line.say(&connect.with("heart-beat", &beats).with("client-id", client)).await?;
        match line.next(now + SILENCE).await? {
            Some(frame) if frame.command == Command::Connected => Ok(line),
            _ => Err(Gone),
        }
    }

    pub(super) async fn say(&mut self, frame: &Frame) -> Result<(), Gone> {
        let mut bytes = Vec::new();
        encode(&mut bytes, Version::V1_2, frame);
        self.write(bytes).await
    }

    /// The next frame, if one comes up to then.
    pub(super) async fn next(&mut self, until: Instant) -> Result<Option<Frame>, Gone> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(Some(frame));
            }
            let (dead_at, beat_at) = (self.heard + SILENCE, self.spoke + BEAT);
            if timeout_at(until.min(dead_at).min(beat_at), self.receive())
                .await
                .map_or(Ok(()), |received| received)
                .is_err()
            {
                return Err(Gone);
            }
            let now = Instant::now();
            if !self.frames.is_empty() {
                continue;
            }
            if now >= self.heard + SILENCE {
                return Err(Gone);
            }
            if now >= beat_at {
                self.write(b"\n".to_vec()).await?;
            }
            if now >= until {
                return Ok(None);
            }
        }
    }

    async fn receive(&mut self) -> Result<(), Gone> {
        let mut buffer = [0; 4096];
        match &mut self.carrier {
            Carrier::Tcp(socket) => match socket.read(&mut buffer).await {
                Ok(count) if count > 0 => self.decoder.push(&buffer[..count]),
                _ => return Err(Gone),
            },
            Carrier::WebSocket(socket) => match socket.next().await {
                Some(Ok(Message::Text(text))) => self.decoder.push(text.as_bytes()),
                Some(Ok(Message::Binary(bytes))) => self.decoder.push(&bytes),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
                // tungstenite has answered a Ping; the answer goes out with the next flush.
                Some(Ok(_)) => timeout(SILENCE, socket.flush()).await.map_err(|_| Gone)?.map_err(|_| Gone)?,
            },
        }
        self.heard = Instant::now();
        while let Some(decoded) = self.decoder.next() {
            if let Decoded::Frame(frame) = decoded.expect("the broker writes STOMP") {
                self.frames.push_back(frame);
            }
        }
        Ok(())
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Gone> {
        self.spoke = Instant::now();
        let written = async {
            match &mut self.carrier {
                Carrier::Tcp(socket) => socket.write_all(&bytes).await.map_err(|_| Gone),
                Carrier::WebSocket(socket) => {
                    let text = String::from_utf8(bytes).expect("clients here write text");
                    socket.send(Message::text(text)).await.map_err(|_| Gone)
                }
            }
        };
        timeout(SILENCE, written).await.map_err(|_| Gone)?
    }
}

async fn upgraded(socket: Memory) -> Result<Carrier, Gone> {
    let mut request = "ws://127.0.0.1/ws".into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "v12.stomp".parse().unwrap());
    let upgraded = client_async(request, Socket::Memory(socket)).await.map_err(|_| Gone)?;
    Ok(Carrier::WebSocket(Box::new(upgraded.0)))
}
