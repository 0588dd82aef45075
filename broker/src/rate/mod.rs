//! How often something may happen: a rate, and meters that say how long the next has to wait.
//!
//! The generic cell rate algorithm (ITU-T I.371): a meter is one moment, up to which all that was let through is
//! paid for. A meter that was left alone for a while lets a burst through. Whoever waits has its place: the
//! next waits behind it, and nobody has to ask twice.
//!
//! Never here: what happens so often, and to whom it is told.

mod publishing;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

pub use self::publishing::{Account, Publishing, TooFast};

/// What a meter lets through at once after it was left alone: as much as in this time by the clock.
const BURST: Duration = Duration::from_secs(2);

/// So many in a second, and a burst of two seconds' worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds that one costs.
    each: u64,
    /// Nanoseconds that a meter may be ahead of the clock.
    burst: u64,
}

/// What was let through by one rate. Shared by all whom it is shared by.
#[derive(Debug)]
pub struct Meter {
    born: Instant,
    /// Nanoseconds from then on: until when it is paid for.
    paid: AtomicU64,
}

impl Rate {
    /// So many in a second, at least one.
    pub fn per_second(count: usize) -> Rate {
        Rate { each: (1_000_000_000 / count.max(1) as u64).max(1), burst: nanos(BURST) }
    }

    /// So many in a second, on average.
    pub fn each_second(self) -> u64 {
        1_000_000_000 / self.each
    }

    /// The same, but for a burst of this time's worth.
    pub(crate) const fn with_burst(self, burst: Duration) -> Rate {
        Rate { burst: burst.as_nanos() as u64, ..self }
    }
}

impl Default for Meter {
    fn default() -> Meter {
        Meter { born: Instant::now(), paid: AtomicU64::new(0) }
    }
}

impl Meter {
    /// Lets `count` through together, and says after which wait. What is larger than a burst passes whole, and
    /// those behind it wait the longer.
    ///
    /// # Errors
    /// The wait, if it is longer than `longest`: then nothing was let through.
    pub fn pass(&self, rate: Rate, count: usize, longest: Duration) -> Result<Duration, Duration> {
        let (now, longest) = (self.now(), nanos(longest));
        let cost = rate.each.saturating_mul(count as u64);
        let mut paid = self.paid.load(Ordering::Relaxed);
        loop {
            let from = paid.max(now);
            let wait = (from - now).saturating_sub(rate.burst);
            if wait > longest {
                return Err(Duration::from_nanos(wait));
            }
            let until = from.saturating_add(cost);
            // Nothing else is read by who finds the new value: no order is needed.
            match self.paid.compare_exchange_weak(paid, until, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(Duration::from_nanos(wait)),
                Err(other) => paid = other,
            }
        }
    }

    /// Whether all is paid for: it is like a new one.
    pub fn is_at_rest(&self) -> bool {
        self.paid.load(Ordering::Relaxed) <= self.now()
    }

    fn now(&self) -> u64 {
        nanos(Instant::now().saturating_duration_since(self.born))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn paused<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime can be made").block_on(test)
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_after_the_other() {
        let (meter, rate) = (Meter::default(), Rate::per_second(10));
        let waits = [(); 24].map(|()| meter.pass(rate, 1, LONG).expect("it may wait").as_millis());
        assert_eq!((waits[0], waits[20], waits[21], waits[23]), (0, 0, 100, 300));
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!(meter.pass(rate, 1, Duration::ZERO), Err(Duration::from_millis(100)));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(meter.is_at_rest());
        assert_eq!(meter.pass(rate, 1, Duration::ZERO), Ok(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_larger_than_a_burst_passes_whole_and_what_follows_waits_for_it() {
        let (meter, rate) = (Meter::default(), Rate::per_second(10));
        assert_eq!(meter.pass(rate, 100, Duration::ZERO), Ok(Duration::ZERO));
        assert_eq!(meter.pass(rate, 1, Duration::from_secs(7)), Err(Duration::from_secs(8)));
        assert_eq!(meter.pass(rate, 1, Duration::from_secs(8)), Ok(Duration::from_secs(8)), "a refusal costs nothing");
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_has_more_than_the_rate_and_a_burst(
            per_second in 1_usize..50_000,
            steps in prop::collection::vec((0_u64..300_000, 1_usize..20), 1..200),
        ) {
            let rate = Rate::per_second(per_second);
            // When each was let through, and how many.
            let passed: Vec<(u64, usize)> = paused(async {
                let (meter, began) = (Meter::default(), Instant::now());
                let mut passed = Vec::new();
                for (micros, count) in steps {
                    tokio::time::advance(Duration::from_micros(micros)).await;
                    if let Ok(wait) = meter.pass(rate, count, Duration::from_secs(1)) {
                        passed.push((nanos(began.elapsed() + wait), count));
                    }
                }
                passed
            });
            prop_assert!(passed.is_sorted_by_key(|(at, _)| *at), "somebody overtook who had waited before");
            for (first, (from, _)) in passed.iter().enumerate() {
                let mut count = 0;
                for (at, more) in &passed[first..] {
                    // The last may be larger than what is left: it is paid for afterwards.
                    let allowed = (at - from + rate.burst) / rate.each + 1;
                    prop_assert!(count < allowed || count == 0, "{count} before {at}, {allowed} allowed from {from} on");
                    count += *more as u64;
                }
            }
        }

        #[test]
        fn who_stays_within_the_rate_never_waits(per_second in 1_usize..50_000, jitter in prop::collection::vec(0_u64..2_000_000_000, 1..100)) {
            let rate = Rate::per_second(per_second);
            paused(async {
                let meter = Meter::default();
                let mut sent = Duration::ZERO;
                for (number, late) in jitter.iter().enumerate() {
                    // Each is at most two seconds later than by the clock, and none is early.
                    let due = Duration::from_nanos(rate.each * number as u64 + late);
                    if due > sent {
                        tokio::time::advance(due - sent).await;
                        sent = due;
                    }
                    assert_eq!(meter.pass(rate, 1, Duration::ZERO), Ok(Duration::ZERO));
                }
            });
        }
    }
}
