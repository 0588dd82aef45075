//! The live end of a log: records as they become durable, handed to each follower once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::Record;

/// Unread bytes of one tail beyond which appends to its log are answered
/// with [`crate::AppendError::Unavailable`].
pub const TAIL_BYTES_MAX: usize = 16 << 20;

/// The live end of a log. One for each [`crate::Log::open`]; the consumer takes
/// records promptly, and a tail that holds more than [`TAIL_BYTES_MAX`] makes the
/// engine answer appends with [`crate::AppendError::Unavailable`] until it is
/// taken. A dropped tail costs nothing.
#[derive(Debug)]
pub struct Tail {
    records: UnboundedReceiver<Arc<Record>>,
    unread: Arc<AtomicUsize>,
}

impl Tail {
    /// The next record, when it comes; `None` when the log was deleted or the engine closed.
    pub async fn next(&mut self) -> Option<Arc<Record>> {
        let record = self.records.recv().await?;
        Some(self.taken(record))
    }

    /// The next record if it is there already.
    pub fn try_next(&mut self) -> Option<Arc<Record>> {
        let record = self.records.try_recv().ok()?;
        Some(self.taken(record))
    }

    fn taken(&self, record: Arc<Record>) -> Arc<Record> {
        self.unread.fetch_sub(weight(&record), Ordering::AcqRel);
        record
    }
}

/// All tails of one log, held by the engine under the log's own lock: what
/// makes a record readable also publishes it, so that a fence has no seam.
#[derive(Debug, Default)]
pub(crate) struct Tails {
    followers: Vec<Follower>,
}

#[derive(Debug)]
struct Follower {
    records: UnboundedSender<Arc<Record>>,
    unread: Arc<AtomicUsize>,
}

impl Tails {
    /// A tail that begins with the next published record.
    pub(crate) fn follow(&mut self) -> Tail {
        self.forget_dropped();
        let (sender, records) = unbounded_channel();
        let unread = Arc::new(AtomicUsize::new(0));
        self.followers.push(Follower { records: sender, unread: Arc::clone(&unread) });
        Tail { records, unread }
    }

    /// Hands a durable record to every tail that still has a reader.
    pub(crate) fn publish(&mut self, record: &Arc<Record>) {
        self.followers.retain(|follower| follower.push(record));
    }

    /// Whether some reader has let too much pile up.
    pub(crate) fn is_overfull(&mut self) -> bool {
        self.forget_dropped();
        self.followers.iter().any(|follower| follower.unread.load(Ordering::Acquire) > TAIL_BYTES_MAX)
    }

    /// Ends every tail after what was published.
    pub(crate) fn end(&mut self) {
        self.followers.clear();
    }

    fn forget_dropped(&mut self) {
        self.followers.retain(|follower| !follower.records.is_closed());
    }
}

impl Follower {
    fn push(&self, record: &Arc<Record>) -> bool {
        self.unread.fetch_add(weight(record), Ordering::AcqRel);
        self.records.send(Arc::clone(record)).is_ok()
    }
}

/// A record's cost and what the queue spends on it.
fn weight(record: &Record) -> usize {
    record.cost() + 64
}
