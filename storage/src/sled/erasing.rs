//! An erasure while the engine runs: nothing is stored meanwhile, readers wait for a moment.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tracing::info;

use super::appender::Writer;
use super::desk::Desk;
use super::marks::Marks;
use super::open::{attempt, marks_file};
use super::rewrite::{Old, Source, Tally, failed, swap};
use super::space::used_bytes;
use crate::Health;
use crate::erase::{EraseError, Erased, Erasure};

impl Writer {
    /// Writes the store anew without what is to go, and goes on with that.
    pub(crate) fn erase(&mut self, what: &Erasure) -> Result<Erased, EraseError> {
        let begun = Instant::now();
        if self.disk.is_none() || self.has_failed() {
            let health = self.shared.health.borrow().clone();
            return Err(EraseError::Unavailable(super::appender::unavailable(&health).to_string()));
        }
        let reason = "the store is written anew to erase something; it takes messages again afterwards".into();
        self.shared.set_health(Health::Recovering { reason });
        let disk_bytes_before = used_bytes(&self.shared.dir);
        let erased = self.write_anew(what).and_then(|tally| self.exchange(what, &tally).map(|()| tally.erased));
        self.look_at_space();
        let disk_bytes_after = used_bytes(&self.shared.dir);
        self.shared.counters().disk_bytes = disk_bytes_after;
        let erased = Erased { disk_bytes_before, disk_bytes_after, took: begun.elapsed(), ..erased? };
        info!(logs = erased.logs, records = erased.records, took = ?erased.took, "the store was written anew");
        Ok(erased)
    }

    fn write_anew(&self, what: &Erasure) -> Result<Tally, EraseError> {
        let Some(disk) = self.disk.clone() else { return Err(failed(&"the store is closed")) };
        let (book, settings) = (self.shared.book().clone(), &self.shared.settings);
        let logs = self.desks.values().map(source).collect();
        let old = Old { home: self.home.path(), disk: &disk, settings, logs, book, next_id: self.next_id };
        let written = catch_unwind(AssertUnwindSafe(|| old.write_anew(what, &mut |_, _| {}, &mut |_| {})));
        written.unwrap_or_else(|_| Err(failed(&"sled panicked")))
    }

    /// The new store takes the place of the old one. What fails in between ends the writing: the next start goes on.
    fn exchange(&mut self, what: &Erasure, tally: &Tally) -> Result<(), EraseError> {
        let home = self.home.path().to_owned();
        swap::decide(&home, &mut |_| {}).map_err(|error| failed(&error))?;
        self.shared.set_disk(None);
        self.release_disk();
        if let Err(reason) = self.open_exchanged(what, tally) {
            self.fail(&reason);
            return Err(EraseError::Unfinished(reason));
        }
        Ok(())
    }

    fn open_exchanged(&mut self, what: &Erasure, tally: &Tally) -> Result<(), String> {
        let home = self.home.path().to_owned();
        swap::settle(&home, &mut |_| {}).map_err(|error| error.to_string())?;
        self.marks = Marks::open(&marks_file(&home)).map_err(|error| error.to_string())?;
        let opened = attempt(&home, &self.shared.settings, true, None);
        let (disk, recovered) = opened.map_err(|unusable| format!("the store cannot be opened again: {unusable:?}"))?;
        self.end_logs(what);
        self.forget_cursors(what, tally);
        for found in &recovered.logs {
            if let Some(log) = self.shared.log(&found.entry.name) {
                log.renew(found);
            }
        }
        self.disk = Some(Arc::new(disk));
        self.take_up(recovered);
        self.shared.set_disk(self.disk.clone());
        Ok(())
    }

    /// Logs that went whole end as deleted ones do.
    fn end_logs(&mut self, what: &Erasure) {
        let gone: Vec<_> = self.desks.keys().filter(|name| (what.logs)(name)).cloned().collect();
        for name in gone {
            self.shared.remove_log(&name);
            if let Some(desk) = self.desks.remove(&name) {
                desk.log.end();
            }
        }
        self.shared.lost().retain(|(lost, _)| !(what.logs)(lost));
    }

    /// The book goes on from where it is now, and all of it is written behind once more: cursors may have moved
    /// since they were copied.
    fn forget_cursors(&self, what: &Erasure, tally: &Tally) {
        let mut book = self.shared.book();
        book.leave_out(|key| (what.logs)(&key.log) || (what.cursors)(key));
        book.redo_all(tally.cursor_pages);
    }
}

fn source(desk: &Desk) -> Source {
    let inner = desk.log.lock();
    Source {
        id: desk.log.id,
        name: desk.log.name.clone(),
        epoch: desk.log.epoch,
        head: inner.head.offset,
        bytes: inner.bytes(),
    }
}
