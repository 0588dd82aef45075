//! One message of a classroom as its readers meet it, with the bytes they share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use homeroom_storage::{Epoch, Message, Offset, Position, Record};

use super::now_millis;

/// So many encodings of one message are kept; rarer shapes are encoded for their reader alone.
const ENCODINGS_MAX: usize = 8;

/// The time of expiry of what was erased; no message says it.
const FORGOTTEN: u64 = 0;

/// The header of a message that says until when it is of use, in milliseconds since 1970. Without it, for ever.
pub const EXPIRES: &str = "expires";

/// Where a reader stands: after this message of this record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The record.
    pub offset: Offset,
    /// The message inside it; [`Mark::WHOLE`] for all of them.
    pub part: u16,
}

impl Mark {
    /// Past every message of a record.
    pub const WHOLE: u16 = u16::MAX;

    /// After a whole record.
    pub fn after(offset: Offset) -> Mark {
        Mark { offset, part: Mark::WHOLE }
    }

    /// The offset after which the log is to be read to find what follows this mark.
    pub fn read_after(self) -> Offset {
        if self.part == Mark::WHOLE { self.offset } else { Offset(self.offset.0.saturating_sub(1)) }
    }

    /// The highest offset of which every message lies at or before the mark.
    pub fn passed(self) -> Offset {
        self.read_after()
    }
}

/// What makes two readers want the same bytes: the subscription's id and
/// whatever else the door's encoding depends on, as the door numbers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The subscription's id.
    pub id: Arc<str>,
    /// Version, acknowledgement and flags, packed by the door.
    pub tag: u16,
}

/// One message on its way to readers.
#[derive(Debug)]
pub struct Entry {
    /// The record it is part of.
    pub record: Arc<Record>,
    /// Which of the record's messages.
    pub index: u16,
    /// The canonical path of its destination.
    pub path: Box<str>,
    /// Its number among the recent messages; 0 for one that was read from the log.
    pub sequence: u64,
    /// Whether the log keeps it. What is not durable has no position.
    pub durable: bool,
    /// After this it is shown to nobody, in milliseconds since 1970.
    expires: AtomicU64,
    encodings: Mutex<Vec<(Shape, Bytes)>>,
}

impl Entry {
    /// One message of a record.
    pub fn new(record: Arc<Record>, index: u16, path: String, sequence: u64, durable: bool) -> Entry {
        let headers = &record.messages[usize::from(index)].headers;
        let expires = headers.iter().find(|(name, _)| **name == *EXPIRES).and_then(|(_, time)| time.parse().ok());
        let (expires, path) = (AtomicU64::new(expires.unwrap_or(u64::MAX)), path.into());
        Entry { record, index, path, sequence, durable, expires, encodings: Mutex::default() }
    }

    /// The message itself.
    pub fn message(&self) -> &Message {
        &self.record.messages[usize::from(self.index)]
    }

    /// Its place in the log.
    pub fn offset(&self) -> Offset {
        self.record.offset
    }

    /// Its place in the log, with the part inside a record of several.
    pub fn position(&self) -> Position {
        let part = (self.record.messages.len() > 1).then_some(self.index);
        Position { epoch: self.epoch(), offset: self.record.offset, part }
    }

    /// The log's incarnation.
    pub fn epoch(&self) -> Epoch {
        self.record.epoch
    }

    /// The mark behind it.
    pub fn mark(&self) -> Mark {
        let last = usize::from(self.index) + 1 == self.record.messages.len();
        Mark { offset: self.record.offset, part: if last { Mark::WHOLE } else { self.index } }
    }

    /// Whether a reader at `mark` has passed it, also one that only knows which message of the record it had last.
    pub fn is_passed_at(&self, mark: Mark) -> bool {
        (self.record.offset, self.index) <= (mark.offset, mark.part)
    }

    /// Whether its time is over. Then it is passed over, and whoever is late misses nothing of use.
    pub fn has_expired(&self) -> bool {
        // Most never do, and then nobody looks at the clock.
        let expires = self.expires.load(Ordering::Relaxed);
        expires != u64::MAX && now_millis() >= expires
    }

    /// It was erased from the log: whoever has it shows it no more. What is being written to somebody goes out.
    pub fn forget(&self) {
        self.expires.store(FORGOTTEN, Ordering::Relaxed);
        self.encodings.lock().expect("no encoder panics").clear();
    }

    /// Whether it was erased. Unlike what expired, it is no dead letter either.
    pub fn is_forgotten(&self) -> bool {
        self.expires.load(Ordering::Relaxed) == FORGOTTEN
    }

    /// What stays of it among the newest messages: its place.
    pub(super) fn emptied(&self) -> Entry {
        let blank = Message { destination: "".into(), headers: [].into(), body: Bytes::new(), publisher: None };
        let messages = vec![blank; self.record.messages.len()].into();
        let record = Arc::new(Record { messages, ..*self.record });
        let emptied = Entry::new(record, self.index, String::new(), self.sequence, self.durable);
        emptied.forget();
        emptied
    }

    /// What it takes in memory, in bytes and near enough for a limit, its encodings included.
    pub fn bytes(&self) -> usize {
        let encodings = self.encodings.lock().expect("no encoder panics");
        let encoded: usize = encodings.iter().map(|(_, bytes)| size_of::<(Shape, Bytes)>() + bytes.len()).sum();
        size_of::<Entry>() + size_of::<Record>() + size_of::<Message>() + self.message().cost() + encoded
    }

    /// The bytes for readers of this shape, made by the first of them.
    pub fn encoded(&self, shape: &Shape, encode: impl FnOnce() -> Bytes) -> Bytes {
        let mut encodings = self.encodings.lock().expect("no encoder panics");
        if let Some((_, bytes)) = encodings.iter().find(|(known, _)| known == shape) {
            return bytes.clone();
        }
        let bytes = encode();
        if encodings.len() < ENCODINGS_MAX {
            encodings.push((shape.clone(), bytes.clone()));
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_ordered_as_messages_are() {
        let (first, second) = (Mark { offset: Offset(4), part: 0 }, Mark { offset: Offset(4), part: 1 });
        assert!(Mark::after(Offset(3)) < first && first < second && second < Mark::after(Offset(4)));
        assert_eq!((first.read_after(), Mark::after(Offset(4)).read_after()), (Offset(3), Offset(4)));
    }

    #[test]
    fn a_message_expires_at_its_time_and_not_without_one() {
        let expired = |headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            let message = Message { destination: "/topic/a".into(), headers, body: Bytes::new(), publisher: None };
            let record = Record { epoch: Epoch(1), offset: Offset(1), time: 0, messages: [message].into() };
            Entry::new(Arc::new(record), 0, "a".into(), 1, true).has_expired()
        };
        assert!(expired(&[("x", "1"), (EXPIRES, "1700000000000")]));
        assert!(!expired(&[(EXPIRES, "33000000000000")]));
        assert!(!expired(&[]) && !expired(&[(EXPIRES, "soon")]));
    }

    #[test]
    fn a_shape_is_encoded_once() {
        let message =
            Message { destination: "/topic/a".into(), headers: [].into(), body: Bytes::new(), publisher: None };
        let record = Record { epoch: Epoch(1), offset: Offset(1), time: 0, messages: [message].into() };
        let entry = Entry::new(Arc::new(record), 0, "a".into(), 1, true);
        let shape = Shape { id: "sub-0".into(), tag: 1 };
        let first = entry.encoded(&shape, || Bytes::from_static(b"x"));
        let again = entry.encoded(&shape, || unreachable!("the shape is known"));
        assert_eq!(first.as_ptr(), again.as_ptr());
    }
}
