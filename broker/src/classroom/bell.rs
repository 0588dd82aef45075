//! How a reader's task is woken: a flag and a waker, nothing allocated per ring.

use std::future::poll_fn;
use std::task::Poll;

use super::sync::{AtomicBool, AtomicWaker, Ordering};

/// Rung by many, heard by one task. Rings that come before the task listens are
/// kept; several of them are heard as one.
#[derive(Debug, Default)]
pub struct Bell {
    rung: AtomicBool,
    waker: AtomicWaker,
}

impl Bell {
    /// Wakes the listener, now or when it next listens.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Resolves once for all rings since the last time.
    pub async fn heard(&self) {
        poll_fn(|context| {
            self.waker.register(context.waker());
            if self.rung.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
