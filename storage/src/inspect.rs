//! Looking into a store from outside, while no engine has it open.

use std::path::Path;

use crate::{Epoch, LogName, Offset, OffsetRange, OpenError};

/// What a check of every checksum found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Logs looked at.
    pub logs: u64,
    /// Records read whole.
    pub records: u64,
    /// Their cost in bytes.
    pub bytes: u64,
    /// Cursors read whole; one with very many ranges counts more than once.
    pub cursors: u64,
    /// What cannot be read, by log.
    pub damaged: Vec<DamagedRange>,
    /// Pages of cursors that cannot be read.
    pub damaged_cursor_pages: Vec<u32>,
}

/// Records that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRange {
    /// Whose.
    pub log: LogName,
    /// Which; `None` when the log as a whole is meant.
    pub range: Option<OffsetRange>,
    /// What is known.
    pub reason: String,
}

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Log by log.
    pub logs: Vec<LogStats>,
    /// Bytes of all files, quarantined ones and the ballast included.
    pub disk_bytes: u64,
}

/// What one log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStats {
    /// Its name.
    pub name: LogName,
    /// Its incarnation.
    pub epoch: Epoch,
    /// Its last record.
    pub head: Offset,
    /// Everything up to here is gone.
    pub trimmed: Offset,
    /// How many records are kept.
    pub records: u64,
    /// What they cost, in bytes.
    pub bytes: u64,
    /// In how many pieces they are stored.
    pub blocks: u64,
    /// The time of the oldest, milliseconds since 1970; 0 if nothing is kept.
    pub oldest: u64,
    /// The time of the newest.
    pub newest: u64,
    /// How many cursors stand on it.
    pub cursors: u64,
    /// Why it takes no more records, if so.
    pub damage: Option<String>,
}

impl VerifyReport {
    /// Whether everything could be read.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.damaged_cursor_pages.is_empty()
    }
}

/// Reads every record and every cursor of a store and checks its checksum and
/// its place. Nothing is repaired or removed. `progress` is told how many
/// records were looked at, of how many. Blocks.
pub fn verify(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport, OpenError> {
    crate::sled::offline::verify(path, progress)
}

/// The names of copies that were set aside because sled could not open them: directories beside the store.
pub fn set_aside(path: &Path) -> Result<Vec<String>, OpenError> {
    crate::sled::offline::set_aside(path)
}

/// What a store holds, log by log. Blocks.
pub fn stats(path: &Path) -> Result<Stats, OpenError> {
    crate::sled::offline::stats(path)
}
