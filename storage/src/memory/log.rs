//! One log in memory.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::erase::Erased;
use crate::keys::{KeyIndex, Known};
use crate::mailbox::Wakes;
use crate::tail::Tails;
use crate::{
    AppendError, Appended, Bounds, Budget, Epoch, Message, Offset, OffsetRange, Opened, Page, Position, Record,
    Retention, Seek,
};

#[derive(Debug)]
pub(super) struct MemoryLog {
    epoch: Epoch,
    trimmed: Offset,
    head: Offset,
    time: u64,
    bytes: u64,
    records: VecDeque<Arc<Record>>,
    retention: Retention,
    tails: Tails,
    keys: KeyIndex,
}

impl MemoryLog {
    pub(super) fn new(epoch: Epoch) -> MemoryLog {
        MemoryLog {
            epoch,
            trimmed: Offset::ZERO,
            head: Offset::ZERO,
            time: 0,
            bytes: 0,
            records: VecDeque::new(),
            retention: Retention::default(),
            tails: Tails::default(),
            keys: KeyIndex::default(),
        }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What a repeat is told; `None` if the key is new.
    pub(super) fn first_use(&mut self, repeat: &Known, now: u64) -> Option<Result<Appended, AppendError>> {
        let first = self.keys.find(&repeat.key, now)?;
        let appended = |position| Appended { position, also: Box::default(), time: first.time, duplicate: true };
        Some(first.answer(repeat, self.epoch).map(appended))
    }

    /// What can be refused for the log's own sake.
    pub(super) fn admit(&mut self) -> Result<(), AppendError> {
        if self.tails.is_overfull() {
            let reason = "a reader of the log is too far behind".into();
            return Err(AppendError::Unavailable { reason, full: false });
        }
        Ok(())
    }

    /// Appends a record that nobody has anything against.
    pub(super) fn append(&mut self, messages: Vec<Message>, known: Option<Known>, now: u64) -> Appended {
        self.head = Offset(self.head.0 + 1);
        self.time = self.time.max(now);
        if let Some(known) = known {
            self.keys.remember(Known { offset: self.head, time: self.time, ..known });
        }
        let record = Record { epoch: self.epoch, offset: self.head, time: self.time, messages: messages.into() };
        self.bytes += record.cost() as u64;
        let record = Arc::new(record);
        self.tails.publish(std::slice::from_ref(&record), &mut Wakes::default());
        self.records.push_back(record);
        let position = Position::new(self.epoch, self.head);
        Appended { position, also: Box::default(), time: self.time, duplicate: false }
    }

    pub(super) fn open(&mut self, retention: Retention, now: u64) -> Opened {
        self.retention = retention;
        self.retain(now);
        Opened { bounds: self.bounds(), tail: self.tails.follow() }
    }

    pub(super) fn bounds(&self) -> Bounds {
        let records = self.records.len() as u64;
        Bounds { epoch: self.epoch, trimmed: self.trimmed, head: self.head, records, bytes: self.bytes }
    }

    pub(super) fn read(&self, after: Offset, up_to: Offset, budget: Budget) -> Page {
        let up_to = up_to.min(self.head);
        let mut page = Page { records: Vec::new(), through: after.max(up_to), missing: Vec::new() };
        let lost = self.trimmed.min(up_to);
        if after < lost {
            page.missing.push(OffsetRange { first: Offset(after.0 + 1), last: lost });
        }
        let mut bytes = 0;
        let from = self.records.partition_point(|record| record.offset <= after);
        for record in self.records.range(from..).take_while(|record| record.offset <= up_to) {
            if !page.records.is_empty() && (page.records.len() >= budget.records || bytes >= budget.bytes) {
                page.through = page.records.last().map_or(after, |record| record.offset);
                break;
            }
            // One without messages was erased.
            if record.messages.is_empty() {
                continue;
            }
            bytes += record.cost();
            page.records.push(Arc::clone(record));
        }
        page
    }

    pub(super) fn seek(&self, seek: Seek) -> Offset {
        let index = match seek {
            Seek::Last(n) => self.records.len().saturating_sub(usize::try_from(n).unwrap_or(usize::MAX)),
            Seek::Time(time) => self.records.partition_point(|record| record.time < time),
        };
        index.checked_sub(1).map_or(self.trimmed, |before| self.records[before].offset)
    }

    pub(super) fn trim(&mut self, up_to: Offset) {
        while self.records.front().is_some_and(|record| record.offset <= up_to) {
            self.forget_oldest();
        }
    }

    /// Lets go what retention says, and how many records that was.
    pub(super) fn retain(&mut self, now: u64) -> u64 {
        let before = self.records.len();
        while self
            .records
            .front()
            .is_some_and(|oldest| self.retention.lets_go(self.records.len() as u64, self.bytes, oldest.time, now))
        {
            self.forget_oldest();
        }
        (before - self.records.len()) as u64
    }

    /// Empties records; their offsets stay taken.
    pub(super) fn erase(&mut self, gone: &dyn Fn(&Message) -> bool, erased: &mut Erased) {
        let mut offsets = HashSet::new();
        for record in self.records.iter_mut().filter(|record| record.messages.iter().any(gone)) {
            erased.records += 1;
            erased.messages += record.messages.len() as u64;
            self.bytes -= record.cost() as u64;
            offsets.insert(record.offset);
            *record = Arc::new(record.emptied());
        }
        erased.keys += self.keys.forget(|offset| offsets.contains(&offset));
    }

    pub(super) fn end(&mut self) {
        self.tails.end();
    }

    fn forget_oldest(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.bytes -= record.cost() as u64;
            self.trimmed = record.offset;
        }
    }
}
