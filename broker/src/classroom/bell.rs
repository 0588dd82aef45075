//! How a reader's task is woken: a flag and a waker, nothing allocated per ring.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use atomic_waker::AtomicWaker;

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_ring_before_the_listener_is_heard_once() {
        let bell = Bell::default();
        bell.ring();
        bell.ring();
        bell.heard().await;
        let mut again = tokio_test_poll(&bell);
        assert!(again.take().is_none(), "two rings are heard as one");
    }

    #[tokio::test]
    async fn a_ring_wakes_the_listener() {
        let bell = Arc::new(Bell::default());
        let listener = tokio::spawn({
            let bell = bell.clone();
            async move { bell.heard().await }
        });
        tokio::task::yield_now().await;
        bell.ring();
        listener.await.expect("the listener ends");
    }

    fn tokio_test_poll(bell: &Bell) -> Option<()> {
        use futures_util::FutureExt as _;
        bell.heard().now_or_never()
    }
}
