//! What was revoked: users, proofs, and the places of users in classrooms. It outlives a restart.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::auth::Principal;

/// So many are kept. A token that is over need not be revoked any more: its entry may be taken out.
const REVOCATIONS_MAX: usize = 100_000;

/// One thing that holds no more, from this moment on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Revocation {
    /// A user's place in a classroom: whatever a token says, it is not among theirs.
    Member {
        /// The user.
        user: Box<str>,
        /// The classroom, as it is written in tokens.
        classroom: Box<str>,
    },
    /// A user, whatever proof they bring.
    User {
        /// The user.
        user: Box<str>,
    },
    /// One proof: the `jti` of a token, or the name of a key.
    Proof {
        /// The `jti`.
        token: Box<str>,
    },
}

impl fmt::Display for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Revocation::Member { user, classroom } => write!(f, "user {user} in classroom {classroom}"),
            Revocation::User { user } => write!(f, "user {user}"),
            Revocation::Proof { token } => write!(f, "token {token}"),
        }
    }
}

impl Revocation {
    /// Whether it says something of this principal.
    pub fn concerns(&self, principal: &Principal) -> bool {
        let is_user = |user: &str| principal.user.as_deref() == Some(user);
        match self {
            Revocation::Member { user, .. } | Revocation::User { user } => is_user(user),
            Revocation::Proof { token } => principal.proof.as_deref() == Some(&**token),
        }
    }
}

/// Why a revocation was not kept.
#[derive(Debug, thiserror::Error)]
pub enum RevocationError {
    /// There are too many.
    #[error("{REVOCATIONS_MAX} revocations are kept: take some back whose tokens have expired")]
    Full,
    /// The file cannot be written.
    #[error("the revocations cannot be written to {path}: {source}")]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error(
        "the revocations in {path} cannot be read: {reason}. Nobody is let in by guessing: mend or remove the file."
    )]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// All of them.
#[derive(Debug, Default)]
pub struct Revocations {
    known: Mutex<BTreeSet<Revocation>>,
    path: Option<PathBuf>,
}

impl Revocations {
    /// Those that are kept in a file, which need not be there yet.
    ///
    /// # Errors
    /// A file that cannot be read as such: what it revoked must not come in again.
    pub fn open(path: &Path) -> Result<Revocations, RevocationError> {
        let unreadable = |reason: String| RevocationError::Read { path: path.to_owned(), reason };
        let known = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        Ok(Revocations { known: Mutex::new(known), path: Some(path.to_owned()) })
    }

    /// Adds one. It holds at once; when this returns, it is also on the disk.
    pub(super) fn add(&self, revocation: Revocation) -> Result<(), RevocationError> {
        let mut known = self.known();
        if known.len() >= REVOCATIONS_MAX && !known.contains(&revocation) {
            return Err(RevocationError::Full);
        }
        known.insert(revocation);
        // Also if it was there: the disk may have failed the last time.
        self.keep(&known)
    }

    /// Takes one back; `false` if there was none.
    pub(super) fn remove(&self, revocation: &Revocation) -> Result<bool, RevocationError> {
        let mut known = self.known();
        if !known.remove(revocation) {
            return Ok(false);
        }
        self.keep(&known).map(|()| true).inspect_err(|_| {
            // It would be back after a restart: so it still holds.
            known.insert(revocation.clone());
        })
    }

    pub(super) fn list(&self) -> Vec<Revocation> {
        self.known().iter().cloned().collect()
    }

    /// Whether this principal is not let in at all.
    pub(super) fn refuses(&self, principal: &Principal) -> bool {
        let user = principal.user.as_deref().map(|user| Revocation::User { user: user.into() });
        let proof = principal.proof.as_deref().map(|token| Revocation::Proof { token: token.into() });
        let known = self.known();
        [user, proof].iter().flatten().any(|named| known.contains(named))
    }

    /// The principal without the classrooms it was removed from.
    pub(super) fn without_removed(&self, principal: &Arc<Principal>) -> Arc<Principal> {
        let Some(user) = principal.user.as_deref() else { return principal.clone() };
        let known = self.known();
        let member = |classroom: &str| Revocation::Member { user: user.into(), classroom: classroom.into() };
        let is_removed = |classroom: &str| known.contains(&member(classroom));
        if !principal.classrooms.iter().any(|classroom| is_removed(classroom)) {
            return principal.clone();
        }
        let classrooms = principal.classrooms.iter().filter(|classroom| !is_removed(classroom)).cloned().collect();
        Arc::new(Principal { classrooms, ..Principal::clone(principal) })
    }

    /// Writes all of them beside the old file, and puts that in its place.
    fn keep(&self, known: &BTreeSet<Revocation>) -> Result<(), RevocationError> {
        let Some(path) = &self.path else { return Ok(()) };
        let write = || {
            let new = path.with_extension("new");
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(known).map_err(io::Error::other)?)?;
            file.sync_all()?;
            std::fs::rename(&new, path)?;
            path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
        };
        write().map_err(|source| RevocationError::Write { path: path.clone(), source })
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<Revocation>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(user: &str, classroom: &str) -> Revocation {
        Revocation::Member { user: user.into(), classroom: classroom.into() }
    }

    fn alice() -> Arc<Principal> {
        Arc::new(Principal {
            user: Some("alice".into()),
            classrooms: ["7b".into(), "8a".into()].into(),
            proof: Some("token-1".into()),
            ..Principal::default()
        })
    }

    #[test]
    fn what_is_revoked_is_what_was_named() {
        let revoked = Revocations::default();
        for (revocation, refused) in [
            (Revocation::User { user: "bob".into() }, false),
            (Revocation::Proof { token: "alice".into() }, false),
            (member("alice", "7b"), false),
            (Revocation::Proof { token: "token-1".into() }, true),
        ] {
            revoked.add(revocation.clone()).expect("nothing is written");
            assert_eq!(revoked.refuses(&alice()), refused, "{revocation:?}");
        }
        assert_eq!(*revoked.without_removed(&alice()).classrooms, ["8a".into()]);
        assert!(!revoked.refuses(&Arc::new(Principal::default())));
    }

    #[test]
    fn what_is_revoked_outlives_a_restart_until_it_is_taken_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("revocations.json");
        let all = [member("alice", "7b"), Revocation::User { user: "bob".into() }];
        let revoked = Revocations::open(&path).expect("no file yet");
        all.iter().for_each(|one| revoked.add(one.clone()).expect("room on the disk"));
        let again = Revocations::open(&path).expect("what was written");
        assert_eq!(again.list(), all);
        assert!(again.remove(&all[0]).expect("room on the disk"));
        assert!(!again.remove(&all[0]).expect("nothing to write"));
        assert_eq!(Revocations::open(&path).expect("what was written").list(), all[1..]);
    }

    #[test]
    fn what_the_disk_did_not_take_is_written_when_it_is_said_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let (missing, one) = (dir.path().join("later"), member("alice", "7b"));
        let revoked = Revocations::open(&missing.join("revocations.json")).expect("no file yet");
        assert!(revoked.add(one.clone()).is_err());
        assert_eq!(*revoked.without_removed(&alice()).classrooms, ["8a".into()], "it holds all the same");
        std::fs::create_dir(&missing).expect("room on the disk");
        revoked.add(one.clone()).expect("room on the disk");
        assert_eq!(
            Revocations::open(&missing.join("revocations.json")).expect("a file").list(),
            std::slice::from_ref(&one)
        );
        std::fs::remove_dir_all(&missing).expect("the directory");
        assert!(revoked.remove(&one).is_err());
        assert_eq!(revoked.list(), [one], "what is still on the disk still holds");
    }

    #[test]
    fn a_file_that_is_damaged_lets_nobody_in_by_guessing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("revocations.json");
        for content in ["", "[{}]", "{\"user\":\"alice\"}", "[{\"user\":7}]", "[{\"user\":\"alice\",\"classroom\":7}]"]
        {
            std::fs::write(&path, content).expect("room on the disk");
            assert!(matches!(Revocations::open(&path), Err(RevocationError::Read { .. })), "{content}");
        }
    }
}
