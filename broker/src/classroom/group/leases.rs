//! Who holds which message of a group: a table and its rules, without a clock and without a log.
//!
//! ```text
//!          admit             assign              take            acknowledge
//!   log ─────────► waiting ─────────► assigned ─────────► held ──────────────► done
//!                   ▲   ▲                │                 │                    ▲
//!                   │   └─ consumer gone ┘                 │ refused,           │
//!                   └──────────────────────────────────────┤ consumer gone      │
//!                                                          └─ too often ► dead ─┘
//! ```
//!
//! What waits goes out in the order of the log, whatever it waits for: so what
//! comes back is delivered before what is new, in the order of its first time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::done::Done;
use super::words::{Delivery, Place, Reason, Verdict, Which, place};
use crate::classroom::bell::Bell;
use crate::classroom::durable::Progress;
use crate::classroom::entry::{Entry, Mark};

/// So many bytes wait for one consumer at most, exceeded by one message: the rest stays for the others.
const ASSIGNED_BYTES_MAX: usize = 256 << 10;
/// So many messages wait for a consumer that acknowledges nothing itself.
const ASSIGNED_MAX: usize = 64;

/// All messages that were read from the log and are not done with, and all consumers.
#[derive(Debug)]
pub(super) struct Leases {
    open: BTreeMap<Place, Lease>,
    /// What was read and is not open.
    done: Done,
    waiting: BTreeSet<Place>,
    delayed: BTreeSet<(Instant, Place)>,
    dead: BTreeMap<Place, Reason>,
    /// Their consumer left while a transaction was on its way that acknowledges them.
    unsure: BTreeSet<Place>,
    /// In the order in which they came, which is that of their numbers.
    consumers: Vec<Consumer>,
    consumer_next: u64,
    /// Whose turn it is.
    turn: usize,
    /// How far the log was read.
    mark: Mark,
    /// The highest offset that was ever taken by a consumer.
    delivered: u64,
    deliveries_max: u32,
}

#[derive(Debug)]
struct Lease {
    deliveries: u32,
    state: State,
    /// The message, unless it has to be read again.
    entry: Option<Arc<Entry>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Delayed(Instant),
    Assigned { to: u64 },
    Held { by: u64, nth: u64, settling: bool },
    Unsure,
    Dead,
}

#[derive(Debug)]
struct Consumer {
    id: u64,
    bell: Arc<Bell>,
    /// How many it may hold; `None` if it does not acknowledge by itself.
    window: Option<usize>,
    assigned: VecDeque<Place>,
    assigned_bytes: usize,
    held: BTreeMap<u64, Place>,
    /// What was decided with a transaction that is on its way. They are held until then.
    settling: Vec<(Place, Verdict)>,
    nth: u64,
}

impl Leases {
    /// Nothing is open; the log is read from `mark` on, and messages up to `delivered` may have been delivered
    /// before. After `deliveries_max` deliveries a message is dead.
    pub(super) fn new(mark: Mark, delivered: u64, deliveries_max: u32) -> Leases {
        Leases {
            open: BTreeMap::new(),
            done: Done::new(mark.passed().0),
            waiting: BTreeSet::new(),
            delayed: BTreeSet::new(),
            dead: BTreeMap::new(),
            unsure: BTreeSet::new(),
            consumers: Vec::new(),
            consumer_next: 1,
            turn: 0,
            mark,
            delivered,
            deliveries_max,
        }
    }

    /// How far the log was read.
    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    /// The highest offset that was delivered.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// A consumer comes.
    pub(super) fn join(&mut self, bell: Arc<Bell>, window: Option<usize>) -> u64 {
        let id = self.consumer_next;
        self.consumer_next += 1;
        let (assigned, held, settling) = (VecDeque::new(), BTreeMap::new(), Vec::new());
        self.consumers.push(Consumer { id, bell, window, assigned, assigned_bytes: 0, held, settling, nth: 0 });
        id
    }

    /// A consumer goes; what it had waits for others.
    pub(super) fn leave(&mut self, id: u64) {
        let Ok(at) = self.consumers.binary_search_by_key(&id, |known| known.id) else { return };
        let gone = self.consumers.remove(at);
        for place in gone.assigned {
            self.wait(place);
        }
        for (place, verdict) in gone.settling {
            if verdict == Verdict::Done {
                self.set(place, State::Unsure);
                self.unsure.insert(place);
            }
        }
        for place in gone.held.into_values() {
            if !self.unsure.contains(&place) {
                self.give_back(place, None);
            }
        }
    }

    /// How many consumers there are.
    pub(super) fn consumers(&self) -> usize {
        self.consumers.len()
    }

    /// Everybody's bell.
    pub(super) fn ring_all(&self) {
        self.consumers.iter().for_each(|consumer| consumer.bell.ring());
    }

    /// Whether something would be lost with this table that the log and the cursor do not tell.
    pub(super) fn remembers(&self) -> bool {
        self.open.values().any(|lease| lease.deliveries > 0)
    }

    /// How many messages the consumers would take beyond those that wait.
    pub(super) fn demand(&self) -> usize {
        let free: usize = self.consumers.iter().map(Consumer::free).sum();
        free.saturating_sub(self.waiting.len())
    }

    /// The log was read up to `mark`; what lies between and was not admitted is not for this group.
    pub(super) fn pass(&mut self, mark: Mark) {
        let mut first = self.mark.passed().0 + 1;
        self.mark = self.mark.max(mark);
        let last = self.mark.passed().0;
        if first > last {
            return;
        }
        for (open, _) in self.open.range((first, 0)..=(last, u16::MAX)).map(|(place, _)| *place) {
            self.done.add(first..=open - 1);
            first = open + 1;
        }
        self.done.add(first..=last);
    }

    /// A message was read from the log; it was delivered so often before.
    pub(super) fn admit(&mut self, entry: Arc<Entry>, deliveries: u32) {
        let place = place(entry.position());
        self.open.insert(place, Lease { deliveries, state: State::Waiting, entry: Some(entry) });
        self.waiting.insert(place);
    }

    /// What waits and has to be read again before it can go out, `count` at most.
    pub(super) fn unread(&self, count: usize) -> Vec<Place> {
        let wanted = self.waiting.iter().take(count).chain(self.dead.keys().take(count));
        wanted.filter(|place| self.open.get(place).is_some_and(|lease| lease.entry.is_none())).copied().collect()
    }

    /// It was read again, or is gone from the log.
    pub(super) fn found(&mut self, place: Place, entry: Option<Arc<Entry>>) {
        match (self.open.get_mut(&place), entry) {
            (Some(lease), Some(entry)) => lease.entry = Some(entry),
            _ => self.finish(place),
        }
    }

    /// Gives what waits to the consumers in turn, up to an offset, and rings those who have something.
    /// Nothing overtakes a message that may have to come again.
    pub(super) fn assign(&mut self, up_to: u64) {
        let mut rung = BTreeSet::new();
        let end = self.unsure.first().copied().unwrap_or((u64::MAX, u16::MAX));
        while let Some(&place) = self.waiting.first().filter(|place| place.0 <= up_to && **place < end) {
            let Some(entry) = self.open.get(&place).and_then(|lease| lease.entry.as_ref()) else { break };
            if entry.has_expired() {
                self.finish(place);
                continue;
            }
            let bytes = entry.message().cost();
            let count = self.consumers.len();
            let Some(at) = (0..count).map(|step| (self.turn + step) % count).find(|at| self.consumers[*at].free() > 0)
            else {
                break;
            };
            self.turn = at + 1;
            let consumer = &mut self.consumers[at];
            consumer.assigned.push_back(place);
            consumer.assigned_bytes += bytes;
            rung.insert(at);
            let to = consumer.id;
            self.set(place, State::Assigned { to });
        }
        rung.into_iter().for_each(|at| self.consumers[at].bell.ring());
    }

    /// A consumer takes the next of what it was given: it is delivered.
    pub(super) fn take(&mut self, id: u64) -> Option<Delivery> {
        loop {
            let at = self.consumers.binary_search_by_key(&id, |known| known.id).ok()?;
            let consumer = &mut self.consumers[at];
            let place = consumer.assigned.pop_front()?;
            let lease = self.open.get_mut(&place).expect("what is assigned is open");
            let entry = lease.entry.take().expect("what is assigned was read");
            consumer.assigned_bytes -= entry.message().cost();
            if entry.has_expired() {
                self.finish(place);
                continue;
            }
            consumer.nth += 1;
            lease.deliveries = lease.deliveries.saturating_add(1);
            let (nth, count) = (consumer.nth, lease.deliveries);
            lease.state = State::Held { by: id, nth, settling: false };
            consumer.held.insert(nth, place);
            self.delivered = self.delivered.max(place.0);
            return Some(Delivery { entry, count, nth });
        }
    }

    /// Whether a consumer has been given something.
    pub(super) fn has_something(&self, id: u64) -> bool {
        self.consumer(id).is_some_and(|known| !known.assigned.is_empty())
    }

    /// A consumer says what becomes of messages it holds. Of what it does not hold nothing.
    pub(super) fn judge(&mut self, id: u64, which: Which, verdict: Verdict) {
        for (_, place) in self.named(id, which) {
            self.carry_out(place, verdict);
        }
    }

    /// The same, with a transaction that is on its way: see [`Leases::settled`]. The first word counts.
    pub(super) fn begin_settling(&mut self, id: u64, which: Which, verdict: Verdict) {
        for (nth, place) in self.named(id, which) {
            self.set(place, State::Held { by: id, nth, settling: true });
            if let Some(consumer) = self.consumer_mut(id) {
                consumer.settling.push((place, verdict));
            }
        }
    }

    /// That transaction is stored.
    pub(super) fn settled(&mut self, id: u64) {
        let settling = self.consumer_mut(id).map(|consumer| std::mem::take(&mut consumer.settling));
        for (place, verdict) in settling.into_iter().flatten() {
            self.carry_out(place, verdict);
        }
    }

    /// Everything that a consumer was given up to its `nth` is done.
    pub(super) fn settle(&mut self, id: u64, nth: u64) {
        let Some(consumer) = self.consumer(id) else { return };
        let done: Vec<Place> = consumer.held.range(..=nth).map(|(_, place)| *place).collect();
        done.into_iter().for_each(|place| self.finish(place));
    }

    /// What was to wait until `now` waits for a consumer.
    pub(super) fn wake(&mut self, now: Instant) {
        while let Some(&(at, place)) = self.delayed.first().filter(|(at, _)| *at <= now) {
            self.delayed.remove(&(at, place));
            self.wait(place);
        }
    }

    /// When something is to be woken.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.delayed.first().map(|(at, _)| *at)
    }

    /// Messages whose transaction may have been stored or not.
    pub(super) fn unsure(&self) -> Vec<Place> {
        self.unsure.iter().copied().collect()
    }

    /// It is known now: done, or to be delivered again.
    pub(super) fn resolve(&mut self, place: Place, is_done: bool) {
        match is_done {
            true => self.finish(place),
            false => self.give_back(place, None),
        }
    }

    /// Those that were read and are not taken.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.open.values().filter_map(|lease| lease.entry.as_ref())
    }

    /// Whether there are any.
    pub(super) fn has_dead(&self) -> bool {
        !self.dead.is_empty()
    }

    /// The dead that were read, `count` at most.
    pub(super) fn dead(&self, count: usize) -> Vec<(Arc<Entry>, u32, Reason)> {
        let read = self.dead.iter().filter_map(|(place, reason)| {
            let lease = self.open.get(place)?;
            Some((lease.entry.clone()?, lease.deliveries, *reason))
        });
        read.take(count).collect()
    }

    /// It is done with for good.
    pub(super) fn finish(&mut self, place: Place) {
        let Some(lease) = self.open.remove(&place) else { return };
        self.forget(place, lease.state);
        let offset = place.0;
        // What the log was not read up to yet may have more messages in the same record.
        if offset <= self.mark.passed().0 && self.open_in(offset).next().is_none() {
            self.done.add(offset..=offset);
        }
    }

    /// Everything up to this offset is done.
    pub(super) fn low(&self) -> u64 {
        self.done.low()
    }

    /// How far the group has come.
    pub(super) fn progress(&self) -> Progress {
        self.done.progress()
    }

    /// How far the group has come, as if these were done as well. A record is when all its messages are.
    pub(super) fn progress_with(&self, places: impl IntoIterator<Item = Place>) -> Progress {
        let places: BTreeSet<Place> = places.into_iter().collect();
        let is_done =
            |offset: &u64| *offset <= self.mark.passed().0 && self.open_in(*offset).all(|place| places.contains(place));
        self.done.progress_with(places.iter().map(|(offset, _)| *offset).filter(is_done))
    }

    /// How far the group has come when what this consumer acknowledged last is stored.
    pub(super) fn progress_settling(&self, id: u64) -> Progress {
        let settling = self.consumer(id).into_iter().flat_map(|known| &known.settling);
        self.progress_with(settling.filter(|(_, verdict)| *verdict == Verdict::Done).map(|(place, _)| *place))
    }

    /// Lets go of messages that can be read again.
    pub(super) fn forget_entries(&mut self) {
        self.open.values_mut().for_each(|lease| lease.entry = None);
    }

    /// What is open of one record.
    fn open_in(&self, offset: u64) -> impl Iterator<Item = &Place> {
        self.open.range((offset, 0)..=(offset, u16::MAX)).map(|(place, _)| place)
    }

    fn consumer(&self, id: u64) -> Option<&Consumer> {
        self.consumers.binary_search_by_key(&id, |known| known.id).ok().map(|at| &self.consumers[at])
    }

    fn consumer_mut(&mut self, id: u64) -> Option<&mut Consumer> {
        self.consumers.binary_search_by_key(&id, |known| known.id).ok().map(|at| &mut self.consumers[at])
    }

    fn carry_out(&mut self, place: Place, verdict: Verdict) {
        match verdict {
            Verdict::Done => self.finish(place),
            Verdict::Again(at) => self.give_back(place, Some(at)),
            Verdict::Rejected => self.bury(place, Reason::Rejected),
        }
    }

    /// What a consumer holds of what it names, and has not decided about with a transaction.
    fn named(&self, id: u64, Which { position, cumulative }: Which) -> Vec<(u64, Place)> {
        let place = place(position);
        let Some(State::Held { by, nth, .. }) = self.open.get(&place).map(|lease| lease.state) else {
            return Vec::new();
        };
        let Some(consumer) = self.consumer(id).filter(|_| by == id) else { return Vec::new() };
        let first = if cumulative { 0 } else { nth };
        let held = consumer.held.range(first..=nth).map(|(nth, place)| (*nth, *place));
        if consumer.settling.is_empty() {
            return held.collect();
        }
        let is_free = |place: &Place| {
            matches!(self.open.get(place), Some(Lease { state: State::Held { settling: false, .. }, .. }))
        };
        held.filter(|(_, place)| is_free(place)).collect()
    }

    /// A message that was delivered, and not acknowledged, comes again.
    fn give_back(&mut self, place: Place, at: Option<Instant>) {
        let Some(lease) = self.open.get(&place) else { return };
        if lease.deliveries >= self.deliveries_max {
            return self.bury(place, Reason::MaxDeliveries);
        }
        match at {
            Some(at) => {
                self.set(place, State::Delayed(at));
                self.delayed.insert((at, place));
            }
            None => self.wait(place),
        }
    }

    fn bury(&mut self, place: Place, reason: Reason) {
        self.set(place, State::Dead);
        self.dead.insert(place, reason);
    }

    fn wait(&mut self, place: Place) {
        self.set(place, State::Waiting);
        self.waiting.insert(place);
    }

    fn set(&mut self, place: Place, state: State) {
        if let Some(lease) = self.open.get_mut(&place) {
            let before = std::mem::replace(&mut lease.state, state);
            if !matches!((before, state), (State::Held { .. }, State::Held { .. })) {
                self.forget(place, before);
            }
        }
    }

    /// Nothing but the lease itself knows of its state any more.
    fn forget(&mut self, place: Place, state: State) {
        match state {
            State::Waiting => drop(self.waiting.remove(&place)),
            State::Delayed(at) => drop(self.delayed.remove(&(at, place))),
            State::Dead => drop(self.dead.remove(&place)),
            State::Unsure => drop(self.unsure.remove(&place)),
            // Whoever takes it, or leaves, has it in its own list.
            State::Assigned { .. } => {}
            State::Held { by, nth, .. } => {
                if let Some(consumer) = self.consumer_mut(by) {
                    consumer.held.remove(&nth);
                }
            }
        }
    }
}

impl Consumer {
    /// How many more messages it takes now.
    fn free(&self) -> usize {
        if self.assigned_bytes >= ASSIGNED_BYTES_MAX {
            return 0;
        }
        match self.window {
            Some(window) => window.saturating_sub(self.held.len() + self.assigned.len()),
            None => ASSIGNED_MAX.saturating_sub(self.assigned.len()),
        }
    }
}
