//! The task of a group: reads ahead, shares out, keeps the cursor, buries the dead.
//!
//! It works as long as somebody consumes, and a little longer where something is left to do.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use homeroom_storage::{Append, Bounds, CursorsError, LogError, Message, Offset, Retention, Settlement};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::words::{Place, Reason, place};
use super::{Failure, Grave, Group, State};
use crate::classroom::Room;
use crate::classroom::entry::{EXPIRES, Entry, Mark};
use crate::classroom::reader::{Budget, Filled, LogPage, Reader, Step};
use crate::outside::select;
use crate::router::Pattern;

/// So much is read from the log at a time.
const FILL: Budget = Budget { bytes: 256 << 10, messages: 256 };
/// The stored ceiling stands so many offsets ahead of what was read.
const CEILING_LEAD: u64 = 1024;
/// So many that come again are read from the log before any goes out.
const READ_AGAIN: usize = 64;
/// So many dead letters go to the disk together.
const BURIED_AT_ONCE: usize = 64;
/// A store that did not take a dead letter, or did not trim, is asked again after this time.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// What is done with is removed from a queue's log when there is so much of it ...
const TRIM_RECORDS: u64 = 1024;
/// ... or so many bytes, by what the log keeps.
const TRIM_BYTES: u64 = 1 << 20;

/// The task of one group.
pub(super) struct Keeper {
    room: Arc<Room>,
    group: Arc<Group>,
    reader: Reader,
    /// What was read last of what comes again.
    page: Option<LogPage>,
    storing: Option<BoxFuture<'static, Result<(), CursorsError>>>,
    trimming: Option<JoinHandle<Result<(), LogError>>>,
    /// Up to where the log was to be trimmed last, and when it is asked again if it was not.
    trimmed: (Offset, Instant),
    trim_again_at: Option<Instant>,
    bury_again_at: Option<Instant>,
}

impl Keeper {
    /// Reads from `mark` on.
    pub(super) fn new(room: Arc<Room>, group: Arc<Group>, pattern: Arc<Pattern>, mark: Mark) -> Keeper {
        let reader = Reader::new(room.clone(), pattern, mark, group.bell.clone());
        let trimmed = (Offset::ZERO, Instant::now());
        let (page, storing, trimming) = (None, None, None);
        Keeper { room, group, reader, page, storing, trimming, trimmed, trim_again_at: None, bury_again_at: None }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.group.locked().leases.wake(Instant::now().into_std());
            if let Some(failure) = self.fill() {
                self.fail(failure);
            }
            self.read_again().await;
            self.hold_ceiling().await;
            self.assign();
            self.bury().await;
            self.resolve().await;
            self.store();
            self.trim();
            if self.is_deserted() && !self.has_more_to_do() {
                if self.end().await {
                    return;
                }
                continue;
            }
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        let wakes_at = self.group.locked().leases.wakes_at().map(Instant::from_std);
        let due = [wakes_at, self.bury_again_at, self.trim_again_at].into_iter().flatten().min();
        let (storing, trimming) = (self.storing.is_some(), self.trimming.is_some());
        select! {
            () = self.group.bell.heard() => {}
            () = answered(&mut self.storing), if storing => self.storing = None,
            () = answered(&mut self.trimming), if trimming => self.trimming = None,
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
    }

    /// Reads as much as the consumers would take.
    fn fill(&mut self) -> Option<Failure> {
        if self.room.has_ended() {
            return Some(Failure::Ended);
        }
        let demand = self.group.locked().leases.demand();
        let (mut budget, mut steps) = (Budget { messages: demand.min(FILL.messages), ..FILL }, Vec::new());
        let filled = self.reader.fill(&mut budget, &mut steps);
        let mut state = self.group.locked();
        for Step { entry, gap, .. } in steps {
            if let Some(gap) = gap {
                tracing::debug!(room = self.room.name(), %gap, "retention took messages before the group came to them");
            }
            state.admit(entry);
        }
        state.leases.pass(self.reader.mark());
        match filled {
            Filled::Failed(error) => Some(Failure::Log(error)),
            Filled::Ended => Some(Failure::Ended),
            Filled::Enough if demand > 0 => {
                self.group.bell.ring();
                None
            }
            Filled::Enough | Filled::Empty => None,
        }
    }

    /// What was delivered before and waits has to be read once more.
    async fn read_again(&mut self) {
        let unread = self.group.locked().leases.unread(READ_AGAIN);
        for wanted in unread {
            let kept = self.page.as_ref().filter(|page| page.after.0 < wanted.0 && wanted.0 <= page.through.0);
            if kept.is_none() {
                match self.room.page_from(Offset(wanted.0)).await {
                    Ok(page) => self.page = Some(page),
                    Err(error) => return self.fail(Failure::Log(error)),
                }
            }
            let entries = self.page.iter().flat_map(|page| &page.entries);
            let entry = entries.into_iter().find(|entry| place(entry.position()) == wanted).cloned();
            self.group.locked().leases.found(wanted, entry);
        }
        if self.group.locked().leases.unread(1).is_empty() {
            self.page = None;
        } else {
            self.group.bell.ring();
        }
    }

    /// Nothing is delivered before it is on the disk that it may have been.
    async fn hold_ceiling(&mut self) {
        {
            let mut state = self.group.locked();
            let read = state.leases.mark().offset.0;
            if state.leases.consumers() == 0 || read + CEILING_LEAD / 2 <= state.ceiling {
                return;
            }
            // Not below what was delivered in an earlier life, to which the reader comes later.
            state.ceiling_next = state.leases.delivered().max(read + CEILING_LEAD);
            self.group.save(&mut state);
        }
        if let Err(error) = self.group.store.sync().await {
            // A store that takes nothing now does not keep anybody from working.
            tracing::debug!(room = self.room.name(), %error, "repeats after a crash would not be marked");
        }
        let mut state = self.group.locked();
        state.ceiling = state.ceiling_next;
    }

    fn assign(&self) {
        let mut state = self.group.locked();
        let ceiling = state.ceiling;
        state.leases.assign(ceiling);
    }

    /// Moves the dead to where dead letters are: there and done here in one write.
    async fn bury(&mut self) {
        if self.bury_again_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.bury_again_at = None;
        let dead = self.group.locked().leases.dead(BURIED_AT_ONCE);
        // What was erased is nowhere any more.
        let (gone, dead): (Vec<_>, Vec<_>) = dead.into_iter().partition(|(entry, ..)| entry.is_forgotten());
        gone.iter().for_each(|(entry, ..)| self.finish(place(entry.position())));
        if dead.is_empty() {
            return;
        }
        let Some(grave) = self.group.grave.clone() else {
            return dead.iter().for_each(|(entry, ..)| self.finish(place(entry.position())));
        };
        if grave.log != *self.room.log()
            && let Err(error) = self.group.store.open(&grave.log, Retention::ENDLESS).await
        {
            return self.bury_later(&error.to_string());
        }
        let bytes: u64 = dead.iter().map(|(entry, ..)| entry.message().cost() as u64).sum();
        if let Some(reason) = self.is_full(&grave, bytes).await {
            return self.bury_later(&reason);
        }
        let appends = dead.iter().map(|(entry, deliveries, reason)| {
            let state = self.group.locked();
            // Each is done with its own letter alone: that of another may be refused.
            let cursor = self.group.cursor(&state, state.leases.progress_with([place(entry.position())]));
            let settlement = Settlement { key: self.group.key.clone(), cursor };
            self.group.store.append(append(&grave, entry, (*deliveries, *reason), settlement))
        });
        let appends: Vec<_> = appends.collect();
        for (appended, (entry, ..)) in join_all(appends).await.into_iter().zip(&dead) {
            match appended {
                Ok(_) => {
                    self.room.tally.dead.fetch_add(1, Ordering::Relaxed);
                    self.finish(place(entry.position()));
                }
                Err(error) => self.bury_later(&error.to_string()),
            }
        }
        self.group.bell.ring();
    }

    /// Why a queue's dead letters take so much no more: they have its limit, and what dies then stays where it is.
    async fn is_full(&mut self, grave: &Grave, bytes: u64) -> Option<String> {
        let max = self.room.bytes_max?;
        let kept = self.group.store.bounds(&grave.log).await.ok().flatten()?.bytes;
        let is_full = kept > 0 && kept + bytes > max;
        is_full.then(|| format!("{} keeps {kept} bytes, {max} are the limit (queues.bytes)", grave.destination))
    }

    fn bury_later(&mut self, reason: &str) {
        tracing::warn!(room = self.room.name(), reason, "a dead letter could not be stored; it is tried again");
        self.bury_again_at = Some(Instant::now() + TRY_AGAIN);
    }

    fn finish(&self, place: Place) {
        self.group.change(|leases| leases.finish(place));
    }

    /// Finds out what became of transactions whose connection is gone: the cursor tells.
    async fn resolve(&mut self) {
        let unsure = self.group.locked().leases.unsure();
        if unsure.is_empty() {
            return;
        }
        let store = &self.group.store;
        // Behind the transaction in the writer's queue: when this is answered, that was decided.
        let (_, cursor) = (store.sync().await, store.load(&self.group.key).await);
        let cursor = cursor.ok().flatten();
        let is_done = |(offset, _): Place| {
            let within = |cursor: &homeroom_storage::Cursor| {
                offset <= cursor.offset.0 || cursor.above.iter().any(|range| range.contains(&offset))
            };
            cursor.as_ref().is_some_and(within)
        };
        self.group.change(|leases| unsure.iter().for_each(|place| leases.resolve(*place, is_done(*place))));
    }

    /// What is done joins the next commit.
    fn store(&mut self) {
        if self.storing.is_some() {
            return;
        }
        let mut state = self.group.locked();
        if state.moved {
            self.group.save(&mut state);
            drop(state);
            self.storing = Some(self.group.store.sync());
        }
    }

    /// What all are done with goes from a queue's log, now and then.
    fn trim(&mut self) {
        self.trim_again_at = None;
        let (Some(bytes_max), None) = (self.room.bytes_max, &self.trimming) else { return };
        let Some(Bounds { trimmed, head, bytes, .. }) = self.room.kept() else { return };
        let low = Offset(self.group.locked().leases.low());
        let (done, all) = (low.0.saturating_sub(trimmed.0), head.0.saturating_sub(trimmed.0));
        // Its share of the bytes, as if all records were of one size; nearly full, the last byte of it matters.
        let share = (u128::from(bytes) * u128::from(done) / u128::from(all.max(1))) as u64;
        let is_much = done >= TRIM_RECORDS || share >= TRIM_BYTES.min(bytes_max / 4) || bytes >= bytes_max / 2;
        if done == 0 || !(is_much || self.is_deserted()) {
            return;
        }
        // A store that takes nothing now does not trim either.
        let (asked, again_at) = self.trimmed;
        if low == asked && Instant::now() < again_at {
            self.trim_again_at = Some(again_at);
            return;
        }
        self.trimmed = (low, Instant::now() + TRY_AGAIN);
        self.trimming = Some(tokio::spawn(self.group.store.trim(self.room.log(), low)));
    }

    fn is_deserted(&self) -> bool {
        self.group.locked().leases.consumers() == 0
    }

    /// Whether what the last consumer left has to be seen to, and can be.
    fn has_more_to_do(&self) -> bool {
        let state = self.group.locked();
        let can_bury = self.bury_again_at.is_none() && state.failed.is_none();
        !state.leases.unsure().is_empty() || can_bury && state.leases.has_dead()
    }

    fn fail(&mut self, failure: Failure) {
        let mut state = self.group.locked();
        state.failed = Some(failure);
        state.leases.ring_all();
    }

    /// Nobody consumes any more: leaves things in order, unless somebody comes meanwhile.
    async fn end(&mut self) -> bool {
        let (auto_delete, expires) = {
            let mut state = self.group.locked();
            state.ceiling = 0;
            // Nobody delivers any more: the ceiling comes down to what was delivered.
            state.ceiling_next = state.leases.delivered();
            state.leases.forget_entries();
            self.group.save(&mut state);
            (state.auto_delete, state.expires)
        };
        let goes = match (auto_delete, expires) {
            (true, _) => true,
            (false, Some(expires)) => tokio::time::timeout(expires, somebody(&self.group)).await.is_err(),
            (false, None) => false,
        };
        if goes && self.is_deserted() && !self.room.has_ended() {
            // A store that cannot delete it now keeps it: nothing is lost by that.
            let _ = self.group.store.delete(self.room.log()).await;
        }
        let mut state = self.group.locked();
        let is_over = state.leases.consumers() == 0;
        state.has_keeper = !is_over;
        is_over
    }
}

impl State {
    /// A message was read from the log.
    fn admit(&mut self, entry: Arc<Entry>) {
        let offset = entry.offset().0;
        let next = self.skip.partition_point(|range| *range.end() < offset);
        let is_done = self.skip.get(next).is_some_and(|range| range.contains(&offset));
        // What no log keeps cannot be acknowledged, and is for those who are here.
        if !entry.durable || entry.has_expired() || is_done {
            return;
        }
        self.leases.admit(entry, u32::from(offset <= self.delivered_before));
    }
}

/// Resolves when somebody consumes.
async fn somebody(group: &Group) {
    while group.locked().leases.consumers() == 0 {
        group.bell.heard().await;
    }
}

/// Resolves when the store has answered, whatever it says: what it did not do is asked for again.
async fn answered(asked: &mut Option<impl Future + Unpin>) {
    match asked {
        Some(asked) => drop(asked.await),
        None => pending().await,
    }
}

/// A dead letter: the message with the reason, and what it is done with.
fn append(grave: &Grave, entry: &Entry, (deliveries, reason): (u32, Reason), settlement: Settlement) -> Append {
    let message = entry.message();
    let own = [
        ("original-destination", message.destination.to_string()),
        ("dead-letter-reason", reason.name().to_owned()),
        ("dead-letter-deliveries", deliveries.to_string()),
    ];
    // What an earlier death wrote travels with a message that is sent once more.
    let is_own = |name: &str| name == EXPIRES || own.iter().any(|(own, _)| *own == name);
    let kept = message.headers.iter().filter(|(name, _)| !is_own(name)).cloned();
    let headers = kept.chain(own.iter().map(|(name, value)| ((*name).into(), value.as_str().into()))).collect();
    let message = Message { destination: grave.destination.clone(), headers, ..message.clone() };
    Append {
        log: grave.log.clone(),
        messages: vec![message],
        also: Vec::new(),
        settlements: vec![settlement],
        key: None,
        deadline: None,
        lane: None,
    }
}
