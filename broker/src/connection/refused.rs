//! Who was refused lately, and how often the same way.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use homeroom_protocol::Refusal;
use tokio::time::Instant;

use crate::auth::Identity;
use crate::patience::{REMEMBERED, growing};
use crate::refusals::code;

/// So many different refusals are remembered; the oldest are forgotten first.
const REMEMBERED_MAX: usize = 10_000;
/// Who is told to come back later may do so soon: what was in the way may be gone.
const RETRYABLE_DELAY_MAX: Duration = Duration::from_secs(2);

/// All refusals of a broker that are remembered, in bounded memory.
///
/// Two who share an address and differ in user, client or error never wait for each other. Of all that only a
/// hash under a secret key is kept: names may be long, and nobody can choose to collide with somebody else.
#[derive(Debug, Default)]
pub struct RecentRefusals {
    hasher: RandomState,
    known: Mutex<Generations>,
}

/// Two halves: when the young one is full, it takes the place of the old one.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<u64, Times>,
    old: HashMap<u64, Times>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    count: u32,
    forgotten_at: Instant,
}

impl RecentRefusals {
    /// Counts a refusal, and says how long its ERROR waits, up to `longest`. `person` is known once the
    /// connection is CONNECTED.
    pub(super) fn count(
        &self,
        address: IpAddr,
        person: Option<&Identity>,
        refusal: &Refusal,
        longest: Duration,
        now: Instant,
    ) -> Duration {
        if refusal.code == code::TAKEN_OVER {
            // Whoever takes over waits for it; who lost the subscription did nothing.
            return Duration::ZERO;
        }
        let longest = if refusal.retryable { longest.min(RETRYABLE_DELAY_MAX) } else { longest };
        let names = person.map(|person| (&person.user, &person.client));
        let who = self.hasher.hash_one((address, names, refusal.code));
        let mut known = self.known.lock().expect("nothing panics while it holds the refusals");
        known.count(who, longest, now)
    }
}

impl Generations {
    fn count(&mut self, who: u64, longest: Duration, now: Instant) -> Duration {
        let known = self.old.remove(&who).or_else(|| self.young.get(&who).copied());
        let before = known.filter(|known| known.forgotten_at > now).map_or(0, |known| known.count);
        let delay = growing(before, longest);
        self.young.insert(who, Times { count: before.saturating_add(1), forgotten_at: now + delay + REMEMBERED });
        if self.young.len() >= REMEMBERED_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        delay
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::refusals::refusal;

    const MINUTE: Duration = Duration::from_secs(60);
    const SCHOOL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    struct Door {
        refused: RecentRefusals,
        now: Instant,
    }

    impl Door {
        fn new() -> Door {
            Door { refused: RecentRefusals::default(), now: Instant::now() }
        }

        /// How many seconds the next refusal waits.
        fn refuse(&self, user: Option<&str>, code: u16, retryable: bool) -> u64 {
            let person = user.map(|user| Identity::new(Some(user), None));
            let refusal = refusal(code, "", "", retryable, "");
            self.refused.count(SCHOOL, person.as_ref(), &refusal, MINUTE, self.now).as_secs()
        }
    }

    #[test]
    fn the_same_refusal_waits_longer_each_time_and_is_forgotten_two_minutes_after_its_answer() {
        let mut door = Door::new();
        let waits = [0; 5].map(|_| door.refuse(Some("alice"), 102, false));
        assert_eq!(waits, [0, 0, 1, 2, 4]);
        door.now += REMEMBERED + Duration::from_secs(3);
        assert_eq!(door.refuse(Some("alice"), 102, false), 8, "the answer before went out after four seconds");
        door.now += REMEMBERED + Duration::from_secs(8);
        assert_eq!(door.refuse(Some("alice"), 102, false), 0);
    }

    #[test]
    fn neighbours_other_errors_and_strangers_are_counted_apart() {
        let door = Door::new();
        for _ in 0..9 {
            door.refuse(Some("alice"), 102, false);
        }
        for (user, code) in [(Some("bob"), 102), (Some("alice"), 107), (Some(""), 102), (None, 102)] {
            assert_eq!(door.refuse(user, code, false), 0, "{user:?} with {code}");
        }
        assert_eq!(door.refuse(Some("alice"), 102, false), 60);
    }

    #[test]
    fn who_may_come_back_soon_waits_little_and_who_was_taken_over_from_not_at_all() {
        let door = Door::new();
        for _ in 0..9 {
            door.refuse(None, code::NOT_AVAILABLE, true);
            assert_eq!(door.refuse(None, code::TAKEN_OVER, false), 0);
        }
        assert_eq!(door.refuse(None, code::NOT_AVAILABLE, true), 2);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_are_forgotten_first() {
        let (mut known, now) = (Generations::default(), Instant::now());
        for who in 0..100_000 {
            known.count(who, MINUTE, now);
            assert!(known.young.len() + known.old.len() <= REMEMBERED_MAX);
        }
        let mut waits = |who| [0; 3].map(|_| known.count(who, MINUTE, now).as_secs());
        assert_eq!(waits(99_999), [0, 1, 2], "the newest is remembered");
        assert_eq!(waits(0), [0, 0, 1], "the oldest is not");
    }
}
