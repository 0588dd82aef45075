//! High-water marks: what was confirmed, kept beside sled.
//!
//! One slot of a sector's size for each log, written in place after the sync
//! that confirmed its head, and not synced itself: it costs no waiting. A power
//! cut may leave an older mark, never a newer one. When sled opens with less
//! than the mark says, something confirmed is gone, and the slot still knows
//! which log it was.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::{Epoch, LogName};

const SLOT: usize = 512;
/// Checksum, id, epoch, head, length of the name.
const FIXED: usize = 4 + 4 + 8 + 8 + 2;

/// What was confirmed of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) log: u32,
    pub(crate) epoch: Epoch,
    pub(crate) head: u64,
    pub(crate) name: LogName,
}

/// The file of marks.
#[derive(Debug)]
pub(crate) struct Marks {
    file: File,
}

impl Marks {
    pub(crate) fn open(path: &Path) -> io::Result<Marks> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Marks { file })
    }

    /// All marks that can be read; a torn slot is none.
    pub(crate) fn read(path: &Path) -> io::Result<Vec<Mark>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(bytes.chunks_exact(SLOT).filter_map(Mark::decode).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Notes heads, in the order of their logs. Called after they are durable. Neighbours are written in
    /// one go: where a thousand classrooms publish at once, that is most of them.
    pub(crate) fn write(&self, marks: &[Mark]) -> io::Result<()> {
        for neighbours in marks.chunk_by(|mark, next| mark.log + 1 == next.log) {
            let slots: Vec<u8> = neighbours.iter().flat_map(Mark::encode).collect();
            self.file.write_all_at(&slots, u64::from(neighbours[0].log) * SLOT as u64)?;
        }
        Ok(())
    }

    /// Forgets a log that was deleted, for good.
    pub(crate) fn clear(&self, log: u32) -> io::Result<()> {
        self.file.write_all_at(&[0; SLOT], u64::from(log) * SLOT as u64)?;
        self.sync()
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Mark {
    fn encode(&self) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        let name = self.name.as_str().as_bytes();
        let name = &name[..name.len().min(SLOT - FIXED)];
        slot[4..8].copy_from_slice(&self.log.to_be_bytes());
        slot[8..16].copy_from_slice(&self.epoch.0.to_be_bytes());
        slot[16..24].copy_from_slice(&self.head.to_be_bytes());
        slot[24..26].copy_from_slice(&(name.len() as u16).to_be_bytes());
        slot[FIXED..FIXED + name.len()].copy_from_slice(name);
        let sum = crc32fast::hash(&slot[4..]);
        slot[..4].copy_from_slice(&sum.to_be_bytes());
        slot
    }

    fn decode(slot: &[u8]) -> Option<Mark> {
        let (sum, rest) = slot.split_first_chunk::<4>()?;
        if u32::from_be_bytes(*sum) != crc32fast::hash(rest) {
            return None;
        }
        let (log, rest) = rest.split_first_chunk::<4>()?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (head, rest) = rest.split_first_chunk::<8>()?;
        let (len, rest) = rest.split_first_chunk::<2>()?;
        let name = std::str::from_utf8(rest.get(..usize::from(u16::from_be_bytes(*len)))?).ok()?;
        Some(Mark {
            log: u32::from_be_bytes(*log),
            epoch: Epoch(u64::from_be_bytes(*epoch)),
            head: u64::from_be_bytes(*head),
            name: LogName::new(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_mark_is_no_mark() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marks");
        let marks = Marks::open(&path).unwrap();
        let mark = |log, head| Mark { log, epoch: Epoch(5), head, name: LogName::new(format!("topic/{log}")) };
        marks.write(&[1, 2, 4].map(|log| mark(log, 10))).unwrap();
        marks.write(&[mark(2, 11)]).unwrap();
        marks.file.write_all_at(&[9], 4 * SLOT as u64 + 20).unwrap();
        assert_eq!(Marks::read(&path).unwrap(), [mark(1, 10), mark(2, 11)]);
        marks.clear(1).unwrap();
        assert_eq!(Marks::read(&path).unwrap(), [mark(2, 11)]);
    }
}
