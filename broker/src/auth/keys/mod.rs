//! Keys of services: long and random, shown once, kept as SHA-256.
//!
//! # Why not argon2, as for passwords?
//!
//! A slow hash protects what can be guessed. A key has 256 random bits; who
//! cannot guess those gains nothing from a fast hash, and a service that sends a
//! request for every message must not wait for a slow one.

mod file;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

pub use self::file::{Key, KeyFile};
use super::files::Fault;
use super::principal::{Basis, Source};
use super::watched::Watched;
use super::{Denied, Principal, Secret, register};

/// Keys begin with this, so that they are found where they should not be: in code and in logs.
const PREFIX: &str = "hr_";
const RANDOM_BYTES: usize = 32;
const TEXT_BYTES: usize = PREFIX.len() + 43;

/// Whether this has the form of a key.
pub fn looks_like_one(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// A new key, and what is kept of it.
///
/// # Errors
/// If the system gives no random numbers.
pub fn generate() -> Result<(Secret, String), String> {
    let mut random = zeroize::Zeroizing::new([0; RANDOM_BYTES]);
    getrandom::fill(&mut *random).map_err(|error| format!("There are no random numbers: {error}."))?;
    let key = Secret::from(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&*random)));
    let kept = HEXLOWER.encode(digest::digest(&digest::SHA256, key.expose().as_bytes()).as_ref());
    Ok((key, kept))
}

/// Checks keys against those of a file.
#[derive(Debug)]
pub(super) struct Keys(Watched<ByHash>);

/// Finding a key by its hash takes as long for a wrong one as for a right one, as far as a guesser could use it:
/// whoever could choose the hash could as well choose the key.
#[derive(Debug)]
struct ByHash {
    by_hash: HashMap<[u8; 32], Arc<Key>>,
    by_basis: HashMap<Basis, Arc<Key>>,
}

impl Keys {
    pub(super) fn open(path: PathBuf) -> Result<Keys, Fault> {
        Watched::register("access.keys", path, "homeroom key add", ByHash::read).map(Keys)
    }

    /// Reads the file again if it changed; says whether it did.
    pub(super) fn look(&self) -> bool {
        self.0.look()
    }

    /// What the file says now of a service that came in by a key; none if it has another one by now.
    pub(super) fn current(&self, known: &Principal) -> Option<Principal> {
        let keys = self.0.now();
        let now = keys.by_basis.get(known.basis.as_ref()?).map(|key| key.principal())?;
        (now.user == known.user).then_some(now)
    }

    /// Whose key this is, if it holds at `now`.
    pub(super) fn principal(&self, key: &Secret, now: SystemTime) -> Result<Principal, Denied> {
        if key.expose().len() != TEXT_BYTES || !looks_like_one(key.expose()) {
            return Err(Denied::Key);
        }
        let hash = digest::digest(&digest::SHA256, key.expose().as_bytes());
        let found = self.0.now().by_hash.get(hash.as_ref()).cloned().ok_or(Denied::Key)?;
        let principal = found.principal();
        if principal.expires.is_some_and(|expires| expires <= now) { Err(Denied::Key) } else { Ok(principal) }
    }
}

impl ByHash {
    fn read(text: &str) -> Result<ByHash, String> {
        let keys = register::parse::<KeyFile>(text)?.into_iter();
        let (mut by_hash, mut by_basis) = (HashMap::new(), HashMap::new());
        for key in keys {
            let hash = key.hash().ok_or("a hash is not 64 hexadecimal digits")?;
            let key = Arc::new(key);
            by_basis.insert(key.basis(), key.clone());
            if by_hash.insert(hash, key).is_some() {
                return Err("Two names have the same key: remove one.".to_owned());
            }
        }
        Ok(ByHash { by_hash, by_basis })
    }
}

impl Key {
    fn basis(&self) -> Basis {
        Basis::of("key", self.sha256.as_bytes())
    }

    fn principal(&self) -> Principal {
        let boxed = |texts: &[String]| texts.iter().map(|text| Box::from(text.as_str())).collect();
        let granted = |verb: &'static str, places: &[String]| {
            places
                .iter()
                .map(|place| (Box::from(verb), Box::from(place.as_str())))
                .collect::<Vec<(Box<str>, Box<str>)>>()
        };
        let mut grants = granted("send", &self.send);
        grants.extend(granted("subscribe", &self.subscribe));
        Principal {
            user: Some(self.name.as_str().into()),
            name: None,
            roles: boxed(&self.roles),
            classrooms: boxed(&self.classrooms),
            grants: grants.into(),
            expires: self.expires.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
            proof: Some(self.name.as_str().into()),
            source: Source::Keys,
            basis: Some(self.basis()),
        }
    }
}

#[cfg(test)]
mod tests;
