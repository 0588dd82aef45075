//! What is appended, and what a publisher is told of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

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
    /// Cursor moves that become durable with the record or not at all.
    pub settlements: Vec<Settlement>,
    /// A repeat with the same key by the same publisher (that of the first
    /// message) to the same log is answered with the first one's position.
    /// At most 255 bytes; remembered as long as [`crate::Caps`] says.
    pub key: Option<Box<str>>,
    /// Not stored if the turn comes later than this.
    pub deadline: Option<Instant>,
    /// Fails with its predecessors.
    pub lane: Option<Lane>,
}

/// A cursor move inside an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Whose cursor.
    pub key: CursorKey,
    /// What it becomes; only forward, as everywhere.
    pub cursor: Cursor,
}

/// Where an append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Of the whole record.
    pub position: Position,
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
    /// An earlier append of the same lane failed.
    #[error("an earlier message of the same publisher to this log was not stored")]
    Predecessor,
    /// The deadline passed first.
    #[error("its deadline passed")]
    Expired,
    /// The log is damaged and fenced off.
    #[error("the log is damaged: {0}")]
    Damaged(String),
}
