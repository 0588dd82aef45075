//! The WebSocket door: a STOMP conversation that enters no classroom.

use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use futures_util::{SinkExt, StreamExt};
use homeroom_protocol::{Command, Decoded, Decoder, Frame, Limits, Version, encode};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::doors::{SAMPLES, milliseconds};
use super::line::{BYTES_MAX, WITHIN, connect, failed};
use super::measurements::{Door, Outcome};
use super::target::Target;
use crate::refusals::code;
use crate::transport::Socket;

/// A conversation after CONNECTED, in which neither side has to say anything for a long time.
pub(super) struct Conversation {
    socket: WebSocketStream<Socket>,
    decoder: Decoder,
    /// How often the broker offers to send a heart-beat.
    pub(super) heartbeat: Duration,
}

/// What came next.
pub(super) enum Heard {
    Frame(Frame),
    /// A Ping, a heart-beat: nothing is said, and it is no silence either.
    Sign,
    /// It is closed.
    End,
}

impl Conversation {
    /// Connects. Our heart-beats are so seldom that the broker has no reason to ask for a sign within `quiet`.
    ///
    /// # Errors
    /// What stands in the way.
    pub(super) async fn open(target: &Target, quiet: Duration) -> Result<Conversation, Door> {
        let stream = connect(target).await.map_err(failed)?;
        let mut socket = tokio::time::timeout(WITHIN, upgrade(target, stream)).await.map_err(|_| silent())??;
        let beat = (2 * quiet.max(WITHIN)).as_millis();
        let frame = Frame::new(Command::Connect)
            .with("accept-version", Version::V1_2.number())
            .with("host", "homeroom")
            .with("heart-beat", &format!("{beat},0"));
        if socket.send(message(&frame)).await.is_err() {
            return Err(Door::is(Outcome::Closed));
        }
        let limits = Limits { header_bytes_max: BYTES_MAX, ..Limits::default() };
        let decoder = Decoder::new(Version::V1_2, &limits);
        let mut conversation = Conversation { socket, decoder, heartbeat: Duration::ZERO };
        let frame = tokio::time::timeout(WITHIN, conversation.frame()).await.map_err(|_| silent())?;
        match frame {
            Some(frame) if frame.command == Command::Connected => {
                let offered = frame.headers.get("heart-beat").and_then(|value| value.split(',').next());
                let offered = offered.and_then(|offered| offered.trim().parse().ok()).unwrap_or(0);
                conversation.heartbeat = Duration::from_millis(offered);
                Ok(conversation)
            }
            Some(frame) if is_busy(&frame) => Err(Door::is(Outcome::Busy)),
            // Who this is does not matter here: a question and its answer came through.
            Some(frame) if asks_who(&frame) => Err(Door::is(Outcome::Works)),
            Some(_) => Err(Door::is(Outcome::Foreign)),
            None => Err(Door::is(Outcome::Closed)),
        }
    }

    /// Round trips in milliseconds: a transaction is begun and given up, which touches nothing.
    pub(super) async fn round_trips(&mut self) -> Option<Vec<f64>> {
        let mut trips = Vec::new();
        for number in 0..SAMPLES {
            let command = if number % 2 == 0 { Command::Begin } else { Command::Abort };
            let began = Instant::now();
            self.confirmed(Frame::new(command).with("transaction", "doctor"), &number.to_string()).await?;
            trips.push(milliseconds(began));
        }
        Some(trips)
    }

    /// Whether a last word is answered.
    pub(super) async fn ends_well(&mut self) -> bool {
        self.confirmed(Frame::new(Command::Disconnect), "bye").await.is_some()
    }

    async fn confirmed(&mut self, frame: Frame, receipt: &str) -> Option<()> {
        self.socket.send(message(&frame.with("receipt", receipt))).await.ok()?;
        let answer = tokio::time::timeout(WITHIN, self.frame()).await.ok()??;
        (answer.headers.get("receipt-id") == Some(receipt)).then_some(())
    }

    /// The next frame; `None` if it ends before one.
    async fn frame(&mut self) -> Option<Frame> {
        loop {
            match self.next().await {
                Heard::Frame(frame) => return Some(frame),
                Heard::Sign => {}
                Heard::End => return None,
            }
        }
    }

    /// What comes next. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            match self.decoder.next() {
                Some(Ok(Decoded::Frame(frame))) => return Heard::Frame(frame),
                Some(Ok(Decoded::HeartBeat)) => return Heard::Sign,
                Some(Err(_)) => return Heard::End,
                None => {}
            }
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => self.decoder.push(text.as_bytes()),
                Some(Ok(Message::Binary(bytes))) => self.decoder.push(&bytes),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Heard::End,
                Some(Ok(_)) => return Heard::Sign,
            }
        }
    }
}

/// The door, its round trips, and how often the broker offers a heart-beat.
pub(super) async fn websocket(target: &Target) -> (Door, Option<Duration>) {
    match Conversation::open(target, Duration::ZERO).await {
        Ok(mut conversation) => match conversation.round_trips().await {
            Some(trips) => {
                let heartbeat = conversation.heartbeat;
                conversation.ends_well().await;
                (Door::works(&trips), Some(heartbeat))
            }
            None => (Door::is(Outcome::Closed), None),
        },
        Err(door) => (door, None),
    }
}

async fn upgrade(target: &Target, stream: Socket) -> Result<WebSocketStream<Socket>, Door> {
    let mut request = target.websocket().into_client_request().map_err(|_| Door::is(Outcome::Refused))?;
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static(Version::V1_2.subprotocol()));
    if let Ok(origin) = HeaderValue::from_str(&target.origin()) {
        headers.insert("Origin", origin);
    }
    let config = WebSocketConfig::default().max_message_size(Some(BYTES_MAX)).max_frame_size(Some(BYTES_MAX));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => {
            Err(Door { status: Some(response.status().as_u16()), ..Door::is(Outcome::Refused) })
        }
        Err(_) => Err(Door::is(Outcome::Refused)),
    }
}

fn message(frame: &Frame) -> Message {
    let mut bytes = Vec::new();
    encode(&mut bytes, Version::V1_2, frame);
    Message::text(String::from_utf8_lossy(&bytes).into_owned())
}

fn silent() -> Door {
    Door::is(Outcome::Silent)
}

fn is_busy(frame: &Frame) -> bool {
    matches!(refused_with(frame), Some(code::LIMIT | code::NOT_AVAILABLE))
}

fn asks_who(frame: &Frame) -> bool {
    refused_with(frame) == Some(code::UNAUTHORIZED)
}

fn refused_with(frame: &Frame) -> Option<u16> {
    let number = frame.headers.get("code").and_then(|number| number.parse().ok());
    number.filter(|_| frame.command == Command::Error)
}
