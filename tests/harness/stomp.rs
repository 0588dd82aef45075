//! A STOMP client for tests: it does what it is told and nothing else.
//!
//! It has no task of its own. What is not read stays in the socket, so that a
//! test decides when a student reads, answers a Ping, or falls silent.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::broker::Broker;
use crate::canaries::canary_frame;
use crate::frame::{Dialect, Frame, FrameReader, Part};
use crate::wait::{DEADLINE, within};
use crate::websocket::{Opcode, Piece, WebSocket};

/// Whether Pings are answered while the client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pongs {
    /// As browsers do: each at once.
    Answered,
    /// Not at all; [`Client::unanswered`] keeps the Pings' payloads.
    Withheld,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The WebSocket close code; `None` over TCP and when the socket ended without a Close frame.
    pub code: Option<u16>,
    /// The Close frame's reason.
    pub reason: String,
}

/// One thing heard from the broker.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A STOMP frame.
    Frame(Frame),
    /// An end of line between frames.
    HeartBeat,
    /// A WebSocket Ping.
    Ping(Vec<u8>),
    /// A WebSocket Pong.
    Pong(Vec<u8>),
    /// The end; nothing follows.
    Closed(Close),
}

enum Link {
    WebSocket(WebSocket),
    Tcp(TcpStream),
}

/// One connection to the broker.
pub struct Client {
    link: Link,
    dialect: Dialect,
    reader: FrameReader,
    fragments: Option<(Opcode, Vec<u8>)>,
    heard: VecDeque<Heard>,
    set_aside: VecDeque<Frame>,
    receipts_asked: u64,
    pongs: Pongs,
    said_close: bool,
    /// The payloads of Pings that were read and not answered, oldest first.
    pub unanswered: Vec<Vec<u8>>,
    /// The subprotocol the broker chose.
    pub subprotocol: Option<String>,
}

/// Opening a connection and a conversation.
impl Client {
    /// A WebSocket at `/ws` that offers `subprotocols`; nothing is said yet.
    pub async fn websocket(broker: &Broker, subprotocols: &[&str]) -> Self {
        let stream = TcpStream::connect(broker.http()).await.expect("the HTTP listener accepts");
        Self::upgraded(stream, "/ws", subprotocols).await
    }

    /// A WebSocket whose kernel keeps few bytes for a reader that does not read.
    pub async fn websocket_with_receive_buffer(broker: &Broker, bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("a small receive buffer");
        let address = broker.http().parse().expect("an address");
        let stream = socket.connect(address).await.expect("the HTTP listener accepts");
        Self::upgraded(stream, "/ws", &["v12.stomp"]).await
    }

    /// An upgraded `stream`.
    ///
    /// # Panics
    /// When the broker does not upgrade it.
    pub async fn upgraded(stream: TcpStream, path: &str, subprotocols: &[&str]) -> Self {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let opened = within("the upgrade", DEADLINE, WebSocket::open(stream, path, subprotocols, &[])).await;
        let socket = opened.unwrap_or_else(|answer| panic!("no upgrade at {path}: {answer}"));
        let subprotocol = socket.subprotocol.clone();
        Self::over(Link::WebSocket(socket), subprotocol)
    }

    /// A TCP connection; nothing is said yet.
    pub async fn tcp(broker: &Broker) -> Self {
        let stream = TcpStream::connect(broker.stomp()).await.expect("the STOMP listener accepts");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        Self::over(Link::Tcp(stream), None)
    }

    /// A signed-in client over WebSocket, STOMP 1.2, without heart-beats.
    pub async fn signed_in(broker: &Broker, login: &str) -> Self {
        let mut client = Self::websocket(broker, &["v12.stomp"]).await;
        client.connect(&[("login", login)]).await;
        client
    }

    /// A signed-in client over TCP, STOMP 1.2, without heart-beats.
    pub async fn signed_in_over_tcp(broker: &Broker, login: &str) -> Self {
        let mut client = Self::tcp(broker).await;
        client.connect(&[("login", login)]).await;
        client
    }

    /// The same at an address where the broker may be gone, or go meanwhile.
    pub async fn try_over_tcp(address: &str, login: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        Self::over(Link::Tcp(stream), None).greeted(login).await
    }

    /// The same over WebSocket, as pages come.
    pub async fn try_signed_in(address: &str, login: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let socket = WebSocket::open(stream, "/ws", &["v12.stomp"], &[]).await.ok()?;
        Self::over(Link::WebSocket(socket), None).greeted(login).await
    }

    async fn greeted(mut self, login: &str) -> Option<Self> {
        let connect = Frame::new("CONNECT").with("accept-version", "1.2").with("host", "school").with("login", login);
        self.try_send(&connect).await.ok()?;
        loop {
            match self.hear().await {
                Heard::Frame(frame) if frame.command == "CONNECTED" => return Some(self),
                // It goes.
                Heard::Frame(frame) if frame.header("retryable") == Some("true") => return None,
                Heard::Frame(frame) => panic!("{frame} instead of CONNECTED"),
                Heard::Closed(_) => return None,
                _ => {}
            }
        }
    }

    fn over(link: Link, subprotocol: Option<String>) -> Self {
        Self {
            link,
            dialect: Dialect::V1_2,
            reader: FrameReader::default(),
            fragments: None,
            heard: VecDeque::new(),
            set_aside: VecDeque::new(),
            receipts_asked: 0,
            pongs: Pongs::Answered,
            said_close: false,
            unanswered: Vec::new(),
            subprotocol,
        }
    }

    /// Says CONNECT, by default for 1.2 and without heart-beats, and returns CONNECTED.
    pub async fn connect(&mut self, headers: &[(&str, &str)]) -> Frame {
        let mut frame = Frame::new("CONNECT").with_all(headers);
        for (name, value) in [("accept-version", "1.2"), ("host", "school")] {
            if frame.header(name).is_none() {
                frame = frame.with(name, value);
            }
        }
        self.send(&frame).await;
        let connected = self.frame().await;
        assert_eq!(connected.command, "CONNECTED", "{connected}");
        self.dialect = match connected.header("version") {
            Some("1.2") => Dialect::V1_2,
            Some("1.1") => Dialect::V1_1,
            _ => Dialect::V1_0,
        };
        connected
    }

    /// From now on headers are shown as they were written, not as they were meant.
    pub fn show_headers_as_written(&mut self) {
        self.dialect = Dialect::V1_0;
    }

    /// Decides whether Pings are answered from now on.
    pub fn answer_pings(&mut self, pongs: Pongs) {
        self.pongs = pongs;
    }
}

/// Saying things.
impl Client {
    /// Sends a frame, each in one WebSocket message.
    pub async fn send(&mut self, frame: &Frame) {
        self.try_send(frame).await.unwrap_or_else(|error| panic!("{frame} was not taken: {error}"));
    }

    /// Sends a frame to a broker that may be gone.
    ///
    /// # Errors
    /// The socket's.
    pub async fn try_send(&mut self, frame: &Frame) -> std::io::Result<()> {
        canary_frame(frame);
        let bytes = frame.encode(self.dialect);
        self.try_send_bytes(&bytes).await
    }

    /// Sends bytes as they are: one WebSocket message, text when they are UTF-8; or a piece of a TCP stream.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.try_send_bytes(bytes).await.expect("the socket takes bytes");
    }

    /// The same to a broker that may be gone.
    ///
    /// # Errors
    /// The socket's.
    pub async fn try_send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.link {
            Link::Tcp(stream) => stream.write_all(bytes).await,
            Link::WebSocket(socket) => {
                let opcode = if std::str::from_utf8(bytes).is_ok() { Opcode::Text } else { Opcode::Binary };
                socket.write(opcode, true, bytes).await
            }
        }
    }

    /// One heart-beat.
    pub async fn heart_beat(&mut self) {
        self.send_bytes(b"\n").await;
    }

    /// A Pong with this payload, asked for or not.
    pub async fn pong(&mut self, payload: &[u8]) {
        self.socket().write(Opcode::Pong, true, payload).await.expect("the socket takes a Pong");
    }

    /// The WebSocket below.
    ///
    /// # Panics
    /// Over TCP.
    pub fn socket(&mut self) -> &mut WebSocket {
        match &mut self.link {
            Link::WebSocket(socket) => socket,
            Link::Tcp(_) => panic!("a TCP connection has no WebSocket"),
        }
    }

    /// Sends the frame with a `receipt` of ours and returns the RECEIPT. Frames that come before it are set aside.
    ///
    /// # Panics
    /// On ERROR or the end of the connection.
    pub async fn request(&mut self, frame: Frame) -> Frame {
        let receipt = self.ask(frame).await;
        self.receipt(&receipt).await
    }

    /// Sends the frame with a `receipt` of ours and returns its id without waiting.
    pub async fn ask(&mut self, frame: Frame) -> String {
        self.receipts_asked += 1;
        let receipt = format!("asked-{}", self.receipts_asked);
        self.send(&frame.with("receipt", &receipt)).await;
        receipt
    }

    /// Waits for that RECEIPT; frames that come before it are set aside.
    pub async fn receipt(&mut self, receipt: &str) -> Frame {
        self.first(&format!("RECEIPT {receipt}"), |frame| {
            frame.command == "RECEIPT" && frame.header("receipt-id") == Some(receipt)
        })
        .await
    }

    /// Publishes and waits for the RECEIPT; returns the position.
    pub async fn publish(&mut self, destination: &str, body: &str) -> String {
        let receipt = self.request(Frame::new("SEND").with("destination", destination).body(body)).await;
        receipt.need("position").to_owned()
    }

    /// Subscribes and returns the RECEIPT.
    pub async fn subscribe(&mut self, id: &str, destination: &str, headers: &[(&str, &str)]) -> Frame {
        let frame = Frame::new("SUBSCRIBE").with("id", id).with("destination", destination).with_all(headers);
        self.request(frame).await
    }

    /// Acknowledges a message of a STOMP 1.2 subscription.
    pub async fn ack(&mut self, message: &Frame) -> Frame {
        self.request(Frame::new("ACK").with("id", message.need("ack"))).await
    }

    /// Says goodbye, waits for the RECEIPT and the end.
    pub async fn disconnect(mut self) -> Close {
        self.request(Frame::new("DISCONNECT")).await;
        // A client that has said goodbye closes, as libraries do.
        match &mut self.link {
            Link::WebSocket(_) => self.say_close(&1000_u16.to_be_bytes()).await,
            Link::Tcp(stream) => drop(stream.shutdown().await),
        }
        self.closed().await
    }

    /// Says nothing more and waits until the broker has taken all that was said and let go.
    pub async fn hang_up(mut self) {
        let closed = match &mut self.link {
            Link::WebSocket(socket) => socket.finish().await,
            Link::Tcp(stream) => stream.shutdown().await,
        };
        if closed.is_ok() {
            self.closed().await;
        }
    }
}

/// Hearing things.
impl Client {
    /// The next MESSAGE, set aside or new.
    pub async fn message(&mut self) -> Frame {
        self.first("MESSAGE", |frame| frame.command == "MESSAGE").await
    }

    /// That many messages.
    pub async fn messages(&mut self, count: usize) -> Vec<Frame> {
        let mut messages = Vec::with_capacity(count);
        while messages.len() < count {
            messages.push(self.message().await);
        }
        messages
    }

    /// The bodies of that many messages.
    pub async fn bodies(&mut self, count: usize) -> Vec<String> {
        self.messages(count).await.iter().map(|message| message.text().to_owned()).collect()
    }

    /// The ERROR that ends the conversation; what comes before it is dropped.
    pub async fn error(&mut self) -> Frame {
        within("an ERROR", DEADLINE, async {
            loop {
                match self.hear().await {
                    Heard::Frame(frame) if frame.command == "ERROR" => return frame,
                    Heard::Closed(close) => panic!("closed with {close:?} and no ERROR"),
                    _ => {}
                }
            }
        })
        .await
    }

    /// The end of the connection; what comes before it is dropped.
    pub async fn closed(&mut self) -> Close {
        self.closed_within(DEADLINE).await
    }

    /// The end of the connection within a time of the test's own.
    pub async fn closed_within(&mut self, deadline: Duration) -> Close {
        within("the end of the connection", deadline, async {
            loop {
                if let Heard::Closed(close) = self.hear().await {
                    return close;
                }
            }
        })
        .await
    }

    /// The next frame of any kind, set aside or new.
    pub async fn frame(&mut self) -> Frame {
        if let Some(frame) = self.set_aside.pop_front() {
            return frame;
        }
        within("a frame", DEADLINE, async {
            loop {
                match self.hear().await {
                    Heard::Frame(frame) => return frame,
                    Heard::Closed(close) => panic!("closed with {close:?} instead of a frame"),
                    _ => {}
                }
            }
        })
        .await
    }

    /// The frames that were set aside while another was awaited.
    pub fn set_aside(&mut self) -> Vec<Frame> {
        self.set_aside.drain(..).collect()
    }

    /// The next Ping's payload; frames that come before it are set aside.
    pub async fn ping(&mut self) -> Vec<u8> {
        within("a Ping", DEADLINE, async {
            loop {
                match self.hear().await {
                    Heard::Ping(payload) => return payload,
                    Heard::Frame(frame) => self.set_aside.push_back(frame),
                    Heard::Closed(close) => panic!("closed with {close:?} instead of a Ping"),
                    _ => {}
                }
            }
        })
        .await
    }

    /// The next thing from the broker, whatever it is. Safe to cancel.
    pub async fn hear(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return heard;
            }
            match &mut self.link {
                Link::Tcp(stream) => {
                    let mut bytes = [0; 4096];
                    match stream.read(&mut bytes).await {
                        Ok(0) | Err(_) => self.heard.push_back(ended()),
                        Ok(count) => self.take(&bytes[..count], false),
                    }
                }
                Link::WebSocket(socket) => match socket.read().await {
                    Ok(Some(piece)) => self.take_piece(piece).await,
                    Ok(None) | Err(_) => self.heard.push_back(ended()),
                },
            }
        }
    }

    async fn say_close(&mut self, payload: &[u8]) {
        if !std::mem::replace(&mut self.said_close, true) {
            // The broker may be gone: there is nobody to tell then.
            let _ = self.socket().write(Opcode::Close, true, payload).await;
        }
    }

    async fn first(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        if let Some(index) = self.set_aside.iter().position(&wanted) {
            return self.set_aside.remove(index).expect("just found");
        }
        let waited = tokio::time::timeout(DEADLINE, async {
            loop {
                match self.hear().await {
                    Heard::Frame(frame) if wanted(&frame) => return frame,
                    Heard::Frame(frame) if frame.command == "ERROR" => panic!("{frame} instead of {what}"),
                    Heard::Frame(frame) => self.set_aside.push_back(frame),
                    Heard::Closed(close) => panic!("closed with {close:?} instead of {what}"),
                    _ => {}
                }
            }
        })
        .await;
        waited.unwrap_or_else(|_| {
            let aside: Vec<String> = self.set_aside.iter().map(ToString::to_string).collect();
            panic!("{what}: not within {DEADLINE:?}; set aside meanwhile: {aside:#?}")
        })
    }

    async fn take_piece(&mut self, Piece { opcode, last, payload }: Piece) {
        match opcode {
            Opcode::Ping => {
                if self.pongs == Pongs::Answered {
                    // The broker may be gone: the end of the connection is heard soon enough.
                    let _ = self.socket().write(Opcode::Pong, true, &payload).await;
                } else {
                    self.unanswered.push(payload.clone());
                }
                self.heard.push_back(Heard::Ping(payload));
            }
            Opcode::Pong => self.heard.push_back(Heard::Pong(payload)),
            Opcode::Close => {
                let code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
                let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
                self.say_close(&payload).await;
                self.heard.push_back(Heard::Closed(Close { code, reason }));
            }
            Opcode::Text | Opcode::Binary if last => self.take_message(opcode, &payload),
            Opcode::Text | Opcode::Binary => self.fragments = Some((opcode, payload)),
            Opcode::Continuation => {
                let (opcode, mut message) = self.fragments.take().expect("a continuation continues something");
                message.extend_from_slice(&payload);
                if last {
                    self.take_message(opcode, &message);
                } else {
                    self.fragments = Some((opcode, message));
                }
            }
        }
    }

    fn take_message(&mut self, opcode: Opcode, message: &[u8]) {
        assert!(
            opcode == Opcode::Binary || std::str::from_utf8(message).is_ok(),
            "a text message that is not UTF-8: {message:?}"
        );
        self.take(message, opcode == Opcode::Binary);
        assert!(!self.reader.is_mid_frame(), "each message holds whole frames");
    }

    fn take(&mut self, bytes: &[u8], binary: bool) {
        self.reader.push(bytes);
        while let Some(part) = self.reader.next(self.dialect) {
            self.heard.push_back(match part {
                Part::HeartBeat => Heard::HeartBeat,
                Part::Frame(frame) => Heard::Frame(Frame { binary, ..frame }),
            });
        }
    }
}

fn ended() -> Heard {
    Heard::Closed(Close { code: None, reason: String::new() })
}
