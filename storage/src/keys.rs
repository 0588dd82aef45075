//! Which idempotency keys a log has seen, and where their first message went.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{AppendError, Epoch, Message, Offset, Part, Position, Refusal};

/// How long a key is remembered.
pub(crate) const KEYS_REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// A digest that nobody can steer.
pub(crate) type Digest128 = [u8; 16];

/// An idempotency key as it is stored with the record of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// What the publisher gave.
    pub(crate) text: Box<str>,
    /// Digest of what was said to other logs together with it, which this log does not keep.
    pub(crate) elsewhere: Option<Digest128>,
}

impl Key {
    /// The key of an append that stores these parts as well.
    pub(crate) fn new(text: Box<str>, also: &[Part]) -> Key {
        let said =
            also.iter().flat_map(|part| std::iter::once(part.log.as_str().as_bytes()).chain(said(&part.messages)));
        Key { text, elsewhere: (!also.is_empty()).then(|| digest(said)) }
    }
}

/// One key and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Digest of publisher and key.
    pub(crate) key: Digest128,
    /// Digest of what was said: destinations and bodies, so that a retry may differ in its headers.
    pub(crate) content: Digest128,
    /// Where it went.
    pub(crate) offset: Offset,
    /// When, milliseconds since 1970.
    pub(crate) time: u64,
}

impl Known {
    /// The key of an append, its offset and time not yet given.
    pub(crate) fn of(key: &Key, messages: &[Message]) -> Known {
        let publisher = messages.first().and_then(|message| message.publisher.as_deref());
        let who: &[u8] = publisher.map_or(b"-", |_| b"+");
        let content = digest(said(messages).chain(key.elsewhere.iter().map(|elsewhere| &elsewhere[..])));
        let key = digest([who, publisher.unwrap_or_default().as_bytes(), key.text.as_bytes()].into_iter());
        Known { key, content, offset: Offset::ZERO, time: 0 }
    }

    /// What a repeat is told: the first position, or that the key means something else.
    pub(crate) fn answer(&self, repeat: &Known, epoch: Epoch) -> Result<Position, AppendError> {
        let first = Position::new(epoch, self.offset);
        if self.content == repeat.content { Ok(first) } else { Err(Refusal::KeyConflict { first }.into()) }
    }
}

fn said(messages: &[Message]) -> impl Iterator<Item = &[u8]> {
    messages.iter().flat_map(|message| [message.destination.as_bytes(), &message.body[..]])
}

fn digest<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Digest128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut short = Digest128::default();
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

/// The keys of one log, oldest first to forget.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    known: HashMap<Digest128, Known>,
    by_age: VecDeque<(u64, Digest128)>,
}

impl KeyIndex {
    /// The first use of a key, if it is young enough.
    pub(crate) fn find(&mut self, key: &Digest128, now: u64) -> Option<Known> {
        self.forget_before(oldest_remembered(now));
        self.known.get(key).copied()
    }

    /// Remembers a use. Called in the order of the log.
    pub(crate) fn remember(&mut self, known: Known) {
        self.by_age.push_back((known.time, known.key));
        self.known.insert(known.key, known);
    }

    /// Forgets those of erased records, and says how many.
    pub(crate) fn forget(&mut self, gone: impl Fn(Offset) -> bool) -> u64 {
        let before = self.known.len();
        self.known.retain(|_, known| !gone(known.offset));
        self.by_age.retain(|(_, key)| self.known.contains_key(key));
        (before - self.known.len()) as u64
    }

    fn forget_before(&mut self, time: u64) {
        while let Some((_, key)) = self.by_age.front().copied().filter(|(used, _)| *used < time) {
            self.by_age.pop_front();
            // A key that was used again after a day has a younger entry behind.
            if self.known.get(&key).is_some_and(|known| known.time < time) {
                self.known.remove(&key);
            }
        }
    }
}

/// Keys used before this time are forgotten.
pub(crate) fn oldest_remembered(now: u64) -> u64 {
    now.saturating_sub(KEYS_REMEMBERED.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(publisher: Option<&str>, body: &'static str) -> Message {
        Message {
            destination: "/topic/7b".into(),
            headers: Box::default(),
            body: Bytes::from_static(body.as_bytes()),
            publisher: publisher.map(Into::into),
        }
    }

    #[test]
    fn a_key_belongs_to_its_publisher_and_stands_for_its_content() {
        let of = |publisher, body| Known::of(&Key::new("k".into(), &[]), &[message(publisher, body)]);
        assert_eq!(of(Some("a"), "x"), of(Some("a"), "x"));
        assert_ne!(of(Some("a"), "x").key, of(Some("b"), "x").key);
        assert_ne!(of(Some(""), "x").key, of(None, "x").key);
        assert_ne!(of(Some("a"), "x").content, of(Some("a"), "y").content);
    }

    #[test]
    fn a_key_is_forgotten_after_its_day() {
        let mut index = KeyIndex::default();
        let day = KEYS_REMEMBERED.as_millis() as u64;
        let known =
            Known { time: 1000, offset: Offset(1), ..Known::of(&Key::new("k".into(), &[]), &[message(None, "x")]) };
        index.remember(known);
        assert_eq!(index.find(&known.key, 1000 + day), Some(known));
        assert_eq!(index.find(&known.key, 1001 + day), None);
    }
}
