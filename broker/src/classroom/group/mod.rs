//! Consumers that share a log: each message goes to one of them, and stays until it is acknowledged.
//!
//! ```text
//!   log ──► keeper ──► leases ──► consumer ──► its connection
//!             │           ▲                        │
//!             │           └──── ACK, NACK, gone ◄──┘
//!             ├──► cursor: what is done, on the disk with the next commit
//!             └──► dead letters
//! ```
//!
//! A queue is a log with one group on it; on a classroom's log there may be many.
//! The group's cursor is all that the disk knows of it: what it does not cover
//! comes again after a crash, and what may have been delivered before is below
//! a ceiling that was stored first, so that no repeat looks new.
//!
//! Never here: STOMP, and who may consume.

mod done;
mod keeper;
mod leases;
#[cfg(test)]
mod leases_tests;
#[cfg(test)]
mod memory_tests;
mod words;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use homeroom_storage::{Cursor, CursorKey, Epoch, LogName, Message, Offset, Settlement, Store};

use self::keeper::Keeper;
use self::leases::Leases;
pub use self::words::{Delivery, Reason, Verdict, Which};
use super::bell::Bell;
use super::durable::Progress;
use super::entry::Mark;
use super::reader::Filled;
use super::{Room, now_millis};
use crate::router::Pattern;

/// How often each message was delivered is remembered so long after the last consumer left.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// The owner of the cursors of queues. Users and clients have namespaces of their own.
const QUEUE_OWNER: &str = "queue:";

/// What a consumer wants of its group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// How many messages it may hold unacknowledged; `None` if it does not acknowledge by itself.
    pub window: Option<usize>,
    /// Nobody else consumes as long as it does.
    pub exclusive: bool,
    /// The queue goes with its last consumer.
    pub auto_delete: bool,
    /// The queue goes when it had no consumer for so long.
    pub expires: Option<Duration>,
}

/// Which group of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupName {
    /// The consumers of a queue.
    Queue,
    /// Those who share what a pattern covers of a classroom, under a canonical name.
    Of {
        /// The name they gave.
        name: Box<str>,
        /// The pattern's canonical spelling.
        pattern: Box<str>,
    },
}

/// Somebody consumes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exclusive;

/// Consumers that share a log.
#[derive(Debug)]
pub struct Group {
    key: CursorKey,
    epoch: Epoch,
    /// Its cursor is never said to be used before.
    opened_at: u64,
    store: Store,
    /// Where dead letters go; `None` where they stay.
    grave: Option<Grave>,
    /// Rings the keeper.
    bell: Arc<Bell>,
    state: Mutex<State>,
}

/// Where dead letters go.
#[derive(Clone, Debug)]
struct Grave {
    log: LogName,
    destination: Box<str>,
}

#[derive(Debug)]
struct State {
    leases: Leases,
    /// Acknowledged one by one before the group was loaded: not delivered again.
    skip: Vec<std::ops::RangeInclusive<u64>>,
    /// Up to here messages may have been delivered before the group was loaded.
    delivered_before: u64,
    /// On the disk: nothing above it was delivered.
    ceiling: u64,
    /// What the next save says.
    ceiling_next: u64,
    /// The group has come further than was saved.
    moved: bool,
    has_keeper: bool,
    exclusive: Option<u64>,
    auto_delete: bool,
    expires: Option<Duration>,
    left_at: Instant,
    failed: Option<Failure>,
}

/// Why nothing more comes.
#[derive(Clone, Debug)]
enum Failure {
    Log(homeroom_storage::LogError),
    Ended,
}

/// What all groups of a broker have done.
#[derive(Debug, Default)]
pub struct Tally {
    redelivered: AtomicU64,
    dead: AtomicU64,
}

impl Tally {
    /// Messages delivered again.
    pub fn redelivered(&self) -> u64 {
        self.redelivered.load(Ordering::Relaxed)
    }

    /// Messages moved to the dead letters.
    pub fn dead(&self) -> u64 {
        self.dead.load(Ordering::Relaxed)
    }
}

/// All groups of a room that are in memory.
#[derive(Debug, Default)]
pub struct Groups(Mutex<HashMap<CursorKey, Arc<Group>>>);

/// One member of a group. It leaves when it is dropped, and what it held goes to others.
#[derive(Debug)]
pub struct Consumer {
    room: Arc<Room>,
    group: Arc<Group>,
    id: u64,
}

impl Groups {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.locked().len()
    }

    /// Whether nothing would be lost without them.
    pub(super) fn are_idle(&self) -> bool {
        self.locked().values().all(|group| group.is_idle())
    }

    /// Messages that were erased are given to nobody any more.
    pub(super) fn forget(&self, gone: &dyn Fn(&Message) -> bool) {
        for group in self.locked().values() {
            let state = group.locked();
            state.leases.entries().filter(|entry| gone(entry.message())).for_each(|entry| entry.forget());
            drop(state);
            group.bell.ring();
        }
    }

    /// Lets go of those that nobody would miss, also where the room itself stays.
    pub(super) fn forget_idle(&self) {
        self.locked().retain(|_, group| !group.is_idle());
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<CursorKey, Arc<Group>>> {
        self.0.lock().expect("nothing panics while it holds the groups")
    }
}

impl Room {
    /// The cursor of a group on this room's log.
    pub fn group_key(&self, name: &GroupName) -> CursorKey {
        let (owner, name): (Arc<str>, Arc<str>) = match name {
            GroupName::Queue => (QUEUE_OWNER.into(), "".into()),
            GroupName::Of { name, pattern } => (format!("group:{name}").into(), (**pattern).into()),
        };
        CursorKey { log: self.log().clone(), owner, name }
    }

    /// Becomes a consumer. A group that is not in memory begins at `mark`, with what its cursor says.
    ///
    /// # Errors
    /// Somebody consumes alone, or this one wants to and is not alone.
    pub fn consume(
        self: &Arc<Room>,
        name: &GroupName,
        pattern: Arc<Pattern>,
        (mark, stored): (Mark, Option<Cursor>),
        wish: &Wish,
        bell: Arc<Bell>,
    ) -> Result<Consumer, Exclusive> {
        let key = self.group_key(name);
        let mut groups = self.groups().locked();
        let group = groups.entry(key.clone()).or_insert_with(|| Arc::new(Group::new(self, key, name, mark, stored)));
        let group = group.clone();
        let mut state = group.locked();
        if state.exclusive.is_some() || wish.exclusive && state.leases.consumers() > 0 {
            return Err(Exclusive);
        }
        let id = state.leases.join(bell, wish.window);
        state.exclusive = wish.exclusive.then_some(id);
        state.auto_delete |= wish.auto_delete;
        state.expires = wish.expires.or(state.expires);
        state.failed = None;
        if !std::mem::replace(&mut state.has_keeper, true) {
            tokio::spawn(Keeper::new(self.clone(), group.clone(), pattern, state.leases.mark()).run());
        }
        drop(state);
        group.bell.ring();
        Ok(Consumer { room: self.clone(), group, id })
    }

    /// Where the dead letters of a group go.
    fn grave(&self, name: &GroupName) -> Option<Grave> {
        let (log, destination) = match name {
            // Dead letters do not die again.
            GroupName::Queue if self.name().ends_with("/$dead") => return None,
            GroupName::Queue => (LogName::new(format!("{}/$dead", self.name())), format!("/{}/$dead", self.name())),
            GroupName::Of { name, .. } => (self.log().clone(), format!("/{}/$dead/{name}", self.name())),
        };
        Some(Grave { log, destination: destination.into() })
    }
}

impl Group {
    fn new(room: &Room, key: CursorKey, name: &GroupName, mark: Mark, stored: Option<Cursor>) -> Group {
        let stored = stored.filter(|cursor| cursor.epoch == room.epoch());
        let delivered_before = stored.as_ref().map_or(0, |cursor| room.delivered_before(cursor).0);
        let grave = room.grave(name);
        let deliveries_max = if grave.is_some() { room.deliveries_max } else { u32::MAX };
        let state = State {
            leases: Leases::new(mark, delivered_before, deliveries_max),
            skip: stored.map_or_else(Vec::new, |cursor| cursor.above),
            delivered_before,
            ceiling: 0,
            ceiling_next: delivered_before,
            moved: false,
            has_keeper: false,
            exclusive: None,
            auto_delete: false,
            expires: None,
            left_at: Instant::now(),
            failed: None,
        };
        let (epoch, opened_at, store) = (room.epoch(), room.opened_at, room.store().clone());
        Group { key, epoch, opened_at, store, grave, bell: Arc::default(), state: Mutex::new(state) }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds a group")
    }

    fn is_idle(&self) -> bool {
        let state = self.locked();
        let remembers = state.leases.remembers() && state.left_at.elapsed() < REMEMBERED;
        !state.has_keeper && !remembers
    }

    fn cursor(&self, state: &State, Progress { settled, above }: Progress) -> Cursor {
        let delivered = Offset(state.ceiling_next);
        let used = now_millis().max(self.opened_at);
        Cursor { epoch: self.epoch, offset: settled, above, delivered, used }
    }

    /// Says to the store how far the group has come; durable with its next sync.
    fn save(&self, state: &mut State) {
        state.moved = false;
        let cursor = self.cursor(state, state.leases.progress());
        self.store.save(&self.key, cursor);
    }

    /// Changes who holds what, and has the keeper see to the rest.
    fn change<T>(&self, change: impl FnOnce(&mut Leases) -> T) -> T {
        let mut state = self.locked();
        state.moved = true;
        let changed = change(&mut state.leases);
        drop(state);
        self.bell.ring();
        changed
    }
}

impl Consumer {
    /// The room it consumes from.
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// At most so many messages wait for the group.
    pub fn waiting(&self) -> u64 {
        let state = self.group.locked();
        let (progress, mark) = (state.leases.progress(), state.leases.mark().passed().0);
        // What was done before and the log was not yet read to is done all the same.
        let before = state.skip.iter().map(|range| *range.start().max(&(mark + 1))..=*range.end());
        let done: u64 = progress.above.into_iter().chain(before).map(|range| range.count() as u64).sum();
        self.room.recent().head().0.saturating_sub(progress.settled.0 + done)
    }

    /// The next message that it was given. From here on it is delivered.
    pub fn take(&self) -> Option<Delivery> {
        let mut state = self.group.locked();
        if !state.leases.has_something(self.id) {
            return None;
        }
        let delivery = state.leases.take(self.id);
        if delivery.as_ref().is_some_and(|delivery| delivery.count > 1) {
            self.room.tally.redelivered.fetch_add(1, Ordering::Relaxed);
        }
        // Also when all of it has expired meanwhile: then there is room for others.
        let is_last = !state.leases.has_something(self.id);
        drop(state);
        if is_last {
            self.group.bell.ring();
        }
        delivery
    }

    /// What becomes of messages that it holds.
    pub fn judge(&self, which: Which, verdict: Verdict) {
        if which.position.epoch == self.group.epoch {
            self.group.change(|leases| leases.judge(self.id, which, verdict));
        }
    }

    /// The same if the transaction is stored that is about to be sent to the store: see [`Consumer::settled`].
    pub fn judge_with_transaction(&self, which: Which, verdict: Verdict) {
        if which.position.epoch == self.group.epoch {
            self.group.locked().leases.begin_settling(self.id, which, verdict);
        }
    }

    /// What is to be stored with that transaction.
    pub fn settlement(&self) -> Settlement {
        let state = self.group.locked();
        let cursor = self.group.cursor(&state, state.leases.progress_settling(self.id));
        Settlement { key: self.group.key.clone(), cursor }
    }

    /// It is stored.
    pub fn settled(&self) {
        self.group.change(|leases| leases.settled(self.id));
    }

    /// Everything it was given up to its `nth` message has arrived.
    pub fn settle(&self, nth: u64) {
        self.group.change(|leases| leases.settle(self.id, nth));
    }

    /// Says to the store how far the group has come; durable with its next sync.
    pub fn save(&self) {
        self.group.save(&mut self.group.locked());
    }

    /// Why nothing more comes, if that is so.
    pub fn failure(&self) -> Option<Filled> {
        self.group.locked().failed.as_ref().map(|failure| match failure {
            Failure::Log(error) => Filled::Failed(error.clone()),
            Failure::Ended => Filled::Ended,
        })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let mut state = self.group.locked();
        state.leases.leave(self.id);
        state.exclusive.take_if(|id| *id == self.id);
        state.left_at = Instant::now();
        drop(state);
        self.group.bell.ring();
    }
}
