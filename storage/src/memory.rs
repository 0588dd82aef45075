//! The reference engine: the contract in its plainest form, nothing survives the process.
//!
//! No threads and no waiting: everything happens inside the call, under one
//! lock, by tokio's clock, so that a test may pause time. What the other
//! engines do is compared with this one.

mod log;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::watch;

use self::log::MemoryLog;
use crate::append::Lanes;
use crate::engine::{Counters, epoch_unlike, random};
use crate::erase::{EraseError, Erased, Erasure};
use crate::keys::{KEYS_REMEMBERED, Known};
use crate::{
    Append, AppendError, Appended, Bounds, Budget, Caps, Cursor, CursorKey, Cursors, CursorsError, Engine, Health, Log,
    LogError, LogName, Message, Offset, Opened, Page, Refusal, Retention, Seek, Settlement, Submission,
};

/// The largest record, as [`crate::Record::cost`] counts.
const RECORD_BYTES_MAX: usize = 8 << 20;

/// The time of day in milliseconds since 1970.
pub(crate) type TimeOfDay = Box<dyn Fn() -> u64 + Send + Sync>;
/// Numbers that epochs are made of.
pub(crate) type Numbers = Box<dyn FnMut() -> u64 + Send>;

/// Logs and cursors in memory.
pub(crate) struct Memory {
    state: Mutex<State>,
    health: watch::Sender<Health>,
    clock: TimeOfDay,
    cursor_ttl: Duration,
}

struct State {
    logs: HashMap<LogName, MemoryLog>,
    cursors: HashMap<CursorKey, Cursor>,
    counters: Counters,
    closed: bool,
    numbers: Numbers,
}

/// The time of day, moved on by tokio's clock.
#[derive(Debug)]
struct Clock {
    day: Duration,
    since: tokio::time::Instant,
}

impl Clock {
    fn start() -> Clock {
        let day = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clock { day, since: tokio::time::Instant::now() }
    }

    fn now(&self) -> u64 {
        (self.day + self.since.elapsed()).as_millis() as u64
    }
}

impl Memory {
    /// An empty store.
    pub(crate) fn new(cursor_ttl: Duration) -> Memory {
        let clock = Clock::start();
        Memory::within(Box::new(move || clock.now()), Box::new(random), cursor_ttl)
    }

    /// An empty store in a world that says what time it is and what is random.
    pub(crate) fn within(clock: TimeOfDay, numbers: Numbers, cursor_ttl: Duration) -> Memory {
        let (logs, cursors, counters) = (HashMap::new(), HashMap::new(), Counters::default());
        let state = State { logs, cursors, counters, closed: false, numbers };
        Memory { state: Mutex::new(state), health: watch::Sender::new(Health::Ready), clock, cursor_ttl }
    }

    /// The state, with what retention and forgetting take at this moment already gone.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_log<T>(&self, name: &LogName, act: impl FnOnce(&mut MemoryLog) -> T) -> Option<T> {
        let mut state = self.state();
        let State { logs, counters, .. } = &mut *state;
        logs.get_mut(name).map(|log| {
            counters.trimmed_records += log.retain((self.clock)());
            act(log)
        })
    }

    fn try_append(&self, append: Append, lanes: &Lanes) -> Result<Appended, AppendError> {
        let now = (self.clock)();
        let mut state = self.state();
        state.admit(&append, lanes)?;
        let known = append.key().map(|key| Known::of(&key, &append.messages));
        let first_use = known.as_ref().and_then(|known| state.logs.get_mut(&append.log)?.first_use(known, now));
        if let Some(answer) = first_use {
            return answer;
        }
        for log in append.logs() {
            state.logs.get_mut(log).map_or(Ok(()), MemoryLog::admit)?;
        }
        let appended = state.put(&append.log, append.messages, known, now);
        let also = append.also.into_iter().map(|part| state.put(&part.log, part.messages, None, now).position);
        let also = also.collect();
        append.settlements.into_iter().for_each(|settlement| state.settle(settlement));
        Ok(Appended { also, ..appended })
    }

    /// The cursors as they are.
    #[cfg(any(test, feature = "simulated"))]
    pub(crate) fn cursors(&self) -> HashMap<CursorKey, Cursor> {
        self.state().cursors.clone()
    }

    /// Begins again with these cursors: who followed is left behind.
    #[cfg(any(test, feature = "simulated"))]
    pub(crate) fn restart(&self, cursors: HashMap<CursorKey, Cursor>) {
        let mut state = self.state();
        (state.closed, state.cursors) = (false, cursors);
        state.logs.values_mut().for_each(MemoryLog::end);
    }

    fn is_used(&self, cursor: &Cursor) -> bool {
        cursor.used.saturating_add(self.cursor_ttl.as_millis() as u64) >= (self.clock)()
    }
}

impl State {
    fn admit(&self, append: &Append, lanes: &Lanes) -> Result<(), AppendError> {
        if lanes.are_broken() {
            return Err(Refusal::Predecessor.into());
        }
        if self.closed {
            return Err(AppendError::Unavailable { reason: "the store is closed".into(), full: false });
        }
        if append.deadline.is_some_and(|deadline| deadline < tokio::time::Instant::now().into_std()) {
            return Err(Refusal::Expired.into());
        }
        let bytes = append.costs().max().unwrap_or(0);
        if bytes > RECORD_BYTES_MAX {
            return Err(Refusal::TooLarge { bytes, max: RECORD_BYTES_MAX }.into());
        }
        Ok(())
    }

    fn put(&mut self, name: &LogName, messages: Vec<Message>, known: Option<Known>, now: u64) -> Appended {
        self.counters.appended_records += 1;
        self.counters.appended_bytes += messages.iter().map(Message::cost).sum::<usize>() as u64;
        let log = self.log(name);
        let appended = log.append(messages, known, now);
        let trimmed = log.retain(now);
        self.counters.trimmed_records += trimmed;
        appended
    }

    fn log(&mut self, name: &LogName) -> &mut MemoryLog {
        if !self.logs.contains_key(name) {
            let logs = &self.logs;
            let epoch = epoch_unlike(&mut self.numbers, |epoch| logs.values().any(|log| log.epoch() == epoch));
            self.logs.insert(name.clone(), MemoryLog::new(epoch));
        }
        self.logs.get_mut(name).expect("it was there or was just put there")
    }

    fn save(&mut self, key: &CursorKey, cursor: Cursor) {
        if self.logs.get(&key.log).is_none_or(|log| log.epoch() != cursor.epoch) {
            return;
        }
        let known = self.cursors.remove(key).filter(|known| known.epoch == cursor.epoch);
        let nothing = Cursor { above: Vec::new(), used: 0, ..cursor };
        self.cursors.insert(key.clone(), cursor.merge(known.unwrap_or(nothing)));
    }

    fn erase(&mut self, what: &Erasure) -> Erased {
        let mut erased = Erased::default();
        for (name, log) in &mut self.logs {
            log.erase(&|message| (what.logs)(name) || (what.messages)(message), &mut erased);
        }
        let logs = self.logs.len();
        self.logs.retain(|name, _| !(what.logs)(name));
        erased.logs = (logs - self.logs.len()) as u64;
        let cursors = self.cursors.len();
        self.cursors.retain(|key, _| !(what.logs)(&key.log) && !(what.cursors)(key));
        erased.cursors = (cursors - self.cursors.len()) as u64;
        erased
    }

    fn settle(&mut self, Settlement { key, cursor }: Settlement) {
        let cursor = cursor.settle(self.cursors.get(&key));
        self.save(&key, cursor);
    }
}

impl Log for Memory {
    fn logs(&self) -> Vec<LogName> {
        self.state().logs.keys().cloned().collect()
    }

    fn submit(&self, submissions: Vec<Submission>) {
        for Submission { append, slot } in submissions {
            let lanes = append.lanes();
            let answer = self.try_append(append, &lanes);
            if answer.is_err() {
                lanes.break_off();
            }
            slot.answer(answer);
        }
    }

    fn open(&self, log: &LogName, retention: Retention) -> BoxFuture<'static, Result<Opened, LogError>> {
        let mut state = self.state();
        if state.closed {
            return ready(Err(LogError::Unavailable("the store is closed".into()))).boxed();
        }
        ready(Ok(state.log(log).open(retention, (self.clock)()))).boxed()
    }

    fn read(
        &self,
        log: &LogName,
        after: Offset,
        up_to: Offset,
        budget: Budget,
    ) -> BoxFuture<'static, Result<Page, LogError>> {
        let page = self.with_log(log, |log| log.read(after, up_to, budget));
        ready(Ok(page.unwrap_or(Page { records: Vec::new(), through: after, missing: Vec::new() }))).boxed()
    }

    fn seek(&self, log: &LogName, seek: Seek) -> BoxFuture<'static, Result<Offset, LogError>> {
        ready(Ok(self.with_log(log, |log| log.seek(seek)).unwrap_or_default())).boxed()
    }

    fn bounds(&self, log: &LogName) -> BoxFuture<'static, Result<Option<Bounds>, LogError>> {
        ready(Ok(self.with_log(log, |log| log.bounds()))).boxed()
    }

    fn trim(&self, log: &LogName, up_to: Offset) -> BoxFuture<'static, Result<(), LogError>> {
        self.with_log(log, |log| log.trim(up_to));
        ready(Ok(())).boxed()
    }

    fn delete(&self, log: &LogName) -> BoxFuture<'static, Result<(), LogError>> {
        let mut state = self.state();
        state.logs.remove(log);
        state.cursors.retain(|key, _| key.log != *log);
        ready(Ok(())).boxed()
    }
}

impl Cursors for Memory {
    fn load(&self, key: &CursorKey) -> BoxFuture<'static, Result<Option<Cursor>, CursorsError>> {
        let cursor = self.state().cursors.get(key).filter(|cursor| self.is_used(cursor)).cloned();
        ready(Ok(cursor)).boxed()
    }

    fn save(&self, key: &CursorKey, cursor: Cursor) {
        self.state().save(key, cursor);
    }

    fn sync(&self) -> BoxFuture<'static, Result<(), CursorsError>> {
        ready(Ok(())).boxed()
    }

    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'static, Result<(), CursorsError>> {
        let mut state = self.state();
        settlements.into_iter().for_each(|settlement| state.settle(settlement));
        ready(Ok(())).boxed()
    }

    fn forget(&self, key: &CursorKey) -> BoxFuture<'static, Result<(), CursorsError>> {
        self.state().cursors.remove(key);
        ready(Ok(())).boxed()
    }

    fn on_log(&self, log: &LogName) -> Vec<(CursorKey, Cursor)> {
        let mut state = self.state();
        state.cursors.retain(|_, cursor| self.is_used(cursor));
        state
            .cursors
            .iter()
            .filter(|(key, _)| key.log == *log)
            .map(|(key, cursor)| (key.clone(), cursor.clone()))
            .collect()
    }
}

impl Engine for Memory {
    fn caps(&self) -> Caps {
        Caps {
            engine: "memory",
            survives: "nothing",
            keys_remembered: KEYS_REMEMBERED,
            atomic_across_logs: true,
            record_bytes_max: RECORD_BYTES_MAX,
        }
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    fn damaged(&self) -> Vec<(LogName, String)> {
        Vec::new()
    }

    fn counters(&self) -> Counters {
        self.state().counters
    }

    fn erase(&self, what: Erasure) -> BoxFuture<'static, Result<Erased, EraseError>> {
        let mut state = self.state();
        if state.closed {
            return ready(Err(EraseError::Unavailable("the store is closed".into()))).boxed();
        }
        ready(Ok(state.erase(&what))).boxed()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let mut state = self.state();
        state.closed = true;
        state.logs.values_mut().for_each(MemoryLog::end);
        ready(()).boxed()
    }
}

/// The engine as the rest of the house knows it.
pub(crate) fn store(cursor_ttl: Duration) -> crate::Store {
    Arc::new(Memory::new(cursor_ttl))
}
