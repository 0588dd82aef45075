//! Between STOMP and the log: a message becomes MESSAGE. STOMP stops here.

use std::sync::Arc;

use bytes::Bytes;
use homeroom_protocol::{AckMode, Headers, MessageHead, Version, encode_message};
use homeroom_storage::{LogName, Message, Position};

use crate::classroom::entry::{EXPIRES, Entry, Shape};
use crate::publication::SESSION;
use crate::replies::Reply;
use crate::transport::websocket;

/// Whether the time of a message is over, at `now` in milliseconds since 1970.
pub fn has_expired(message: &Message, now: u64) -> bool {
    let expires = message.headers.iter().find(|(name, _)| **name == *EXPIRES).and_then(|(_, time)| time.parse().ok());
    expires.is_some_and(|time: u64| time <= now)
}

/// Whether a header of a stored message is for readers.
pub fn is_shown(name: &str) -> bool {
    name != SESSION
}

/// Whether a message was sent in this session.
pub fn is_of_session(message: &Message, session: &str) -> bool {
    message.headers.iter().any(|(name, value)| **name == *SESSION && **value == *session)
}

/// The first of these headers that is there.
pub fn first_of<'a>(headers: &'a Headers, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| headers.get(name))
}

/// How often, and why again, a message comes to a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repeat {
    /// It was in the log before the subscription's position was fixed.
    pub replayed: bool,
    /// It may have come before.
    pub redelivered: bool,
    /// For those delivered again after a NACK: how often by now.
    pub count: Option<u32>,
    /// What is missing before it.
    pub gap: Option<String>,
}

/// How one subscription's messages look: what its shapes have in common.
#[derive(Clone, Debug)]
pub struct Look {
    id: Arc<str>,
    id_shown: bool,
    version: Version,
    ack: AckMode,
}

impl Look {
    /// `id_shown` is false for a STOMP 1.0 subscription without an id.
    pub fn new(id: Arc<str>, id_shown: bool, version: Version, ack: AckMode) -> Look {
        Look { id, id_shown, version, ack }
    }

    /// The framed MESSAGE of an entry: shared among all who see it alike,
    /// unless there is something that only this subscription is told.
    pub fn framed(&self, log: &LogName, entry: &Entry, repeat: &Repeat) -> Bytes {
        if repeat.count.is_some() || repeat.gap.is_some() {
            return self.encode(log, entry, repeat);
        }
        entry.encoded(&self.shape(repeat), || self.encode(log, entry, repeat))
    }

    /// Holds the same id in a place shared with others.
    pub fn share(&mut self, id: &Arc<str>) {
        debug_assert_eq!(self.id, *id, "it is the same id");
        self.id = id.clone();
    }

    /// What its bytes depend on.
    pub fn shape(&self, repeat: &Repeat) -> Shape {
        let version = match self.version {
            Version::V1_0 => 0,
            Version::V1_1 => 1,
            Version::V1_2 => 2,
        };
        let ack = u16::from(self.ack != AckMode::Auto);
        let repeat = u16::from(repeat.replayed) | u16::from(repeat.redelivered) << 1;
        Shape { id: self.id.clone(), tag: version | ack << 2 | repeat << 3 | u16::from(self.id_shown) << 5 }
    }

    fn encode(&self, log: &LogName, entry: &Entry, repeat: &Repeat) -> Bytes {
        let (message, position) = (entry.message(), Place::of(entry));
        let message_id = format!("{log}@{position}");
        let acknowledged = self.ack != AckMode::Auto && self.version == Version::V1_2;
        let ack = acknowledged.then(|| format!("{position}@{}", self.id));
        let head = MessageHead {
            subscription: self.id_shown.then_some(&*self.id),
            message_id: &message_id,
            destination: &message.destination,
            ack: ack.as_deref(),
            content_length: message.body.len(),
        };
        let (offset, epoch) = (entry.offset().to_string(), entry.epoch().to_string());
        let (time, count) = (entry.record.time.to_string(), repeat.count.map(|count| count.to_string()));
        let mut own: Vec<(&str, &str)> = Vec::with_capacity(8);
        if entry.durable {
            own.extend([("offset", offset.as_str()), ("epoch", epoch.as_str())]);
        }
        own.push(("timestamp", &time));
        own.extend(message.publisher.as_deref().map(|user| ("user-id", user)));
        own.extend(repeat.replayed.then_some(("replayed", "true")));
        own.extend(repeat.redelivered.then_some(("redelivered", "true")));
        own.extend(count.as_deref().map(|count| ("delivery-count", count)));
        own.extend(repeat.gap.as_deref().map(|gap| ("gap", gap)));
        let mut frame = Vec::with_capacity(message.cost() + 256);
        encode_message(&mut frame, self.version, &head, own.into_iter().chain(shown(message)), &message.body);
        websocket::framed(&frame)
    }
}

/// The MESSAGE of a reply, the one of that number on its connection.
pub fn reply(version: Version, reply: &Reply, number: u64) -> Vec<u8> {
    let message = &reply.message;
    let subscription = format!("/temp-queue/{}", reply.queue);
    let place = Place::Unlogged { time: reply.time, sequence: number };
    let head = MessageHead {
        subscription: Some(&subscription),
        message_id: &format!("replies@{place}"),
        destination: &message.destination,
        ack: None,
        content_length: message.body.len(),
    };
    let time = reply.time.to_string();
    let own = std::iter::once(("timestamp", &*time)).chain(message.publisher.as_deref().map(|user| ("user-id", user)));
    let mut frame = Vec::with_capacity(message.cost() + 256);
    encode_message(&mut frame, version, &head, own.chain(shown(message)), &message.body);
    frame
}

/// The headers of a message that are the publisher's.
fn shown(message: &Message) -> impl Iterator<Item = (&str, &str)> {
    message.headers.iter().filter(|(name, _)| is_shown(name)).map(|(name, value)| (&**name, &**value))
}

/// How a message is named: by its position, or, if no log keeps it, by its
/// time and number, which nobody can come back to.
enum Place {
    Logged(Position),
    Unlogged { time: u64, sequence: u64 },
}

impl Place {
    fn of(entry: &Entry) -> Place {
        match entry.durable {
            true => Place::Logged(entry.position()),
            false => Place::Unlogged { time: entry.record.time, sequence: entry.sequence },
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Logged(position) => position.fmt(f),
            Place::Unlogged { time, sequence } => write!(f, "~{time}-{sequence}"),
        }
    }
}

/// What an ACK names: the value of an `ack` header, or a `message-id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// A message of a log.
    At(Position),
    /// A message that no log keeps: there is nothing to acknowledge.
    Unlogged,
}

/// Reads `position@subscription`, the value of our `ack` headers.
pub fn read_ack(text: &str) -> Option<(Acknowledged, &str)> {
    let (position, subscription) = text.split_once('@')?;
    Some((read_place(position)?, subscription))
}

/// Reads `log@position`, our `message-id`.
pub fn read_message_id(text: &str) -> Option<Acknowledged> {
    read_place(text.rsplit_once('@')?.1)
}

fn read_place(text: &str) -> Option<Acknowledged> {
    if let Some(name) = text.strip_prefix('~') {
        return name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-').then_some(Acknowledged::Unlogged);
    }
    text.parse().ok().map(Acknowledged::At)
}

#[cfg(test)]
mod tests {
    use homeroom_storage::{Epoch, Offset};

    use super::*;

    #[test]
    fn acks_are_read_back_whatever_the_subscription_is_called() {
        let position = Position { epoch: Epoch(7), offset: Offset(3), part: Some(1) };
        assert_eq!(read_ack("7:3.1@a@b"), Some((Acknowledged::At(position), "a@b")));
        assert_eq!(read_ack("~12-3@sub-0"), Some((Acknowledged::Unlogged, "sub-0")));
        assert_eq!(read_message_id("topic/a@b@7:3.1"), Some(Acknowledged::At(position)));
        for text in ["", "7:3", "7@sub", "~x@sub", "@"] {
            assert_eq!(read_ack(text), None, "{text}");
        }
    }

    #[test]
    fn a_message_is_of_the_session_that_sent_it_and_does_not_show_it() {
        let headers = [("x-mine".into(), "1".into()), (SESSION.into(), "7".into())].into();
        let message = Message { destination: "/topic/a".into(), headers, body: Bytes::new(), publisher: None };
        assert!(is_of_session(&message, "7") && !is_of_session(&message, "8"));
        assert_eq!(shown(&message).collect::<Vec<_>>(), [("x-mine", "1")]);
    }
}
