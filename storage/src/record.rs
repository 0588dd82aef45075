//! What a log keeps.

use std::fmt;

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
#[derive(Clone, PartialEq, Eq)]
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

/// What people wrote is counted, not shown.
impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Message");
        shown.field("destination", &self.destination).field("headers", &self.headers.len());
        shown.field("body_bytes", &self.body.len()).field("publisher", &self.publisher).finish()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_not_shown() {
        let message = Message {
            destination: "/topic/7b/answers".into(),
            headers: [("x-vote".into(), "a canary".into())].into(),
            body: Bytes::from_static(b"a canary"),
            publisher: Some("alice".into()),
        };
        let shown = format!("{message:?}");
        assert!(!shown.contains("canary") && shown.contains("body_bytes: 8"), "{shown}");
    }
}
