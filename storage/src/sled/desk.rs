//! The writer's own view of one log: what is staged beyond what is durable.

use std::sync::Arc;

use super::disk::{Disk, Fault};
use super::layout::block::Head;
use super::layout::entry::{Entry, Totals};
use super::layout::page::decode_keys;
use super::layout::{Stored, key_pages};
use super::recover::RecoveredLog;
use super::state::{LogInner, LogState};
use super::walk::{Step, Walk};
use crate::Epoch;
use crate::keys::{KeyIndex, Known, oldest_remembered};

/// One log on the writer's desk.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) log: Arc<LogState>,
    /// What the next block says of those before it.
    pub(crate) end: Head,
    /// The time of the last record.
    pub(crate) time: u64,
    /// Read from the disk when the first key comes.
    keys: Option<KeyIndex>,
    /// The page that keys of trimmed records are put on, and where it lies.
    pub(crate) key_page: Vec<Known>,
}

impl Desk {
    /// A log that is new.
    pub(crate) fn new(log: Arc<LogState>) -> Desk {
        Desk { log, end: Head::default(), time: 0, keys: Some(KeyIndex::default()), key_page: Vec::new() }
    }

    /// A log that was found.
    pub(crate) fn recovered(found: &RecoveredLog) -> Desk {
        let inner = LogInner {
            head: found.head(),
            trimmed: found.entry.trimmed,
            oldest: found.oldest,
            retention: found.entry.retention,
            damage: found.damage.clone(),
            ..LogInner::default()
        };
        let state = LogState::new(found.id, found.entry.name.clone(), found.entry.epoch, inner);
        Desk { end: found.end, time: found.time, keys: None, ..Desk::new(Arc::new(state)) }
    }

    /// The same log after the store was opened again; those who follow it stay.
    pub(crate) fn reopened(log: Arc<LogState>, found: &RecoveredLog) -> Desk {
        Desk { end: found.end, time: found.time, keys: None, ..Desk::new(log) }
    }

    /// What the disk is to know of the log beside its records.
    pub(crate) fn entry(&self) -> Entry {
        let inner = self.log.lock();
        Entry {
            name: self.log.name.clone(),
            epoch: self.log.epoch,
            deleted: false,
            retention: inner.retention,
            trimmed: inner.trimmed,
        }
    }

    /// The same with more trimmed.
    pub(crate) fn entry_trimmed(&self, trimmed: Totals) -> Entry {
        Entry { trimmed, ..self.entry() }
    }

    /// The log's idempotency keys.
    pub(crate) fn keys(&mut self, disk: &Disk, now: u64) -> Result<&mut KeyIndex, Fault> {
        if self.keys.is_none() {
            self.keys = Some(read_keys(disk, &self.log, self.end, now)?);
        }
        Ok(self.keys.get_or_insert_default())
    }

    /// Remembers a key that is being stored; a log whose keys were never asked for finds it on the disk.
    pub(crate) fn remember(&mut self, known: Known) {
        if let Some(keys) = &mut self.keys {
            keys.remember(known);
        }
    }
}

/// Keys of trimmed records from their pages, those of kept ones from the
/// blocks, which name the block with keys before them.
fn read_keys(disk: &Disk, log: &LogState, end: Head, now: u64) -> Result<KeyIndex, Fault> {
    let oldest = oldest_remembered(now);
    let mut known = Vec::new();
    for pair in disk.under(&key_pages(log.id)) {
        let (key, value) = pair?;
        known.extend(decode_keys(&key, &value).unwrap_or_default());
    }
    let mut next = end.previous_keyed;
    while next > 0 {
        let Some(Step::Records(found)) = Walk::new(disk, log.id, log.epoch, next, next)?.step()? else { break };
        known.extend(found.records.iter().filter_map(known_of));
        let is_older = found.head.time < oldest;
        next = if is_older || found.head.previous_keyed >= next { 0 } else { found.head.previous_keyed };
    }
    known.sort_unstable_by_key(|known| known.offset);
    let mut index = KeyIndex::default();
    known.into_iter().for_each(|known| index.remember(known));
    Ok(index)
}

/// The key a record was stored with.
pub(crate) fn known_of(stored: &Stored) -> Option<Known> {
    let key = stored.key.as_ref()?;
    let record = &stored.record;
    Some(Known { offset: record.offset, time: record.time, ..Known::of(key, &record.messages) })
}

/// An entry for a log that is being made.
pub(crate) fn new_entry(log: &LogState) -> Entry {
    let retention = log.lock().retention;
    Entry { name: log.name.clone(), epoch: log.epoch, deleted: false, retention, trimmed: Totals::default() }
}

/// Whether some log has this epoch.
pub(crate) fn has_epoch<'a>(mut desks: impl Iterator<Item = &'a Desk>, epoch: Epoch) -> bool {
    desks.any(|desk| desk.log.epoch == epoch)
}
