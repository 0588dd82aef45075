//! Erasing for good: what is to go, what came of it, and how to do it to a store that no engine has open.
//!
//! A delete leaves bytes behind: in the free segments of the database, in high-water marks, in copies that were set
//! aside. An erasure leaves none. It writes all that stays into new files, puts those in the place of the old ones,
//! and removes the old ones. So it also is what gives the disk back what was freed: see [`compact`].

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::{CursorKey, LogName, Message, OpenError};

/// Says of each thing of a kind whether it is meant.
pub type Which<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

/// What is to go. Whoever makes one knows what names mean; here they are compared and no more.
#[derive(Clone)]
pub struct Erasure {
    /// Logs that go whole, with all cursors and idempotency keys on them. Their names may be used again, under
    /// another epoch.
    pub logs: Which<LogName>,
    /// Messages that go wherever they are. A record goes if one of its messages does. Its offset stays taken:
    /// readers pass over it, and nothing is reported missing.
    pub messages: Which<Message>,
    /// Cursors that go, on any log.
    pub cursors: Which<CursorKey>,
    /// Copies of the store that were set aside as damaged go as well: nobody can say what they hold.
    pub set_aside: bool,
}

impl Erasure {
    /// Nothing goes: all is written anew and takes the room that it needs.
    pub fn nothing() -> Erasure {
        let (logs, messages, cursors) = (Arc::new(|_: &_| false), Arc::new(|_: &_| false), Arc::new(|_: &_| false));
        Erasure { logs, messages, cursors, set_aside: false }
    }
}

impl fmt::Debug for Erasure {
    /// Without names: what is to be forgotten is not to be in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Erasure").field("set_aside", &self.set_aside).finish_non_exhaustive()
    }
}

/// What came of it. What was not there counts for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Logs that went whole.
    pub logs: u64,
    /// Records that went, those of these logs included.
    pub records: u64,
    /// Messages in them.
    pub messages: u64,
    /// Cursors that went.
    pub cursors: u64,
    /// Idempotency keys that went with their records.
    pub keys: u64,
    /// Pieces that could not be read, and so could not be told apart: they are not in the new files. What was
    /// damaged is reported as damaged still.
    pub unreadable: u64,
    /// Copies that were set aside and are removed, by the names of their directories.
    pub set_aside: Vec<String>,
    /// Bytes of all files before, the ballast included.
    pub disk_bytes_before: u64,
    /// The same afterwards.
    pub disk_bytes_after: u64,
    /// How long it took.
    pub took: Duration,
}

/// Why nothing was erased. The store is as it was, but for [`EraseError::Unfinished`].
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The disk has no room for the new files beside the old ones.
    #[error(
        "all that stays is written anew beside the old files: that takes {needed} bytes, {free} are free. Make room, \
         and try again"
    )]
    NoRoom {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// Not now: the engine is closed, full or has failed.
    #[error("nothing was erased, the store is unavailable: {0}")]
    Unavailable(String),
    /// It holds, and not all of the old files could be removed.
    #[error("what was to be erased is erased from the store, but old files are left: {0}. The next start removes them")]
    Unfinished(String),
    /// What was written anew is not what it should be, or could not be written.
    #[error("nothing was erased: {0}")]
    Failed(String),
}

/// What is told on the way: how many bytes were looked at, of how many.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Erases from the store in `path`, which no engine has open. Blocks.
///
/// Whenever the process ends, and the machine too, the store is afterwards as it was or as it is to be, and whoever
/// opens it next removes what is left of the other.
///
/// # Errors
/// See [`EraseError`].
pub fn erase(path: &Path, what: &Erasure, progress: Progress<'_>) -> Result<Erased, EraseError> {
    crate::sled::offline::erase(path, what, progress)
}

/// Writes everything anew, so that the files are no larger than they need be. Blocks.
///
/// # Errors
/// See [`EraseError`].
pub fn compact(path: &Path, progress: Progress<'_>) -> Result<Erased, EraseError> {
    erase(path, &Erasure::nothing(), progress)
}
