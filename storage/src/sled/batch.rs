//! One group commit, from the first staged record to the last answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::cursors::Write;
use super::desk::Desk;
use super::disk::{Disk, Fault};
use super::layout::block::{Head, Packer};
use super::layout::entry::{Totals, encode_number};
use super::layout::{NEXT_ID_KEY, Stored};
use super::queue::Reply;
use super::state::LogState;
use crate::append::Lanes;
use crate::keys::{Key, Known};
use crate::mailbox::Wakes;
use crate::{
    Append, AppendError, Appended, Cursor, CursorKey, CursorsError, LogError, Message, Offset, Opened, Position,
    Record, Refusal, Slot,
};

/// What will be written, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// In order.
    writes: Vec<Write>,
    /// Several of them are all or nothing.
    is_whole: bool,
    logs: BTreeMap<u32, Staged>,
    pub(crate) created: Vec<Arc<LogState>>,
    appends: Vec<Answer>,
    opens: Vec<(Arc<LogState>, Reply<Opened, LogError>)>,
    syncs: Vec<Reply<(), CursorsError>>,
    /// Cursors as they were before settlements of this batch.
    pub(crate) unsettled: Vec<(CursorKey, u32, Option<Cursor>)>,
    pub(crate) cursors: Vec<Write>,
}

/// The new records of one log.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) log: Arc<LogState>,
    packer: Packer,
    pub(crate) records: Vec<Arc<Record>>,
}

#[derive(Debug)]
struct Answer {
    slot: Slot,
    lanes: Lanes,
    answer: Result<Appended, AppendError>,
}

impl Batch {
    /// Decides what becomes of an append. An error breaks its lanes here, so that the next one sees it.
    pub(crate) fn answer(&mut self, lanes: Lanes, slot: Slot, answer: Result<Appended, AppendError>) {
        if answer.is_err() {
            lanes.break_off();
        }
        self.appends.push(Answer { slot, lanes, answer });
    }

    pub(crate) fn wait_for_log(&mut self, log: Arc<LogState>, reply: Reply<Opened, LogError>) {
        self.opens.push((log, reply));
    }

    pub(crate) fn wait_for_cursors(&mut self, reply: Reply<(), CursorsError>) {
        self.syncs.push(reply);
    }

    pub(crate) fn wants_cursors(&self) -> bool {
        !self.syncs.is_empty() || !self.unsettled.is_empty()
    }

    /// More than one value belongs together: then all of the batch does.
    pub(crate) fn keep_whole(&mut self) {
        self.is_whole = true;
    }

    /// Writes something.
    pub(crate) fn write(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.push((key, Some(value)));
    }

    pub(crate) fn write_next_id(&mut self, next: u32) {
        self.write(NEXT_ID_KEY.to_vec(), encode_number(NEXT_ID_KEY, next));
    }

    /// Stages a record that the desk has numbered; the next one comes after it.
    pub(crate) fn stage(&mut self, desk: &mut Desk, stored: &Stored) {
        let staged = self.logs.entry(desk.log.id).or_insert_with(|| Staged::after(desk));
        staged.packer.push(stored);
        staged.records.push(Arc::clone(&stored.record));
        desk.pass(stored);
    }

    /// Whether the disk has to be touched.
    pub(crate) fn has_writes(&self) -> bool {
        !self.writes.is_empty() || !self.logs.is_empty() || !self.cursors.is_empty() || !self.syncs.is_empty()
    }

    /// Writes all of it, or nothing where something belongs together, and makes it durable.
    pub(crate) fn write_to(&mut self, disk: &Disk) -> Result<(), Fault> {
        let blocks = self.logs.values_mut().flat_map(|staged| staged.packer.take());
        self.writes.extend(blocks.map(|(key, value)| (key, Some(value))));
        let values = self.writes.drain(..).chain(self.cursors.iter().cloned()).collect();
        if self.is_whole { disk.commit(values) } else { disk.commit_apart(values) }
    }

    /// Where all pages of cursors lie that this batch writes.
    pub(crate) fn pages(&self) -> impl Iterator<Item = &[u8]> {
        self.cursors.iter().map(|(key, _)| &key[..])
    }

    /// The logs that have new records, and those that end there now.
    pub(crate) fn staged(&self) -> impl Iterator<Item = (&Staged, Head)> {
        self.logs.values().map(|staged| (staged, staged.packer.end()))
    }

    /// It is durable: answers everybody. Publishers learn of it when `wakes` is dropped.
    pub(crate) fn confirm(self, wakes: &mut Wakes) {
        for Answer { slot, answer, .. } in self.appends {
            slot.put(answer, wakes);
        }
        for (log, reply) in self.opens {
            // Nobody may be waiting any more.
            let _ = reply.send(log.follow().ok_or_else(|| LogError::Unavailable("the log has ended".into())));
        }
        for reply in self.syncs {
            let _ = reply.send(Ok(()));
        }
    }

    /// It is not, or nobody knows: tells everybody who was promised something.
    pub(crate) fn refuse(self, error: &AppendError) {
        let mut wakes = Wakes::default();
        for Answer { slot, lanes, answer } in self.appends {
            lanes.break_off();
            slot.put(answer.and(Err(error.clone())), &mut wakes);
        }
        for (_, reply) in self.opens {
            let _ = reply.send(Err(LogError::Unavailable(error.to_string())));
        }
        for reply in self.syncs {
            let _ = reply.send(Err(CursorsError(error.to_string())));
        }
    }
}

impl Staged {
    fn after(desk: &Desk) -> Staged {
        Staged { log: Arc::clone(&desk.log), packer: Packer::new(desk.log.id, desk.end), records: Vec::new() }
    }
}

impl Desk {
    /// What can be refused for the log's own sake.
    pub(crate) fn admit(&self) -> Result<(), AppendError> {
        let mut inner = self.log.lock();
        if let Some(reason) = &inner.damage {
            return Err(Refusal::Damaged(reason.clone()).into());
        }
        if inner.tails.is_overfull() {
            return Err(AppendError::Unavailable {
                reason: "a reader of the log is too far behind".into(),
                full: false,
            });
        }
        Ok(())
    }

    /// Where the log ends.
    pub(crate) fn head(&self) -> Totals {
        Totals { offset: self.end.previous, records: self.end.records_before, bytes: self.end.bytes_before }
    }

    /// Gives the next record its offset and time, and notes its key.
    pub(crate) fn number(
        &mut self,
        messages: Vec<Message>,
        key: Option<Key>,
        known: Option<Known>,
        now: u64,
    ) -> Stored {
        let offset = Offset(self.end.previous + 1);
        self.time = self.time.max(now);
        let record = Record { epoch: self.log.epoch, offset, time: self.time, messages: messages.into() };
        if let Some(known) = known {
            self.remember(Known { offset, time: self.time, ..known });
        }
        Stored { record: Arc::new(record), key }
    }

    /// The next record comes after this one.
    fn pass(&mut self, stored: &Stored) {
        self.end.previous = stored.record.offset.0;
        self.end.records_before += 1;
        self.end.bytes_before += stored.record.cost() as u64;
    }

    /// Where a record went.
    pub(crate) fn appended(&self, offset: Offset, time: u64, duplicate: bool) -> Appended {
        Appended { position: Position::new(self.log.epoch, offset), also: Box::default(), time, duplicate }
    }
}

/// What can be refused before the log is looked at.
pub(crate) fn admit(append: &Append, lanes: &Lanes) -> Result<(), AppendError> {
    if lanes.are_broken() {
        return Err(Refusal::Predecessor.into());
    }
    if append.deadline.is_some_and(|deadline| deadline < Instant::now()) {
        return Err(Refusal::Expired.into());
    }
    Ok(())
}
