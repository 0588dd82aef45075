//! Which engine runs, what it can do and how it is.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::erase::{EraseError, Erased, Erasure};
use crate::{Cursors, Epoch, Log};

/// What differs by engine, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// The engine's name: `memory`, `sled`.
    pub engine: &'static str,
    /// What a confirmed append survives, in words: `nothing`, `power loss`.
    pub survives: &'static str,
    /// How long idempotency keys are remembered.
    pub keys_remembered: Duration,
    /// Whether one append may store records in several logs, and settle cursors of other logs than
    /// its own. Where it is false, both are refused before they reach the engine.
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

    /// What it has done so far.
    fn counters(&self) -> Counters;

    /// Erases for good: when this resolves, no byte of it is left where the engine keeps things.
    ///
    /// - It goes on when nobody waits any more. Several are done one after the other.
    /// - Meanwhile the engine is [`Health::Recovering`]: appends are refused as [`crate::AppendError::Unavailable`],
    ///   what else would be written waits, reads go on but for the moment in which they wait. It may take minutes.
    /// - All else that was confirmed stays, with its epochs, offsets and keys. Erased records keep their offsets,
    ///   empty: reads pass over them and report nothing as missing, and [`crate::Bounds::records`] counts them until
    ///   retention passes them.
    /// - Logs that go whole end for those who follow them, as with [`Log::delete`]. What tails have handed out, and
    ///   what is kept in memory above the engine, is the caller's.
    /// - When it fails, nothing is erased; but see [`EraseError::Unfinished`].
    fn erase(&self, what: Erasure) -> BoxFuture<'static, Result<Erased, EraseError>>;

    /// Makes everything durable and lets go of the files. Later appends are refused.
    fn close(&self) -> BoxFuture<'static, ()>;
}

impl fmt::Debug for dyn Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.caps())
    }
}

/// A shared engine; nothing above knows which one.
pub type Store = Arc<dyn Engine>;

/// What an engine has done since it was opened, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records made durable.
    pub appended_records: u64,
    /// Their cost in bytes.
    pub appended_bytes: u64,
    /// Group commits: flushes that were followed by a sync.
    pub commits: u64,
    /// Time spent in them, in microseconds.
    pub commit_micros: u64,
    /// The longest of them, in microseconds.
    pub commit_micros_max: u64,
    /// Commits by their duration, for a histogram: each counts those up to the limit in [`COMMIT_BUCKETS_MICROS`].
    pub commit_buckets: [u64; COMMIT_BUCKETS_MICROS.len()],
    /// Bytes that wait in the append queue now.
    pub queued_bytes: u64,
    /// Records removed by retention.
    pub trimmed_records: u64,
    /// Files under `blobs/`, which are never synced: anything but 0 is an alarm.
    pub blobs: u64,
    /// Records whose checksums were verified by the scrub that follows opening.
    pub scrubbed_records: u64,
    /// Whether that scrub has come to its end.
    pub scrub_ended: bool,
    /// Cursor pages that could not be read at opening.
    pub damaged_cursor_pages: u64,
    /// Bytes that the store's files occupy now, as last looked at.
    pub disk_bytes: u64,
    /// Bytes that are free on its file system, as last looked at.
    pub free_bytes: u64,
}

/// Upper limits of [`Counters::commit_buckets`], in microseconds.
pub const COMMIT_BUCKETS_MICROS: [u64; 10] =
    [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_000_000];

/// Which engine keeps the logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// Nothing survives the process: for trying out and for tests.
    Memory,
    /// Survives power loss; needs a directory of its own.
    #[default]
    Sled,
}

/// What to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which engine.
    pub engine: EngineKind,
    /// The directory of the store; made if it is missing. The memory engine ignores it.
    pub path: PathBuf,
    /// Appends are refused while less than this is free on the file system, in bytes.
    pub free_space_min: u64,
    /// Set aside on the disk to have room for opening again when the disk is full, in bytes.
    pub ballast_bytes: u64,
    /// Memory for sled's cache in bytes; under full scans it takes up to three times as much.
    pub cache_bytes: u64,
    /// Appends may wait for the writer up to this many bytes; beyond, they are refused at once.
    pub queue_bytes_max: usize,
    /// Cursors that nobody used for so long are forgotten.
    pub cursor_ttl: Duration,
    /// How long opening may take, beside 10 s for each GB of the store, before the directory is set aside.
    pub open_timeout: Duration,
    /// How long after opening every record begins to be read once, at leisure, so that damage is found before it is needed.
    pub scrub_after: Duration,
}

impl Default for Settings {
    /// A durable store in `./data`.
    fn default() -> Settings {
        Settings {
            engine: EngineKind::Sled,
            path: PathBuf::from("data"),
            free_space_min: 256_000_000,
            ballast_bytes: 64 << 20,
            cache_bytes: 64 << 20,
            queue_bytes_max: 64 << 20,
            cursor_ttl: Duration::from_secs(90 * 24 * 3600),
            open_timeout: Duration::from_secs(60),
            scrub_after: Duration::from_secs(10),
        }
    }
}

/// Why a store could not be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use: another process holds the store open. Stop that one, or give this one a directory of its own", .0.display())]
    Held(PathBuf),
    /// The directory cannot be made or written.
    #[error("{} cannot be written: {source}. Check the path, its owner and that the disk is not mounted read-only", path.display())]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The directory holds other things.
    #[error("{} holds files but no store. Name an empty or a new directory", .0.display())]
    Foreign(PathBuf),
    /// A later version wrote it.
    #[error("{} has format {found}, this program reads up to {known}. Use the newer program again", path.display())]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The latest format this program knows.
        known: u32,
    },
    /// There is no room to open it.
    #[error("{} cannot be opened: the disk is full. Free some space and start again", .0.display())]
    Full(PathBuf),
    /// There is no store to look at.
    #[error("{} holds no store", .0.display())]
    Absent(PathBuf),
    /// It is damaged beyond opening, and was left as it is.
    #[error("{} cannot be opened: {reason}", path.display())]
    Broken {
        /// The directory.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// The system refused something else.
    #[error("{} cannot be opened: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Opens a store. Blocks while it reads the disk: from async code call it on a blocking thread.
pub fn open(settings: &Settings) -> Result<Store, OpenError> {
    match settings.engine {
        EngineKind::Memory => Ok(crate::memory::store(settings.cursor_ttl)),
        EngineKind::Sled => crate::sled::open(settings),
    }
}

/// An epoch of random `numbers`, none of those that are `taken`.
pub(crate) fn epoch_unlike(mut numbers: impl FnMut() -> u64, taken: impl Fn(Epoch) -> bool) -> Epoch {
    loop {
        let epoch = Epoch(numbers() >> 11);
        if epoch != Epoch(0) && !taken(epoch) {
            return epoch;
        }
    }
}

/// A number that nobody can guess.
pub(crate) fn random() -> u64 {
    getrandom::u64().expect("the system has random numbers")
}
