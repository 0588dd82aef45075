//! What time it is, where a proof begins or ends.

use std::time::SystemTime;
#[cfg(test)]
use std::time::{Duration, UNIX_EPOCH};

#[cfg(test)]
use tokio::time::Instant;

/// The machine's clock; in tests also one that goes with tokio's time, which they can stop.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    #[cfg(test)]
    began: Option<(SystemTime, Instant)>,
}

impl Clock {
    /// Goes with tokio's time from now on, and begins at a whole second, as tokens end.
    #[cfg(test)]
    pub(crate) fn of_tokio() -> Clock {
        Clock { began: Some((UNIX_EPOCH + Duration::from_secs(2_000_000_000), Instant::now())) }
    }

    /// The time of day.
    pub fn now(self) -> SystemTime {
        #[cfg(test)]
        if let Some((wall, instant)) = self.began {
            return wall + instant.elapsed();
        }
        SystemTime::now()
    }
}
