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

use homeroom_storage::Position;

use crate::classroom::bell::Bell;
use crate::classroom::durable::Progress;
use crate::classroom::entry::{Entry, Mark};

/// So many bytes wait for one consumer at most, exceeded by one message: the rest stays for the others.
const ASSIGNED_BYTES_MAX: usize = 256 << 10;
/// So many messages wait for a consumer that acknowledges nothing itself.
const ASSIGNED_MAX: usize = 64;

/// Which message: its record's offset, and the message inside it.
pub(super) type Place = (u64, u16);

/// Where a message stands in the log.
pub(super) fn place(position: Position) -> Place {
    (position.offset.0, position.part.unwrap_or(0))
}

/// All messages that were read from the log and are not done with, and all consumers.
#[derive(Debug)]
pub(super) struct Leases {
    open: BTreeMap<Place, Lease>,
    waiting: BTreeSet<Place>,
    delayed: BTreeSet<(Instant, Place)>,
    dead: BTreeMap<Place, Reason>,
    /// Their consumer left while a transaction was on its way that acknowledges them.
    unsure: BTreeSet<Place>,
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
    nth: u64,
}

/// Why a message goes to the dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was delivered as often as is allowed.
    MaxDeliveries,
    /// A consumer does not want it to come again.
    Rejected,
}

impl Reason {
    /// The word in the message's header.
    pub fn name(self) -> &'static str {
        match self {
            Reason::MaxDeliveries => "max-deliveries",
            Reason::Rejected => "rejected",
        }
    }
}

/// A message on its way to a consumer.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub entry: Arc<Entry>,
    /// How often it was delivered, this time included.
    pub count: u32,
    /// Its number among all that this consumer was given.
    pub nth: u64,
}

/// Which of a consumer's messages an ACK or NACK is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which {
    /// Where it stands.
    pub position: Position,
    /// And all that were delivered to the consumer before it.
    pub cumulative: bool,
}

impl Leases {
    /// Nothing is open; the log is read from `mark` on, and messages up to `delivered` may have been delivered
    /// before. After `deliveries_max` deliveries a message is dead.
    pub(super) fn new(mark: Mark, delivered: u64, deliveries_max: u32) -> Leases {
        Leases {
            open: BTreeMap::new(),
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
        let (assigned, held) = (VecDeque::new(), BTreeMap::new());
        self.consumers.push(Consumer { id, bell, window, assigned, assigned_bytes: 0, held, nth: 0 });
        id
    }

    /// A consumer goes; what it had waits for others.
    pub(super) fn leave(&mut self, id: u64) {
        let Some(at) = self.consumers.iter().position(|known| known.id == id) else { return };
        let gone = self.consumers.remove(at);
        for place in gone.assigned {
            self.wait(place);
        }
        for place in gone.held.into_values() {
            match self.open.get_mut(&place) {
                Some(Lease { state: state @ State::Held { settling: true, .. }, .. }) => {
                    *state = State::Unsure;
                    self.unsure.insert(place);
                }
                _ => self.give_back(place, None),
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
        self.mark = self.mark.max(mark);
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
    pub(super) fn assign(&mut self, up_to: u64) {
        let mut rung = BTreeSet::new();
        while let Some(&place) = self.waiting.first().filter(|(offset, _)| *offset <= up_to) {
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
            let consumer = self.consumers.iter_mut().find(|known| known.id == id)?;
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
        self.consumers.iter().any(|known| known.id == id && !known.assigned.is_empty())
    }

    /// A consumer has done its work. What it does not hold changes nothing.
    pub(super) fn acknowledge(&mut self, id: u64, which: Which) {
        for (_, place) in self.named(id, which) {
            self.finish(place);
        }
    }

    /// The same, with a transaction that is on its way: see [`Leases::settled`].
    pub(super) fn begin_settling(&mut self, id: u64, which: Which) {
        for (nth, place) in self.named(id, which) {
            self.set(place, State::Held { by: id, nth, settling: true });
        }
    }

    /// That transaction is stored.
    pub(super) fn settled(&mut self, id: u64) {
        let done: Vec<Place> = self.settling(id).collect();
        done.into_iter().for_each(|place| self.finish(place));
    }

    /// Everything that a consumer was given up to its `nth` is done.
    pub(super) fn settle(&mut self, id: u64, nth: u64) {
        let Some(consumer) = self.consumers.iter().find(|known| known.id == id) else { return };
        let done: Vec<Place> = consumer.held.range(..=nth).map(|(_, place)| *place).collect();
        done.into_iter().for_each(|place| self.finish(place));
    }

    /// A consumer gives messages back: they wait until `at`, or for ever.
    pub(super) fn refuse(&mut self, id: u64, which: Which, at: Option<Instant>) {
        for (nth, place) in self.named(id, which) {
            if let Some(consumer) = self.consumers.iter_mut().find(|known| known.id == id) {
                consumer.held.remove(&nth);
            }
            match at {
                Some(at) => self.give_back(place, Some(at)),
                None => self.bury(place, Reason::Rejected),
            }
        }
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
    }

    /// How far the group has come, as if these were done as well.
    pub(super) fn progress(&self, but: &[Place]) -> Progress {
        self.progress_where(|place, _| but.contains(place))
    }

    /// How far the group has come when what this consumer acknowledged last is stored.
    pub(super) fn progress_settling(&self, id: u64) -> Progress {
        self.progress_where(|_, lease| matches!(lease.state, State::Held { by, settling: true, .. } if by == id))
    }

    /// Lets go of messages that can be read again.
    pub(super) fn forget_entries(&mut self) {
        self.open.values_mut().for_each(|lease| lease.entry = None);
    }

    fn progress_where(&self, done: impl Fn(&Place, &Lease) -> bool) -> Progress {
        let open = self.open.iter().filter(|(place, lease)| !done(place, lease)).map(|((offset, _), _)| *offset);
        let mut open: Vec<u64> = open.collect();
        open.dedup();
        Progress::with_open(&open, self.mark.passed())
    }

    fn settling(&self, id: u64) -> impl Iterator<Item = Place> {
        let held = self.consumers.iter().filter(move |known| known.id == id).flat_map(|known| known.held.values());
        held.copied().filter(|place| {
            self.open.get(place).is_some_and(|lease| matches!(lease.state, State::Held { settling: true, .. }))
        })
    }

    /// What a consumer holds of what it names.
    fn named(&self, id: u64, Which { position, cumulative }: Which) -> Vec<(u64, Place)> {
        let place = place(position);
        let Some(State::Held { by, nth, .. }) = self.open.get(&place).map(|lease| lease.state) else {
            return Vec::new();
        };
        let Some(consumer) = self.consumers.iter().find(|known| known.id == id && by == id) else { return Vec::new() };
        let first = if cumulative { 0 } else { nth };
        consumer.held.range(first..=nth).map(|(nth, place)| (*nth, *place)).collect()
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
                if let Some(consumer) = self.consumers.iter_mut().find(|known| known.id == by) {
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
