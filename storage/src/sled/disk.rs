//! sled behind the few words that we use, with what it leaves out: a real sync.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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

/// Values that are less than a segment together, even where sled writes the whole page of each anew: one of
/// sixteen values of 6 KiB.
const APART_MAX: usize = 4;
/// A commit that is sure to reach into another segment, in bytes.
const LONG_BYTES: usize = 256 << 10;

/// An open database. Dropping the last reference closes its files.
#[derive(Debug)]
pub(crate) struct Disk {
    db: sled::Db,
    /// The file that holds everything, opened beside sled: sled's own flush does not reach the platter.
    file: File,
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
        let disk = Disk { db, file };
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

    /// Writes and removes all of the values or none: durable when this returns.
    ///
    /// After a power cut sled finds its own torn end only from the newest segment on whose head says that all
    /// before was stable, and it says so of what was flushed and not synced. Where single values reach over three
    /// segments, of 512 KiB each, it may read on behind a tear: pages refer to what is not there, and the store
    /// cannot be opened any more. A batch holds that word back until all of it is written, so that all of it is
    /// found again or none. So nothing is written to a store in use but here, but for what sled's own flusher does.
    pub(crate) fn commit(&self, values: Vec<Write>) -> Result<(), Fault> {
        let bytes: usize = values.iter().map(|(_, value)| value.as_ref().map_or(0, Vec::len)).sum();
        if bytes > LONG_BYTES {
            // sled's own flusher may have written since the last sync: nothing unsynced is to lie before this.
            self.sync()?;
        }
        let mut batch = sled::Batch::default();
        for (key, value) in values {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.db.apply_batch(batch)?;
        self.sync()
    }

    /// The same where values need not stay together: a few of them are written cheaper one by one.
    pub(crate) fn commit_apart(&self, values: Vec<Write>) -> Result<(), Fault> {
        if values.len() > APART_MAX {
            return self.commit(values);
        }
        for (key, value) in values {
            match value {
                Some(value) => self.db.insert(key, value)?,
                None => self.db.remove(key)?,
            };
        }
        self.sync()
    }

    /// Writes into a database that nobody relies on yet: durable with the next [`Disk::sync`], and perhaps in part
    /// before.
    pub(crate) fn load(&self, values: Vec<Write>) -> Result<(), Fault> {
        for (key, value) in values {
            match value {
                Some(value) => self.db.insert(key, value)?,
                None => self.db.remove(key)?,
            };
        }
        Ok(())
    }

    /// Forgets values, all of them or none: durable when this returns.
    pub(crate) fn forget(&self, keys: impl IntoIterator<Item = Vec<u8>>) -> Result<(), Fault> {
        let values: Vec<Write> = keys.into_iter().map(|key| (key, None)).collect();
        if values.is_empty() { Ok(()) } else { self.commit(values) }
    }

    /// What sled keeps in memory is durable when this returns.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        self.db.flush()?;
        self.file.sync_data()?;
        Ok(())
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
