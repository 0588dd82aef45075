//! A classroom's bell and its durable subscriptions under loom.
//!
//! Shown: no ring is lost; whoever takes a durable subscription over finds its cursor where it stays, whatever the one
//! before still says; the cursor that several share is the lowest of theirs; and when all have gone nothing is left.
//! Bell and durable subscriptions are the broker's own source; the store keeps everything in memory, and the waker is
//! reduced to its contract: the newest one that was registered is woken.

#[path = "../src/classroom/bell.rs"]
#[allow(dead_code, unreachable_pub, reason = "the broker uses it from everywhere")]
mod bell;
#[path = "../src/classroom/durable.rs"]
#[allow(dead_code, unreachable_pub, reason = "the broker uses more of it than these models")]
mod durable;

/// What both share between threads.
mod sync {
    use std::task::Waker;

    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    pub(super) use loom::sync::{Mutex, MutexGuard};

    #[derive(Debug, Default)]
    pub(super) struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        pub(super) fn register(&self, waker: &Waker) {
            *self.0.lock().expect("no panics") = Some(waker.clone());
        }

        pub(super) fn wake(&self) {
            let waker = self.0.lock().expect("no panics").take();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

/// Nobody loses patience here.
mod patience {
    use std::time::Duration;

    pub(crate) const REMEMBERED: Duration = Duration::ZERO;

    pub(crate) fn growing(_: u32, _: Duration) -> Duration {
        Duration::ZERO
    }
}

/// No cursor grows old here.
fn now_millis() -> u64 {
    u64::MAX / 2
}

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::FutureExt;
use homeroom_storage::{Cursor, CursorKey, EngineKind, Epoch, LogName, Offset, Retention, Settings, Store};
use loom::sync::Notify;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::bell::Bell;
use crate::durable::{Attachment, Durables, Progress};

/// Runs a model; three forced switches find every known mistake, and all interleavings are too many.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

struct Parked(Notify);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Runs a future on this thread; nobody wakes it but its own wakers.
fn block_on<F: Future>(future: F) -> F::Output {
    let parked = Arc::new(Parked(Notify::new()));
    let waker = Waker::from(parked.clone());
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => parked.0.wait(),
        }
    }
}

/// A durable subscription and where its cursor is kept.
struct Stage {
    durables: Arc<Durables>,
    store: Store,
    key: CursorKey,
    epoch: Epoch,
}

impl Stage {
    fn new() -> Stage {
        let settings = Settings { engine: EngineKind::Memory, ..Settings::default() };
        let store = homeroom_storage::open(&settings).expect("memory opens");
        let log = LogName::new("topic/7b");
        let opened = store.open(&log, Retention::default()).now_or_never().expect("at once").expect("memory opens");
        let key = CursorKey { log, owner: "alice".into(), name: "lesson".into() };
        Stage { durables: Arc::new(Durables::new(now_millis())), store, key, epoch: opened.bounds.epoch }
    }

    fn attach(&self, exclusive: bool) -> Attachment {
        self.durables.attach(self.store.clone(), self.key.clone(), self.epoch, exclusive, Arc::default())
    }

    fn cursor(&self) -> Option<Cursor> {
        self.store.load(&self.key).now_or_never().expect("at once").expect("memory is read")
    }

    fn settled(&self) -> Option<Offset> {
        self.cursor().map(|cursor| cursor.offset)
    }
}

fn up_to(offset: u64) -> Progress {
    Progress { settled: Offset(offset), above: Vec::new() }
}

#[test]
fn no_ring_is_lost() {
    model(|| {
        let (bell, news) = (Arc::<Bell>::default(), Arc::new(AtomicUsize::new(0)));
        let ringers: Vec<_> = (0..2)
            .map(|_| {
                let (bell, news) = (bell.clone(), news.clone());
                thread::spawn(move || {
                    news.fetch_add(1, Ordering::AcqRel);
                    bell.ring();
                })
            })
            .collect();
        while news.load(Ordering::Acquire) < 2 {
            block_on(bell.heard());
        }
        ringers.into_iter().for_each(|ringer| ringer.join().expect("a ringer never panics"));
    });
}

#[test]
fn whoever_takes_over_finds_the_cursor_where_it_stays() {
    model(|| {
        let stage = Stage::new();
        let first = stage.attach(true);
        first.settle(up_to(1));
        let before = thread::spawn(move || {
            first.note_delivered(Offset(3));
            first.settle(up_to(2));
            assert!(!first.is_fenced() || first.settle_with(up_to(9)).is_none(), "nor with a record");
        });
        let second = stage.attach(true);
        let found = stage.settled();
        before.join().expect("the one before never panics");
        assert_eq!(stage.settled(), found, "what the one before still says is fenced off");
        assert!(found == Some(Offset(1)) || found == Some(Offset(2)));
        second.settle(up_to(4));
        assert_eq!(stage.settled(), Some(Offset(4)));
        drop(second);
        assert_eq!(stage.durables.count(), 0);
    });
}

#[test]
fn the_cursor_that_two_share_is_the_lower_of_theirs() {
    model(|| {
        let stage = Stage::new();
        let (one, other) = (stage.attach(false), stage.attach(false));
        let beside = thread::spawn(move || {
            one.settle(up_to(5));
            one
        });
        other.settle(up_to(3));
        let one = beside.join().expect("nobody panics");
        assert_eq!(stage.settled(), Some(Offset(3)));
        let going = thread::spawn(move || drop(one));
        drop(other);
        going.join().expect("it only goes");
        assert_eq!(stage.durables.count(), 0);
        assert!(stage.settled() >= Some(Offset(3)), "it never goes back");
    });
}
