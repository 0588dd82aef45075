//! What the writer, the readers and the callers share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::{Semaphore, watch};
use tracing::error;

use super::cursors::Book;
use super::disk::Disk;
use super::layout::entry::Totals;
use super::queue::Queue;
use super::recover::RecoveredLog;
use crate::engine::Counters;
use crate::tail::Tails;
use crate::{Bounds, Epoch, Health, LogName, Offset, Opened, Retention, Settings};

/// Reads of the disk at one time.
const READERS_MAX: usize = 2;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) dir: PathBuf,
    pub(crate) queue: Queue,
    pub(crate) health: watch::Sender<Health>,
    pub(crate) readers: Arc<Semaphore>,
    logs: RwLock<HashMap<LogName, Arc<LogState>>>,
    /// `None` while the store opens again.
    disk: RwLock<Option<Arc<Disk>>>,
    book: Mutex<Book>,
    counters: Mutex<Counters>,
    /// Logs that went with a directory set aside.
    lost: Mutex<Vec<(LogName, String)>>,
}

impl Shared {
    pub(crate) fn new(settings: Settings, dir: PathBuf, disk: Arc<Disk>, book: Book) -> Shared {
        Shared {
            queue: Queue::new(settings.queue_bytes_max),
            settings,
            dir,
            health: watch::Sender::new(Health::Ready),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            logs: RwLock::default(),
            disk: RwLock::new(Some(disk)),
            book: Mutex::new(book),
            counters: Mutex::default(),
            lost: Mutex::default(),
        }
    }

    pub(crate) fn log(&self, name: &LogName) -> Option<Arc<LogState>> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn all_logs(&self) -> Vec<Arc<LogState>> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(crate) fn add_log(&self, log: &Arc<LogState>) {
        self.logs.write().unwrap_or_else(PoisonError::into_inner).insert(log.name.clone(), Arc::clone(log));
    }

    pub(crate) fn remove_log(&self, name: &LogName) {
        self.logs.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    pub(crate) fn disk(&self) -> Option<Arc<Disk>> {
        self.disk.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_disk(&self, disk: Option<Arc<Disk>>) {
        *self.disk.write().unwrap_or_else(PoisonError::into_inner) = disk;
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lost(&self) -> MutexGuard<'_, Vec<(LogName, String)>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database; while the store opens again it is waited for. `None` when there is none.
    pub(crate) async fn disk_in_time(&self) -> Option<Arc<Disk>> {
        if let Some(disk) = self.disk() {
            return Some(disk);
        }
        let mut health = self.health.subscribe();
        let ended = health.wait_for(|health| !matches!(health, Health::Recovering { .. })).await;
        // The engine says how it is for as long as somebody reads.
        drop(ended);
        self.disk()
    }

    /// Changes the health and wakes those who watch, if it is news.
    pub(crate) fn set_health(&self, health: Health) {
        self.health.send_if_modified(|known| {
            let news = *known != health;
            *known = health;
            news
        });
    }
}

/// One log, as everybody sees it: only what is durable.
#[derive(Debug)]
pub(crate) struct LogState {
    pub(crate) id: u32,
    pub(crate) name: LogName,
    pub(crate) epoch: Epoch,
    inner: Mutex<LogInner>,
}

#[derive(Debug, Default)]
pub(crate) struct LogInner {
    /// The last durable record.
    pub(crate) head: Totals,
    /// Everything up to here is gone.
    pub(crate) trimmed: Totals,
    /// No kept record is older, milliseconds since 1970.
    pub(crate) oldest: u64,
    pub(crate) retention: Retention,
    pub(crate) tails: Tails,
    /// Why nothing more is stored here.
    pub(crate) damage: Option<String>,
    /// Deleted, or its store closed.
    pub(crate) ended: bool,
}

impl LogState {
    pub(crate) fn new(id: u32, name: LogName, epoch: Epoch, inner: LogInner) -> LogState {
        LogState { id, name, epoch, inner: Mutex::new(inner) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, LogInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.lock().bounds(self.epoch)
    }

    /// The fence and what comes after it, in one step; `None` when the log has ended.
    pub(crate) fn follow(&self) -> Option<Opened> {
        let mut inner = self.lock();
        (!inner.ended).then(|| Opened { bounds: inner.bounds(self.epoch), tail: inner.tails.follow() })
    }

    /// The store was written anew: the log ends where it ended, and what it keeps may be less.
    pub(crate) fn renew(&self, found: &RecoveredLog) {
        let mut inner = self.lock();
        (inner.head, inner.trimmed, inner.oldest) = (found.head(), found.entry.trimmed, found.oldest);
    }

    /// Nobody follows it any more: it was deleted, or the store closed.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        inner.tails.end();
    }

    /// Fences the log off; the first reason stays.
    pub(crate) fn fence_off(&self, reason: &str) {
        let mut inner = self.lock();
        if inner.damage.is_none() && !inner.ended {
            error!(log = %self.name, reason, "a log is damaged and takes no more records");
            inner.damage = Some(reason.to_owned());
        }
    }
}

impl LogInner {
    fn bounds(&self, epoch: Epoch) -> Bounds {
        Bounds {
            epoch,
            trimmed: Offset(self.trimmed.offset),
            head: Offset(self.head.offset),
            records: self.records(),
            bytes: self.bytes(),
        }
    }

    /// How many records are kept.
    pub(crate) fn records(&self) -> u64 {
        self.head.records.saturating_sub(self.trimmed.records)
    }

    /// What they cost.
    pub(crate) fn bytes(&self) -> u64 {
        self.head.bytes.saturating_sub(self.trimmed.bytes)
    }
}
