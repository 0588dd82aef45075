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
