//! From a writer to one reader: what is put in together wakes the reader once.
//!
//! A channel wakes its reader at the first item, and a reader on another core is
//! there before the second: then each item costs a wake-up of its own. Here the
//! writer says when it is done.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Unbounded; whoever puts something in keeps to a limit of its own.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    waiting: Option<Waker>,
    is_shut: bool,
}

/// Readers to be woken when all that belongs together has been put in: when this is dropped.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Wakes(Vec<Waker>);

impl Drop for Wakes {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Mailbox<T> {
        Mailbox { state: Mutex::new(State { items: VecDeque::new(), waiting: None, is_shut: false }) }
    }
}

impl<T> Mailbox<T> {
    /// Puts items in. The reader learns of them when `wakes` is dropped.
    pub(crate) fn put(&self, items: impl IntoIterator<Item = T>, wakes: &mut Wakes) {
        let mut state = self.state();
        state.items.extend(items);
        wakes.0.extend(state.waiting.take());
    }

    /// No more will come.
    pub(crate) fn shut(&self) {
        let mut state = self.state();
        state.is_shut = true;
        let waiting = state.waiting.take();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// All that is there, in its order. Nothing only when no more will come.
    pub(crate) fn poll_take(&self, context: &Context<'_>) -> Poll<VecDeque<T>> {
        let mut state = self.state();
        if state.items.is_empty() && !state.is_shut {
            match &mut state.waiting {
                Some(waiting) => waiting.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut state.items))
    }

    /// All that is there now, in its order.
    pub(crate) fn take(&self) -> VecDeque<T> {
        std::mem::take(&mut self.state().items)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_reader_is_woken_once_for_all_that_was_put_in_together() {
        let (mailbox, counted) = (Mailbox::default(), Arc::<Counted>::default());
        let waker = counted.clone().into();
        let context = Context::from_waker(&waker);
        assert!(mailbox.poll_take(&context).is_pending());
        let mut wakes = Wakes::default();
        (0..100).for_each(|number| mailbox.put([number], &mut wakes));
        assert_eq!(counted.0.load(Ordering::Relaxed), 0, "the writer is not done");
        drop(wakes);
        assert_eq!(counted.0.load(Ordering::Relaxed), 1);
        assert_eq!(mailbox.take(), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_put_in_before_the_end_is_taken_before_the_end_is_seen() {
        let mailbox = Mailbox::default();
        let context = Context::from_waker(Waker::noop());
        mailbox.put([1], &mut Wakes::default());
        mailbox.shut();
        assert_eq!(mailbox.poll_take(&context), Poll::Ready(VecDeque::from([1])));
        assert_eq!(mailbox.poll_take(&context), Poll::Ready(VecDeque::new()));
    }

    #[tokio::test]
    async fn nothing_is_lost_between_a_writer_and_a_reader_on_two_threads() {
        const ALL: usize = 20_000;
        let mailbox = Arc::new(Mailbox::default());
        let writer = std::thread::spawn({
            let mailbox = Arc::clone(&mailbox);
            move || {
                for first in (0..ALL).step_by(10) {
                    let mut wakes = Wakes::default();
                    (first..first + 10).for_each(|number| mailbox.put([number], &mut wakes));
                }
                mailbox.shut();
            }
        });
        let mut taken = Vec::new();
        loop {
            let items = poll_fn(|context| mailbox.poll_take(context)).await;
            if items.is_empty() {
                break;
            }
            taken.extend(items);
        }
        writer.join().unwrap();
        assert_eq!(taken, (0..ALL).collect::<Vec<_>>());
    }
}
