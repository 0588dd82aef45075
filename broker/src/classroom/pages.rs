//! Pages of a room's log, read once for all who want them.
//!
//! ```text
//!   reader ─┐                ┌─ kept ────────► the page, at once
//!   reader ─┼─► ask(after) ──┼─ being read ──► waits with the others
//!   reader ─┘                └─ neither ─────► one read begins
//! ```
//!
//! Pages begin on a grid of offsets, so that students who left some messages
//! apart share them; each reader passes over what it has seen. A page says how
//! far it has looked at the log and nothing about what lies behind, so that an
//! old one hides no new record; one that shows what was trimmed since is let go,
//! and stays right for those who are in the middle of it. What is kept is bounded in bytes, by room and in
//! all, the encodings that readers leave in the entries included.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use homeroom_storage::{Budget, LogError, Message, Offset, OffsetRange};
use tokio::time::Instant;

use super::bell::Bell;
use super::entry::{Entry, Mark};

/// What a page holds at most; its bytes are exceeded by at most one record.
pub(super) const PAGE: Budget = Budget { records: 128, bytes: 128 * 1024 };
/// Pages begin after its multiples: a page of dense, small records ends where the next begins.
const GRID: u64 = PAGE.records as u64;
/// Pages that nobody asked for so long are let go.
pub(super) const UNUSED: Duration = Duration::from_secs(30);

/// A stretch of the log, as entries. It never changes.
#[derive(Debug)]
pub struct LogPage {
    /// It begins behind this offset.
    pub after: Offset,
    /// In order.
    pub entries: Vec<Arc<Entry>>,
    /// The log has been looked at up to here.
    pub through: Offset,
    /// What the log proves to be missing in it.
    pub missing: Vec<OffsetRange>,
    /// Whether it holds as much as a page may, rather than all there was.
    pub is_full: bool,
}

/// How much may be kept.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one room's pages.
    pub room_bytes: usize,
    /// What all rooms may keep together.
    pub all: Arc<Allowance>,
}

/// Bytes that all rooms share.
#[derive(Debug)]
pub struct Allowance {
    bytes: usize,
    used: AtomicUsize,
}

/// The pages of one room.
#[derive(Debug)]
pub(super) struct Pages {
    limits: Limits,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By the offset they begin behind.
    kept: BTreeMap<Offset, Kept>,
    bytes: usize,
    reads: BTreeMap<Offset, Arc<PageRead>>,
}

#[derive(Debug)]
struct Kept {
    page: Arc<LogPage>,
    bytes: usize,
    asked: Instant,
}

/// What becomes of a reader that asked for a page.
#[derive(Debug)]
pub(super) enum Asked {
    /// Here it is.
    Kept(Arc<LogPage>),
    /// It is being read.
    Coming(Arc<PageRead>),
    /// It is to be read now, by whoever asked: [`Pages::finish`] is owed.
    Begin(Arc<PageRead>),
}

/// One read of the log, and all who wait for it.
#[derive(Debug)]
pub(super) struct PageRead {
    /// What follows this offset is read.
    pub(super) after: Offset,
    /// Up to here at most.
    pub(super) up_to: Offset,
    found: OnceLock<Result<Arc<LogPage>, LogError>>,
    waiting: Mutex<Vec<Arc<Bell>>>,
}

impl Pages {
    pub(super) fn new(limits: Limits) -> Pages {
        Pages { limits, inner: Mutex::default() }
    }

    /// The page that holds what follows `after`. A read that begins on the grid may end before that,
    /// where records are long: then one asks for a page that begins `exactly` there. What was `trimmed`
    /// is not shown any more.
    pub(super) fn ask(&self, after: Offset, exactly: bool, trimmed: Offset) -> Asked {
        let mut inner = self.lock();
        inner.forget_where(|kept| kept.page.begins_before(trimmed), &self.limits.all);
        if let Some(page) = inner.find(after, &self.limits.all) {
            inner.shrink(&self.limits);
            return Asked::Kept(page);
        }
        let begin = on_grid(after);
        let (after, up_to) = if exactly || inner.ends_before(begin, after) {
            (after, Offset(begin.0.saturating_add(GRID)))
        } else {
            (begin, Offset(u64::MAX))
        };
        if let Some(read) = inner.reads.get(&after) {
            return Asked::Coming(read.clone());
        }
        let read = Arc::new(PageRead { after, up_to, found: OnceLock::new(), waiting: Mutex::default() });
        inner.reads.insert(after, read.clone());
        Asked::Begin(read)
    }

    /// A read has ended: keeps the page if there is room, and tells all who wait.
    pub(super) fn finish(&self, read: &PageRead, found: Result<Arc<LogPage>, LogError>) {
        {
            let mut inner = self.lock();
            let is_wanted = inner.reads.get(&read.after).is_some_and(|known| std::ptr::eq(&raw const **known, read));
            if is_wanted {
                inner.reads.remove(&read.after);
            }
            if let Ok(page) = found.as_ref()
                && is_wanted
            {
                inner.keep(page.clone(), &self.limits.all);
                inner.shrink(&self.limits);
            }
        }
        read.finish(found);
    }

    /// Lets go of what nobody asked for so long.
    pub(super) fn forget_unused(&self, since: Duration) {
        self.lock().forget_where(|kept| kept.asked.elapsed() >= since, &self.limits.all);
    }

    /// Lets go of pages that show such messages, and keeps none that is being read now.
    pub(super) fn forget(&self, gone: &dyn Fn(&Message) -> bool) {
        let mut inner = self.lock();
        inner.reads.clear();
        let entries = |page: &LogPage| page.entries.clone();
        let shown = inner.kept.values().flat_map(|kept| entries(&kept.page));
        shown.filter(|entry| gone(entry.message())).for_each(|entry| entry.forget());
        inner.forget_where(|kept| kept.page.entries.iter().any(|entry| entry.is_forgotten()), &self.limits.all);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the pages")
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let bytes = self.lock().bytes;
        self.limits.all.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Inner {
    fn find(&mut self, after: Offset, all: &Allowance) -> Option<Arc<LogPage>> {
        let nearest = self.kept.range(..=after).next_back().map(|(begin, _)| *begin);
        let covers = |begin: &Offset| self.kept.get(begin).is_some_and(|kept| kept.page.covers(after));
        let begin = nearest.into_iter().chain([on_grid(after)]).find(covers)?;
        let kept = self.kept.get_mut(&begin)?;
        kept.asked = Instant::now();
        // Readers have left encodings in it since it was last weighed.
        let before = std::mem::replace(&mut kept.bytes, kept.page.bytes());
        let (page, bytes) = (kept.page.clone(), kept.bytes);
        self.recount(before, bytes, all);
        Some(page)
    }

    /// Whether the page that begins there is full and known to end at or before `after`.
    fn ends_before(&self, begin: Offset, after: Offset) -> bool {
        self.kept.get(&begin).is_some_and(|kept| kept.page.is_full && kept.page.through <= after)
    }

    fn keep(&mut self, page: Arc<LogPage>, all: &Allowance) {
        let (after, bytes) = (page.after, page.bytes());
        self.forget(after, all);
        self.recount(0, bytes, all);
        self.kept.insert(after, Kept { page, bytes, asked: Instant::now() });
    }

    fn forget(&mut self, after: Offset, all: &Allowance) {
        if let Some(kept) = self.kept.remove(&after) {
            self.recount(kept.bytes, 0, all);
        }
    }

    fn forget_where(&mut self, gone: impl Fn(&Kept) -> bool, all: &Allowance) {
        while let Some(after) = self.kept.iter().find(|(_, kept)| gone(kept)).map(|(after, _)| *after) {
            self.forget(after, all);
        }
    }

    fn recount(&mut self, before: usize, now: usize, all: &Allowance) {
        self.bytes = self.bytes - before + now;
        all.used.fetch_add(now, Ordering::Relaxed);
        all.used.fetch_sub(before, Ordering::Relaxed);
    }

    /// Lets go of the pages that were asked for longest ago, until the rest is within the limits. Where
    /// other rooms have used up what all may keep, that is every page.
    fn shrink(&mut self, limits: &Limits) {
        while self.bytes > limits.room_bytes || limits.all.is_exceeded() {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.asked).map(|(after, _)| *after);
            let Some(after) = oldest else { return };
            self.forget(after, &limits.all);
        }
    }
}

impl PageRead {
    /// What was found, once it is.
    pub(super) fn found(&self) -> Option<&Result<Arc<LogPage>, LogError>> {
        self.found.get()
    }

    /// Rings the bell when it is found; not if it is already.
    pub(super) fn wait(&self, bell: &Arc<Bell>) {
        let mut waiting = self.waiting();
        if self.found.get().is_none() {
            waiting.push(bell.clone());
        }
    }

    fn finish(&self, found: Result<Arc<LogPage>, LogError>) {
        // Whoever looks from here on finds it; whoever came before is on the list.
        let _ = self.found.set(found);
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.iter().for_each(|bell| bell.ring());
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Arc<Bell>>> {
        self.waiting.lock().expect("nothing panics while it holds the bells")
    }
}

impl LogPage {
    /// Whether what follows `after` begins in it.
    pub(super) fn covers(&self, after: Offset) -> bool {
        self.after <= after && after < self.through
    }

    /// The index of the first entry behind a mark.
    pub(super) fn behind(&self, mark: Mark) -> usize {
        self.entries.partition_point(|entry| entry.is_passed_at(mark))
    }

    /// Whether it shows a record up to `offset`.
    fn begins_before(&self, offset: Offset) -> bool {
        self.entries.first().is_some_and(|entry| entry.offset() <= offset)
    }

    fn bytes(&self) -> usize {
        size_of::<LogPage>() + self.entries.iter().map(|entry| entry.bytes()).sum::<usize>()
    }
}

impl Allowance {
    /// So many bytes for all rooms together.
    pub fn new(bytes: usize) -> Arc<Allowance> {
        Arc::new(Allowance { bytes, used: AtomicUsize::new(0) })
    }

    /// Bytes that may be used.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that are used.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn is_exceeded(&self) -> bool {
        self.used() > self.bytes
    }
}

impl Default for Limits {
    /// 1 MiB for a room, 32 MiB in all.
    fn default() -> Limits {
        Limits { room_bytes: 1 << 20, all: Allowance::new(32 << 20) }
    }
}

fn on_grid(after: Offset) -> Offset {
    Offset(after.0 - after.0 % GRID)
}
