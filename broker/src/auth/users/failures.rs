//! How often somebody may be wrong.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures are forgotten after this time.
const WINDOW: Duration = Duration::from_secs(60);
/// Names and addresses that are watched at once. A failure costs a hash, so few minutes see so many.
const WATCHED_MAX: usize = 16_384;

/// Wrong passwords of the last minute, by account and by address.
#[derive(Debug)]
pub(super) struct Failures {
    accounts: Recent<Box<str>>,
    addresses: Recent<IpAddr>,
}

impl Failures {
    pub(super) fn new(per_account: usize, per_address: usize) -> Failures {
        Failures { accounts: Recent::new(per_account), addresses: Recent::new(per_address) }
    }

    /// Whether one more attempt may be made; else, how long not.
    pub(super) fn check(&self, account: &str, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let waits = [self.accounts.wait(&Box::from(account), now), self.addresses.wait(&network(address), now)];
        waits.into_iter().flatten().max().map_or(Ok(()), Err)
    }

    /// One attempt was wrong.
    pub(super) fn count(&self, account: &str, address: IpAddr, now: Instant) {
        self.accounts.count(account.into(), now);
        self.addresses.count(network(address), now);
    }
}

/// An address as its owner has it: of IPv6, whole networks of 64 bits belong to one machine.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
        address => address,
    }
}

/// The times of the last failures of each, the oldest first; at most `max` of them.
#[derive(Debug)]
struct Recent<K> {
    max: usize,
    times: Mutex<HashMap<K, VecDeque<Instant>>>,
}

impl<K: Hash + Eq> Recent<K> {
    fn new(max: usize) -> Recent<K> {
        Recent { max, times: Mutex::default() }
    }

    fn wait(&self, key: &K, now: Instant) -> Option<Duration> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let times = times.get(key).filter(|times| times.len() >= self.max)?;
        let free = *times.front()? + WINDOW;
        (now < free).then(|| free - now)
    }

    fn count(&self, key: K, now: Instant) {
        let mut all = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= WATCHED_MAX && !all.contains_key(&key) {
            all.retain(|_, times| times.back().is_some_and(|last| now < *last + WINDOW));
            if all.len() >= WATCHED_MAX {
                return;
            }
        }
        let times = all.entry(key).or_default();
        if times.len() >= self.max {
            times.pop_front();
        }
        times.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn in_no_minute_are_there_more_failures_than_allowed() {
        let (failures, here) = (Failures::new(3, 100), address("10.0.0.1"));
        let mut looked_at = Vec::new();
        let mut now = Instant::now();
        for _ in 0..600 {
            if failures.check("alice", here, now).is_ok() {
                failures.count("alice", here, now);
                looked_at.push(now);
            }
            now += Duration::from_millis(700);
        }
        assert!(looked_at.windows(4).all(|four| four[3] - four[0] >= WINDOW), "{looked_at:?}");
        assert!(looked_at.len() >= 18, "{}", looked_at.len());
        assert!(failures.check("bob", here, now).is_ok());
    }

    #[test]
    fn an_address_may_not_try_one_account_after_the_other() {
        let (failures, now) = (Failures::new(10, 5), Instant::now());
        for name in 0..5 {
            failures.count(&format!("user-{name}"), address("2001:db8::1"), now);
        }
        assert_eq!(failures.check("someone", address("2001:db8::2"), now), Err(WINDOW));
        assert!(failures.check("someone", address("2001:db8:0:1::2"), now).is_ok());
        assert!(failures.check("someone", address("10.0.0.1"), now).is_ok());
        assert!(failures.check("someone", address("2001:db8::2"), now + WINDOW).is_ok());
    }

    #[test]
    fn what_is_watched_is_bounded() {
        let (failures, now) = (Failures::new(2, 2), Instant::now());
        for number in 0..WATCHED_MAX as u128 + 10 {
            failures.count(&number.to_string(), Ipv6Addr::from(number << 64).into(), now);
        }
        let watched = |failures: &Failures| failures.accounts.times.lock().unwrap().len();
        assert_eq!(watched(&failures), WATCHED_MAX);
        failures.count("later", address("::1"), now + WINDOW);
        assert_eq!(watched(&failures), 1);
    }

    #[test]
    fn an_address_of_ipv4_is_the_same_in_ipv6() {
        assert_eq!(network(address("::ffff:10.0.0.1")), address("10.0.0.1"));
    }
}
