//! The live end of a log: records as they become durable, handed to each follower once.

use std::collections::VecDeque;
use std::future::poll_fn;

use crate::Record;
use crate::mailbox::{Mailbox, Wakes};
use crate::sync::{Arc, AtomicUsize, Ordering};

/// Unread bytes of one tail beyond which appends to its log are answered
/// with [`crate::AppendError::Unavailable`].
pub const TAIL_BYTES_MAX: usize = 16 << 20;

/// The live end of a log. One for each [`crate::Log::open`]; the consumer takes
/// records promptly, and a tail that holds more than [`TAIL_BYTES_MAX`] makes the
/// engine answer appends with [`crate::AppendError::Unavailable`] until it is
/// taken. A dropped tail costs nothing.
#[derive(Debug)]
pub struct Tail {
    /// Taken out, and not yet asked for.
    here: VecDeque<Arc<Record>>,
    line: Arc<Line>,
}

/// What a tail and the log's own end of it share.
#[derive(Debug, Default)]
struct Line {
    records: Mailbox<Arc<Record>>,
    unread: AtomicUsize,
}

impl Tail {
    /// The next record, when it comes; `None` when the log was deleted or the engine closed.
    pub async fn next(&mut self) -> Option<Arc<Record>> {
        if self.here.is_empty() {
            self.here = poll_fn(|context| self.line.records.poll_take(context)).await;
        }
        self.take()
    }

    /// The next record if it is there already.
    pub fn try_next(&mut self) -> Option<Arc<Record>> {
        if self.here.is_empty() {
            self.here = self.line.records.take();
        }
        self.take()
    }

    fn take(&mut self) -> Option<Arc<Record>> {
        let record = self.here.pop_front()?;
        self.line.unread.fetch_sub(weight(&record), Ordering::AcqRel);
        Some(record)
    }
}

/// All tails of one log, held by the engine under the log's own lock: what
/// makes a record readable also publishes it, so that a fence has no seam.
#[derive(Debug, Default)]
pub(crate) struct Tails {
    followers: Vec<Follower>,
}

#[derive(Debug)]
struct Follower(Arc<Line>);

impl Tails {
    /// A tail that begins with the next published record.
    pub(crate) fn follow(&mut self) -> Tail {
        self.forget_dropped();
        let line = Arc::<Line>::default();
        self.followers.push(Follower(Arc::clone(&line)));
        Tail { here: VecDeque::new(), line }
    }

    /// Hands durable records to every tail that still has a reader, which learns of them when `wakes` is dropped.
    pub(crate) fn publish(&mut self, records: &[Arc<Record>], wakes: &mut Wakes) {
        self.forget_dropped();
        self.followers.iter().for_each(|follower| follower.push(records, wakes));
    }

    /// Whether some reader has let too much pile up.
    pub(crate) fn is_overfull(&mut self) -> bool {
        self.forget_dropped();
        self.followers.iter().any(|follower| follower.0.unread.load(Ordering::Acquire) > TAIL_BYTES_MAX)
    }

    /// Ends every tail after what was published.
    pub(crate) fn end(&mut self) {
        self.followers.clear();
    }

    fn forget_dropped(&mut self) {
        self.followers.retain(Follower::has_reader);
    }
}

impl Follower {
    fn push(&self, records: &[Arc<Record>], wakes: &mut Wakes) {
        let weight = records.iter().map(|record| weight(record)).sum();
        self.0.unread.fetch_add(weight, Ordering::AcqRel);
        self.0.records.put(records.iter().cloned(), wakes);
    }

    /// The other end of the line has not been dropped.
    fn has_reader(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.records.shut();
    }
}

/// A record's cost and what the queue spends on it.
fn weight(record: &Record) -> usize {
    record.cost() + 64
}
