//! Hashes of passwords: argon2id, a few at a time, on threads of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::{Denied, Secret};

/// Those who wait for a turn hold a connection each; beyond so many they are told to come again.
const WAITING_MAX: usize = 1024;
/// What one hash of the file may cost: 64 MiB and ten passes.
const MEMORY_KIB_MAX: u32 = 64 << 10;
const PASSES_MAX: u32 = 10;
const LANES_MAX: u32 = 4;

/// A hash of a password, as a PHC string: argon2id, 19 MiB, two passes, as OWASP advises.
///
/// # Errors
/// If the system gives no random salt.
pub fn hash(password: &Secret) -> Result<String, String> {
    let hash = Argon2::default().hash_password(password.expose().as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| format!("The password cannot be hashed: {error}."))
}

/// Whether a text is a hash that can be checked at a bounded cost.
pub(super) fn check(phc: &str) -> Result<(), &'static str> {
    let hash = PasswordHash::new(phc).map_err(|_| "is no hash: write it with `homeroom user passwd`")?;
    if hash.algorithm.as_str() != "argon2id" || hash.salt.is_none() || hash.hash.is_none() {
        return Err("is no argon2id hash: write it with `homeroom user passwd`");
    }
    let params = argon2::Params::try_from(&hash).map_err(|_| "has parameters that argon2 does not know")?;
    let bounded = params.m_cost() <= MEMORY_KIB_MAX && params.t_cost() <= PASSES_MAX && params.p_cost() <= LANES_MAX;
    if bounded { Ok(()) } else { Err("costs more than 64 MiB, ten passes and four lanes") }
}

/// Gives turns at hashing.
pub(super) struct Hashes {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// For users that are not there: it costs as much as a real one.
    nobody: String,
}

impl std::fmt::Debug for Hashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hashes").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// May hash one password.
pub(super) struct Turn {
    permit: OwnedSemaphorePermit,
    nobody: String,
}

impl Hashes {
    pub(super) fn new(at_once: usize) -> Hashes {
        let nobody = hash(&Secret::from("nobody's password")).expect("a system without random numbers runs nothing");
        Hashes { turns: Arc::new(Semaphore::new(at_once)), waiting: AtomicUsize::new(0), nobody }
    }

    /// Waits for a turn, first come, first served.
    pub(super) async fn turn(&self) -> Result<Turn, Denied> {
        struct Waits<'a>(&'a AtomicUsize);
        impl Drop for Waits<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waits = Waits(&self.waiting);
        if before >= WAITING_MAX {
            return Err(Denied::Busy);
        }
        let permit = self.turns.clone().acquire_owned().await.map_err(|_| Denied::Busy)?;
        Ok(Turn { permit, nobody: self.nobody.clone() })
    }
}

impl Turn {
    /// Whether the password has this hash. Goes on to its end also if nobody waits any more: `wrong` is called before
    /// the turn is given on, or whoever hangs up in time could guess for ever.
    pub(super) async fn verify(
        self,
        password: Secret,
        phc: Option<String>,
        wrong: impl FnOnce() + Send + 'static,
    ) -> bool {
        let Turn { permit, nobody } = self;
        let verified = tokio::task::spawn_blocking(move || {
            let (phc, is_somebody) = match phc {
                Some(phc) => (phc, true),
                None => (nobody, false),
            };
            let hash = PasswordHash::new(&phc).ok();
            let fits = |hash| Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok();
            let is_right = hash.is_some_and(fits) && is_somebody;
            if !is_right {
                wrong();
            }
            drop(permit);
            is_right
        });
        verified.await.unwrap_or(false)
    }
}
