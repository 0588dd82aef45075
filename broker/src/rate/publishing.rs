//! How fast messages may come: from one who sends, and into one classroom.
//!
//! ```text
//!  SEND, POST ─► the sender's own meter ─► the classroom's meter ─► the log
//!                 waits, or is refused      the same; but who says little passes
//! ```
//!
//! The sender's comes first, so that one who floods waits at its own meter. Where many flood one classroom, they wait
//! at the classroom's together. Whoever sends no more than a message a second there passes it at once, though it
//! counts: a teacher is heard, however loud the class.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use homeroom_protocol::Refusal;

use super::{Meter, Rate};
use crate::auth::{Principal, Source};
use crate::metrics::Limit;
use crate::refusals::{code, refusal};
use crate::settings::Limits;

/// Who sends no more than this is heard also in a classroom that takes no more.
const CALM: Rate = Rate { each: 1_000_000_000, burst: 0 }.with_burst(Duration::from_secs(10));
/// The role of programs that speak for a whole school.
const SERVICE: &str = "service";
/// From so many accounts on, those that are like new ones are let go.
const ACCOUNTS_KEPT_MIN: usize = 1024;

/// The rates of all who publish, and what some of them share.
#[derive(Debug)]
pub struct Publishing {
    per_user: Option<Rate>,
    per_service: Option<Rate>,
    per_classroom: Option<Rate>,
    longest_wait: Duration,
    /// Whether it is known who somebody is.
    knows_users: bool,
    users: Accounts<Arc<str>>,
    addresses: Accounts<IpAddr>,
}

/// One who publishes.
#[derive(Clone, Debug)]
pub struct Account {
    meters: Arc<Meters>,
    rate: Option<Rate>,
    limit: Limit,
}

#[derive(Debug, Default)]
struct Meters {
    all: Meter,
    /// By [`CALM`].
    calm: Meter,
}

/// What is shared under a name.
#[derive(Debug)]
struct Accounts<K>(Mutex<Known<K>>);

#[derive(Debug)]
struct Known<K> {
    meters: HashMap<K, Arc<Meters>>,
    /// At this number they are looked through.
    look_at: usize,
}

/// Messages come too fast to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFast {
    /// The limit.
    pub limit: Limit,
    /// The next would fit after this.
    pub wait: Duration,
    rate: Rate,
}

impl Publishing {
    /// As the settings say.
    pub fn new(limits: &Limits, knows_users: bool) -> Publishing {
        Publishing {
            per_user: limits.publish_per_user.map(Rate::per_second),
            per_service: limits.publish_per_service.map(Rate::per_second),
            per_classroom: limits.publish_per_classroom.map(Rate::per_second),
            longest_wait: limits.publish_wait,
            knows_users,
            users: Accounts::default(),
            addresses: Accounts::default(),
        }
    }

    /// A connection's: its user's, whom it shares it with all else of that user, or its own.
    pub fn of_connection(&self, principal: Option<&Principal>) -> Account {
        self.account(principal, Arc::default)
    }

    /// That of a request over HTTP: its user's, or that of the address it came from.
    pub fn of_request(&self, principal: Option<&Principal>, from: IpAddr) -> Account {
        self.account(principal, || self.addresses.of(from))
    }

    fn account(&self, principal: Option<&Principal>, of_stranger: impl FnOnce() -> Arc<Meters>) -> Account {
        let user = principal.and_then(|principal| principal.user.clone());
        // Where nobody asks who they are, all are trusted like services.
        let is_service = |known: &Principal| known.source == Source::Keys || known.has_role(SERVICE);
        let serves = !self.knows_users || principal.is_some_and(is_service);
        let meters = user.map_or_else(of_stranger, |user| self.users.of(user));
        match serves {
            true => Account { meters, rate: self.per_service, limit: Limit::PublishPerService },
            false => Account { meters, rate: self.per_user, limit: Limit::PublishPerUser },
        }
    }

    /// How long what is sent over STOMP may have to wait.
    pub fn longest_wait(&self) -> Duration {
        self.longest_wait
    }

    /// Lets messages into a classroom, and says after which wait.
    ///
    /// # Errors
    /// They would have to wait for too long.
    pub fn enter(&self, account: &Account, room: &Meter, count: usize, longest: Duration) -> Result<Duration, TooFast> {
        let Some(rate) = self.per_classroom else { return Ok(Duration::ZERO) };
        let passed = room.pass(rate, count, longest);
        if passed == Ok(Duration::ZERO) || account.meters.calm.pass(CALM, count, Duration::ZERO).is_err() {
            return passed.map_err(|wait| TooFast { limit: Limit::PublishPerClassroom, wait, rate });
        }
        if passed.is_err() {
            // It counts all the same, and others wait for it.
            let _ = room.pass(rate, count, Duration::MAX);
        }
        Ok(Duration::ZERO)
    }
}

impl Account {
    /// Lets messages of this one through, and says after which wait.
    ///
    /// # Errors
    /// They would have to wait for too long.
    pub fn pass(&self, count: usize, longest: Duration) -> Result<Duration, TooFast> {
        let Some(rate) = self.rate else { return Ok(Duration::ZERO) };
        let passed = self.meters.all.pass(rate, count, longest);
        passed.map_err(|wait| TooFast { limit: self.limit, wait, rate })
    }

    /// Which limit this one has.
    pub fn limit(&self) -> Limit {
        self.limit
    }
}

impl<K> Default for Accounts<K> {
    fn default() -> Accounts<K> {
        Accounts(Mutex::new(Known { meters: HashMap::new(), look_at: ACCOUNTS_KEPT_MIN }))
    }
}

impl<K: Eq + Hash> Accounts<K> {
    /// Those under this name. They are kept as long as they differ from new ones.
    fn of(&self, key: K) -> Arc<Meters> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.meters.len() >= known.look_at {
            known.meters.retain(|_, meters| Arc::strong_count(meters) > 1 || !meters.are_at_rest());
            known.look_at = (known.meters.len() * 2).max(ACCOUNTS_KEPT_MIN);
        }
        known.meters.entry(key).or_default().clone()
    }
}

impl Meters {
    fn are_at_rest(&self) -> bool {
        self.all.is_at_rest() && self.calm.is_at_rest()
    }
}

impl TooFast {
    /// Seconds after which it may be tried again, at least one.
    pub fn seconds(&self) -> u64 {
        (self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0)).max(1)
    }

    /// What is said about it.
    pub fn refusal(&self) -> Refusal {
        let key = self.limit.key();
        let (rate, seconds) = (self.rate.each_second(), self.seconds());
        let who =
            if self.limit == Limit::PublishPerClassroom { "this classroom takes" } else { "this sender may send" };
        let reason = format!("{who} {rate} messages a second, and the next would fit in {seconds} s");
        let remedy = format!("It was not stored. Send it again in {seconds} s, and more slowly, or have {key} raised.");
        refusal(code::TOO_MANY_REQUESTS, "too many requests", reason, true, &remedy)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn publishing(knows_users: bool) -> Publishing {
        let limits = Limits {
            publish_per_user: Some(10),
            publish_per_service: Some(1_000),
            publish_per_classroom: Some(100),
            ..Limits::default()
        };
        Publishing::new(&limits, knows_users)
    }

    fn principal(user: &str, role: &str) -> Principal {
        Principal { user: Some(user.into()), roles: [role.into()].into(), ..Principal::default() }
    }

    /// How many are let through at once.
    fn at_once(account: &Account) -> usize {
        std::iter::from_fn(|| account.pass(1, Duration::ZERO).ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn all_of_one_user_share_a_rate_and_strangers_have_their_own() {
        let publishing = publishing(true);
        let alice = principal("alice", "student");
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(at_once(&publishing.of_connection(Some(&alice))), 21);
        assert_eq!(at_once(&publishing.of_request(Some(&alice), from)), 0);
        assert_eq!(at_once(&publishing.of_connection(Some(&principal("bob", "student")))), 21);
        let nobody = Principal::default();
        assert_eq!(at_once(&publishing.of_connection(Some(&nobody))), 21);
        assert_eq!(at_once(&publishing.of_connection(Some(&nobody))), 21);
        assert_eq!(at_once(&publishing.of_request(Some(&nobody), from)), 21);
        assert_eq!(at_once(&publishing.of_request(Some(&nobody), from)), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn services_and_all_where_nobody_is_asked_have_the_rate_of_services() {
        let service = principal("quiz", "service");
        assert_eq!(at_once(&publishing(true).of_connection(Some(&service))), 2_001);
        assert_eq!(at_once(&publishing(false).of_connection(None)), 2_001);
    }

    #[tokio::test(start_paused = true)]
    async fn a_class_that_floods_waits_and_who_says_little_does_not() {
        let (publishing, room) = (publishing(true), Meter::default());
        let teacher = publishing.of_connection(Some(&principal("smith", "teacher")));
        let students: Vec<Account> = (0..40)
            .map(|number| publishing.of_connection(Some(&principal(&format!("student-{number}"), "student"))))
            .collect();
        let longest = Duration::from_secs(10);
        let mut refused = None;
        for round in 0..100 {
            for student in &students {
                refused = publishing.enter(student, &room, 1, longest).err().or(refused);
            }
            if round % 10 == 0 {
                assert_eq!(publishing.enter(&teacher, &room, 1, longest), Ok(Duration::ZERO), "round {round}");
            }
        }
        let refused = refused.expect("they are far beyond");
        assert_eq!(refused.limit, Limit::PublishPerClassroom);
        assert!((10..=11).contains(&refused.seconds()), "{refused:?}");
        let said = refused.refusal();
        assert_eq!((said.code, said.retryable), (111, true));
        assert!(said.reason.contains("100 messages a second"), "{said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn accounts_are_kept_as_long_as_they_are_not_like_new_ones() {
        let accounts = Accounts::<usize>::default();
        let held = accounts.of(0);
        let spent = accounts.of(1);
        spent.all.pass(Rate::per_second(1), 10_000, Duration::ZERO).expect("it is new");
        drop(spent);
        for key in 2..10_000 {
            drop(accounts.of(key));
            tokio::time::advance(Duration::from_nanos(1)).await;
        }
        assert!(accounts.0.lock().expect("whole").meters.len() <= ACCOUNTS_KEPT_MIN);
        assert!(Arc::ptr_eq(&held, &accounts.of(0)));
        assert!(!accounts.of(1).all.is_at_rest(), "nobody is new by going away");
    }
}
