//! Those who come in: a few steps of theirs at a time, between the turns of all others.
//!
//! ```text
//!  a thousand CONNECTs ──► wait, in their order ──► a few ─┐
//!                                       ▲                  ├──► the runtime's queue ─┐
//!  classes that go on ──────────────────┼──────────────────┘                         │
//!                                       └────── once round the queue: a few more ◄───┘
//! ```
//!
//! The runtime's queue is first come, first served. After a break a thousand
//! newcomers stand in it, and the one message that a class waits for stands
//! behind them at every step of its way. So a newcomer that has something to say
//! waits in a queue of its own, and only a few at a time stand in that of all.
//!
//! A step is what was read and what follows from it at once: nobody holds one
//! while waiting for a peer or for the disk, so whoever stalls delays nobody.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::classroom::bell::Bell;

/// Steps that newcomers may take while everybody else has a turn.
const STEPS: usize = 32;
/// With so many left, nobody has to hurry.
const ENOUGH: usize = STEPS / 2;
/// Where a turn of everybody takes long, newcomers still take so many steps in each of its milliseconds.
const STEPS_PER_MILLISECOND: u128 = 16;
/// However long it took.
const STEPS_MAX: usize = 1024;

/// All newcomers of a broker.
#[derive(Debug)]
pub struct Arrivals {
    round: Arc<Round>,
    /// Rings when there are few steps left.
    bell: Arc<Bell>,
}

/// What is left of the steps, until there are new ones.
#[derive(Debug)]
struct Round {
    left: Semaphore,
    /// Whether everybody else has a turn just now.
    goes: AtomicBool,
}

impl Default for Arrivals {
    /// Nobody yet. Begins a task that ends with it.
    fn default() -> Arrivals {
        let round = Arc::new(Round { left: Semaphore::new(STEPS), goes: AtomicBool::new(false) });
        let bell = Arc::<Bell>::default();
        tokio::spawn(go_round(Arc::downgrade(&round), bell.clone()));
        Arrivals { round, bell }
    }
}

impl Arrivals {
    /// Takes a step, if there is one left and nobody waits for it.
    pub(super) fn try_step(&self) -> bool {
        let taken = self.round.left.try_acquire().map(SemaphorePermit::forget).is_ok();
        self.round.ask_for_more(&self.bell);
        taken
    }

    /// Takes a step after all who asked before.
    pub(super) fn step(&self) -> impl Future<Output = ()> + Send + use<> {
        let (round, bell) = (self.round.clone(), self.bell.clone());
        async move {
            // The semaphore is never closed; were it so, nobody would have to wait.
            if let Ok(step) = round.left.acquire().await {
                step.forget();
            }
            round.ask_for_more(&bell);
        }
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        // The task looks for the round, and ends.
        self.bell.ring();
    }
}

impl Round {
    fn ask_for_more(&self, bell: &Bell) {
        if self.is_needed() {
            bell.ring();
        }
    }

    /// Whether there are few steps left and nothing has been done about it. If so, it is the caller's to do.
    fn is_needed(&self) -> bool {
        self.left.available_permits() < ENOUGH && !self.goes.swap(true, Ordering::AcqRel)
    }
}

/// When there are few steps left, gives new ones as soon as all others had a turn.
async fn go_round(round: Weak<Round>, bell: Arc<Bell>) {
    loop {
        bell.heard().await;
        loop {
            let began = Instant::now();
            tokio::task::yield_now().await;
            let Some(round) = round.upgrade() else { return };
            let in_time = usize::try_from(began.elapsed().as_millis() * STEPS_PER_MILLISECOND).unwrap_or(STEPS_MAX);
            let wanted = in_time.clamp(STEPS, STEPS_MAX);
            round.left.add_permits(wanted.saturating_sub(round.left.available_permits()));
            round.goes.store(false, Ordering::Release);
            if !round.is_needed() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn use_up(arrivals: &Arrivals) {
        while arrivals.try_step() {}
    }

    #[tokio::test]
    async fn after_a_few_steps_all_others_have_a_turn() {
        let arrivals = Arrivals::default();
        assert_eq!((0..2 * STEPS).filter(|_| arrivals.try_step()).count(), STEPS);
        let mut first = Box::pin(arrivals.step());
        let mut second = Box::pin(arrivals.step());
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        first.await;
        assert!(second.now_or_never().is_some(), "it is its turn as well");
    }

    #[tokio::test]
    async fn steps_are_taken_in_the_order_they_were_asked_for() {
        let arrivals = Arrivals::default();
        use_up(&arrivals);
        let (order, waiting) = (std::cell::RefCell::new(Vec::new()), 3 * STEPS);
        let (order, arrivals) = (&order, &arrivals);
        let all = (0..waiting).map(|number| async move {
            arrivals.step().await;
            order.borrow_mut().push(number);
        });
        futures_util::future::join_all(all).await;
        assert!(order.borrow().iter().copied().eq(0..waiting));
    }

    #[tokio::test]
    async fn whoever_goes_while_waiting_takes_nothing_along() {
        let arrivals = Arrivals::default();
        use_up(&arrivals);
        let mut gone: Vec<_> = (0..STEPS_MAX).map(|_| Box::pin(arrivals.step())).collect();
        gone.iter_mut().for_each(|step| assert!(step.as_mut().now_or_never().is_none()));
        drop(gone);
        arrivals.step().await;
    }
}
