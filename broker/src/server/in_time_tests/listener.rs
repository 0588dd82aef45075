//! Somebody who listens at one of the doors, and keeps when they heard what.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use homeroom_protocol::{Command, Decoded, Decoder, Frame, Limits, Version, encode};
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::Door;
use super::asking::{Line, problem, request_as};
use super::school::School;
use crate::transport::Socket;
use crate::transport::memory::{Given, Memory};

/// Read at once by whoever takes their time.
pub(super) const SIP_BYTES: usize = 4 * 1024;

/// What somebody heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A message's body.
    Message(String),
    /// What `/user/queue/auth` says: the event, and how many seconds are left.
    Auth(String, u64),
    /// Refused softly with this code.
    Declined(u64),
    /// A RECEIPT.
    Receipt,
    /// Refused with this code.
    Refused(u64),
    /// Nothing more comes.
    Over,
}

/// What somebody wants at a door.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) door: Door,
    pub(super) token: String,
    pub(super) place: &'static str,
    /// From the first message on, instead of the next.
    pub(super) from_first: bool,
    /// So long they take for each sip.
    pub(super) pace: Duration,
    /// STOMP alone: listens to what the broker says to this connection, and is refused softly.
    pub(super) hears_broker: bool,
}

impl Wish {
    /// Whatever comes next in the quiz, at once.
    pub(super) fn at(door: Door, token: String) -> Wish {
        Wish { door, token, place: super::QUIZ, from_first: false, pace: Duration::ZERO, hears_broker: false }
    }
}

/// Somebody at a door.
pub(super) struct Listener {
    heard: UnboundedReceiver<(Instant, Heard)>,
    frames: UnboundedSender<Frame>,
    listening: AbortHandle,
    /// Everything the broker ever gave them.
    pub(super) given: Given,
}

impl Listener {
    /// Opens the door; what is heard can be asked for from now on.
    pub(super) fn at(school: &School, wish: Wish) -> Listener {
        let (tell, heard) = unbounded_channel();
        let (frames, say) = unbounded_channel();
        let socket = if wish.door == Door::Tcp { school.stomp() } else { school.http() };
        let given = socket.given();
        let mut ear = Ear { tell, say, wish, decoder: Decoder::new(Version::V1_2, &Limits::default()), is_over: false };
        let school = school.clone();
        let listening = tokio::spawn(async move {
            match ear.wish.door {
                Door::Tcp => ear.over_tcp(socket).await,
                Door::WebSocket => ear.over_websocket(socket).await,
                Door::Sockjs => ear.over_polls(socket).await,
                Door::SockjsStream | Door::SockjsEvents | Door::SockjsHtml => ear.over_answers(&school, socket).await,
                Door::Events | Door::Lines => ear.over_stream(&school, Line::over(socket).await).await,
                Door::ManyEvents => ear.over_stream(&school, Line::of_many(socket, Arc::default()).await).await,
                Door::Poll | Door::Page => ear.over_pages(socket).await,
            }
            ear.hear(Heard::Over);
        });
        Listener { heard, frames, listening: listening.abort_handle(), given }
    }

    /// Says something over STOMP.
    pub(super) fn say(&self, frame: Frame) {
        self.frames.send(frame).unwrap();
    }

    /// The next thing, and when it was heard.
    pub(super) async fn next(&mut self) -> (Instant, Heard) {
        self.heard.recv().await.expect("everything ends with Over")
    }

    /// The next thing, if it comes up to then.
    pub(super) async fn next_before(&mut self, until: Instant) -> Option<(Instant, Heard)> {
        timeout_at(until, self.next()).await.ok()
    }

    /// What was heard and not asked for.
    pub(super) fn rest(&mut self) -> Vec<(Instant, Heard)> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Who does the listening.
pub(super) struct Ear {
    tell: UnboundedSender<(Instant, Heard)>,
    pub(super) say: UnboundedReceiver<Frame>,
    pub(super) wish: Wish,
    decoder: Decoder,
    pub(super) is_over: bool,
}

impl Ear {
    fn hear(&self, heard: Heard) {
        let _ = self.tell.send((Instant::now(), heard));
    }

    pub(super) async fn sip(&self) {
        if !self.wish.pace.is_zero() {
            sleep(self.wish.pace).await;
        }
    }

    /// The frames with which a conversation begins.
    pub(super) fn opening(&self) -> Vec<Frame> {
        let connect = Frame::new(Command::Connect).with("accept-version", "1.2").with("host", "school");
        let subscribe = Frame::new(Command::Subscribe).with("id", "place").with("destination", self.wish.place);
        let first = |frame: Frame| if self.wish.from_first { frame.with("x-stream-offset", "first") } else { frame };
        let connect = connect.with("passcode", &self.wish.token);
        if !self.wish.hears_broker {
            return vec![connect, first(subscribe)];
        }
        let own = |id: &str| {
            let destination = format!("/user/queue/{id}");
            Frame::new(Command::Subscribe).with("id", id).with("destination", &destination)
        };
        vec![connect.with("errors", "soft"), own("auth"), own("errors"), first(subscribe)]
    }

    /// Takes STOMP as it comes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
        while let Some(Ok(decoded)) = self.decoder.next() {
            let Decoded::Frame(frame) = decoded else { continue };
            let body = String::from_utf8_lossy(&frame.body).into_owned();
            match frame.command {
                Command::Message if frame.headers.get("subscription") == Some("auth") => {
                    let said: Value = serde_json::from_str(&body).unwrap();
                    let event = said["event"].as_str().unwrap().to_owned();
                    self.hear(Heard::Auth(event, said["expires_in"].as_u64().unwrap_or(0)));
                }
                Command::Message if frame.headers.get("subscription") == Some("errors") => {
                    self.hear(Heard::Declined(frame.headers.get("code").unwrap().parse().unwrap()));
                }
                Command::Message => self.hear(Heard::Message(body)),
                Command::Receipt => self.hear(Heard::Receipt),
                Command::Error => self.hear(Heard::Refused(frame.headers.get("code").unwrap().parse().unwrap())),
                _ => {}
            }
        }
    }

    async fn over_tcp(&mut self, mut socket: Memory) {
        for frame in self.opening() {
            socket.write_all(&bytes(&frame)).await.unwrap();
        }
        let mut sip = vec![0; SIP_BYTES];
        loop {
            tokio::select! {
                read = socket.read(&mut sip) => match read.unwrap() {
                    0 => return,
                    count => self.take(&sip[..count]),
                },
                Some(frame) = self.say.recv() => socket.write_all(&bytes(&frame)).await.unwrap(),
            }
            self.sip().await;
        }
    }

    async fn over_websocket(&mut self, socket: Memory) {
        let mut socket = upgraded(socket).await;
        for frame in self.opening() {
            socket.send(text(&frame)).await.unwrap();
        }
        loop {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.take(text.as_bytes()),
                    Some(Ok(Message::Binary(bytes))) => self.take(&bytes),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => {}
                },
                Some(frame) = self.say.recv() => socket.send(text(&frame)).await.unwrap(),
            }
            self.sip().await;
        }
    }

    /// A stream; when it ends, it is asked for again, as `EventSource` does.
    async fn over_stream(&mut self, school: &School, mut line: Line) {
        let accept = if self.wish.door == Door::Lines { "application/x-ndjson" } else { "text/event-stream" };
        let after = if self.wish.from_first { "&rewind=20000" } else { "" };
        let path = format!("/v1/messages?destination={}{after}", self.wish.place);
        let mut answer = line.ask(request_as(&self.wish.token, &path, accept)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let mut unread = String::new();
        // A stream that is cut is over, as one that ends.
        while let Some(Ok(piece)) = answer.frame().await {
            let Ok(piece) = piece.into_data() else { continue };
            unread.push_str(std::str::from_utf8(&piece).expect("bodies here are plain"));
            while let Some(end) = unread.find('\n') {
                let line: String = unread.drain(..=end).collect();
                self.take_line(line.trim_end());
            }
            self.sip().await;
        }
        self.hear(Heard::Over);
        let again = Line::to(school).await.ask(request_as(&self.wish.token, &path, accept)).await;
        if again.status() != StatusCode::OK {
            self.hear(Heard::Refused(problem(again).await));
        }
    }

    /// One line of either kind of stream.
    fn take_line(&self, line: &str) {
        match self.wish.door {
            Door::Events | Door::ManyEvents => line.strip_prefix("data: ").into_iter().for_each(|data| {
                self.hear(Heard::Message(data.trim().to_owned()));
            }),
            _ => {
                let said: Value = serde_json::from_str(line).unwrap_or_default();
                said["body"].as_str().into_iter().for_each(|body| self.hear(Heard::Message(body.to_owned())));
            }
        }
    }

    /// Page after page, waiting for each or not.
    async fn over_pages(&mut self, socket: Memory) {
        let wait = if self.wish.door == Door::Poll { "&wait=25" } else { "" };
        let mut line = Line::over(socket).await;
        let mut after = if self.wish.from_first { "&rewind=20000".to_owned() } else { String::new() };
        loop {
            let path = format!("/v1/messages?destination={}&limit=20{wait}{after}", self.wish.place);
            let answer = line.ask(request_as(&self.wish.token, &path, "application/json")).await;
            if answer.status() != StatusCode::OK {
                return self.hear(Heard::Refused(problem(answer).await));
            }
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let page: Value = serde_json::from_slice(&body).unwrap();
            for message in page["messages"].as_array().unwrap() {
                self.hear(Heard::Message(message["body"].as_str().unwrap().to_owned()));
            }
            after = format!("&after={}", page["position"].as_str().unwrap());
            self.sip().await;
        }
    }
}

/// A WebSocket whose client reads little at a time.
async fn upgraded(socket: Memory) -> WebSocketStream<Socket> {
    let mut request = "ws://127.0.0.1/ws".into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "v12.stomp".parse().unwrap());
    let config = WebSocketConfig::default().read_buffer_size(SIP_BYTES);
    client_async_with_config(request, Socket::Memory(socket), Some(config)).await.unwrap().0
}

pub(super) fn bytes(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes, Version::V1_2, frame);
    bytes
}

fn text(frame: &Frame) -> Message {
    Message::text(String::from_utf8(bytes(frame)).unwrap())
}
