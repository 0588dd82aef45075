//! What every actor asked, was told and saw, in the words of the checker.

use std::sync::Arc;

use homeroom_checker::{Digest, Event, Recorder, Seen, Stream, Verdict};

use crate::frame::Frame;

/// The headers of a MESSAGE that are the same for everybody who reads it.
const STABLE: [&str; 7] = ["destination", "offset", "epoch", "timestamp", "user-id", "content-type", "content-length"];

/// A message's name, unique by construction: its publisher and that publisher's count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageName {
    /// Who published it.
    pub publisher: Arc<str>,
    /// The publisher's own count, from 0.
    pub number: u64,
}

impl MessageName {
    /// The body that carries this name, padded to `bytes`.
    pub fn body(&self, bytes: usize) -> String {
        format!("{:.<bytes$}", format!("{self} "))
    }

    /// The name in a body that [`MessageName::body`] made.
    ///
    /// # Panics
    /// When there is none: nobody else publishes in a judged test.
    pub fn of_body(body: &str) -> Self {
        let name = body.split(' ').next().and_then(|name| name.rsplit_once('#'));
        let name = name
            .and_then(|(publisher, number)| Some(Self { publisher: publisher.into(), number: number.parse().ok()? }));
        name.unwrap_or_else(|| panic!("a body without a name: {body:?}"))
    }
}

impl std::fmt::Display for MessageName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}#{}", self.publisher, self.number)
    }
}

/// A history that many actors write.
#[derive(Clone, Debug, Default)]
pub struct History(Recorder);

impl History {
    /// Writes an event down, now.
    pub fn note(&self, actor: &str, event: Event) {
        self.0.note(actor, event);
    }

    /// Notes a SEND before it goes out.
    pub fn asked(&self, name: &MessageName, destination: &str, body: &str) {
        let (log, digest) = (log_of(destination), Digest::of(body.as_bytes()));
        self.note(&name.publisher, Event::Send { id: name.to_string().into(), log, digest });
    }

    /// Notes a SEND's RECEIPT.
    pub fn confirmed(&self, name: &MessageName, receipt: &Frame) {
        let at = receipt.need("position").parse().expect("a position");
        self.note(&name.publisher, Event::Stored { id: name.to_string().into(), at });
    }

    /// Notes the RECEIPT of a durable SUBSCRIBE.
    pub fn subscribed(&self, stream: &Stream, receipt: &Frame) {
        let after = Some(receipt.need("position").parse().expect("a position"));
        self.note(&stream.reader, Event::Subscribed { stream: stream.clone(), after, durable: true });
    }

    /// Notes a MESSAGE.
    pub fn received(&self, stream: &Stream, message: &Frame) {
        let redelivered = message.header("redelivered") == Some("true");
        let gap = message.header("gap").is_some();
        let event = Event::Message { stream: stream.clone(), seen: seen(message), redelivered, gap };
        self.note(&stream.reader, event);
    }

    /// Notes the RECEIPT of a cumulative ACK of a message.
    pub fn acked(&self, stream: &Stream, message: &Frame) {
        self.note(&stream.reader, Event::Acked { stream: stream.clone(), through: position_of(message) });
    }

    /// Notes that a reader has all there is.
    pub fn caught_up(&self, stream: &Stream) {
        self.note(&stream.reader, Event::CaughtUp { stream: stream.clone() });
    }

    /// Notes what somebody who reads everything found in the end.
    pub fn kept(&self, message: &Frame) {
        let log = log_of(message.need("destination"));
        self.note("auditor", Event::Kept { log, seen: seen(message) });
    }

    /// All that was written down so far, in order.
    pub fn entries(&self) -> Vec<homeroom_checker::Entry> {
        self.0.entries()
    }

    /// Whether the promises were kept.
    ///
    /// # Panics
    /// With the proofs, when one was not.
    pub fn judged(&self, what: &str) -> Verdict {
        homeroom_checker::judge(&self.0.entries()).expect_clean(what)
    }
}

/// A reader of a destination on one connection.
pub fn stream(reader: &str, session: u64, destination: &str) -> Stream {
    Stream { reader: reader.into(), session, log: log_of(destination) }
}

/// All channels of a classroom share a log.
fn log_of(destination: &str) -> Arc<str> {
    let mut segments = destination.trim_start_matches('/').split('/');
    let (kind, name) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    format!("{kind}/{name}").into()
}

fn position_of(message: &Frame) -> homeroom_checker::Position {
    let (_, position) = message.need("message-id").rsplit_once('@').expect("a log and a position");
    position.parse().expect("a position")
}

fn seen(message: &Frame) -> Seen {
    let stable: Vec<_> = STABLE.iter().map(|name| message.header(name).unwrap_or_default()).collect();
    Seen {
        at: position_of(message),
        id: MessageName::of_body(message.text()).to_string().into(),
        digest: Digest::of(message.text().as_bytes()),
        rest: Some(Digest::of(stable.join("\n").as_bytes())),
    }
}
