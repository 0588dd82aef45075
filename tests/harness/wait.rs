//! Waiting for events.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// How long anything may take before a test calls it missing. Generous: it only delays failures.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How often [`eventually`] looks again at something that cannot call back.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The future's output.
///
/// # Panics
/// When it takes longer than `deadline`; the message says `what` was awaited.
pub async fn within<T>(what: &str, deadline: Duration, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(deadline, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: nothing within {deadline:?}"),
    }
}

/// Looks until `look` finds something: for counters, files and processes, which send no event.
///
/// # Panics
/// When it found nothing until the deadline.
pub async fn eventually<T, F>(what: &str, deadline: Duration, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {deadline:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
