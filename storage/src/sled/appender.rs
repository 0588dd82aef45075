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
use super::desk::{Desk, has_epoch, new_entry};
use super::disk::{Disk, Fault};
use super::housekeeping::House;
use super::marks::{Mark, Marks};
use super::open::Home;
use super::queue::{Job, Reply, Work};
use super::state::{LogInner, LogState, Shared};
use crate::engine::{COMMIT_BUCKETS_MICROS, epoch_unlike};
use crate::keys::Known;
use crate::mailbox::Wakes;
use crate::{Append, AppendError, Appended, Health, LogError, LogName, Opened, Part, Position, Retention, Settlement};

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
                Job::SyncCursors(reply) => batch.wait_for_cursors(reply),
                alone => self.alone(alone),
            }
        }
        self.finish(batch);
    }

    /// Decides about one append, and stages its records if there are to be any. Nothing is numbered before
    /// every log has agreed.
    fn stage(&mut self, append: Append, batch: &mut Batch) -> Result<Appended, AppendError> {
        let disk = self.writable()?;
        let now = now();
        for part in &append.also {
            self.desks.get(&part.log).map_or(Ok(()), Desk::admit)?;
        }
        let key = append.key();
        let desk = self.desk(append.log, batch);
        desk.admit()?;
        let known = key.as_ref().map(|key| Known::of(key, &append.messages));
        if let Some(repeat) = &known
            && let Some(first) = desk.keys(&disk, now).map_err(|fault| unreadable(&fault))?.find(&repeat.key, now)
        {
            first.answer(repeat, desk.log.epoch)?;
            return Ok(desk.appended(first.offset, first.time, true));
        }
        let stored = desk.number(append.messages, key, known, now);
        batch.stage(desk, &stored);
        let appended = desk.appended(stored.record.offset, stored.record.time, false);
        if append.also.is_empty() && append.settlements.is_empty() {
            return Ok(appended);
        }
        batch.keep_together();
        settle(&self.shared, append.settlements, batch);
        let also = append.also.into_iter().map(|part| self.stage_part(part, now, batch)).collect();
        Ok(Appended { also, ..appended })
    }

    fn stage_part(&mut self, part: Part, now: u64, batch: &mut Batch) -> Position {
        let desk = self.desk(part.log, batch);
        let stored = desk.number(part.messages, None, None, now);
        batch.stage(desk, &stored);
        Position::new(desk.log.epoch, stored.record.offset)
    }

    /// The desk of a log, which is made if there is none.
    fn desk(&mut self, name: LogName, batch: &mut Batch) -> &mut Desk {
        if self.desks.contains_key(&name) {
            return self.desks.get_mut(&name).expect("it was there a line ago");
        }
        self.make_log(name, Retention::default(), batch)
    }

    fn stage_open(&mut self, name: LogName, retention: Retention, reply: Reply<Opened, LogError>, batch: &mut Batch) {
        let desk = match self.desks.get_mut(&name) {
            Some(desk) => desk,
            None => match self.writable() {
                Ok(_) => self.make_log(name, retention, batch),
                Err(error) => {
                    // Nobody may be waiting any more.
                    let _ = reply.send(Err(LogError::Unavailable(error.to_string())));
                    return;
                }
            },
        };
        let is_news = std::mem::replace(&mut desk.log.lock().retention, retention) != retention;
        if is_news {
            let (key, value) = desk.entry().encode(desk.log.id);
            batch.write(key, value);
        }
        batch.wait_for_log(Arc::clone(&desk.log), reply);
    }

    fn make_log(&mut self, name: LogName, retention: Retention, batch: &mut Batch) -> &mut Desk {
        let epoch = epoch_unlike(|epoch| has_epoch(self.desks.values(), epoch));
        let inner = LogInner { retention, ..LogInner::default() };
        let log = Arc::new(LogState::new(self.next_id, name.clone(), epoch, inner));
        self.next_id += 1;
        let (key, value) = new_entry(&log).encode(log.id);
        batch.write(key, value);
        batch.write_next_id(self.next_id);
        batch.created.push(Arc::clone(&log));
        self.desks.entry(name).or_insert_with(|| Desk::new(log))
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
    fn writable(&self) -> Result<Arc<Disk>, AppendError> {
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

fn unreadable(fault: &Fault) -> AppendError {
    AppendError::Unavailable { reason: format!("idempotency keys cannot be read: {fault}"), full: false }
}

/// Moves cursors in the book, from where they go into the batch before it is written.
fn settle(shared: &Shared, settlements: Vec<Settlement>, batch: &mut Batch) {
    if settlements.is_empty() {
        return;
    }
    let mut book = shared.book();
    for Settlement { key, cursor } in settlements {
        let Some(log) = shared.log(&key.log).filter(|log| log.epoch == cursor.epoch) else { continue };
        batch.unsettled.push((key.clone(), log.id, book.load(&key)));
        book.save(&key, log.id, cursor);
    }
}

/// The time of day, milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
