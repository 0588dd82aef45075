//! Passwords that were right, so that a class that comes back at once does not
//! cost three hundred hashes.
//!
//! # Why is that safe?
//!
//! What is kept is HMAC-SHA256, with a random key that never leaves this process,
//! of user, password and the hash that the file has for them. Without the key
//! it tells nothing. Whoever can read the key in our memory can read passwords
//! there as they arrive. And since the file's hash is a part of it, a changed
//! password or a removed user is not remembered.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use tokio::time::Instant;

use super::User;
use crate::auth::Secret;

/// About a megabyte. Beyond, new pairs are not remembered until old ones have gone.
const PAIRS_MAX: usize = 16_384;

pub(super) struct Remembered {
    key: hmac::Key,
    lasts: Duration,
    until: Mutex<HashMap<[u8; 32], Instant>>,
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered").finish_non_exhaustive()
    }
}

impl Remembered {
    /// Remembers for so long; never, if that is zero.
    pub(super) fn new(lasts: Duration) -> Remembered {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).expect("a system without random numbers runs nothing");
        Remembered { key: hmac::Key::new(hmac::HMAC_SHA256, &*key), lasts, until: Mutex::default() }
    }

    /// Whether this password was right a while ago.
    pub(super) fn knows(&self, user: &User, password: &Secret, now: Instant) -> bool {
        if self.lasts.is_zero() {
            return false;
        }
        let tag = self.tag(user, password);
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner).get(&tag).copied();
        until.is_some_and(|until| now < until)
    }

    /// This password is right.
    pub(super) fn keep(&self, user: &User, password: &Secret, now: Instant) {
        if self.lasts.is_zero() {
            return;
        }
        let tag = self.tag(user, password);
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= PAIRS_MAX {
            until.retain(|_, until| now < *until);
        }
        if until.len() < PAIRS_MAX {
            until.insert(tag, now + self.lasts);
        }
    }

    fn tag(&self, user: &User, password: &Secret) -> [u8; 32] {
        let mut tag = hmac::Context::with_key(&self.key);
        for part in [&user.name, password.expose(), &user.password] {
            // With its length in front, so that no two triples are the same bytes.
            tag.update(&(part.len() as u64).to_be_bytes());
            tag.update(part.as_bytes());
        }
        tag.sign().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, hash: &str) -> User {
        let (name, password) = (name.to_owned(), hash.to_owned());
        User { name, password, roles: Vec::new(), classrooms: Vec::new(), called: None }
    }

    #[test]
    fn a_pair_is_remembered_for_a_while_and_nothing_like_it() {
        let (remembered, now) = (Remembered::new(Duration::from_secs(60)), Instant::now());
        let (alice, password) = (user("alice", "hash"), Secret::from("password"));
        remembered.keep(&alice, &password, now);
        assert!(remembered.knows(&alice, &password, now + Duration::from_secs(59)));
        assert!(!remembered.knows(&alice, &password, now + Duration::from_secs(60)));
        let others = [
            ("alice", "hash", "passwore"),
            ("alicf", "hash", "password"),
            ("alice", "other", "password"),
            ("alicep", "hash", "assword"),
            ("alice", "dhash", "passwor"),
        ];
        for (name, hash, password) in others {
            assert!(!remembered.knows(&user(name, hash), &password.into(), now), "{name} {hash} {password}");
        }
    }

    #[test]
    fn for_no_time_nothing_is_remembered() {
        let (remembered, now) = (Remembered::new(Duration::ZERO), Instant::now());
        remembered.keep(&user("alice", "hash"), &"password".into(), now);
        assert!(!remembered.knows(&user("alice", "hash"), &"password".into(), now));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (remembered, now) = (Remembered::new(Duration::from_secs(1)), Instant::now());
        let keep = |number: usize, now| remembered.keep(&user(&number.to_string(), ""), &"p".into(), now);
        (0..PAIRS_MAX + 10).for_each(|number| keep(number, now));
        assert_eq!(remembered.until.lock().unwrap().len(), PAIRS_MAX);
        keep(0, now + Duration::from_secs(2));
        assert_eq!(remembered.until.lock().unwrap().len(), 1);
    }
}
