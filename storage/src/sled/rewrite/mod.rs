//! The whole store anew, without what is to go: sled keeps what was removed in its free segments, new files do not.
//!
//! Copy, sync, open what was written and read all of it, and only then put it in the place of the old store.

mod copy;
pub(crate) mod swap;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use self::copy::Copying;
pub(crate) use self::copy::{Source, Written};
use self::swap::{AtStage, Stage};
use super::appender::now;
use super::cursors::Book;
use super::disk::{Disk, Fault};
use super::layout::entry::encode_number;
use super::layout::{FORMAT, FORMAT_KEY, NEXT_ID_KEY};
use super::marks::{Mark, Marks};
use super::offline::verify_log;
use super::open::{attempt, database, marks_file};
use super::recover::Unusable;
use super::space::free_bytes;
use crate::Settings;
use crate::erase::{EraseError, Erased, Erasure, Progress};
use crate::inspect::VerifyReport;
use crate::keys::oldest_remembered;

/// Room for what is not records: cursors, marks, and what each log and a small store cost anyway.
const ROOM_MIN: u64 = 64_000_000;
/// What a byte of records takes on the disk at most: 1.8 was measured for records of 200 bytes and of 20 kB.
const BYTES_PER_BYTE: u64 = 2;
/// How long a database that was closed may hold its lock.
const RELEASE: Duration = Duration::from_secs(10);

/// The old store as it is read.
pub(crate) struct Old<'a> {
    pub(crate) home: &'a Path,
    pub(crate) disk: &'a Disk,
    pub(crate) settings: &'a Settings,
    pub(crate) logs: Vec<Source>,
    /// All cursors; those that are to go are taken out of it.
    pub(crate) book: Book,
    pub(crate) next_id: u32,
}

/// What was counted on the way.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) erased: Erased,
    /// Pages of cursors in the new store are numbered below this.
    pub(crate) cursor_pages: u32,
}

impl Old<'_> {
    /// Writes what stays to the directory beside, and makes sure that it is all there. The old store is as it was.
    ///
    /// # Errors
    /// Then nothing is left of the new one, if the disk lets go of it.
    pub(crate) fn write_anew(
        mut self,
        what: &Erasure,
        progress: Progress<'_>,
        at: AtStage<'_>,
    ) -> Result<Tally, EraseError> {
        self.check_room()?;
        let home = self.home;
        let written = self.write(what, progress, at);
        written.inspect_err(|_| {
            // The next start removes what this one could not.
            let _ = fs::remove_dir_all(swap::unfinished(home));
        })
    }

    fn check_room(&self) -> Result<(), EraseError> {
        let live: u64 = self.logs.iter().map(|log| log.bytes).sum();
        let needed = live * BYTES_PER_BYTE + ROOM_MIN;
        let free = free_bytes(self.home).map_err(|error| failed(&error))?;
        if free < needed { Err(EraseError::NoRoom { needed, free }) } else { Ok(()) }
    }

    fn write(&mut self, what: &Erasure, progress: Progress<'_>, at: AtStage<'_>) -> Result<Tally, EraseError> {
        let new = swap::unfinished(self.home);
        // What an earlier attempt left.
        swap::remove(&new).map_err(|error| failed(&error))?;
        let mut tally = Tally::default();
        let all: u64 = self.logs.iter().map(|log| log.bytes).sum::<u64>() * 2;
        let mut done = 0;
        let mut told = |bytes| {
            done += bytes;
            progress(done, all);
        };
        let written = self.copy_to(&new, what, &mut tally, &mut told, at).map_err(|fault| failed(&fault))?;
        self.read_back(&new, &written, &mut told)?;
        if what.set_aside {
            tally.erased.set_aside = swap::condemn_set_aside(self.home).map_err(|error| failed(&error))?;
        }
        Ok(tally)
    }

    fn copy_to(
        &mut self,
        new: &Path,
        what: &Erasure,
        tally: &mut Tally,
        told: &mut dyn FnMut(u64),
        at: AtStage<'_>,
    ) -> Result<HashMap<u32, Written>, Fault> {
        fs::create_dir(new)?;
        let to = Disk::open(&database(new), self.settings)?;
        to.load(vec![
            (FORMAT_KEY.to_vec(), Some(encode_number(FORMAT_KEY, FORMAT))),
            (NEXT_ID_KEY.to_vec(), Some(encode_number(NEXT_ID_KEY, self.next_id))),
        ])?;
        let (mut written, mut marks) = (HashMap::new(), Vec::new());
        self.logs.sort_unstable_by_key(|log| log.id);
        for log in &self.logs {
            let keys_since = oldest_remembered(now());
            let mut copying = Copying { from: self.disk, to: &to, what, tally, keys_since };
            if (what.logs)(&log.name) {
                copying.leave_out(log)?;
            } else {
                written.extend(copying.copy(log)?.map(|written| (log.id, written)));
                marks.push(Mark { log: log.id, epoch: log.epoch, head: log.head, name: log.name.clone() });
            }
            told(log.bytes);
            at(Stage::Copied);
        }
        tally.erased.cursors = self.book.leave_out(|key| (what.logs)(&key.log) || (what.cursors)(key));
        to.load(self.book.all_pages())?;
        tally.cursor_pages = self.book.page_count();
        to.sync()?;
        marks.retain(|mark| mark.head > 0);
        let file = Marks::open(&marks_file(new))?;
        file.write(&marks)?;
        file.sync()?;
        close(to, new)?;
        Ok(written)
    }

    /// Opens what was written, and reads every record and cursor of it.
    fn read_back(
        &self,
        new: &Path,
        written: &HashMap<u32, Written>,
        told: &mut dyn FnMut(u64),
    ) -> Result<(), EraseError> {
        let unusable = |unusable| match unusable {
            Unusable::Fault(fault) => failed(&fault),
            Unusable::Newer(format) => EraseError::Failed(format!("it was written in format {format}")),
        };
        let (disk, recovered) = attempt(new, self.settings, false, None).map_err(unusable)?;
        let differs = |what: &str| EraseError::Failed(format!("{what} was read back other than it was written"));
        if recovered.book.len() != self.book.len() || recovered.book.damaged_pages > 0 {
            return Err(differs("the cursors"));
        }
        let mut found = HashMap::new();
        for log in &recovered.logs {
            let mut report = VerifyReport::default();
            verify_log(&disk, log, &mut report, &mut |_| {}).map_err(|fault| failed(&fault))?;
            found.insert(log.id, Written { records: report.records, bytes: report.bytes });
            told(report.bytes);
        }
        if found != *written {
            return Err(differs("a log"));
        }
        let heads: HashMap<u32, u64> = recovered.logs.iter().map(|log| (log.id, log.head().offset)).collect();
        if self.logs.iter().any(|log| heads.get(&log.id).is_some_and(|head| *head != log.head)) {
            return Err(differs("the end of a log"));
        }
        drop(recovered);
        close(disk, new).map_err(|fault| failed(&fault))
    }
}

/// Closes a database, and waits until sled has let go of its files.
pub(crate) fn close(disk: Disk, home: &Path) -> Result<(), Fault> {
    drop(disk);
    let (file, begun) = (File::open(database(home).join("db"))?, Instant::now());
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file.unlock()?),
            Err(_) if begun.elapsed() < RELEASE => thread::sleep(Duration::from_millis(5)),
            Err(_) => return Err(Fault::Held("sled does not let go of the files that it closed".into())),
        }
    }
}

pub(crate) fn failed(reason: &dyn std::fmt::Display) -> EraseError {
    EraseError::Failed(reason.to_string())
}
