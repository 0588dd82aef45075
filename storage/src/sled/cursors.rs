//! All cursors in memory, packed about a hundred to a page for the disk.
//!
//! A cursor with many ranges is spread over several shares, each of them true
//! by itself: reading them back is merging them, so that no crash between two
//! pages can do harm.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tracing::error;

use super::disk::{Disk, Fault};
use super::layout::page::{self, CursorShare, PAGE_BYTES_MAX};
use super::layout::{CURSOR_PAGES, cursor_page, cursor_page_number};
use crate::{Cursor, CursorKey, Epoch, LogName, Offset};

/// Cursors on a page, if they are short.
const MEMBERS_MAX: usize = 16;
/// Ranges of one share.
const RANGES_PER_SHARE: usize = 256;

/// A key and value to write, or to remove.
pub(crate) type Write = (Vec<u8>, Option<Vec<u8>>);

/// The book of all cursors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    slots: HashMap<CursorKey, Slot>,
    pages: Vec<Page>,
    dirty: BTreeSet<u32>,
    /// Pages with room.
    roomy: Vec<u32>,
    /// Pages on the disk that could not be read.
    pub(crate) damaged_pages: u64,
}

#[derive(Clone, Debug)]
struct Slot {
    log: u32,
    cursor: Cursor,
    /// Where its shares are.
    pages: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct Page {
    /// Whose shares, and which.
    members: Vec<(CursorKey, usize)>,
}

impl Book {
    /// Reads all pages. Cursors on logs that are gone are dropped.
    pub(crate) fn read(disk: &Disk, logs: &HashMap<u32, (LogName, Epoch)>) -> Result<Book, Fault> {
        let mut book = Book::default();
        for pair in disk.under(&CURSOR_PAGES) {
            let (key, value) = pair?;
            let Some(number) = cursor_page_number(&key) else { continue };
            match page::cursor_shares(&key, &value) {
                Ok(shares) => shares.into_iter().for_each(|share| book.adopt(number, &share, logs)),
                Err(damaged) => {
                    error!(page = number, %damaged, "a page of cursors cannot be read: those students get repeats");
                    book.damaged_pages += 1;
                    book.page(number);
                }
            }
        }
        book.roomy = (0..book.pages.len() as u32).filter(|&page| book.has_room(page)).collect();
        Ok(book)
    }

    fn adopt(&mut self, number: u32, share: &CursorShare<'_>, logs: &HashMap<u32, (LogName, Epoch)>) {
        self.page(number);
        let Some((name, epoch)) = logs.get(&share.log) else {
            self.dirty.insert(number);
            return;
        };
        let key = CursorKey { log: name.clone(), owner: Arc::from(share.owner), name: Arc::from(share.name) };
        let cursor = Cursor {
            epoch: *epoch,
            offset: Offset(share.offset),
            above: share.above.clone(),
            delivered: Offset(share.delivered),
            used: share.used,
        };
        let slot = self.slots.entry(key.clone());
        let slot = slot.and_modify(|slot| {
            // A crash between two pages leaves an older share: what it does not know of was delivered all the same.
            let delivered = slot.cursor.delivered.max(cursor.delivered);
            slot.cursor = Cursor { delivered, ..slot.cursor.clone().merge(cursor.clone()) };
        });
        let slot = slot.or_insert_with(|| Slot { log: share.log, cursor, pages: Vec::new() });
        slot.pages.push(number);
        let share = slot.pages.len() - 1;
        self.page(number).members.push((key, share));
    }

    pub(crate) fn load(&self, key: &CursorKey) -> Option<Cursor> {
        self.slots.get(key).map(|slot| slot.cursor.clone())
    }

    pub(crate) fn on_log(&self, log: &LogName) -> Vec<(CursorKey, Cursor)> {
        let on_it = self.slots.iter().filter(|(key, _)| key.log == *log);
        on_it.map(|(key, slot)| (key.clone(), slot.cursor.clone())).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Merges a cursor of the log's present epoch.
    pub(crate) fn save(&mut self, key: &CursorKey, log: u32, cursor: Cursor) {
        let nothing = Cursor { above: Vec::new(), used: 0, ..cursor };
        let known = self.slots.get(key).map(|slot| slot.cursor.clone());
        let known = known.filter(|known| known.epoch == cursor.epoch).unwrap_or(nothing);
        self.set(key, log, cursor.merge(known));
    }

    /// Puts back what was before a settlement that was not stored.
    pub(crate) fn restore(&mut self, key: &CursorKey, log: u32, before: Option<Cursor>) {
        match before {
            Some(cursor) => self.set(key, log, cursor),
            None => self.forget(key),
        }
    }

    fn set(&mut self, key: &CursorKey, log: u32, cursor: Cursor) {
        let shares = shares_of(&cursor);
        let slot = self.slots.entry(key.clone());
        let slot = slot.or_insert_with(|| Slot { log, cursor: cursor.clone(), pages: Vec::new() });
        slot.log = log;
        slot.cursor = cursor;
        self.dirty.extend(slot.pages.iter().copied());
        let missing = slot.pages.len()..shares;
        for share in missing {
            self.place(key.clone(), share);
        }
    }

    pub(crate) fn forget(&mut self, key: &CursorKey) {
        if let Some(slot) = self.slots.remove(key) {
            self.dirty.extend(slot.pages);
        }
    }

    pub(crate) fn forget_log(&mut self, log: &LogName) {
        self.forget_where(|key, _| key.log == *log);
    }

    /// Forgets cursors that were last used before `time`.
    pub(crate) fn forget_unused(&mut self, time: u64) {
        self.forget_where(|_, cursor| cursor.used < time);
    }

    fn forget_where(&mut self, gone: impl Fn(&CursorKey, &Cursor) -> bool) {
        for (_, slot) in self.slots.extract_if(|key, slot| gone(key, &slot.cursor)) {
            self.dirty.extend(slot.pages);
        }
    }

    /// Forgets some, and says how many.
    pub(crate) fn leave_out(&mut self, gone: impl Fn(&CursorKey) -> bool) -> u64 {
        let before = self.slots.len();
        self.forget_where(|key, _| gone(key));
        (before - self.slots.len()) as u64
    }

    /// Everything, for a disk that has nothing of it.
    pub(crate) fn all_pages(&mut self) -> Vec<Write> {
        self.redo_all(0);
        let mut writes = self.take_dirty();
        writes.retain(|(_, page)| page.is_some());
        writes
    }

    /// No page is on the disk as it is here; there are so many at least.
    pub(crate) fn redo_all(&mut self, pages: u32) {
        let pages = pages.max(self.page_count());
        if pages > 0 {
            self.page(pages - 1);
        }
        self.dirty.extend(0..pages);
    }

    /// How many pages there are.
    pub(crate) fn page_count(&self) -> u32 {
        self.pages.len() as u32
    }

    /// Everything that is not on the disk yet, as it is now. What is not stored after all is given back to [`Book::redo`].
    pub(crate) fn take_dirty(&mut self) -> Vec<Write> {
        let mut writes = Vec::new();
        while let Some(page) = self.dirty.pop_last() {
            writes.push(self.write(page));
        }
        // What was written last is newest, and pages that others moved to come
        // first: a crash between them leaves a share twice, not never.
        let mut seen = BTreeSet::new();
        writes.reverse();
        writes.retain(|(key, _)| seen.insert(key.clone()));
        writes
    }

    /// A page was not stored after all.
    pub(crate) fn redo(&mut self, page: &[u8]) {
        self.dirty.extend(cursor_page_number(page));
    }

    fn write(&mut self, number: u32) -> Write {
        let mut members = std::mem::take(&mut self.page(number).members);
        let before = members.len();
        members.retain(|(key, share)| self.slots.get(key).is_some_and(|slot| slot.pages.get(*share) == Some(&number)));
        if members.len() < before && members.len() < MEMBERS_MAX {
            self.roomy.push(number);
        }
        let mut content = Vec::new();
        let mut fit = 0;
        for (key, share) in &members {
            let end = content.len();
            self.slots[key].put_share(key, *share, &mut content);
            if content.len() > PAGE_BYTES_MAX && fit > 0 {
                content.truncate(end);
                break;
            }
            fit += 1;
        }
        members.split_off(fit).into_iter().for_each(|(key, share)| self.move_on(number, key, share));
        self.page(number).members = members;
        let key = cursor_page(number);
        let value = (!content.is_empty()).then(|| page::sealed(&key, &content));
        (key, value)
    }

    /// Finds another page for a share that does not fit any more.
    fn move_on(&mut self, from: u32, key: CursorKey, share: usize) {
        self.roomy.retain(|&page| page != from);
        self.place(key, share);
    }

    fn place(&mut self, key: CursorKey, share: usize) {
        self.roomy.retain(|&page| self.pages[page as usize].members.len() < MEMBERS_MAX);
        let number = self.roomy.last().copied().unwrap_or(self.pages.len() as u32);
        if number as usize == self.pages.len() {
            self.roomy.push(number);
        }
        if let Some(slot) = self.slots.get_mut(&key) {
            match slot.pages.get_mut(share) {
                Some(page) => *page = number,
                None => slot.pages.push(number),
            }
        }
        self.page(number).members.push((key, share));
        self.dirty.insert(number);
    }

    fn page(&mut self, number: u32) -> &mut Page {
        if self.pages.len() <= number as usize {
            self.pages.resize_with(number as usize + 1, Page::default);
        }
        &mut self.pages[number as usize]
    }

    fn has_room(&self, number: u32) -> bool {
        self.pages[number as usize].members.len() < MEMBERS_MAX
    }
}

impl Slot {
    fn put_share(&self, key: &CursorKey, share: usize, out: &mut Vec<u8>) {
        let ranges = self.cursor.above.chunks(RANGES_PER_SHARE).nth(share).unwrap_or_default();
        let share = CursorShare {
            log: self.log,
            owner: &key.owner,
            name: &key.name,
            offset: self.cursor.offset.0,
            delivered: self.cursor.delivered.0,
            used: self.cursor.used,
            above: ranges.to_vec(),
        };
        share.put(out);
    }
}

/// In how many shares a cursor is written.
fn shares_of(cursor: &Cursor) -> usize {
    cursor.above.len().div_ceil(RANGES_PER_SHARE).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_shares_the_one_that_knows_of_the_latest_delivery_is_believed() {
        let logs = HashMap::from([(1, (LogName::new("queue/jobs"), Epoch(1)))]);
        for delivered in [[20, 30], [30, 20]] {
            let mut book = Book::default();
            for (page, delivered) in (0..).zip(delivered) {
                let first = 10 + u64::from(page) * 5;
                let above = vec![first..=first + 1];
                let share = CursorShare { log: 1, owner: "queue:", name: "", offset: 5, delivered, used: 0, above };
                book.adopt(page, &share, &logs);
            }
            let key = CursorKey { log: LogName::new("queue/jobs"), owner: "queue:".into(), name: "".into() };
            let cursor = book.load(&key).expect("it was read");
            assert_eq!((cursor.delivered, cursor.above), (Offset(30), vec![10..=11, 15..=16]));
        }
    }
}
