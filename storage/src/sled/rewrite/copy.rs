//! From the old store to the new one: record by record, in pieces that fit into memory.

use super::super::desk::known_of;
use super::super::disk::{Disk, Fault};
use super::super::layout::block::{Head, Packer};
use super::super::layout::entry::{Entry, Totals};
use super::super::layout::page::{decode_keys, encode_keys};
use super::super::layout::{Pair, Stored, entry_key, key_pages};
use super::super::walk::{Found, Step, Walk};
use super::Tally;
use crate::erase::Erasure;
use crate::{Epoch, LogName};

/// So many blocks are written together.
const BLOCKS_AT_ONCE: usize = 64;

/// One log of the old store.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) id: u32,
    pub(crate) name: LogName,
    pub(crate) epoch: Epoch,
    /// The offset of its last record.
    pub(crate) head: u64,
    /// What its kept records cost, near enough to say how far the work is.
    pub(crate) bytes: u64,
}

/// What was written of one log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// The way from one database to the other.
pub(crate) struct Copying<'a> {
    pub(crate) from: &'a Disk,
    pub(crate) to: &'a Disk,
    pub(crate) what: &'a Erasure,
    pub(crate) tally: &'a mut Tally,
    /// Keys used before this are forgotten, milliseconds since 1970.
    pub(crate) keys_since: u64,
}

impl Copying<'_> {
    /// Counts a log that does not come along.
    pub(crate) fn leave_out(&mut self, log: &Source) -> Result<(), Fault> {
        self.tally.erased.logs += 1;
        let mut walk = Walk::new(self.from, log.id, log.epoch, trimmed(self.from, log.id)?.offset + 1, log.head)?;
        while let Some(step) = walk.step()? {
            match step {
                Step::Hole(_) => self.tally.erased.unreadable += 1,
                Step::Records(found) => found.records.iter().for_each(|stored| self.tally.count(stored)),
            }
        }
        Ok(())
    }

    /// Copies what stays of a log; `None` if that is nothing at all.
    pub(crate) fn copy(&mut self, log: &Source) -> Result<Option<Written>, Fault> {
        let is_known = self.copy_entry_and_keys(log.id)?;
        let trimmed = trimmed(self.from, log.id)?;
        let mut copy =
            LogCopy { log: log.id, trimmed, packer: None, keyed: 0, erased_bytes: 0, written: Written::default() };
        let mut walk = Walk::new(self.from, log.id, log.epoch, trimmed.offset + 1, log.head)?;
        let mut last = None;
        while let Some(step) = walk.step()? {
            match step {
                Step::Hole(_) => {
                    self.tally.erased.unreadable += 1;
                    self.put(copy.end_piece())?;
                }
                Step::Records(found) => {
                    self.copy_found(&mut copy, &found)?;
                    last = found.records.into_iter().next_back();
                }
            }
        }
        let ends_well = last.filter(|stored| stored.record.offset.0 == log.head);
        if let Some(stored) = ends_well.filter(|_| trimmed.offset == log.head) {
            copy.mark_the_end(&stored);
        }
        self.put(copy.end_piece())?;
        Ok((is_known || log.head > 0).then_some(copy.written))
    }

    fn copy_found(&mut self, copy: &mut LogCopy, found: &Found) -> Result<(), Fault> {
        let mut bytes = found.head.bytes_before;
        for (records, stored) in (found.head.records_before..).zip(&found.records) {
            let cost = stored.record.cost() as u64;
            if stored.record.offset.0 > copy.trimmed.offset {
                let before = Totals { offset: 0, records, bytes };
                if stored.record.messages.iter().any(|message| (self.what.messages)(message)) {
                    self.tally.count(stored);
                    copy.push(&stored.emptied(), before);
                    copy.erased_bytes += cost;
                } else {
                    copy.push(stored, before);
                }
            }
            bytes += cost;
        }
        let is_much = copy.packer.as_ref().is_some_and(|packer| packer.packed() >= BLOCKS_AT_ONCE);
        if is_much { self.put(copy.take()) } else { Ok(()) }
    }

    /// What the store knows of a log beside its records. An entry that cannot be read stays behind: the log is known
    /// as damaged for that.
    fn copy_entry_and_keys(&mut self, log: u32) -> Result<bool, Fault> {
        let key = entry_key(log);
        let entry = self.from.get(&key)?.filter(|value| Entry::decode(&key, value).is_ok());
        let is_known = entry.is_some();
        self.put(entry.map(|value| (key, value.to_vec())).into_iter().collect())?;
        for pair in self.from.under(&key_pages(log)) {
            let (key, value) = pair?;
            let Ok(mut keys) = decode_keys(&key, &value) else {
                self.tally.erased.unreadable += 1;
                continue;
            };
            keys.retain(|known| known.time >= self.keys_since);
            if !keys.is_empty() {
                self.put(vec![(key.to_vec(), encode_keys(&key, &keys))])?;
            }
        }
        Ok(is_known)
    }

    fn put(&mut self, pairs: Vec<Pair>) -> Result<(), Fault> {
        self.to.load(pairs.into_iter().map(|(key, value)| (key, Some(value))).collect())
    }
}

/// A log while it is copied.
struct LogCopy {
    log: u32,
    trimmed: Totals,
    /// `None` at the beginning and behind what cannot be read: the next block names that as missing.
    packer: Option<Packer>,
    /// The last block with keys.
    keyed: u64,
    erased_bytes: u64,
    written: Written,
}

impl LogCopy {
    /// The next record; `before` counts what came before it in the old store.
    fn push(&mut self, stored: &Stored, before: Totals) {
        self.written.records += 1;
        self.written.bytes += stored.record.cost() as u64;
        let head = Head {
            previous: stored.record.offset.0 - 1,
            previous_keyed: self.keyed,
            records_before: before.records,
            bytes_before: before.bytes.saturating_sub(self.erased_bytes),
            ..Head::default()
        };
        self.packer.get_or_insert_with(|| Packer::new(self.log, head)).push(stored);
    }

    /// All is trimmed, and the last block tells where the log ends: one that says no more than that.
    fn mark_the_end(&mut self, last: &Stored) {
        let records = self.trimmed.records.saturating_sub(1);
        self.push(&last.emptied(), Totals { records, ..self.trimmed });
        self.written = Written::default();
    }

    fn take(&mut self) -> Vec<Pair> {
        let Some(packer) = &mut self.packer else { return Vec::new() };
        let packed = packer.take();
        self.keyed = packer.end().previous_keyed;
        packed
    }

    fn end_piece(&mut self) -> Vec<Pair> {
        let packed = self.take();
        self.packer = None;
        packed
    }
}

impl Tally {
    /// A record goes.
    fn count(&mut self, stored: &Stored) {
        // One that went earlier does not go again.
        if !stored.record.messages.is_empty() {
            self.erased.records += 1;
            self.erased.messages += stored.record.messages.len() as u64;
            self.erased.keys += u64::from(known_of(stored).is_some());
        }
    }
}

/// Up to where a log is gone by retention.
fn trimmed(disk: &Disk, log: u32) -> Result<Totals, Fault> {
    let key = entry_key(log);
    let entry = disk.get(&key)?.and_then(|value| Entry::decode(&key, &value).ok());
    Ok(entry.map_or_else(Totals::default, |entry| entry.trimmed))
}
