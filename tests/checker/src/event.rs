//! What can happen.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Position;

/// One line of a history: who, when, what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Nanoseconds of a clock that all actors share and nobody sets: `CLOCK_MONOTONIC` on one machine.
    pub at: u64,
    /// Who writes. Each actor writes a file of its own.
    pub actor: Arc<str>,
    /// The actor's own count, from 0, without a hole.
    pub step: u64,
    /// What the actor did or saw.
    pub did: Event,
}

/// A reader on one connection, with one log. Names of readers are those of their durable subscriptions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stream {
    /// Who reads.
    pub reader: Arc<str>,
    /// Counts the reader's connections.
    pub session: u64,
    /// What is read.
    pub log: Arc<str>,
}

/// 64 bits of any digest that all actors agree on, written as 16 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "&str", into = "String")]
pub struct Digest(pub u64);

/// What an actor did or saw. What is asked for is written before it goes out, what is answered when it came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A message is sent, for the first time or again.
    Send {
        /// Its name, unique in the history: `publisher#number`, counted by the publisher.
        id: Arc<str>,
        /// Where it belongs.
        log: Arc<str>,
        /// Of its body.
        digest: Digest,
    },
    /// The publisher was told that the message is stored.
    Stored {
        /// Which.
        id: Arc<str>,
        /// Where.
        at: Position,
    },
    /// The publisher was told that the message is not stored. Without this and [`Event::Stored`] it may be or not.
    Refused {
        /// Which.
        id: Arc<str>,
    },
    /// A subscription is asked for.
    Subscribe {
        /// Which.
        stream: Stream,
        /// Who asks, where rights are granted and revoked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        principal: Option<Arc<str>>,
    },
    /// It is there: all that follows is contiguous.
    Subscribed {
        /// Which.
        stream: Stream,
        /// All behind this place comes; the reader does not know where that is, if it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Position>,
        /// The broker keeps its place.
        #[serde(default)]
        durable: bool,
    },
    /// A message came.
    Message {
        /// To whom.
        stream: Stream,
        /// Which message.
        seen: Seen,
        /// It was announced as a repeat.
        #[serde(default, skip_serializing_if = "is_false")]
        redelivered: bool,
        /// It was announced that something before it is gone.
        #[serde(default, skip_serializing_if = "is_false")]
        gap: bool,
    },
    /// The reader was told that its acknowledgement of all up to this place is stored.
    Acked {
        /// Whose.
        stream: Stream,
        /// The last one.
        through: Position,
    },
    /// The reader knows that nothing more is there for it.
    CaughtUp {
        /// Who.
        stream: Stream,
    },
    /// The reader's connection ended.
    Left {
        /// Who.
        reader: Arc<str>,
        /// Its connection.
        session: u64,
        /// What was under way at that time may have been delivered without being seen.
        broken: bool,
    },
    /// Somebody may read a log from now on. Where nobody is granted anything, everybody may.
    Granted {
        /// Who.
        principal: Arc<str>,
        /// What.
        log: Arc<str>,
    },
    /// It was confirmed that somebody may no more.
    Revoked {
        /// Who.
        principal: Arc<str>,
        /// What.
        log: Arc<str>,
    },
    /// The broker was killed or ended.
    Down,
    /// It serves again.
    Up,
    /// From now on nothing disturbs anybody.
    Healed,
    /// In the end, in the log's order: a message that the log holds.
    Kept {
        /// The log.
        log: Arc<str>,
        /// Which message.
        seen: Seen,
    },
    /// What lies up to this place may have been removed as retention has it.
    Trimmed {
        /// The log.
        log: Arc<str>,
        /// The last place.
        through: Position,
    },
    /// What the broker counted since it is up.
    Counted {
        /// Messages stored.
        stored: u64,
        /// Messages delivered.
        delivered: u64,
    },
}

/// A message that somebody saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its place.
    pub at: Position,
    /// Its name, as its body says.
    pub id: Arc<str>,
    /// Of its body.
    pub digest: Digest,
    /// Of all its headers that are the same for every reader, where they are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Digest>,
}

impl Digest {
    /// FNV-1a: enough to notice one changed byte.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(
            bytes
                .iter()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)),
        )
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl TryFrom<&str> for Digest {
    type Error = String;

    fn try_from(text: &str) -> Result<Digest, String> {
        let number = u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
        number.map(Digest).ok_or_else(|| format!("{text:?} is no digest; one is written as 16 hexadecimal digits"))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        format!("{:016x}", digest.0)
    }
}

fn is_false(value: &bool) -> bool {
    !value
}
