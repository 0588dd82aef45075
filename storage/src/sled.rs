//! The durable engine: sled 0.34.7 with what it lacks around it.
//!
//! ```text
//!   callers ──► queue ──► writer thread ──► sled ──► flush ──► sync_data ──► tails, answers
//!                           │  cursors behind, retention, room on the disk
//!   readers ◄── two blocking threads ◄── walk over blocks ◄── sled
//!   scrub: reads everything once, at leisure
//! ```
//!
//! One verb for each file; only [`layout`] knows the bytes.

mod appender;
mod batch;
mod cursors;
mod desk;
mod disk;
mod erasing;
mod heal;
mod housekeeping;
mod layout;
mod marks;
pub(crate) mod offline;
mod open;
mod queue;
mod reader;
mod recover;
mod rewrite;
mod scrub;
mod space;
mod staging;
mod state;
mod trimmer;
mod walk;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::{oneshot, watch};
use tracing::info;

use self::appender::{Writer, now, unavailable};
use self::desk::Desk;
use self::housekeeping::House;
use self::marks::Marks;
use self::open::{Home, marks_file};
use self::queue::{Job, Reply};
use self::state::Shared;
use crate::erase::{EraseError, Erased, Erasure};
use crate::keys::KEYS_REMEMBERED;
use crate::{
    AppendError, Bounds, Budget, Caps, Counters, Cursor, CursorKey, Cursors, CursorsError, Engine, Health, Log,
    LogError, LogName, Offset, OpenError, Opened, Page, Refusal, Retention, Seek, Settings, Settlement, Store,
    Submission,
};

/// The largest record, as [`crate::Record::cost`] counts.
const RECORD_BYTES_MAX: usize = 8 << 20;

/// The handle: it queues, reads and asks; everything is written by the writer's thread.
#[derive(Debug)]
struct Sled {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Opens or makes the store of these settings.
pub(crate) fn open(settings: &Settings) -> Result<Store, OpenError> {
    let io = |source| OpenError::Io { path: settings.path.clone(), source };
    let home = Home::claim(&settings.path)?;
    let open::Opened { disk, mut recovered, lost } = open::open(&home, settings)?;
    let marks = Marks::open(&marks_file(&settings.path)).map_err(io)?;
    let disk = Arc::new(disk);
    let book = std::mem::take(&mut recovered.book);
    info!(path = %settings.path.display(), logs = recovered.logs.len(), cursors = book.len(), "the store is open");
    let shared = Shared::new(settings.clone(), settings.path.clone(), Arc::clone(&disk), book);
    shared.counters().damaged_cursor_pages = shared.book().damaged_pages;
    *shared.lost() = lost;
    let shared = Arc::new(shared);
    let desks: std::collections::HashMap<_, _> =
        recovered.logs.iter().map(|found| (found.entry.name.clone(), Desk::recovered(found))).collect();
    desks.values().for_each(|desk| shared.add_log(&desk.log));
    let mut writer = Writer {
        shared: Arc::clone(&shared),
        disk: Some(disk),
        desks,
        leftovers: recovered.leftovers,
        next_id: recovered.next_id,
        marks,
        home,
        house: House::new(),
    };
    writer.look_at_space();
    let thread = thread::Builder::new().name("store-writer".into()).spawn(move || writer.run()).map_err(io)?;
    scrub::spawn(&shared, settings.scrub_after);
    Ok(Arc::new(Sled { shared, writer: Mutex::new(Some(thread)) }))
}

impl Sled {
    /// Asks the writer for something, and waits for its answer.
    fn ask<T: Send + 'static, E: Send + 'static>(
        &self,
        job: impl FnOnce(Reply<T, E>) -> Job,
        gone: impl Fn() -> E + Send + 'static,
    ) -> BoxFuture<'static, Result<T, E>> {
        let (reply, answer) = oneshot::channel();
        self.shared.queue.push(job(reply));
        async move { answer.await.unwrap_or_else(|_| Err(gone())) }.boxed()
    }
}

/// What the writer is asked, after what can be refused without a turn in the queue was. Then those of its lanes
/// that wait already are not to suffer: they break behind them.
fn job(Submission { append, slot }: Submission, health: &Health) -> Job {
    let (cost, largest) = append.costs().fold((0, 0), |(sum, largest), cost| (sum + cost, cost.max(largest)));
    let error = match health {
        _ if largest > RECORD_BYTES_MAX => Refusal::TooLarge { bytes: largest, max: RECORD_BYTES_MAX }.into(),
        Health::Ready => return Job::Append { append, cost, slot },
        health => unavailable(health),
    };
    slot.answer(Err(error));
    Job::Break(append.lanes())
}

fn closed() -> LogError {
    LogError::Unavailable("the store is closed".into())
}

impl Log for Sled {
    fn logs(&self) -> Vec<LogName> {
        self.shared.all_logs().iter().map(|log| log.name.clone()).collect()
    }

    fn submit(&self, submissions: Vec<Submission>) {
        let health = self.shared.health.borrow().clone();
        let jobs: Vec<Job> = submissions.into_iter().map(|submission| job(submission, &health)).collect();
        for given_back in self.shared.queue.push_all(jobs) {
            if let Job::Append { slot, .. } = given_back {
                let reason = "too much is waiting to be stored".to_owned();
                slot.answer(Err(AppendError::Unavailable { reason, full: false }));
            }
        }
    }

    fn open(&self, log: &LogName, retention: Retention) -> BoxFuture<'static, Result<Opened, LogError>> {
        if let Some(state) = self.shared.log(log)
            && state.lock().retention == retention
            && let Some(opened) = state.follow()
        {
            return ready(Ok(opened)).boxed();
        }
        let log = log.clone();
        self.ask(|reply| Job::Open { log, retention, reply }, closed)
    }

    fn read(
        &self,
        log: &LogName,
        after: Offset,
        up_to: Offset,
        budget: Budget,
    ) -> BoxFuture<'static, Result<Page, LogError>> {
        let Some(state) = self.shared.log(log) else {
            return ready(Ok(Page { records: Vec::new(), through: after, missing: Vec::new() })).boxed();
        };
        let read = move |disk: &disk::Disk, log: &state::LogState| reader::read(disk, log, after, up_to, budget);
        reader::blocking(Arc::clone(&self.shared), state, read).boxed()
    }

    fn seek(&self, log: &LogName, seek: Seek) -> BoxFuture<'static, Result<Offset, LogError>> {
        let Some(state) = self.shared.log(log) else { return ready(Ok(Offset::ZERO)).boxed() };
        reader::blocking(Arc::clone(&self.shared), state, move |disk, log| reader::seek(disk, log, seek)).boxed()
    }

    fn bounds(&self, log: &LogName) -> BoxFuture<'static, Result<Option<Bounds>, LogError>> {
        ready(Ok(self.shared.log(log).map(|log| log.bounds()))).boxed()
    }

    fn trim(&self, log: &LogName, up_to: Offset) -> BoxFuture<'static, Result<(), LogError>> {
        let log = log.clone();
        self.ask(|reply| Job::Trim { log, up_to, reply }, closed)
    }

    fn delete(&self, log: &LogName) -> BoxFuture<'static, Result<(), LogError>> {
        let log = log.clone();
        self.ask(|reply| Job::Delete { log, reply }, closed)
    }
}

impl Cursors for Sled {
    fn load(&self, key: &CursorKey) -> BoxFuture<'static, Result<Option<Cursor>, CursorsError>> {
        let oldest = now().saturating_sub(self.shared.settings.cursor_ttl.as_millis() as u64);
        ready(Ok(self.shared.book().load(key).filter(|cursor| cursor.used >= oldest))).boxed()
    }

    fn save(&self, key: &CursorKey, cursor: Cursor) {
        if let Some(log) = self.shared.log(&key.log).filter(|log| log.epoch == cursor.epoch) {
            self.shared.book().save(key, log.id, cursor);
        }
    }

    fn sync(&self) -> BoxFuture<'static, Result<(), CursorsError>> {
        self.ask(Job::SyncCursors, || CursorsError("the store is closed".into()))
    }

    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'static, Result<(), CursorsError>> {
        self.ask(|reply| Job::Settle { settlements, reply }, || CursorsError("the store is closed".into()))
    }

    fn forget(&self, key: &CursorKey) -> BoxFuture<'static, Result<(), CursorsError>> {
        self.shared.book().forget(key);
        self.sync()
    }

    fn on_log(&self, log: &LogName) -> Vec<(CursorKey, Cursor)> {
        self.shared.book().on_log(log)
    }
}

impl Engine for Sled {
    fn caps(&self) -> Caps {
        Caps {
            engine: "sled",
            survives: "power loss",
            keys_remembered: KEYS_REMEMBERED,
            atomic_across_logs: true,
            record_bytes_max: RECORD_BYTES_MAX,
        }
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    fn damaged(&self) -> Vec<(LogName, String)> {
        let fenced = |log: &Arc<state::LogState>| log.lock().damage.clone().map(|reason| (log.name.clone(), reason));
        self.shared.all_logs().iter().filter_map(fenced).chain(self.shared.lost().iter().cloned()).collect()
    }

    fn counters(&self) -> Counters {
        let queued_bytes = self.shared.queue.bytes() as u64;
        Counters { queued_bytes, ..*self.shared.counters() }
    }

    fn erase(&self, what: Erasure) -> BoxFuture<'static, Result<Erased, EraseError>> {
        self.ask(|reply| Job::Erase { what, reply }, || EraseError::Unavailable("the store is closed".into()))
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let (done, closed) = oneshot::channel();
        // A second close finds the queue ended, and nothing to wait for.
        self.shared.queue.push(Job::Close(done));
        closed.map(drop).boxed()
    }
}

impl Drop for Sled {
    /// The directory is free again when the last handle is gone.
    fn drop(&mut self) {
        self.shared.queue.end();
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The writer catches its panics; one that came through was reported by its thread.
        drop(thread.map(JoinHandle::join));
    }
}
