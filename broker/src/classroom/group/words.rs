//! The words in which a group and its consumers speak of messages.

use std::sync::Arc;
use std::time::Instant;

use homeroom_storage::Position;

use crate::classroom::entry::Entry;

/// Which message: its record's offset, and the message inside it.
pub(super) type Place = (u64, u16);

/// Where a message stands in the log.
pub(super) fn place(position: Position) -> Place {
    (position.offset.0, position.part.unwrap_or(0))
}

/// Why a message goes to the dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was delivered as often as is allowed.
    MaxDeliveries,
    /// A consumer does not want it to come again.
    Rejected,
}

impl Reason {
    /// The word in the message's header.
    pub fn name(self) -> &'static str {
        match self {
            Reason::MaxDeliveries => "max-deliveries",
            Reason::Rejected => "rejected",
        }
    }
}

/// A message on its way to a consumer.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub entry: Arc<Entry>,
    /// How often it was delivered, this time included.
    pub count: u32,
    /// Its number among all that this consumer was given.
    pub nth: u64,
}

/// Which of a consumer's messages an ACK or NACK is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which {
    /// Where it stands.
    pub position: Position,
    /// And all that were delivered to the consumer before it.
    pub cumulative: bool,
}

/// What becomes of a message that a consumer held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The work is done.
    Done,
    /// It comes again, from this moment on.
    Again(Instant),
    /// It is not wanted any more: a dead letter.
    Rejected,
}
