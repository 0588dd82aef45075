//! Users with passwords, from a file.
//!
//! Checking a password is slow on purpose, so it happens on a thread of its own,
//! a few at a time, and only if it must:
//!
//! ```text
//!  remembered? ── yes ─────────────────────────────────────────────► in
//!      │ no
//!  too many failures? ── yes ─► wait a minute
//!      │ no
//!  a turn at the hashes (one at a time) ─► argon2id ── right ─► remembered, in
//!                                             └─ wrong ─► counted, out
//! ```
//!
//! An unknown user costs the same hash as a known one. A pair that was right is
//! let in also while others guess: guessing locks nobody out who was in before.

mod failures;
mod file;
mod hash;
mod remembered;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::time::Instant;

use self::failures::Failures;
pub(super) use self::file::check_lists;
pub use self::file::{User, UserFile};
use self::hash::Hashes;
pub use self::hash::hash;
use self::remembered::Remembered;
use super::files::Fault;
use super::principal::{Basis, Source};
use super::watched::Watched;
use super::{Denied, Principal, Secret, names, register};
use crate::settings::Access;

/// Longer passwords are refused; the file's own are shorter.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// The users of a file, by name.
#[derive(Debug)]
struct Directory(HashMap<Box<str>, User>);

/// Checks names and passwords.
#[derive(Debug)]
pub(super) struct Users {
    directory: Watched<Directory>,
    hashes: Hashes,
    remembered: Remembered,
    failures: Arc<Failures>,
}

impl Users {
    pub(super) fn open(path: PathBuf, settings: &Access) -> Result<Users, Fault> {
        Ok(Users {
            directory: Watched::register("access.users", path, "homeroom user add", Directory::read)?,
            hashes: Hashes::new(settings.hashes_at_once),
            remembered: Remembered::new(settings.passwords_remembered),
            failures: Arc::new(Failures::new(settings.login_failures_per_account, settings.login_failures_per_address)),
        })
    }

    /// Reads the file again if it changed; says whether it did.
    pub(super) fn look(&self) -> bool {
        self.directory.look()
    }

    /// What the file says now of a user who came in by a password; none if it is another one by now.
    pub(super) fn current(&self, known: &Principal) -> Option<Principal> {
        let now = self.directory.now().0.get(known.user.as_deref()?).map(User::principal)?;
        (now.basis == known.basis).then_some(now)
    }

    /// Who that is, if the password is theirs.
    pub(super) async fn principal(&self, name: &str, password: &Secret, from: IpAddr) -> Result<Principal, Denied> {
        // Nobody has an empty one: a client that asks without knowing of passwords costs no hash and no attempt.
        if names::user(name).is_err() || password.is_empty() || password.expose().len() > PASSWORD_BYTES_MAX {
            return Err(Denied::Password);
        }
        if let Some(user) = self.directory.now().0.get(name)
            && self.remembered.knows(user, password, Instant::now())
        {
            return Ok(user.principal());
        }
        let too_many = |again| Denied::Failures { again };
        self.failures.check(name, from, Instant::now()).map_err(too_many)?;
        let turn = self.hashes.turn().await?;
        // While we waited others may have guessed, and the file may have changed.
        self.failures.check(name, from, Instant::now()).map_err(too_many)?;
        let directory = self.directory.now();
        let user = directory.0.get(name);
        let (failures, account) = (self.failures.clone(), Box::<str>::from(name));
        let wrong = move || failures.count(&account, from, Instant::now());
        let is_right = turn.verify(password.clone(), user.map(|user| user.password.clone()), wrong).await;
        match user.filter(|_| is_right) {
            Some(user) => {
                self.remembered.keep(user, password, Instant::now());
                Ok(user.principal())
            }
            None => Err(Denied::Password),
        }
    }
}

impl Directory {
    fn read(text: &str) -> Result<Directory, String> {
        let users = register::parse::<UserFile>(text)?;
        Ok(Directory(users.into_iter().map(|user| (user.name.clone().into(), user)).collect()))
    }
}

impl User {
    fn principal(&self) -> Principal {
        let boxed = |texts: &[String]| texts.iter().map(|text| Box::from(text.as_str())).collect();
        Principal {
            user: Some(self.name.as_str().into()),
            name: self.called.as_deref().map(Arc::from),
            roles: boxed(&self.roles),
            classrooms: boxed(&self.classrooms),
            grants: Arc::default(),
            expires: None,
            proof: None,
            source: Source::Users,
            basis: Some(Basis::of("password", self.password.as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests;
