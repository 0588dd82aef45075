//! A log: append, read, tail, trim. This file is the contract; the engines keep it.
//!
//! - **Durable.** An append is answered `Ok` only when the record survives a
//!   power cut. A record is visible, in [`Log::read`] and on the [`Tail`], only
//!   when it is durable: what a reader has seen is never lost.
//! - **Ordered.** Offsets grow with every record of a log. They may have gaps:
//!   nothing above this trait may expect `offset + 1`.
//! - **Atomic.** The messages of one append, the records it stores in further
//!   logs, and the cursor moves of its settlements, are stored all together or
//!   not at all. Each log orders such a record among its others by the turn of
//!   the append, like any; none of them is visible before all are durable.
//! - **Never reused.** A position names one record for ever. A log that was
//!   lost or deleted begins again under another epoch.
//! - **Joined without a seam.** [`Log::open`] gives a fence and a tail: every
//!   record up to the fence can be read, every record after it arrives on the
//!   tail once, in order.
//! - **Honest.** A read says which offsets it proves to be missing.

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{Answers, Append, AppendError, Appended, Epoch, Offset, OffsetRange, Record, Retention, Submission, Tail};

/// The name of a log, for example `topic/7b`. The router makes it; at most 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogName(Arc<str>);

impl LogName {
    /// A name as the router made it.
    pub fn new(name: impl Into<Arc<str>>) -> LogName {
        LogName(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for LogName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a log could not be opened, read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// A later try may succeed.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The log is damaged and fenced off; other logs are not touched.
    #[error("the log is damaged: {0}")]
    Damaged(String),
}

/// What a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The log's incarnation.
    pub epoch: Epoch,
    /// Everything up to here is gone, by retention or trim; [`Offset::ZERO`] if nothing is.
    pub trimmed: Offset,
    /// The last durable record; [`Offset::ZERO`] for a log that never had one.
    pub head: Offset,
    /// How many records are kept, those included that are empty because they were erased.
    pub records: u64,
    /// What they cost together, in bytes.
    pub bytes: u64,
}

/// A log, open: where the readable part ends and the live part begins.
#[derive(Debug)]
pub struct Opened {
    /// The state at the fence; `bounds.head` is the fence.
    pub bounds: Bounds,
    /// Every record after the fence, once, in order.
    pub tail: Tail,
}

/// How much a read may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Records at most; at least one is always read.
    pub records: usize,
    /// Bytes at most, exceeded by at most one record.
    pub bytes: usize,
}

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub records: Vec<Arc<Record>>,
    /// Everything after the asked position and up to here has been looked at:
    /// what is neither in `records` nor in `missing` never existed.
    pub through: Offset,
    /// Offsets in that range which held records once and can no longer be read
    /// (retention, trim, damage), in order.
    pub missing: Vec<OffsetRange>,
}

/// A place to begin reading, other than an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// Before the newest `n` records.
    Last(u64),
    /// Before the first record whose time is at least this many milliseconds since 1970.
    Time(u64),
}

/// An answer that is on its way. The work was handed over when it was made, not when it is first polled.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The log half of an engine.
pub trait Log: Send + Sync {
    /// Every log that exists, in no order.
    fn logs(&self) -> Vec<LogName>;

    /// Appends records in their order, each for itself: one that is refused does not hold up the
    /// others. They are queued together before this returns, so that calls made one after the other
    /// are stored in that order; each is answered when it is durable. Creates logs that there are not.
    fn submit(&self, submissions: Vec<Submission>);

    /// Appends one record, as [`Log::submit`] does.
    fn append(&self, append: Append) -> Pending<Result<Appended, AppendError>> {
        let answers = Answers::default();
        let slot = answers.slot(0);
        self.submit(vec![Submission { append, slot }]);
        Box::pin(answers.only())
    }

    /// Opens a log for reading and following, creating it if there is none.
    /// All that was recovered is synced before the answer. A log may be open
    /// more than once; the last `retention` given holds.
    fn open(&self, log: &LogName, retention: Retention) -> BoxFuture<'static, Result<Opened, LogError>>;

    /// Reads what follows `after`, up to and including `up_to`, within the budget.
    fn read(
        &self,
        log: &LogName,
        after: Offset,
        up_to: Offset,
        budget: Budget,
    ) -> BoxFuture<'static, Result<Page, LogError>>;

    /// The offset after which a read from `seek` begins.
    fn seek(&self, log: &LogName, seek: Seek) -> BoxFuture<'static, Result<Offset, LogError>>;

    /// What the log holds now; `None` if it does not exist.
    fn bounds(&self, log: &LogName) -> BoxFuture<'static, Result<Option<Bounds>, LogError>>;

    /// Forgets all records up to and including `up_to`. Readers learn of it by [`Page::missing`].
    fn trim(&self, log: &LogName, up_to: Offset) -> BoxFuture<'static, Result<(), LogError>>;

    /// Forgets the log, its records and its cursors. Its name may be used again, under another epoch.
    fn delete(&self, log: &LogName) -> BoxFuture<'static, Result<(), LogError>>;
}
