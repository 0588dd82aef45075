//! How long a log keeps its records: values and pure decisions.

use std::time::Duration;

/// What a log keeps at most. A record goes as soon as one of the three says so;
/// cursors do not hold records back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The oldest age.
    pub age: Duration,
    /// The bytes of all records together, as [`crate::Record::cost`] counts them.
    pub bytes: u64,
    /// How many records.
    pub records: u64,
}

impl Default for Retention {
    /// Seven days and 64 MB, as many records as fit.
    fn default() -> Retention {
        Retention { age: Duration::from_secs(7 * 24 * 3600), bytes: 64_000_000, records: u64::MAX }
    }
}

impl Retention {
    /// Nothing goes by itself.
    pub const ENDLESS: Retention =
        Retention { age: Duration::from_millis(u64::MAX), bytes: u64::MAX, records: u64::MAX };

    /// Whether the oldest record, appended at `time`, goes when so many records and bytes are kept with it.
    pub(crate) fn lets_go(&self, records: u64, bytes: u64, time: u64, now: u64) -> bool {
        records > self.records || bytes > self.bytes || self.is_over(time, now)
    }

    /// Whether something of that time is too old.
    fn is_over(&self, time: u64, now: u64) -> bool {
        let age = u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX);
        time.saturating_add(age) < now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_three_limits_lets_the_oldest_record_go() {
        let retention = Retention { age: Duration::from_millis(100), bytes: 1000, records: 10 };
        assert!(!retention.lets_go(10, 1000, 500, 600));
        assert!(retention.lets_go(11, 1000, 500, 600));
        assert!(retention.lets_go(10, 1001, 500, 600));
        assert!(retention.lets_go(10, 1000, 500, 601));
    }

    #[test]
    fn an_endless_age_never_ends() {
        let retention = Retention { age: Duration::MAX, ..Retention::default() };
        assert!(!retention.lets_go(1, 1, 0, u64::MAX));
    }
}
