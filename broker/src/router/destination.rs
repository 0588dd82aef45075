//! The places that clients name.

/// The longest destination, and the longest canonical path, in bytes.
pub const BYTES_MAX: usize = 255;
/// The most segments after the prefix.
pub const SEGMENTS_MAX: usize = 16;

/// What a name that can be sent to means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A place whose log keeps what is sent there.
    Logged(Place),
}

/// The kinds of rooms, told apart by the first segment of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A classroom: every subscriber gets every message.
    Topic,
    /// A work queue: every message goes to one of its consumers.
    Queue,
    /// What is for one person alone.
    Private,
}

/// One place in one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The canonical path: that of the room, then that of the channel.
    pub path: String,
    /// How many bytes of `path` name the room.
    pub room_bytes: usize,
    /// What subscribers are shown: the canonical prefix, then the publisher's spelling.
    pub shown: String,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Topic, Kind::Queue, Kind::Private];

    /// The first segment of the names of such rooms.
    pub fn root(self) -> &'static str {
        match self {
            Kind::Topic => "topic",
            Kind::Queue => "queue",
            Kind::Private => "user",
        }
    }

    /// The kind of a room, and the rest of its name.
    pub fn of(room: &str) -> Option<(Kind, &str)> {
        let (root, rest) = room.split_once('/')?;
        Kind::ALL.into_iter().find(|kind| kind.root() == root).map(|kind| (kind, rest))
    }
}

impl Place {
    /// The room's name, which is that of its log: `topic/7b`, `queue/grading`, `user/alice`.
    pub fn room(&self) -> &str {
        &self.path[..self.room_bytes]
    }
}

/// Before the secret of a reply queue, in a SEND.
pub const REPLY_QUEUE: &str = "/reply-queue/";
/// Before the name of a reply queue, in the `reply-to` of the session that has it.
const TEMP_QUEUE: &str = "/temp-queue/";

/// The secret of a reply queue, if that is what a SEND goes to. No letter in it has a meaning.
pub fn reply_queue(written: &str) -> Option<&str> {
    written.strip_prefix(REPLY_QUEUE)
}

/// What a session calls the reply queue that a `reply-to` names, if it names one. No letter in it has a meaning.
pub fn temp_queue(written: &str) -> Option<Result<&str, DestinationError>> {
    let name = written.strip_prefix(TEMP_QUEUE)?;
    Some(match name {
        "" => Err(DestinationError::EmptySegment(written.to_owned())),
        _ if written.len() > BYTES_MAX => Err(DestinationError::TooLong(written.len())),
        _ if name.chars().any(char::is_control) => Err(DestinationError::Control),
        _ => Ok(name),
    })
}

/// The classroom that a room is, if it is one.
pub fn classroom_of(room: &str) -> Option<&str> {
    match Kind::of(room) {
        Some((Kind::Topic, classroom)) => Some(classroom),
        _ => None,
    }
}

/// What is wrong with a destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// No known prefix.
    #[error("\"{0}\" begins with no known prefix: /topic/, /queue/ and /user/ are known")]
    Prefix(String),
    /// A known prefix that leads nowhere on this broker.
    #[error("\"{prefix}\" destinations are not offered by this broker: /topic/, /queue/ and /user/ are")]
    NotOffered {
        /// The prefix as written.
        prefix: &'static str,
    },
    /// A reply queue where a place is wanted that has a log.
    #[error("\"{prefix}\" destinations are neither subscribed to nor made by a SEND to them")]
    ReplyQueue {
        /// The prefix as written.
        prefix: &'static str,
    },
    /// Longer than [`BYTES_MAX`].
    #[error("a destination has at most {BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// More than [`SEGMENTS_MAX`] segments.
    #[error("a destination has at most {SEGMENTS_MAX} segments, this one has {0}")]
    TooDeep(usize),
    /// Nothing between two separators, or after the last.
    #[error("\"{0}\" has an empty segment")]
    EmptySegment(String),
    /// A control character, written or percent-encoded.
    #[error("a destination holds no control characters")]
    Control,
    /// `%` without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("\"{0}\" is not percent-encoded UTF-8")]
    Encoding(String),
    /// A wildcard where one place is needed.
    #[error("\"{0}\" holds a wildcard, which only SUBSCRIBE takes")]
    Wildcard(String),
    /// A wildcard among queues.
    #[error("\"{0}\" holds a wildcard: queues are subscribed to one by one")]
    QueueWildcard(String),
    /// `**`, `#` or `>` before the end.
    #[error("\"{0}\" goes on after a wildcard for the rest, which must come last")]
    RestNotLast(String),
    /// A segment that begins with `$`, or a channel of the broker's own, in a SEND.
    #[error("\"{0}\" is made by the broker and cannot be sent to")]
    MadeByBroker(String),
    /// The destination stops before the classroom's name.
    #[error("\"{0}\" names no classroom")]
    NoClassroom(String),
    /// A SEND below `/user/` that names nobody, or no queue of theirs.
    #[error("\"{0}\" names no queue of a user: what is for alice goes to /user/alice/queue/{{name}}")]
    NotOfUser(String),
    /// A SUBSCRIBE below `/user/` to what is not the subscriber's own.
    #[error("\"{0}\" is not your own: a private queue is subscribed to as /user/queue/{{name}}, without a user's name")]
    NotOwn(String),
    /// A SUBSCRIBE below `/user/` by nobody in particular.
    #[error("\"{0}\" belongs to a user, and this connection names nobody in particular")]
    Nobody(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_the_prefix_of_a_reply_queue_is_taken_as_it_is() {
        assert_eq!(temp_queue("/temp-queue/a.b/*%2"), Some(Ok("a.b/*%2")));
        assert_eq!(temp_queue("/queue/a"), None);
        assert_eq!(temp_queue("/temp-queue/"), Some(Err(DestinationError::EmptySegment("/temp-queue/".into()))));
        assert_eq!(temp_queue("/temp-queue/a\nb"), Some(Err(DestinationError::Control)));
        let long = format!("/temp-queue/{}", "x".repeat(BYTES_MAX));
        assert_eq!(temp_queue(&long), Some(Err(DestinationError::TooLong(BYTES_MAX + 12))));
        assert_eq!((reply_queue("/reply-queue/0a"), reply_queue("/queue/0a")), (Some("0a"), None));
    }
}
