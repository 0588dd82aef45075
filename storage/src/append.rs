//! What is appended, and what a publisher is told of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::keys::Key;
use crate::{Cursor, CursorKey, LogName, Message, Position};

/// The appends of one publisher to one log, in the order of their calls. After
/// one of them failed, all later ones fail as [`Refusal::Predecessor`] until the
/// publisher, having seen every answer, takes a new lane: so a retry cannot
/// reorder what was sent.
#[derive(Clone, Debug, Default)]
pub struct Lane(Arc<AtomicBool>);

impl Lane {
    /// Whether an append of this lane has failed.
    pub fn is_broken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Fails every later append of this lane. Engines call it; so may a caller that refuses one itself.
    pub fn break_off(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What to append.
#[derive(Clone, Debug)]
pub struct Append {
    /// Where.
    pub log: LogName,
    /// One message, or the messages of a transaction: one record, one position.
    pub messages: Vec<Message>,
    /// Records of further logs that are stored with it or not at all. Empty for nearly everybody.
    pub also: Vec<Part>,
    /// Cursor moves that become durable with the record or not at all.
    pub settlements: Vec<Settlement>,
    /// A repeat with the same key by the same publisher (that of the first
    /// message) to the same log is answered with the first one's position.
    /// It belongs to `log` alone, and stands for what is said to all logs.
    /// At most 255 bytes; remembered as long as [`crate::Caps`] says.
    pub key: Option<Box<str>>,
    /// Not stored if the turn comes later than this.
    pub deadline: Option<Instant>,
    /// Fails with its predecessors, and so does everything in `also`.
    pub lane: Option<Lane>,
}

/// What an append stores in one more log: a record of its own, with a position of its own, on that
/// log's tail when all parts are durable. The append gets one answer. It is refused whole where one
/// of its logs would refuse, and then the lanes of all parts are broken; one broken lane is enough to
/// refuse it. Each record is measured for itself. A log that is named twice gets two records.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where.
    pub log: LogName,
    /// At least one message.
    pub messages: Vec<Message>,
    /// The publisher's lane in this log.
    pub lane: Option<Lane>,
}

impl Append {
    /// What each of its records costs, as [`crate::Record::cost`] counts.
    pub(crate) fn costs(&self) -> impl Iterator<Item = usize> {
        let also = self.also.iter().map(|part| &part.messages);
        std::iter::once(&self.messages).chain(also).map(|messages| messages.iter().map(Message::cost).sum())
    }

    /// The logs it goes to.
    pub(crate) fn logs(&self) -> impl Iterator<Item = &LogName> {
        std::iter::once(&self.log).chain(self.also.iter().map(|part| &part.log))
    }

    /// The lanes that break when it is not stored.
    pub(crate) fn lanes(&self) -> Lanes {
        let others = self.also.iter().filter_map(|part| part.lane.clone());
        Lanes { first: self.lane.clone(), others: others.collect() }
    }

    /// Its idempotency key, as the first log keeps it.
    pub(crate) fn key(&self) -> Option<Key> {
        self.key.clone().map(|text| Key::new(text, &self.also))
    }
}

/// All lanes of one append.
#[derive(Debug)]
pub(crate) struct Lanes {
    first: Option<Lane>,
    others: Vec<Lane>,
}

impl Lanes {
    pub(crate) fn are_broken(&self) -> bool {
        self.all().any(Lane::is_broken)
    }

    pub(crate) fn break_off(&self) {
        self.all().for_each(Lane::break_off);
    }

    fn all(&self) -> impl Iterator<Item = &Lane> {
        self.first.iter().chain(&self.others)
    }
}

/// A cursor move inside an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Whose cursor.
    pub key: CursorKey,
    /// What it becomes; only forward, as everywhere, and what was delivered too.
    pub cursor: Cursor,
}

/// Where an append went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Of the whole record in [`Append::log`].
    pub position: Position,
    /// Of the records in [`Append::also`], in their order; empty for a duplicate, since a key remembers
    /// the first position only.
    pub also: Box<[Position]>,
    /// The record's time, milliseconds since 1970.
    pub time: u64,
    /// The key was known: this is the position of the first append.
    pub duplicate: bool,
}

/// Why an append was not confirmed. The three differ in what the caller may conclude.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Not stored, and the same append would be refused again.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// Not stored; a later try may succeed.
    #[error("unavailable: {reason}")]
    Unavailable {
        /// A short reason for people.
        reason: String,
        /// The disk is full: worth saying by its name.
        full: bool,
    },
    /// Stored or not, nobody knows: a repeat with the same key is safe, one without may store a second copy.
    #[error("unknown whether it was stored: {reason}")]
    Unknown {
        /// A short reason for people.
        reason: String,
    },
}

/// Why the same append would be refused again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The record is larger than the engine takes.
    #[error("the record has {bytes} bytes, {max} are the limit")]
    TooLarge {
        /// The record's cost.
        bytes: usize,
        /// The engine's limit.
        max: usize,
    },
    /// The key was used for a message with another content.
    #[error("the idempotency key was used for another message, at {first}")]
    KeyConflict {
        /// The message that has the key.
        first: Position,
    },
    /// An earlier append of the same lane, or of the lane of one of its parts, failed.
    #[error("an earlier message of the same publisher to this log was not stored")]
    Predecessor,
    /// The deadline passed first.
    #[error("its deadline passed")]
    Expired,
    /// The log is damaged and fenced off.
    #[error("the log is damaged: {0}")]
    Damaged(String),
}
