//! The one thread that writes.
//!
//! It takes all that is queued, inserts, flushes, syncs, shows the records to
//! those who follow, and answers. While one batch is on its way to the disk the
//! next one gathers in the queue: no timer, and one sync for all who wait.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;
use tracing::{error, warn};

use super::batch::{Batch, admit};
use super::desk::Desk;
use super::disk::{Disk, Fault};
use super::housekeeping::House;
use super::marks::{Mark, Marks};
use super::open::Home;
use super::queue::{Job, Work};
use super::state::Shared;
use crate::engine::COMMIT_BUCKETS_MICROS;
use crate::mailbox::Wakes;
use crate::{AppendError, Health, LogName};

/// A commit that takes longer is worth a word.
const SLOW: Duration = Duration::from_secs(2);

/// The writer and all that only it touches.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    /// `None` while the store is full and closed, and after the end.
    pub(crate) disk: Option<Arc<Disk>>,
    pub(crate) desks: HashMap<LogName, Desk>,
    /// Deleted logs of which something is left on the disk.
    pub(crate) leftovers: Vec<u32>,
    pub(crate) next_id: u32,
    pub(crate) marks: Marks,
    pub(crate) home: Home,
    pub(crate) house: House,
}

impl Writer {
    /// Works until the engine is closed or dropped.
    pub(crate) fn run(mut self) {
        loop {
            match self.shared.queue.take(self.house.patience()) {
                Work::Together(jobs) => self.guarded(|writer| writer.commit(jobs)),
                Work::Alone(Job::Close(done)) => return self.close(Some(done)),
                Work::Alone(job) => self.guarded(|writer| writer.alone(job)),
                Work::Nothing => {}
                Work::Ended => return self.close(None),
            }
            self.guarded(Writer::keep_house);
        }
    }

    /// A panic of sled is the end of writing, and of nothing else.
    fn guarded(&mut self, act: impl FnOnce(&mut Writer)) {
        if catch_unwind(AssertUnwindSafe(|| act(self))).is_err() {
            self.fail("sled panicked while it wrote");
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        self.look_at_space();
        let mut batch = Batch::default();
        for job in jobs {
            match job {
                Job::Append { append, slot, .. } => {
                    let lanes = append.lanes();
                    let answer = admit(&append, &lanes).and_then(|()| self.stage(append, &mut batch));
                    batch.answer(lanes, slot, answer);
                }
                Job::Break(lanes) => lanes.break_off(),
                Job::Open { log, retention, reply } => self.stage_open(log, retention, reply, &mut batch),
                Job::Settle { settlements, reply } => self.stage_settlements(settlements, reply, &mut batch),
                Job::SyncCursors(reply) => batch.wait_for_cursors(reply),
                alone => self.alone(alone),
            }
        }
        self.finish(batch);
    }

    /// Makes a batch durable, shows it and answers.
    pub(crate) fn finish(&mut self, mut batch: Batch) {
        if !batch.has_writes() {
            return batch.confirm(&mut Wakes::default());
        }
        let Some(disk) = self.disk.clone().filter(|_| !self.has_failed()) else {
            self.undo(&batch);
            return batch.refuse(&self.unavailable());
        };
        if batch.wants_cursors() {
            batch.cursors = self.shared.book().take_dirty();
        }
        let begun = Instant::now();
        match batch.write_to(&disk) {
            Ok(()) => {
                self.count(begun.elapsed());
                // Followers and publishers are woken together, at the end.
                let mut wakes = Wakes::default();
                self.show(&batch, &mut wakes);
                batch.confirm(&mut wakes);
            }
            Err(fault) => {
                drop(disk);
                self.undo(&batch);
                let error = self.fault(&fault);
                batch.refuse(&error);
            }
        }
    }

    /// It is durable: now it may be seen.
    fn show(&mut self, batch: &Batch, wakes: &mut Wakes) {
        for log in &batch.created {
            self.shared.add_log(log);
        }
        let (mut marks, mut records, mut bytes) = (Vec::new(), 0, 0);
        for (staged, end) in batch.staged() {
            let Some(desk) = self.desks.get_mut(&staged.log.name) else { continue };
            desk.end = end;
            let mut inner = staged.log.lock();
            if inner.records() == 0 {
                inner.oldest = staged.records.first().map_or(0, |record| record.time);
            }
            records += staged.records.len() as u64;
            bytes += end.bytes_before.saturating_sub(inner.head.bytes);
            inner.head = desk.head();
            inner.tails.publish(&staged.records, wakes);
            drop(inner);
            let (log, name) = (staged.log.id, staged.log.name.clone());
            marks.push(Mark { log, epoch: staged.log.epoch, head: end.previous, name });
        }
        if let Err(error) = self.marks.write(&marks) {
            error!(%error, "high-water marks could not be written");
        }
        let mut counters = self.shared.counters();
        counters.appended_records += records;
        counters.appended_bytes += bytes;
    }

    fn undo(&mut self, batch: &Batch) {
        let mut book = self.shared.book();
        batch.unsettled.iter().rev().for_each(|(key, log, before)| book.restore(key, *log, before.clone()));
        batch.pages().for_each(|page| book.redo(page));
    }

    /// What a fault means for those who wait, and for the engine.
    pub(crate) fn fault(&mut self, fault: &Fault) -> AppendError {
        match fault {
            Fault::Full => {
                self.close_for_space();
                self.unavailable()
            }
            Fault::Io(reason) | Fault::Held(reason) | Fault::Damaged(reason) => {
                self.fail(reason);
                AppendError::Unknown { reason: reason.clone() }
            }
        }
    }

    /// Stores nothing more in this process: what a failed write left behind, nobody knows.
    pub(crate) fn fail(&mut self, reason: &str) {
        error!(reason, "the store failed: nothing more is stored");
        self.shared.set_health(Health::Failed { reason: reason.to_owned() });
    }

    /// The disk, if records may be stored now.
    pub(super) fn writable(&self) -> Result<Arc<Disk>, AppendError> {
        let is_ready = *self.shared.health.borrow() == Health::Ready;
        self.disk.clone().filter(|_| is_ready).ok_or_else(|| self.unavailable())
    }

    fn unavailable(&self) -> AppendError {
        unavailable(&self.shared.health.borrow())
    }

    fn count(&self, took: Duration) {
        let micros = took.as_micros() as u64;
        let mut counters = self.shared.counters();
        if took > SLOW {
            warn!(?took, "the disk was slow to sync");
        }
        counters.commits += 1;
        counters.commit_micros += micros;
        counters.commit_micros_max = counters.commit_micros_max.max(micros);
        for (limit, count) in COMMIT_BUCKETS_MICROS.iter().zip(&mut counters.commit_buckets) {
            *count += u64::from(micros <= *limit);
        }
    }

    fn close(mut self, done: Option<oneshot::Sender<()>>) {
        self.shared.queue.end();
        self.guarded(Writer::last_words);
        self.shared.all_logs().iter().for_each(|log| log.end());
        self.shared.set_disk(None);
        self.release_disk();
        // The directory is free before anybody is told so.
        drop(self);
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}

/// What those are told who want to append while the engine is in such health.
pub(crate) fn unavailable(health: &Health) -> AppendError {
    let (reason, full) = match health {
        Health::Full { reason } => (reason.clone(), true),
        Health::Recovering { reason } | Health::Failed { reason } => (reason.clone(), false),
        Health::Ready => ("the store is closed".to_owned(), false),
    };
    AppendError::Unavailable { reason, full }
}

/// The time of day, milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
