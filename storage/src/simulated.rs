//! A disk for simulations: slow, full, broken, and forgetful of what was not synced when the broker crashes.
//!
//! ```text
//!   broker ─ submit ─►  queue ──► batch ── a while ──► memory engine = what a crash leaves behind
//!                         ╳ crash    ╳ crash: some of the batch, and nobody is told
//! ```
//!
//! What the disk holds is a memory engine that outlives the engines on it: they stand for one run of the broker
//! each. A cursor is seen at once and kept with the next sync. All waits are by tokio's clock and all choices by one
//! seed, so that the same calls have the same end.
//!
//! It stands for no engine in its parts: sled's batches and blocks, its threads and its files are not here. What of
//! them a power cut may leave is for the replay of system calls to say.

use std::collections::HashMap;
use std::future::pending;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::erase::{EraseError, Erased, Erasure};
use crate::memory::Memory;
use crate::{
    Answers, Append, AppendError, Appended, Bounds, Budget, Caps, Counters, Cursor, CursorKey, Cursors, CursorsError,
    Engine, Health, Log, LogError, LogName, Offset, Opened, Page, Position, Retention, Seek, Settlement, Submission,
};

/// Appends of one batch, as with the real disk.
const BATCH: usize = 1024;
/// Cursors are saved behind.
const CURSORS_EVERY: Duration = Duration::from_secs(1);
const CURSOR_TTL: Duration = Duration::from_secs(90 * 24 * 3600);

/// How the disk behaves for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    /// What a sync takes, in microseconds.
    pub commit_micros: RangeInclusive<u64>,
    /// What a read takes, in microseconds.
    pub read_micros: RangeInclusive<u64>,
    /// There is no room: appends are refused.
    pub full: bool,
    /// The next sync fails, and the engine with it.
    pub fails: bool,
}

impl Default for Manner {
    /// A good disk.
    fn default() -> Manner {
        Manner { commit_micros: 500..=5_000, read_micros: 0..=1_000, full: false, fails: false }
    }
}

/// What an engine must never do, so that a judge can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Confirms what it has not stored yet.
    ConfirmsTooEarly,
    /// Takes the whole of a cursor back at a crash, also what was synced.
    ForgetsCursors,
    /// Leaves one record out, now and then, of what it reads.
    SkipsInReads,
}

/// What outlives a crash.
pub struct Disk {
    memory: Memory,
    synced: Mutex<HashMap<CursorKey, Cursor>>,
    manner: Mutex<Manner>,
    random: Mutex<u64>,
    defect: Option<Defect>,
}

/// One run of the broker on a disk.
pub struct Simulated {
    disk: Arc<Disk>,
    queue: Mutex<Vec<Submission>>,
    /// What is being written when the plug is pulled.
    batch: Mutex<Vec<Submission>>,
    stirred: Notify,
    crashed: Arc<AtomicBool>,
    closed: AtomicBool,
    health: watch::Sender<Health>,
}

impl Disk {
    /// An empty disk in a world where `time_of_day` says what time it is, in milliseconds since 1970.
    pub fn new(seed: u64, time_of_day: impl Fn() -> u64 + Send + Sync + 'static, defect: Option<Defect>) -> Arc<Disk> {
        let mut epochs = seed;
        let numbers = Box::new(move || mixed(&mut epochs));
        Arc::new(Disk {
            memory: Memory::within(Box::new(time_of_day), numbers, CURSOR_TTL),
            synced: Mutex::default(),
            manner: Mutex::default(),
            random: Mutex::new(!seed),
            defect,
        })
    }

    /// Behaves like this from now on.
    pub fn behave(&self, manner: Manner) {
        *locked(&self.manner) = manner;
    }

    /// Begins a run on what is there.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self: &Arc<Disk>) -> Arc<Simulated> {
        let engine = Arc::new(Simulated {
            disk: self.clone(),
            queue: Mutex::default(),
            batch: Mutex::default(),
            stirred: Notify::new(),
            crashed: Arc::default(),
            closed: AtomicBool::new(false),
            health: watch::Sender::new(Health::Ready),
        });
        tokio::spawn(engine.clone().write());
        tokio::spawn(engine.clone().keep_cursors());
        engine
    }

    fn number(&self, range: &RangeInclusive<u64>) -> u64 {
        range.start() + mixed(&mut locked(&self.random)) % (range.end() - range.start() + 1)
    }

    fn commit_time(&self) -> Duration {
        let range = locked(&self.manner).commit_micros.clone();
        Duration::from_micros(self.number(&range))
    }

    fn read_time(&self) -> Duration {
        let range = locked(&self.manner).read_micros.clone();
        Duration::from_micros(self.number(&range))
    }

    fn sync_cursors(&self) {
        *locked(&self.synced) = self.memory.cursors();
    }
}

impl Simulated {
    /// The plug is pulled: nothing of this run reaches the disk any more, or comes from it. Of what was under way a
    /// part may be there.
    pub fn crash(&self) {
        self.crashed.store(true, Ordering::SeqCst);
        let batch = std::mem::take(&mut *locked(&self.batch));
        let stored = self.disk.number(&(0..=batch.len() as u64));
        let stored = usize::try_from(stored).unwrap_or(0);
        locked(&self.queue).clear();
        if self.disk.defect != Some(Defect::ConfirmsTooEarly) {
            self.disk.memory.submit(batch.into_iter().take(stored).map(|given| nobody_waits(given.append)).collect());
        }
        let kept = match self.disk.defect {
            Some(Defect::ForgetsCursors) => HashMap::new(),
            _ => locked(&self.disk.synced).clone(),
        };
        *locked(&self.disk.synced) = kept.clone();
        self.disk.memory.restart(kept);
        self.stirred.notify_one();
    }

    fn is_over(&self) -> bool {
        self.crashed.load(Ordering::SeqCst) || self.closed.load(Ordering::SeqCst)
    }

    fn has_crashed(&self) -> bool {
        self.crashed.load(Ordering::SeqCst)
    }

    /// Stores batch by batch.
    async fn write(self: Arc<Self>) {
        loop {
            let taken = {
                let mut queue = locked(&self.queue);
                let count = queue.len().min(BATCH);
                queue.drain(..count).collect::<Vec<_>>()
            };
            if taken.is_empty() {
                if self.is_over() {
                    return;
                }
                self.stirred.notified().await;
                continue;
            }
            *locked(&self.batch) = match self.disk.defect {
                Some(Defect::ConfirmsTooEarly) => {
                    (1..).zip(taken).map(|(number, given)| self.confirm_early(number, given)).collect()
                }
                _ => taken,
            };
            sleep(self.disk.commit_time()).await;
            if self.has_crashed() {
                return;
            }
            let batch = std::mem::take(&mut *locked(&self.batch));
            if std::mem::take(&mut locked(&self.disk.manner).fails) {
                return self.fail(batch);
            }
            let settles = batch.iter().any(|given| !given.append.settlements.is_empty());
            self.disk.memory.submit(batch);
            if settles {
                self.disk.sync_cursors();
            }
        }
    }

    /// A sync has failed: a part may be stored, and nobody knows which.
    fn fail(&self, batch: Vec<Submission>) {
        let stored = usize::try_from(self.disk.number(&(0..=batch.len() as u64))).unwrap_or(0);
        let (kept, waiting): (Vec<_>, Vec<_>) =
            batch.into_iter().enumerate().map(|(index, given)| (index < stored, given)).partition(|(kept, _)| *kept);
        let mut slots = Vec::new();
        for (is_kept, Submission { append, slot }) in kept.into_iter().chain(waiting) {
            append.lanes().break_off();
            slots.push(slot);
            if is_kept {
                // Found when the disk is looked at again.
                let lane_free = Append { lane: None, ..append };
                self.disk.memory.submit(vec![nobody_waits(lane_free)]);
            }
        }
        self.closed.store(true, Ordering::SeqCst);
        self.health.send_replace(Health::Failed { reason: "an error of the simulated disk".into() });
        slots.into_iter().for_each(|slot| slot.answer(Err(AppendError::Unknown { reason: "a sync failed".into() })));
        for Submission { append, slot } in std::mem::take(&mut *locked(&self.queue)) {
            append.lanes().break_off();
            slot.answer(Err(unavailable("the store failed", false)));
        }
    }

    /// The defect: an answer before the deed.
    fn confirm_early(&self, number: u64, given: Submission) -> Submission {
        let bounds = self.disk.memory.bounds(&given.append.log).now_or_never().and_then(Result::ok).flatten();
        let Some(bounds) = bounds else { return given };
        let position = Position::new(bounds.epoch, Offset(bounds.head.0 + number));
        given.slot.answer(Ok(Appended { position, also: Box::default(), time: 0, duplicate: false }));
        nobody_waits(given.append)
    }

    async fn keep_cursors(self: Arc<Self>) {
        while !self.is_over() {
            sleep(CURSORS_EVERY).await;
            if !self.has_crashed() {
                self.disk.sync_cursors();
            }
        }
    }
}

impl Log for Simulated {
    fn logs(&self) -> Vec<LogName> {
        let mut logs = self.disk.memory.logs();
        logs.sort();
        logs
    }

    fn submit(&self, submissions: Vec<Submission>) {
        let full = locked(&self.disk.manner).full;
        for Submission { append, slot } in submissions {
            let why = match (self.is_over(), full) {
                (true, _) => unavailable("the store is closed", false),
                (false, true) => unavailable("the disk is full", true),
                (false, false) => {
                    locked(&self.queue).push(Submission { append, slot });
                    self.stirred.notify_one();
                    continue;
                }
            };
            append.lanes().break_off();
            slot.answer(Err(why));
        }
    }

    fn open(&self, log: &LogName, retention: Retention) -> BoxFuture<'static, Result<Opened, LogError>> {
        let (disk, log, wait) = (self.disk.clone(), log.clone(), self.disk.commit_time());
        let is_over = self.is_over();
        async move {
            if is_over {
                return Err(LogError::Unavailable("the store is closed".into()));
            }
            sleep(wait).await;
            disk.memory.open(&log, retention).await
        }
        .boxed()
    }

    fn read(
        &self,
        log: &LogName,
        after: Offset,
        up_to: Offset,
        budget: Budget,
    ) -> BoxFuture<'static, Result<Page, LogError>> {
        let (disk, log, wait) = (self.disk.clone(), log.clone(), self.disk.read_time());
        async move {
            sleep(wait).await;
            let mut page = disk.memory.read(&log, after, up_to, budget).await?;
            if disk.defect == Some(Defect::SkipsInReads) && page.records.len() > 2 && disk.number(&(0..=3)) == 0 {
                page.records.remove(1);
            }
            Ok(page)
        }
        .boxed()
    }

    fn seek(&self, log: &LogName, seek: Seek) -> BoxFuture<'static, Result<Offset, LogError>> {
        self.disk.memory.seek(log, seek)
    }

    fn bounds(&self, log: &LogName) -> BoxFuture<'static, Result<Option<Bounds>, LogError>> {
        self.disk.memory.bounds(log)
    }

    fn trim(&self, log: &LogName, up_to: Offset) -> BoxFuture<'static, Result<(), LogError>> {
        if self.has_crashed() { pending().boxed() } else { self.disk.memory.trim(log, up_to) }
    }

    fn delete(&self, log: &LogName) -> BoxFuture<'static, Result<(), LogError>> {
        if self.has_crashed() { pending().boxed() } else { self.disk.memory.delete(log) }
    }
}

impl Cursors for Simulated {
    fn load(&self, key: &CursorKey) -> BoxFuture<'static, Result<Option<Cursor>, CursorsError>> {
        self.disk.memory.load(key)
    }

    fn save(&self, key: &CursorKey, cursor: Cursor) {
        if !self.has_crashed() {
            self.disk.memory.save(key, cursor);
        }
    }

    fn sync(&self) -> BoxFuture<'static, Result<(), CursorsError>> {
        self.settle(Vec::new())
    }

    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'static, Result<(), CursorsError>> {
        let (disk, wait, crashed) = (self.disk.clone(), self.disk.commit_time(), self.crashed.clone());
        async move {
            sleep(wait).await;
            // Whoever asks a crashed engine hears nothing more.
            if crashed.load(Ordering::SeqCst) {
                return pending().await;
            }
            disk.memory.settle(settlements).await?;
            disk.sync_cursors();
            Ok(())
        }
        .boxed()
    }

    fn forget(&self, key: &CursorKey) -> BoxFuture<'static, Result<(), CursorsError>> {
        if self.has_crashed() {
            return pending().boxed();
        }
        let forgotten = self.disk.memory.forget(key);
        self.disk.sync_cursors();
        forgotten
    }

    fn on_log(&self, log: &LogName) -> Vec<(CursorKey, Cursor)> {
        let mut cursors = self.disk.memory.on_log(log);
        cursors.sort_by(|one, other| one.0.cmp(&other.0));
        cursors
    }
}

impl Engine for Simulated {
    fn caps(&self) -> Caps {
        Caps { engine: "simulated", survives: "power loss", ..self.disk.memory.caps() }
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    fn damaged(&self) -> Vec<(LogName, String)> {
        Vec::new()
    }

    fn counters(&self) -> Counters {
        self.disk.memory.counters()
    }

    fn erase(&self, what: Erasure) -> BoxFuture<'static, Result<Erased, EraseError>> {
        if self.has_crashed() { pending().boxed() } else { self.disk.memory.erase(what) }
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let failed = self.closed.swap(true, Ordering::SeqCst);
        self.stirred.notify_one();
        let (disk, crashed) = (self.disk.clone(), self.crashed.clone());
        // All that was taken is written first: no batch takes longer.
        let last = Duration::from_micros(*locked(&self.disk.manner).commit_micros.end()) * 3;
        async move {
            sleep(last).await;
            if crashed.load(Ordering::SeqCst) {
                return pending().await;
            }
            if !failed {
                disk.sync_cursors();
            }
            let kept = locked(&disk.synced).clone();
            disk.memory.restart(kept);
        }
        .boxed()
    }
}

/// The same append, and an answer that nobody hears.
fn nobody_waits(append: Append) -> Submission {
    Submission { append, slot: Answers::default().slot(0) }
}

fn unavailable(reason: &str, full: bool) -> AppendError {
    AppendError::Unavailable { reason: reason.into(), full }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SplitMix64.
fn mixed(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    fn append(body: &'static str) -> Append {
        let message = Message {
            destination: "/topic/7b".into(),
            headers: Box::default(),
            body: body.into(),
            publisher: Some("teacher".into()),
        };
        let log = LogName::new("topic/7b");
        let (also, settlements) = (Vec::new(), Vec::new());
        Append { log, messages: vec![message], also, settlements, key: Some(body.into()), deadline: None, lane: None }
    }

    async fn head(engine: &Simulated) -> Offset {
        engine.bounds(&LogName::new("topic/7b")).await.unwrap().map_or(Offset::ZERO, |bounds| bounds.head)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_confirmed_survives_a_crash_and_keeps_its_key() {
        let disk = Disk::new(1, || 1_000, None);
        let first = disk.start();
        let stored = first.append(append("a")).await.unwrap();
        first.crash();
        let second = disk.start();
        let again = second.append(append("a")).await.unwrap();
        assert_eq!((again.position, again.duplicate), (stored.position, true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_synced_may_be_forgotten_and_nobody_was_told_otherwise() {
        let (mut kept, mut forgotten) = (0, 0);
        for seed in 0..20 {
            let disk = Disk::new(seed, || 1_000, None);
            let engine = disk.start();
            let answer = engine.append(append("a"));
            tokio::task::yield_now().await;
            engine.crash();
            assert!(matches!(answer.await, Err(AppendError::Unknown { .. })));
            let stored = head(&disk.start()).await;
            *(if stored == Offset::ZERO { &mut forgotten } else { &mut kept }) += 1;
        }
        assert!(kept > 0 && forgotten > 0, "{kept} kept, {forgotten} forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cursor_goes_back_to_where_it_was_synced() {
        let disk = Disk::new(1, || 1_000, None);
        let engine = disk.start();
        let epoch = engine.append(append("a")).await.unwrap().position.epoch;
        let key = CursorKey { log: LogName::new("topic/7b"), owner: "user:alice".into(), name: "own".into() };
        let at =
            |offset| Cursor { epoch, offset: Offset(offset), above: Vec::new(), delivered: Offset(9), used: 1_000 };
        engine.save(&key, at(1));
        engine.sync().await.unwrap();
        engine.save(&key, at(2));
        assert_eq!(engine.load(&key).await.unwrap(), Some(at(2)));
        engine.crash();
        assert_eq!(disk.start().load(&key).await.unwrap(), Some(at(1)));
    }
}
