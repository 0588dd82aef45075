//! Turns at catching up: those who are behind are served a few at a time, first
//! come, first served.
//!
//! After a break a whole school returns in the same second. If all of them read
//! and wrote at once, the last byte for each would leave at the very end, and a
//! class that goes on beside them would wait behind a thousand tasks. So each
//! waits for a turn; the first are done while the last still connect, and what
//! is live needs no turn at all.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::arrivals::Arrivals;

/// So many catch up at a time for each core. More make nobody faster and everybody else wait behind them: with
/// four, a live class beside 1,000 who returned had its messages after 10 ms, with one after 6 (medians).
const PER_CORE: usize = 1;
/// Who misses no more than so many of the newest messages is not behind: that is one short write.
pub(super) const BEHIND_MIN: u64 = 32;

/// All turns at catching up of a broker.
#[derive(Debug)]
pub struct Turns(Arc<Semaphore>);

/// Where one connection stands.
#[derive(Default)]
pub(super) enum Turn {
    /// It has not asked.
    #[default]
    None,
    /// Others are before it.
    Asked(Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>),
    /// It is its turn, until this is dropped.
    Taken { _permit: Option<OwnedSemaphorePermit> },
}

impl Default for Turns {
    fn default() -> Turns {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Turns(Arc::new(Semaphore::new(PER_CORE * cores)))
    }
}

impl Turn {
    /// Whether it is its turn now. If not, it has asked from here on.
    pub(super) fn take(&mut self, turns: &Turns) -> bool {
        if matches!(self, Turn::None) {
            *self = match turns.0.clone().try_acquire_owned() {
                Ok(permit) => Turn::Taken { _permit: Some(permit) },
                Err(_) => {
                    let asked = turns.0.clone().acquire_owned();
                    Turn::Asked(Box::pin(async { asked.await.ok() }))
                }
            };
        }
        matches!(self, Turn::Taken { .. })
    }

    /// Whether a newcomer may take a step now. If not, it has asked from here on.
    pub(super) fn step(&mut self, arrivals: &Arrivals) -> bool {
        if matches!(self, Turn::None) {
            *self = match arrivals.try_step() {
                true => Turn::Taken { _permit: None },
                false => Turn::Asked(Box::pin(arrivals.step().map(|()| None))),
            };
        }
        matches!(self, Turn::Taken { .. })
    }

    /// Whether others are before it.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self, Turn::Asked(_))
    }

    /// Resolves when it is its turn; only to be waited for when it has asked.
    pub(super) async fn comes(&mut self) -> Turn {
        match self {
            // The semaphore is never closed; were it so, nobody would have to wait.
            Turn::Asked(asked) => Turn::Taken { _permit: asked.await },
            Turn::None | Turn::Taken { .. } => std::future::pending().await,
        }
    }

    /// It is the next one's turn, if it was its own.
    pub(super) fn pass_on(&mut self) {
        if matches!(self, Turn::Taken { .. }) {
            *self = Turn::None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_given_in_the_order_they_were_asked_for() {
        let turns = Turns(Arc::new(Semaphore::new(1)));
        let [mut first, mut second, mut third] = [Turn::None, Turn::None, Turn::None];
        assert!(first.take(&turns) && !second.take(&turns));
        assert!(second.comes().now_or_never().is_none());
        assert!(!third.take(&turns) && third.comes().now_or_never().is_none());
        first.pass_on();
        assert!(!first.take(&turns), "others were before it");
        assert!(third.comes().now_or_never().is_none());
        second = second.comes().now_or_never().expect("it is its turn");
        assert!(second.take(&turns));
        drop(second);
        assert!(third.comes().now_or_never().is_some());
    }
}
