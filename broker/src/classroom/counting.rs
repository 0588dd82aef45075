//! A store that counts its reads, and fails them when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use homeroom_storage::erase::{EraseError, Erased, Erasure};
use homeroom_storage::{
    Bounds, Budget, Caps, Counters, Cursor, CursorKey, Cursors, CursorsError, Engine, Health, Log, LogError, LogName,
    Offset, OpenError, Opened, Page, Retention, Seek, Settlement, Store, Submission,
};
use tokio::sync::watch;

/// Another store with an eye on it.
pub(super) struct Counting {
    inner: Store,
    pub(super) reads: AtomicUsize,
    pub(super) fails: AtomicBool,
}

impl Counting {
    pub(super) fn new(inner: Result<Store, OpenError>) -> Arc<Counting> {
        let inner = inner.expect("the store opens");
        Arc::new(Counting { inner, reads: AtomicUsize::new(0), fails: AtomicBool::new(false) })
    }
}

impl Log for Counting {
    fn logs(&self) -> Vec<LogName> {
        self.inner.logs()
    }

    fn submit(&self, submissions: Vec<Submission>) {
        self.inner.submit(submissions);
    }

    fn open(&self, log: &LogName, retention: Retention) -> BoxFuture<'static, Result<Opened, LogError>> {
        self.inner.open(log, retention)
    }

    fn read(
        &self,
        log: &LogName,
        after: Offset,
        up_to: Offset,
        budget: Budget,
    ) -> BoxFuture<'static, Result<Page, LogError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.fails.load(Ordering::Relaxed) {
            return ready(Err(LogError::Unavailable("told to fail".to_owned()))).boxed();
        }
        self.inner.read(log, after, up_to, budget)
    }

    fn seek(&self, log: &LogName, seek: Seek) -> BoxFuture<'static, Result<Offset, LogError>> {
        self.inner.seek(log, seek)
    }

    fn bounds(&self, log: &LogName) -> BoxFuture<'static, Result<Option<Bounds>, LogError>> {
        self.inner.bounds(log)
    }

    fn trim(&self, log: &LogName, up_to: Offset) -> BoxFuture<'static, Result<(), LogError>> {
        self.inner.trim(log, up_to)
    }

    fn delete(&self, log: &LogName) -> BoxFuture<'static, Result<(), LogError>> {
        self.inner.delete(log)
    }
}

impl Cursors for Counting {
    fn load(&self, key: &CursorKey) -> BoxFuture<'static, Result<Option<Cursor>, CursorsError>> {
        self.inner.load(key)
    }

    fn save(&self, key: &CursorKey, cursor: Cursor) {
        self.inner.save(key, cursor);
    }

    fn sync(&self) -> BoxFuture<'static, Result<(), CursorsError>> {
        self.inner.sync()
    }

    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'static, Result<(), CursorsError>> {
        self.inner.settle(settlements)
    }

    fn forget(&self, key: &CursorKey) -> BoxFuture<'static, Result<(), CursorsError>> {
        self.inner.forget(key)
    }

    fn on_log(&self, log: &LogName) -> Vec<(CursorKey, Cursor)> {
        self.inner.on_log(log)
    }
}

impl Engine for Counting {
    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.inner.health()
    }

    fn damaged(&self) -> Vec<(LogName, String)> {
        self.inner.damaged()
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }

    fn erase(&self, what: Erasure) -> BoxFuture<'static, Result<Erased, EraseError>> {
        self.inner.erase(what)
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        self.inner.close()
    }
}
