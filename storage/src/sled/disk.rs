//! sled behind the few words that we use, with what it leaves out: a real sync.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cursors::Write;
use crate::Settings;

/// What can go wrong below. The three call for different things.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Refuse, wait for space, open again.
    #[error("the disk is full")]
    Full,
    /// Stop for good.
    #[error("{0}")]
    Io(String),
    /// Somebody has the files: wait a moment.
    #[error("{0}")]
    Held(String),
    /// Set something aside.
    #[error("{0}")]
    Damaged(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::Full,
            _ => Fault::Io(error.to_string()),
        }
    }
}

impl From<sled::Error> for Fault {
    fn from(error: sled::Error) -> Fault {
        match error {
            // sled has no kind for it.
            sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
                Fault::Held(error.to_string())
            }
            sled::Error::Io(error) => error.into(),
            other => Fault::Damaged(other.to_string()),
        }
    }
}

/// An open database. Dropping the last reference closes its files.
#[derive(Debug)]
pub(crate) struct Disk {
    db: sled::Db,
    /// The file that holds everything, opened beside sled: sled's own flush does not reach the platter.
    file: File,
    /// Something was written since the last sync.
    has_unsynced: AtomicBool,
}

impl Disk {
    /// Opens or makes the database in `dir`. May panic on damage, as sled does.
    pub(crate) fn open(dir: &Path, settings: &Settings) -> Result<Disk, Fault> {
        let db = sled::Config::new()
            .path(dir)
            .cache_capacity(settings.cache_bytes)
            // Only sled's own flusher collects its garbage.
            .flush_every_ms(Some(500))
            .mode(sled::Mode::LowSpace)
            .open()?;
        let file = File::open(dir.join("db"))?;
        let disk = Disk { db, file, has_unsynced: AtomicBool::new(false) };
        disk.check_place(dir)?;
        disk.settle(dir)?;
        Ok(disk)
    }

    /// The file that we sync is the one that will be found when the store opens again.
    pub(crate) fn check_place(&self, dir: &Path) -> Result<(), Fault> {
        let (ours, named) = (self.file.metadata()?, fs::metadata(dir.join("db")));
        match named {
            Ok(named) if (ours.dev(), ours.ino()) == (named.dev(), named.ino()) => Ok(()),
            _ => Err(Fault::Io(format!("the database file in {} was removed or exchanged", dir.display()))),
        }
    }

    /// Makes durable what was recovered, and the files' own names.
    fn settle(&self, dir: &Path) -> Result<(), Fault> {
        self.db.flush()?;
        self.file.sync_all()?;
        for name in ["conf", "blobs", "."] {
            File::open(dir.join(name))?.sync_all()?;
        }
        if let Some(parent) = dir.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    }

    /// Everything written before is durable when this returns.
    pub(crate) fn commit(&self) -> Result<(), Fault> {
        self.db.flush()?;
        self.file.sync_data()?;
        self.has_unsynced.store(false, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn put(&self, key: &[u8], value: Vec<u8>) -> Result<(), Fault> {
        self.has_unsynced.store(true, Ordering::Relaxed);
        self.db.insert(key, value)?;
        Ok(())
    }

    pub(crate) fn remove(&self, key: &[u8]) -> Result<(), Fault> {
        self.has_unsynced.store(true, Ordering::Relaxed);
        self.db.remove(key)?;
        Ok(())
    }

    /// Everything, or nothing, and durable when this returns.
    ///
    /// sled finds all of a batch again or none of it as long as it notices where its own log is torn. It
    /// notices that only from the newest of its segments on whose head says that all before was stable, and
    /// sled says so of what was not synced. A batch holds that word back until all of it is written. So
    /// nothing unsynced may lie before the batch, and nothing may follow it before the sync.
    pub(crate) fn commit_together(&self, writes: impl Iterator<Item = Write>) -> Result<(), Fault> {
        if self.has_unsynced.load(Ordering::Relaxed) {
            self.commit()?;
        }
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.has_unsynced.store(true, Ordering::Relaxed);
        self.db.apply_batch(batch)?;
        self.commit()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, Fault> {
        Ok(self.db.get(key)?)
    }

    /// In the order of keys.
    pub(crate) fn range(&self, keys: impl std::ops::RangeBounds<Vec<u8>>) -> sled::Iter {
        self.db.range::<Vec<u8>, _>(keys)
    }

    /// Everything whose key begins so.
    pub(crate) fn under(&self, prefix: &[u8]) -> sled::Iter {
        self.db.scan_prefix(prefix)
    }
}
