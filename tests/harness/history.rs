//! What every actor asked, was told and saw, in the order it happened.

use std::sync::{Arc, Mutex, PoisonError};

use crate::frame::Frame;

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

/// A message that came to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The log's incarnation.
    pub epoch: Arc<str>,
    /// Its place in the log.
    pub offset: u64,
    /// Which message it was.
    pub name: MessageName,
    /// A digest of the body.
    pub digest: u64,
    /// Whether it was announced as a repeat.
    pub redelivered: bool,
    /// Whether it announced that something before it is gone.
    pub gap: bool,
}

impl Seen {
    /// As a MESSAGE says it.
    pub fn of(message: &Frame) -> Self {
        Self {
            epoch: message.need("epoch").into(),
            offset: message.need("offset").parse().expect("offset is a number"),
            name: MessageName::of_body(message.text()),
            digest: digest(message.text()),
            redelivered: message.header("redelivered") == Some("true"),
            gap: message.header("gap").is_some(),
        }
    }
}

/// One thing that happened. All of a history is about one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A publisher sent a message.
    Asked {
        /// Which.
        name: MessageName,
        /// A digest of its body.
        digest: u64,
    },
    /// The publisher holds its RECEIPT.
    Confirmed {
        /// Which.
        name: MessageName,
        /// The log's incarnation.
        epoch: Arc<str>,
        /// Its place in the log.
        offset: u64,
    },
    /// The publisher was told that it is not stored.
    Refused {
        /// Which.
        name: MessageName,
    },
    /// A reader began a session, after this offset (exclusive), or at an unknown place.
    Began {
        /// The durable subscription, or any name of a reader that comes once.
        reader: Arc<str>,
        /// Counts the reader's connections.
        session: u64,
        /// The offset behind which it starts; `None` when the log was new or the place unknown.
        after: Option<u64>,
    },
    /// A reader got a message.
    Received {
        /// The reader.
        reader: Arc<str>,
        /// Its connection.
        session: u64,
        /// The message.
        seen: Seen,
    },
    /// The reader holds the RECEIPT of its cumulative acknowledgement.
    Acknowledged {
        /// The reader.
        reader: Arc<str>,
        /// All up to this offset.
        offset: u64,
    },
    /// The reader stopped at the head of the log with nothing more to come.
    Finished {
        /// The reader.
        reader: Arc<str>,
        /// Its connection.
        session: u64,
    },
    /// The broker was killed or ended.
    Down,
    /// It listens again.
    Up,
    /// In the end, a reader of the whole log found this.
    Kept {
        /// The message.
        seen: Seen,
    },
}

/// A history that many actors write.
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<Vec<Event>>>);

impl History {
    /// Writes an event down, now.
    pub fn note(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// Notes a SEND before it goes out.
    pub fn asked(&self, name: &MessageName, body: &str) {
        self.note(Event::Asked { name: name.clone(), digest: digest(body) });
    }

    /// Notes a SEND's RECEIPT.
    pub fn confirmed(&self, name: &MessageName, position: &str) {
        let (epoch, offset) = parse_position(position);
        self.note(Event::Confirmed { name: name.clone(), epoch, offset });
    }

    /// Notes a MESSAGE.
    pub fn received(&self, reader: &str, session: u64, message: &Frame) {
        self.note(Event::Received { reader: reader.into(), session, seen: Seen::of(message) });
    }

    /// All so far, in order.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The parts of `epoch:offset`.
pub(crate) fn parse_position(position: &str) -> (Arc<str>, u64) {
    let (epoch, offset) = position.split_once(':').unwrap_or_else(|| panic!("no position: {position:?}"));
    (epoch.into(), offset.parse().unwrap_or_else(|_| panic!("no position: {position:?}")))
}

/// FNV-1a: enough to notice one changed byte.
pub(crate) fn digest(body: &str) -> u64 {
    body.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
