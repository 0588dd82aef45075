//! What a database holds, found out with two looks at each log.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::{error, warn};

use super::cursors::Book;
use super::disk::{Disk, Fault};
use super::layout::block::{Block, Head};
use super::layout::entry::{Entry, Totals, decode_number, encode_number};
use super::layout::{BlockKey, ENTRIES, FORMAT, FORMAT_KEY, NEXT_ID_KEY, blocks, entry_id};
use super::marks::Mark;
use super::walk::{Step, Walk};
use crate::{LogName, Retention};

/// What was found.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) logs: Vec<RecoveredLog>,
    /// Deleted logs of which something is left.
    pub(crate) leftovers: Vec<u32>,
    pub(crate) book: Book,
    /// The id of the next new log.
    pub(crate) next_id: u32,
}

/// One log and where it ends.
#[derive(Clone, Debug)]
pub(crate) struct RecoveredLog {
    pub(crate) id: u32,
    pub(crate) entry: Entry,
    /// What the next block says of those before it.
    pub(crate) end: Head,
    /// The time of the last record.
    pub(crate) time: u64,
    /// The time of the first kept block.
    pub(crate) oldest: u64,
    pub(crate) damage: Option<String>,
}

impl RecoveredLog {
    pub(crate) fn head(&self) -> Totals {
        Totals { offset: self.end.previous, records: self.end.records_before, bytes: self.end.bytes_before }
    }
}

/// Why a database is not used.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// A later version wrote it.
    Newer(u32),
    /// It could not be read.
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for Unusable {
    fn from(fault: E) -> Unusable {
        Unusable::Fault(fault.into())
    }
}

/// Reads entries, ends of logs and cursors. `writes` says whether half-written
/// records may be removed and the format noted.
pub(crate) fn recover(disk: &Disk, marks: &[Mark], writes: bool) -> Result<Recovered, Unusable> {
    check_format(disk, writes)?;
    let marks: HashMap<u32, &Mark> = marks.iter().map(|mark| (mark.log, mark)).collect();
    let mut entries = read_entries(disk)?;
    if entries.is_empty() && !marks.is_empty() && ids_of_blocks(disk)?.is_empty() {
        return Err(Fault::Damaged("sled opens it as if it were empty, and it was not".into()).into());
    }
    let mut next_id = disk.get(NEXT_ID_KEY)?.and_then(|value| decode_number(NEXT_ID_KEY, &value).ok()).unwrap_or(1);
    let mut logs = Vec::new();
    let mut leftovers = Vec::new();
    for id in ids(disk, &entries, &marks)? {
        next_id = next_id.max(id + 1);
        match entries.remove(&id) {
            Some(Some(entry)) if entry.deleted => leftovers.push(id),
            Some(Some(entry)) => logs.push(recover_log(disk, id, entry, marks.get(&id).copied(), writes)?),
            lost => logs.push(lost_entry(disk, id, lost.is_some(), marks.get(&id).copied())?),
        }
    }
    let names = logs.iter().map(|log| (log.id, (log.entry.name.clone(), log.entry.epoch))).collect();
    let book = Book::read(disk, &names)?;
    Ok(Recovered { logs, leftovers, book, next_id })
}

fn check_format(disk: &Disk, writes: bool) -> Result<(), Unusable> {
    match disk.get(FORMAT_KEY)? {
        Some(value) => match decode_number(FORMAT_KEY, &value) {
            Ok(found) if found > FORMAT => Err(Unusable::Newer(found)),
            Ok(_) => Ok(()),
            Err(damaged) => {
                warn!(%damaged, "the format version cannot be read; format {FORMAT} is assumed");
                Ok(())
            }
        },
        None if writes => Ok(disk.commit(vec![(FORMAT_KEY.to_vec(), Some(encode_number(FORMAT_KEY, FORMAT)))])?),
        None => Ok(()),
    }
}

/// All entries by id; `None` for one that is damaged.
fn read_entries(disk: &Disk) -> Result<HashMap<u32, Option<Entry>>, Fault> {
    let mut entries = HashMap::new();
    for pair in disk.under(&ENTRIES) {
        let (key, value) = pair?;
        if let Some(id) = entry_id(&key) {
            entries.insert(id, Entry::decode(&key, &value).ok());
        }
    }
    Ok(entries)
}

/// Every log that any of entries, marks and blocks knows of.
fn ids(
    disk: &Disk,
    entries: &HashMap<u32, Option<Entry>>,
    marks: &HashMap<u32, &Mark>,
) -> Result<BTreeSet<u32>, Fault> {
    let mut ids = ids_of_blocks(disk)?;
    ids.extend(entries.keys().chain(marks.keys()));
    Ok(ids)
}

/// Every log that has blocks.
fn ids_of_blocks(disk: &Disk) -> Result<BTreeSet<u32>, Fault> {
    let mut ids = BTreeSet::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let low = BlockKey { log: from, first: 0, part: 0 }.to_bytes();
        let high = BlockKey { log: u32::MAX, first: u64::MAX, part: u16::MAX }.to_bytes();
        let found = disk.range(low..=high).next().transpose()?;
        let id = found.and_then(|(key, _)| BlockKey::parse(&key)).map(|key| key.log);
        ids.extend(id);
        next = id.and_then(|id| id.checked_add(1));
    }
    Ok(ids)
}

/// Removes what lies beyond what was confirmed.
pub(crate) fn cut_back(disk: &Disk, confirmed: &HashMap<u32, u64>) -> Result<(), Fault> {
    let mut beyond = Vec::new();
    for id in ids_of_blocks(disk)? {
        let head = confirmed.get(&id).copied().unwrap_or(0);
        for pair in disk.range(blocks(id, head + 1, u64::MAX)) {
            beyond.push(pair?.0.to_vec());
        }
    }
    disk.forget(beyond)
}

/// A log whose entry is gone: it is named as well as can be, and takes nothing more.
fn lost_entry(disk: &Disk, id: u32, damaged: bool, mark: Option<&Mark>) -> Result<RecoveredLog, Fault> {
    let name = mark.map_or_else(|| LogName::new(format!("lost/{id}")), |mark| mark.name.clone());
    let epoch = mark.map_or_else(|| crate::engine::epoch_unlike(crate::engine::random, |_| false), |mark| mark.epoch);
    let entry = Entry { name, epoch, deleted: false, retention: Retention::default(), trimmed: Totals::default() };
    let mut log = recover_log(disk, id, entry, mark, false)?;
    let reason = if damaged { "the log's entry is damaged" } else { "the log's entry is lost" };
    log.damage = Some(reason.into());
    error!(log = %log.entry.name, reason, "a log is damaged");
    Ok(log)
}

/// One log; whatever sled does over it stays with it.
fn recover_log(disk: &Disk, id: u32, entry: Entry, mark: Option<&Mark>, writes: bool) -> Result<RecoveredLog, Fault> {
    let attempt = catch_unwind(AssertUnwindSafe(|| find_end(disk, id, &entry, mark, writes)));
    let mut log = match attempt {
        Ok(Ok(log)) => log,
        Ok(Err(Fault::Damaged(reason))) => unreadable(id, entry, reason),
        Ok(Err(fault)) => return Err(fault),
        Err(_) => unreadable(id, entry, "sled panics over it".into()),
    };
    let confirmed = mark.filter(|mark| mark.epoch == log.entry.epoch).map_or(0, |mark| mark.head);
    if log.end.previous < confirmed {
        let reason = format!("records {}-{confirmed} were confirmed and are lost", log.end.previous + 1);
        log.damage.get_or_insert(reason);
        log.end.previous = confirmed;
    }
    if let Some(reason) = &log.damage {
        error!(log = %log.entry.name, reason, "a log is damaged and takes no more records");
    }
    Ok(log)
}

fn unreadable(id: u32, entry: Entry, reason: String) -> RecoveredLog {
    let trimmed = entry.trimmed;
    RecoveredLog { id, end: end_of(trimmed), time: 0, oldest: 0, damage: Some(reason), entry }
}

/// What follows when nothing is kept.
fn end_of(trimmed: Totals) -> Head {
    Head { previous: trimmed.offset, records_before: trimmed.records, bytes_before: trimmed.bytes, ..Head::default() }
}

fn find_end(disk: &Disk, id: u32, entry: &Entry, mark: Option<&Mark>, writes: bool) -> Result<RecoveredLog, Fault> {
    let confirmed = mark.map_or(0, |mark| mark.head);
    let trimmed = entry.trimmed;
    let mut log = RecoveredLog { id, entry: entry.clone(), end: end_of(trimmed), time: 0, oldest: 0, damage: None };
    let mut last_possible = u64::MAX;
    while let Some((key, _)) = disk.range(blocks(id, 0, last_possible)).next_back().transpose()? {
        let Some(key) = BlockKey::parse(&key) else { break };
        if let Some(Step::Records(found)) = Walk::new(disk, id, entry.epoch, key.first, key.first)?.step()? {
            log.time = found.records.last().map_or(0, |stored| stored.record.time);
            log.end = Head {
                previous: found.last(),
                previous_keyed: if found.head.keyed { key.first } else { found.head.previous_keyed },
                records_before: found.head.records_before + found.head.count,
                bytes_before: found.head.bytes_before + found.cost(),
                ..Head::default()
            };
            break;
        }
        if key.first <= confirmed || is_whole_block_damaged(disk, key)? {
            log.damage = Some(format!("the block at {} is damaged", key.first));
            log.end.previous = log.end.previous.max(key.first);
            break;
        }
        // A record of several parts whose last part was not written: nobody was told of it.
        if writes {
            remove_parts(disk, key)?;
        }
        last_possible = key.first - 1;
    }
    look_at_begin(disk, &mut log)?;
    Ok(log)
}

/// A block that is damaged in itself, as against one that misses its other parts.
fn is_whole_block_damaged(disk: &Disk, key: BlockKey) -> Result<bool, Fault> {
    let key = BlockKey { part: 0, ..key }.to_bytes();
    Ok(disk.get(&key)?.is_some_and(|value| Block::parse(&key, &value).map_or(true, |block| !block.head.more)))
}

fn remove_parts(disk: &Disk, key: BlockKey) -> Result<(), Fault> {
    let parts = disk.range(blocks(key.log, key.first, key.first)).map(|pair| pair.map(|(key, _)| key.to_vec()));
    disk.forget(parts.collect::<Result<Vec<_>, _>>()?)
}

fn look_at_begin(disk: &Disk, log: &mut RecoveredLog) -> Result<(), Fault> {
    let trimmed = log.entry.trimmed.offset;
    let Some((key, value)) = disk.range(blocks(log.id, 0, u64::MAX)).next().transpose()? else {
        if trimmed > 0 && log.damage.is_none() {
            log.damage = Some("its last block is lost".into());
        }
        return Ok(());
    };
    let reason = match Block::parse(&key, &value) {
        Ok(block) if block.head.previous > trimmed => {
            Some(format!("records {}-{} are lost", trimmed + 1, block.head.previous))
        }
        Ok(block) => {
            log.oldest = block.head.time;
            None
        }
        Err(damaged) => Some(format!("its first block is damaged: {damaged}")),
    };
    log.damage = log.damage.take().or(reason);
    Ok(())
}
