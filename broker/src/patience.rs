//! Patience with those who do the same again and again: programs that return by
//! themselves, every five seconds, for ever, whatever they are told.

use std::time::Duration;

/// Whoever does it again within this time is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(120);
/// So many are answered at once: a reload, a second device or a slip is no habit.
const FREE: u32 = 2;

/// How long the answer waits for one who did the same `before` times lately: not at all at first, then a
/// second, and twice as long each time, up to `longest`.
pub fn growing(before: u32, longest: Duration) -> Duration {
    match before.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(doublings) => Duration::from_secs(1 << doublings.min(16)).min(longest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_waits_and_each_twice_as_long_as_the_one_before() {
        let seconds = |longest| [0, 1, 2, 3, 4, 7, 8, u32::MAX].map(|before| growing(before, longest).as_secs());
        assert_eq!(seconds(Duration::from_secs(60)), [0, 0, 1, 2, 4, 32, 60, 60]);
        assert_eq!(seconds(Duration::ZERO), [0; 8]);
    }
}
