//! Which engine runs, what it can do and how it is.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::{Cursors, Log};

/// What differs by engine, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// The engine's name: `memory`, `sled`.
    pub engine: &'static str,
    /// What a confirmed append survives, in words: `nothing`, `power loss`.
    pub survives: &'static str,
    /// How long idempotency keys are remembered.
    pub keys_remembered: Duration,
    /// Whether one append may settle cursors of other logs.
    pub atomic_across_logs: bool,
    /// The largest record in bytes, as [`crate::Record::cost`] counts.
    pub record_bytes_max: usize,
}

/// How an engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Takes appends.
    Ready,
    /// Refuses appends until space comes back, then is ready again by itself; reads go on.
    Full {
        /// What to tell people.
        reason: String,
    },
    /// Opening again after a fault; appends and reads of the disk wait.
    Recovering {
        /// What to tell people.
        reason: String,
    },
    /// A write or sync failed: nothing more is stored, the process should drain its readers and exit.
    Failed {
        /// What to tell people.
        reason: String,
    },
}

/// An engine: logs, cursors and its own state.
pub trait Engine: Log + Cursors {
    /// What it can do.
    fn caps(&self) -> Caps;

    /// How it is, and when that changes.
    fn health(&self) -> watch::Receiver<Health>;

    /// Logs that were found damaged at opening or since, with what is known of each.
    fn damaged(&self) -> Vec<(crate::LogName, String)>;

    /// Makes everything durable and lets go of the files. Later appends are refused.
    fn close(&self) -> BoxFuture<'static, ()>;
}

/// A shared engine; nothing above knows which one.
pub type Store = Arc<dyn Engine>;
