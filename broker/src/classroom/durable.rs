//! Durable subscriptions while somebody is attached to them: who may move the
//! cursor, and how far.
//!
//! A named subscription belongs to one connection at a time: the next one takes
//! it over, and what the first still says about it is fenced off. One that is
//! durable without a name is shared by all connections of its owner, and its
//! cursor is the lowest of theirs.
//!
//! Beside the cursor stands how far messages were *delivered*, so that repeats
//! can be marked. While somebody is attached a ceiling ahead of it is saved: a
//! crash cannot make a repeat look new.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use homeroom_storage::{CURSOR_RANGES_MAX, Cursor, CursorKey, Epoch, Offset, Settlement, Store};
use tokio::time::Instant;

use super::bell::Bell;
use super::now_millis;
use super::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};
use crate::patience::{REMEMBERED, growing};

/// The saved ceiling stands so many offsets ahead of what was delivered.
const CEILING_LEAD: u64 = 1024;

/// All durable subscriptions of a classroom that somebody is attached to.
#[derive(Debug)]
pub struct Durables {
    attached: Mutex<HashMap<CursorKey, Holders>>,
    next: AtomicU64,
    /// Cursors are never said to be used before: what they know of deliveries counts from here on, also when the
    /// clock is set back meanwhile.
    opened_at: u64,
}

#[derive(Debug, Default)]
struct Holders {
    holders: Vec<Holder>,
    takeovers: u32,
    last_takeover: Option<Instant>,
}

#[derive(Debug)]
struct Holder {
    id: u64,
    fenced: Arc<AtomicBool>,
    bell: Arc<Bell>,
    progress: Option<Progress>,
    delivered: Arc<AtomicU64>,
}

/// How far a durable subscription has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Everything up to here is settled.
    pub settled: Offset,
    /// Settled one by one above that.
    pub above: Vec<RangeInclusive<u64>>,
}

impl Progress {
    /// Everything up to `passed` is settled but these offsets, which are sorted.
    pub fn with_open(open: &[u64], passed: Offset) -> Progress {
        let Some(first) = open.first() else { return Progress { settled: passed, above: Vec::new() } };
        let settled = Offset(first.saturating_sub(1)).min(passed);
        let mut above = Vec::new();
        let mut from = settled.0 + 1;
        for &number in open {
            if number > from {
                above.push(from..=(number - 1).min(passed.0));
            }
            from = number + 1;
        }
        if from <= passed.0 {
            above.push(from..=passed.0);
        }
        above.truncate(CURSOR_RANGES_MAX);
        Progress { settled, above }
    }
}

/// One connection's hold on a durable subscription.
#[derive(Debug)]
pub struct Attachment {
    id: u64,
    key: CursorKey,
    epoch: Epoch,
    fenced: Arc<AtomicBool>,
    delivered: Arc<AtomicU64>,
    ceiling: AtomicU64,
    durables: Arc<Durables>,
    store: Store,
}

impl Durables {
    /// Of a room that was opened at this time of day, in milliseconds since 1970. Nobody is attached.
    pub fn new(opened_at: u64) -> Durables {
        Durables { attached: Mutex::default(), next: AtomicU64::new(0), opened_at }
    }

    /// How long the next takeover of this name has to wait: nothing for the
    /// first, then longer each time, to `longest`. Clients that return by
    /// themselves would otherwise throw each other out for ever.
    pub fn patience(&self, key: &CursorKey, longest: Duration) -> Duration {
        let attached = self.lock();
        let Some(known) = attached.get(key).filter(|known| !known.holders.is_empty()) else { return Duration::ZERO };
        let recent = known.last_takeover.is_some_and(|last| last.elapsed() < REMEMBERED + longest);
        if recent { growing(known.takeovers, longest) } else { Duration::ZERO }
    }

    /// Attaches a connection. An `exclusive` one fences off whoever was there.
    pub fn attach(
        self: &Arc<Self>,
        store: Store,
        key: CursorKey,
        epoch: Epoch,
        exclusive: bool,
        bell: Arc<Bell>,
    ) -> Attachment {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let fenced = Arc::new(AtomicBool::new(false));
        let mut attached = self.lock();
        let known = attached.entry(key.clone()).or_default();
        let delivered = Arc::new(AtomicU64::new(known.delivered()));
        let holder = Holder { id, fenced: fenced.clone(), bell, progress: None, delivered: delivered.clone() };
        if exclusive && !known.holders.is_empty() {
            known.count_takeover();
            for former in known.holders.drain(..) {
                former.fenced.store(true, Ordering::Release);
                former.bell.ring();
            }
        }
        known.holders.push(holder);
        Attachment { id, key, epoch, fenced, delivered, ceiling: AtomicU64::new(0), durables: self.clone(), store }
    }

    /// Names that somebody is attached to, or that were taken over from each other lately.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Lets go of names that nobody is attached to and nobody quarrels about any more.
    pub fn forget_unused(&self) {
        self.lock().retain(|_, known| !known.holders.is_empty() || known.is_quarrelled_about());
    }

    /// Whether nobody is attached to anything.
    pub fn is_empty(&self) -> bool {
        self.lock().values().all(|known| known.holders.is_empty())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CursorKey, Holders>> {
        self.attached.lock().expect("nothing panics while it holds the durable subscriptions")
    }
}

impl Holders {
    fn count_takeover(&mut self) {
        self.takeovers = if self.is_quarrelled_about() { self.takeovers + 1 } else { 1 };
        self.last_takeover = Some(Instant::now());
    }

    /// Whether it was taken over lately.
    fn is_quarrelled_about(&self) -> bool {
        self.last_takeover.is_some_and(|last| last.elapsed() < REMEMBERED)
    }

    /// The cursor of all attached together: the lowest, once each has said where it is.
    fn lowest(&self) -> Option<Progress> {
        let all: Option<Vec<&Progress>> = self.holders.iter().map(|holder| holder.progress.as_ref()).collect();
        let lowest = all?.into_iter().min_by_key(|progress| progress.settled)?;
        let above = if self.holders.len() == 1 { lowest.above.clone() } else { Vec::new() };
        Some(Progress { settled: lowest.settled, above })
    }

    /// How far messages were sent to any of them.
    fn delivered(&self) -> u64 {
        self.holders.iter().map(|holder| holder.delivered.load(Ordering::Relaxed)).max().unwrap_or(0)
    }
}

impl Attachment {
    /// Whether another connection has taken the subscription over.
    pub fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// Whose cursor this is.
    pub fn key(&self) -> &CursorKey {
        &self.key
    }

    /// How far messages were sent before, by this connection or those it took over from.
    pub fn delivered(&self) -> Offset {
        Offset(self.delivered.load(Ordering::Relaxed))
    }

    /// A message was sent. Raises the saved ceiling in time.
    pub fn note_delivered(&self, offset: Offset) {
        self.delivered.fetch_max(offset.0, Ordering::Relaxed);
        if offset.0 + CEILING_LEAD / 2 > self.ceiling.load(Ordering::Relaxed) {
            self.save_known();
        }
    }

    /// Up to here messages may be sent before [`Attachment::note_delivered`] is told.
    pub fn quiet_until(&self) -> Offset {
        Offset(self.ceiling.load(Ordering::Relaxed).saturating_sub(CEILING_LEAD / 2))
    }

    /// Moves the cursor; nothing happens when the subscription was taken over.
    pub fn settle(&self, progress: Progress) {
        let mut attached = self.durables.lock();
        let Some(known) = attached.get_mut(&self.key) else { return };
        let Some(own) = known.holders.iter_mut().find(|holder| holder.id == self.id) else { return };
        own.progress = Some(progress);
        // Under the lock, so that a takeover cannot come between.
        self.save(known, CEILING_LEAD);
    }

    /// Where the cursor will stand when `progress` is stored, with a record that it belongs to. It moves with
    /// [`Attachment::settle`], when that was done.
    pub fn settle_with(&self, progress: Progress) -> Option<Settlement> {
        let mut attached = self.durables.lock();
        let known = attached.get_mut(&self.key)?;
        let own = known.holders.iter().position(|holder| holder.id == self.id)?;
        let before = known.holders[own].progress.replace(progress);
        let cursor = self.cursor(known, CEILING_LEAD);
        known.holders[own].progress = before;
        Some(Settlement { key: self.key.clone(), cursor: cursor? })
    }

    fn save_known(&self) {
        let attached = self.durables.lock();
        if let Some(known) = attached.get(&self.key).filter(|known| known.holders.iter().any(|own| own.id == self.id)) {
            self.save(known, CEILING_LEAD);
        }
    }

    fn save(&self, known: &Holders, lead: u64) {
        if let Some(cursor) = self.cursor(known, lead) {
            self.store.save(&self.key, cursor);
        }
    }

    fn cursor(&self, known: &Holders, lead: u64) -> Option<Cursor> {
        let Progress { settled, above } = known.lowest()?;
        let delivered = Offset(known.delivered().saturating_add(lead));
        self.ceiling.store(delivered.0, Ordering::Relaxed);
        let used = now_millis().max(self.durables.opened_at);
        Some(Cursor { epoch: self.epoch, offset: settled, above, delivered, used })
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut attached = self.durables.lock();
        let Some(known) = attached.get_mut(&self.key) else { return };
        if known.holders.iter().any(|own| own.id == self.id) {
            // Nobody sends any more: the ceiling comes down to what was delivered.
            self.save(known, 0);
        }
        known.holders.retain(|holder| holder.id != self.id);
        if known.holders.is_empty() && !known.is_quarrelled_about() {
            attached.remove(&self.key);
        }
    }
}
