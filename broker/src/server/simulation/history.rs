//! What everybody did and saw, in the words of the checker, by the world's clock.

use std::sync::Arc;

use homeroom_checker::{Digest, Entry, Event, Position, Recorder, Seen, Stream};
use homeroom_protocol::Frame;
use tokio::time::Instant;

/// The headers of a MESSAGE that are the same for everybody who reads it.
const STABLE: [&str; 7] = ["destination", "offset", "epoch", "timestamp", "user-id", "content-type", "content-length"];

#[derive(Clone, Debug)]
pub(super) struct History {
    recorder: Recorder,
    began: Instant,
}

impl History {
    pub(super) fn begin() -> History {
        History { recorder: Recorder::default(), began: Instant::now() }
    }

    pub(super) fn note(&self, actor: &str, event: Event) {
        let at = u64::try_from(self.began.elapsed().as_nanos()).unwrap();
        self.recorder.note_at(at, actor, event);
    }

    /// A message is about to be sent.
    pub(super) fn asked(&self, id: &str, log: &str, body: &str) {
        let digest = Digest::of(body.as_bytes());
        self.note(publisher_of(id), Event::Send { id: id.into(), log: log.into(), digest });
    }

    /// It is stored.
    pub(super) fn confirmed(&self, id: &str, at: &str) {
        self.note(publisher_of(id), Event::Stored { id: id.into(), at: at.parse().expect("a position") });
    }

    /// A MESSAGE came.
    pub(super) fn received(&self, stream: &Stream, message: &Frame) {
        let body = String::from_utf8_lossy(&message.body).into_owned();
        let header = |name: &str| message.headers.get(name);
        let stable: Vec<_> = STABLE.iter().map(|name| header(name).unwrap_or_default()).collect();
        let rest = Some(Digest::of(stable.join("\n").as_bytes()));
        let seen = Seen { rest, ..seen(place(message), &body) };
        let (redelivered, gap) = (header("redelivered") == Some("true"), header("gap").is_some());
        self.note(&stream.reader, Event::Message { stream: stream.clone(), seen, redelivered, gap });
    }

    /// A message came by another way than STOMP.
    pub(super) fn read(&self, stream: &Stream, at: &str, body: &str, gap: bool) {
        let seen = seen(at.parse().expect("a position"), body);
        self.note(&stream.reader, Event::Message { stream: stream.clone(), seen, redelivered: false, gap });
    }

    /// A message that a log holds in the end.
    pub(super) fn kept(&self, log: &str, at: &str, body: &str) {
        let seen = seen(at.parse().expect("a position"), body);
        self.note("auditor", Event::Kept { log: log.into(), seen });
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.recorder.entries()
    }
}

fn publisher_of(id: &str) -> &str {
    id.rsplit_once('#').map_or(id, |(publisher, _)| publisher)
}

/// Bodies begin with the message's name.
fn seen(at: Position, body: &str) -> Seen {
    let id: Arc<str> = body.split(' ').next().unwrap_or_default().into();
    Seen { at, id, digest: Digest::of(body.as_bytes()), rest: None }
}

/// Where a MESSAGE stands.
pub(super) fn place(message: &Frame) -> Position {
    let id = message.headers.get("message-id").expect("every MESSAGE has one");
    id.rsplit_once('@').expect("a log and a position").1.parse().expect("a position")
}
