//! From a writer to one reader: what is put in together wakes the reader once.
//!
//! A channel wakes its reader at the first item, and a reader on another core is
//! there before the second: then each item costs a wake-up of its own. Here the
//! writer says when it is done.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, MutexGuard};

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
