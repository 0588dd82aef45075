//! New messages on their way to many who see them alike.
//!
//! A [`Form`] is what such a group has in common. Its [`News`] are put together
//! once and written to each of its members: whole, or the rest that a member
//! does not have yet.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::entry::{Entry, Mark, Shape};
use crate::router::Pattern;

/// Room for so many messages is kept from one news to the next ...
const PIECES_KEPT: usize = 4;
/// ... and for so many joined bytes.
const JOINED_KEPT: usize = 4096;

/// How a group of subscriptions sees the messages of a classroom.
pub trait Form: Debug + Send + Sync {
    /// What its bytes depend on.
    fn shape(&self) -> &Shape;

    /// What it covers.
    fn pattern(&self) -> &Arc<Pattern>;

    /// A message as it leaves on the wire.
    fn bytes(&self, entry: &Entry) -> Bytes;

    /// So many messages were written to members of the group.
    fn delivered(&self, count: u64);
}

/// Whether two forms give the same bytes for the same messages.
pub fn is_same(one: &dyn Form, other: &dyn Form) -> bool {
    one.shape() == other.shape() && one.pattern() == other.pattern()
}

/// What is new for one form: the messages of a stretch of sequence numbers.
#[derive(Debug)]
pub struct News {
    /// Whoever wants a message before this has to look for it elsewhere.
    pub since: u64,
    /// The sequence behind the newest message.
    pub end: u64,
    /// Behind the newest record.
    pub through: Option<Mark>,
    /// When they went out.
    pub at: Instant,
    pieces: Vec<Piece>,
    joined: Vec<u8>,
}

/// One message of the news.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Its number among the recent messages.
    pub sequence: u64,
    /// Behind the newest record up to it.
    pub through: Option<Mark>,
    /// Behind it, if the log keeps it.
    pub mark: Option<Mark>,
    /// Its bytes.
    pub bytes: Bytes,
    /// Where it ends among all.
    end: usize,
}

impl Default for News {
    fn default() -> News {
        News { since: 0, end: 0, through: None, at: Instant::now(), pieces: Vec::new(), joined: Vec::new() }
    }
}

impl News {
    /// Begins anew, in the buffers of the news before: nothing is known from `since` on.
    pub fn begin(&mut self, since: u64) {
        (self.since, self.end, self.through, self.at) = (since, since, None, Instant::now());
        self.pieces.clear();
        self.joined.clear();
    }

    /// Adds what a form sees of `entries`, which follow what is there and go up to `end`.
    pub fn extend(&mut self, form: &dyn Form, entries: &[Arc<Entry>], end: u64) {
        (self.end, self.at) = (end, Instant::now());
        for entry in entries {
            if entry.durable {
                self.through = Some(entry.mark());
            }
            if form.pattern().matches(&entry.path) && !entry.has_expired() {
                self.push(entry, form.bytes(entry));
            }
        }
    }

    fn push(&mut self, entry: &Entry, bytes: Bytes) {
        if let [only] = &self.pieces[..] {
            // One message is written from its own bytes; several are joined, once for all.
            self.joined.extend_from_slice(&only.bytes);
        }
        if !self.pieces.is_empty() {
            self.joined.extend_from_slice(&bytes);
        }
        let end = self.bytes() + bytes.len();
        let mark = entry.durable.then(|| entry.mark());
        self.pieces.push(Piece { sequence: entry.sequence, through: self.through, mark, bytes, end });
    }

    /// Keeps nothing, and no buffers but small ones.
    pub fn forget(&mut self) {
        self.pieces.clear();
        self.pieces.shrink_to(PIECES_KEPT);
        self.joined.clear();
        self.joined.shrink_to(JOINED_KEPT);
    }

    /// How many messages there are.
    pub fn count(&self) -> usize {
        self.pieces.len()
    }

    /// How many bytes they have.
    pub fn bytes(&self) -> usize {
        self.pieces.last().map_or(0, |last| last.end)
    }

    /// Whether there is nothing for the form.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The messages from `sequence` on.
    pub fn from(&self, sequence: u64) -> &[Piece] {
        let begin = self.pieces.partition_point(|piece| piece.sequence < sequence);
        &self.pieces[begin..]
    }

    /// The bytes of some of its pieces that follow each other.
    pub fn bytes_of<'a>(&'a self, pieces: &'a [Piece]) -> &'a [u8] {
        match pieces {
            [] => &[],
            [only] => &only.bytes,
            several => &self.joined[span(several)],
        }
    }
}

fn span(pieces: &[Piece]) -> Range<usize> {
    let begin = pieces.first().map_or(0, |first| first.end - first.bytes.len());
    begin..pieces.last().map_or(begin, |last| last.end)
}
