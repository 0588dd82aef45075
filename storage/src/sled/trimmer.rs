//! Retention, in slices between commits.
//!
//! First the entry says what is gone, and is synced; then readers are told;
//! only then the blocks go. A crash in between leaves more than was promised,
//! never less.

use std::sync::Arc;

use super::appender::{Writer, now};
use super::cursors::Write;
use super::desk::known_of;
use super::disk::{Disk, Fault};
use super::layout::entry::Totals;
use super::layout::page::{KEYS_PER_PAGE, decode_keys, encode_keys};
use super::layout::{BlockKey, blocks, entry_key, key_page, key_pages};
use super::state::LogState;
use super::walk::{Found, Step, Walk, block_of};
use crate::LogName;
use crate::keys::{Known, oldest_remembered};

/// Blocks in one slice, so that appends never wait long.
const SLICE: usize = 512;

/// What is to go from one log.
struct Cut {
    name: LogName,
    trimmed: Totals,
    /// How many records go.
    records: u64,
    oldest: u64,
    keys: Vec<Known>,
}

impl Writer {
    /// One slice for every log that needs it; whether more is to do.
    pub(crate) fn trim_all(&mut self) -> Result<bool, Fault> {
        let Some(disk) = self.disk.clone() else { return Ok(false) };
        let now = self.house.aged_now();
        let lets_go = |kept: Kept, time| kept.retention.lets_go(kept.records, kept.bytes, time, now);
        let mut cuts = Vec::new();
        let mut slice = SLICE;
        for desk in self.desks.values().filter(|desk| is_due(&desk.log, now)) {
            cuts.extend(cut(&disk, &desk.log, now, &mut slice, lets_go)?);
            if slice == 0 {
                break;
            }
        }
        let has_more = slice == 0;
        self.write_down(&disk, &cuts)?;
        // Before readers are told: whoever sees the records gone finds them counted.
        self.shared.counters().trimmed_records += cuts.iter().map(|cut| cut.records).sum::<u64>();
        self.let_go(&disk, cuts)?;
        Ok(has_more)
    }

    /// Forgets records up to an offset, at once.
    pub(crate) fn trim_up_to(&mut self, name: &LogName, up_to: u64) -> Result<(), Fault> {
        let Some(disk) = self.disk.clone() else { return Ok(()) };
        loop {
            let Some(desk) = self.desks.get(name) else { return Ok(()) };
            let lets_go = |kept: Kept, _| kept.offset <= up_to;
            let mut slice = SLICE;
            let Some(cut) = cut(&disk, &desk.log, now(), &mut slice, lets_go)? else { return Ok(()) };
            let cuts = vec![cut];
            self.write_down(&disk, &cuts)?;
            self.let_go(&disk, cuts)?;
            if slice > 0 {
                return Ok(());
            }
        }
    }

    /// The entries say what is gone, and are synced.
    fn write_down(&mut self, disk: &Disk, cuts: &[Cut]) -> Result<(), Fault> {
        if cuts.is_empty() {
            return Ok(());
        }
        let mut notes = Vec::new();
        for cut in cuts {
            self.note(disk, cut, &mut notes)?;
        }
        disk.commit(notes)
    }

    /// Readers are told; then the blocks go.
    fn let_go(&mut self, disk: &Disk, cuts: Vec<Cut>) -> Result<(), Fault> {
        let mut gone = Vec::new();
        for cut in cuts {
            let Some(desk) = self.desks.get_mut(&cut.name) else { continue };
            let mut inner = desk.log.lock();
            inner.trimmed = cut.trimmed;
            inner.oldest = cut.oldest;
            drop(inner);
            gone.extend(blocks_before(disk, desk.log.id, cut.trimmed.offset)?);
        }
        disk.forget(gone)
    }

    /// What is gone, and the keys that outlive their records, to be written.
    fn note(&mut self, disk: &Disk, cut: &Cut, notes: &mut Vec<Write>) -> Result<(), Fault> {
        let Some(desk) = self.desks.get_mut(&cut.name) else { return Ok(()) };
        if !cut.keys.is_empty() {
            old_keys(disk, desk.log.id, oldest_remembered(now()), notes)?;
        }
        for known in &cut.keys {
            if desk.key_page.len() == KEYS_PER_PAGE {
                desk.key_page.clear();
            }
            desk.key_page.push(*known);
            if desk.key_page.len() == KEYS_PER_PAGE {
                notes.extend(page_of_keys(desk.log.id, &desk.key_page));
            }
        }
        if !cut.keys.is_empty() {
            notes.extend(page_of_keys(desk.log.id, &desk.key_page));
        }
        let (key, value) = desk.entry_trimmed(cut.trimmed).encode(desk.log.id);
        notes.push((key, Some(value)));
        Ok(())
    }

    /// Removes what is left of deleted logs, a slice of each; whether more is to do.
    pub(crate) fn remove_leftovers(&mut self) -> Result<bool, Fault> {
        let Some(disk) = self.disk.clone() else { return Ok(false) };
        let Some(&log) = self.leftovers.last() else { return Ok(false) };
        let blocks = disk.range(blocks(log, 0, u64::MAX)).take(SLICE);
        let keys = disk.under(&key_pages(log)).take(SLICE);
        let left: Vec<_> =
            blocks.chain(keys).map(|pair| pair.map(|(key, _)| key.to_vec())).collect::<Result<_, _>>()?;
        if left.is_empty() {
            // The entry goes last: as long as it is there, nobody takes the mark for a loss.
            self.marks.clear(log)?;
            disk.forget([entry_key(log)])?;
            self.leftovers.pop();
        }
        disk.forget(left)?;
        Ok(!self.leftovers.is_empty())
    }
}

/// What is kept, with the next record to decide about.
#[derive(Clone, Copy)]
struct Kept {
    retention: crate::Retention,
    records: u64,
    bytes: u64,
    offset: u64,
}

/// A look without the disk.
fn is_due(log: &LogState, now: u64) -> bool {
    let inner = log.lock();
    let (records, bytes) = (inner.records(), inner.bytes());
    records > 0 && inner.damage.is_none() && inner.retention.lets_go(records, bytes, inner.oldest, now)
}

/// How far a log is to be cut, as far as the rest of the slice sees.
fn cut(
    disk: &Disk,
    log: &Arc<LogState>,
    now: u64,
    slice: &mut usize,
    lets_go: impl Fn(Kept, u64) -> bool,
) -> Result<Option<Cut>, Fault> {
    let (head, begin, retention) = {
        let inner = log.lock();
        (inner.head, inner.trimmed, inner.retention)
    };
    let mut cut = Cut { name: log.name.clone(), trimmed: begin, records: 0, oldest: 0, keys: Vec::new() };
    let mut walk = Walk::new(disk, log.id, log.epoch, begin.offset + 1, head.offset)?;
    while *slice > 0 {
        *slice -= 1;
        let found = match walk.step()? {
            None => return Ok(some(cut, begin)),
            // What cannot be read is forgotten with what lies behind it.
            Some(Step::Hole(_)) => continue,
            Some(Step::Records(found)) => found,
        };
        if !cut.take(&found, head, retention, now, &lets_go) {
            // Known exactly now, it spares the next look.
            log.lock().oldest = cut.oldest;
            return Ok(some(cut, begin));
        }
    }
    Ok(some(cut, begin))
}

fn some(cut: Cut, begin: Totals) -> Option<Cut> {
    (cut.trimmed != begin).then_some(cut)
}

impl Cut {
    /// Takes what goes of a block; whether all of it went.
    fn take(
        &mut self,
        found: &Found,
        head: Totals,
        retention: crate::Retention,
        now: u64,
        lets_go: impl Fn(Kept, u64) -> bool,
    ) -> bool {
        let mut up_to = Totals { offset: 0, records: found.head.records_before, bytes: found.head.bytes_before };
        for stored in &found.records {
            let record = &stored.record;
            let kept = Kept {
                retention,
                records: head.records - up_to.records,
                bytes: head.bytes.saturating_sub(up_to.bytes),
                offset: record.offset.0,
            };
            up_to.offset = record.offset.0;
            up_to.records += 1;
            up_to.bytes += record.cost() as u64;
            if up_to.offset <= self.trimmed.offset {
                continue;
            }
            self.oldest = record.time;
            if !lets_go(kept, record.time) {
                return false;
            }
            self.records += up_to.records - self.trimmed.records;
            self.trimmed = up_to;
            self.keys.extend(known_of(stored).filter(|known| known.time >= oldest_remembered(now)));
        }
        true
    }
}

/// The blocks whose every record is gone: those before the block that
/// begins at or below the first kept offset. The last block always stays, it
/// tells where the log ends.
fn blocks_before(disk: &Disk, log: u32, cut: u64) -> Result<Vec<Vec<u8>>, Fault> {
    let Some(BlockKey { first: stays, .. }) = block_of(disk, log, cut + 1)? else { return Ok(Vec::new()) };
    if stays == 0 {
        return Ok(Vec::new());
    }
    Ok(disk.range(blocks(log, 0, stays - 1)).map(|pair| pair.map(|(key, _)| key.to_vec())).collect::<Result<_, _>>()?)
}

fn page_of_keys(log: u32, keys: &[Known]) -> Option<Write> {
    let key = key_page(log, keys.first()?.offset.0);
    let value = encode_keys(&key, keys);
    Some((key, Some(value)))
}

/// Adds the removal of pages whose every key is too old to be remembered. Comes first: one of them may be written again.
fn old_keys(disk: &Disk, log: u32, oldest: u64, notes: &mut Vec<Write>) -> Result<(), Fault> {
    for pair in disk.under(&key_pages(log)) {
        let (key, value) = pair?;
        let is_old = |keys: Vec<Known>| keys.last().is_none_or(|known| known.time < oldest);
        if !decode_keys(&key, &value).is_ok_and(is_old) {
            return Ok(());
        }
        notes.push((key.to_vec(), None));
    }
    Ok(())
}
