//! A SockJS session, request by request.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::canaries::canary_frame;
use crate::frame::{Dialect, Frame, FrameReader, Part};
use crate::stream::HttpStream;

/// One session that polls, with STOMP in it.
pub struct Sockjs {
    address: String,
    path: String,
    reader: FrameReader,
    receipts: u64,
    set_aside: Vec<Frame>,
    /// The SockJS frames that were no messages: `o`, `h`, `c[…]`.
    pub other: Vec<String>,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The texts of an `a[…]` frame.
///
/// # Panics
/// When it is none.
pub fn array(frame: &str) -> Vec<String> {
    let texts = frame.strip_prefix('a').unwrap_or_else(|| panic!("no array: {frame}"));
    serde_json::from_str(texts).unwrap_or_else(|error| panic!("{error} in {frame}"))
}

impl Sockjs {
    /// A session that nobody has; nothing is asked yet.
    pub fn new(address: &str) -> Self {
        let path = format!("/ws/000/{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let (reader, set_aside, other) = (FrameReader::default(), Vec::new(), Vec::new());
        Self { address: address.to_owned(), path, reader, receipts: 0, set_aside, other }
    }

    /// A signed-in client without heart-beats.
    pub async fn signed_in(address: &str, login: &str) -> Self {
        let mut session = Self::new(address);
        assert_eq!(session.poll().await, "o\n");
        let connect = Frame::new("CONNECT").with("accept-version", "1.2").with("host", "school").with("login", login);
        session.say(&connect).await;
        let connected = session.hear().await.remove(0);
        assert_eq!(connected.command, "CONNECTED", "{connected}");
        session
    }

    /// Where one of its ways is.
    pub fn at(&self, transport: &str) -> String {
        format!("{}/{transport}", self.path)
    }

    /// The body of one poll.
    pub async fn poll(&self) -> String {
        let answer = HttpStream::post(&self.address, &self.at("xhr"), &[], "").await;
        assert_eq!(answer.status, 200);
        answer.text().await
    }

    /// Sends a body as it is; the status of the answer and what it says.
    pub async fn send(&self, body: &str) -> (u16, String) {
        let answer = HttpStream::post(&self.address, &self.at("xhr_send"), &[], body).await;
        (answer.status, answer.text().await)
    }

    /// Sends a STOMP frame.
    ///
    /// # Panics
    /// When it is not taken.
    pub async fn say(&self, frame: &Frame) {
        canary_frame(frame);
        let (status, reason) = self.send(&list(frame)).await;
        assert_eq!(status, 204, "{frame} was not taken: {reason}");
    }

    /// The STOMP frames that were set aside, or those of the next polls: at least one until the session ends.
    pub async fn hear(&mut self) -> Vec<Frame> {
        if !self.set_aside.is_empty() {
            return std::mem::take(&mut self.set_aside);
        }
        self.hear_more().await
    }

    async fn hear_more(&mut self) -> Vec<Frame> {
        loop {
            let answer = self.poll().await;
            let frames = self.frames(&answer);
            if !frames.is_empty() || answer.starts_with('c') {
                return frames;
            }
        }
    }

    /// The STOMP frames in SockJS frames, one in each line.
    pub fn frames(&mut self, lines: &str) -> Vec<Frame> {
        let mut frames = Vec::new();
        for line in lines.lines() {
            if !line.starts_with('a') {
                self.other.push(line.to_owned());
                continue;
            }
            for text in array(line) {
                self.reader.push(text.as_bytes());
                while let Some(part) = self.reader.next(Dialect::V1_2) {
                    if let Part::Frame(frame) = part {
                        frames.push(frame);
                    }
                }
            }
        }
        frames
    }

    /// Sends a frame with a receipt of ours and returns the RECEIPT. What else comes is set aside.
    ///
    /// # Panics
    /// When the session ends instead.
    pub async fn request(&mut self, frame: Frame) -> Frame {
        self.receipts += 1;
        let receipt = format!("asked-{}", self.receipts);
        self.say(&frame.with("receipt", &receipt)).await;
        loop {
            let mut frames = self.hear_more().await;
            assert!(!frames.is_empty(), "the session ended: {:?}", self.other);
            let found = frames.iter().position(|frame| frame.header("receipt-id") == Some(&receipt));
            let found = found.map(|place| frames.remove(place));
            self.set_aside.extend(frames);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Subscribes; the RECEIPT.
    pub async fn subscribe(&mut self, id: &str, destination: &str, headers: &[(&str, &str)]) -> Frame {
        let frame = Frame::new("SUBSCRIBE").with("id", id).with("destination", destination).with_all(headers);
        self.request(frame).await
    }

    /// The bodies of that many messages.
    pub async fn bodies(&mut self, count: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        while bodies.len() < count {
            let frames = self.hear().await;
            assert!(!frames.is_empty(), "the session ended: {:?}", self.other);
            let messages = frames.iter().filter(|frame| frame.command == "MESSAGE");
            bodies.extend(messages.map(|message| message.text().to_owned()));
        }
        bodies
    }
}

/// A JSON list of one frame.
fn list(frame: &Frame) -> String {
    let bytes = frame.encode(Dialect::V1_2);
    Value::from(vec![String::from_utf8(bytes).expect("SockJS carries text")]).to_string()
}
