//! What a log keeps.

use bytes::Bytes;

use crate::{Epoch, Offset};

/// One atomic entry of a log: one message, or all messages of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The incarnation of the log that keeps it.
    pub epoch: Epoch,
    /// Its place in the log.
    pub offset: Offset,
    /// When it was appended: milliseconds since 1970, UTC. Never decreases within a log.
    pub time: u64,
    /// At least one message, in the order in which they were sent.
    pub messages: Box<[Message]>,
}

/// A message as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The destination in the spelling that subscribers are shown.
    pub destination: Box<str>,
    /// Headers that travel with the message, unescaped, in their order.
    pub headers: Box<[(Box<str>, Box<str>)]>,
    /// The body, byte for byte.
    pub body: Bytes,
    /// Who sent it, as the broker knows; `None` for the anonymous.
    pub publisher: Option<Box<str>>,
}

impl Message {
    /// What the message costs in memory and on disk, in bytes, near enough for a limit.
    pub fn cost(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        self.destination.len() + headers + self.body.len() + self.publisher.as_ref().map_or(0, |name| name.len()) + 16
    }
}

impl Record {
    /// What stays of it when it is erased: nobody is shown a record without messages.
    pub(crate) fn emptied(&self) -> Record {
        Record { messages: Box::default(), ..*self }
    }

    /// What the record costs in bytes: the sum of its messages.
    pub fn cost(&self) -> usize {
        self.messages.iter().map(Message::cost).sum()
    }
}
