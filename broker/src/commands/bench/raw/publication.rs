//! A message of the bare server: a SEND on its way to those who subscribed.
//!
//! It goes out with the headers that Homeroom adds to a publisher's own, and as
//! long: what the two write differs in nothing that the sockets could notice.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use homeroom_protocol::{Frame, Headers, MessageHead, Version, encode_message};

use super::super::framing::{Side, text};

/// A SEND.
pub(super) struct Publication {
    pub(super) destination: String,
    pub(super) body: Bytes,
    /// What else the publisher wrote.
    headers: Headers,
    /// Counts all SENDs, from 1.
    number: u64,
    /// When it came, in milliseconds since 1970.
    time: u64,
}

/// As long as most of Homeroom's epochs, which have up to 16 digits.
const EPOCH: &str = "5183724069318275";

impl Publication {
    /// The SEND with this number.
    pub(super) fn new(frame: Frame, number: u64) -> Publication {
        let Frame { mut headers, body, .. } = frame;
        let destination = headers.take("destination").unwrap_or_default();
        headers.remove("receipt");
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Publication { destination, body, headers, number, time: since.as_millis() as u64 }
    }

    /// The MESSAGE for subscriptions with this id, as it goes over the line.
    pub(super) fn encoded(&self, id: &str) -> Vec<u8> {
        let (number, time) = (self.number.to_string(), self.time.to_string());
        let stored = self.headers.get("persistent") != Some("false");
        let log = log(&self.destination);
        let message_id = if stored { format!("{log}@{EPOCH}:{number}") } else { format!("{log}@~{time}-{number}") };
        let head = MessageHead {
            subscription: Some(id),
            message_id: &message_id,
            destination: &self.destination,
            ack: None,
            content_length: self.body.len(),
        };
        let position = stored.then_some([("offset", number.as_str()), ("epoch", EPOCH)]);
        let added = position.into_iter().flatten().chain([("timestamp", time.as_str())]);
        let mut frame = Vec::new();
        encode_message(&mut frame, Version::V1_2, &head, added.chain(self.headers.iter()), &self.body);
        text(Side::Server, &frame)
    }
}

/// The log that Homeroom would keep it in: `topic/7b` for `/topic/7b/quiz`.
fn log(destination: &str) -> &str {
    let name = destination.trim_start_matches('/');
    let end = name.match_indices(['/', '.']).nth(1).map_or(name.len(), |(end, _)| end);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_belongs_to_the_log_of_its_classroom() {
        for (destination, name) in [
            ("/topic/7b", "topic/7b"),
            ("/topic/7b/quiz", "topic/7b"),
            ("/topic/7b.quiz/1", "topic/7b"),
            ("quiz", "quiz"),
            ("", ""),
        ] {
            assert_eq!(log(destination), name, "{destination}");
        }
    }
}
