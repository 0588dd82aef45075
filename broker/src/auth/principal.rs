//! What is known of a person or service once it has shown who it is.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest;

/// A person or service that has shown who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// The user's name, that of the sender in messages: `sub` of a token.
    pub user: Option<Arc<str>>,
    /// What they are called among people.
    pub name: Option<Arc<str>>,
    /// The roles whose rules hold for them.
    pub roles: Arc<[Box<str>]>,
    /// The classrooms that rules mean by `{classroom}`, as they are written in destinations.
    pub classrooms: Arc<[Box<str>]>,
    /// What they may do beside what their roles give: `("send", "/topic/7b/**")`. Keys of services have such.
    pub grants: Arc<[(Box<str>, Box<str>)]>,
    /// Until when that holds: `exp` of a token.
    pub expires: Option<SystemTime>,
    /// By what the proof can be revoked: `jti` of a token, the name of a key.
    pub proof: Option<Arc<str>>,
    /// Who says all this.
    pub source: Source,
    /// On what it rests; none where nothing is watched that could change.
    pub basis: Option<Basis>,
}

/// What a proof rests on: a password, a service's key, the key that signed a token. Compared and never shown; when it
/// changes, whoever was let in by it is sent away.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Basis([u8; 32]);

/// Where it is written what somebody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The proof itself, a token: it says the same as long as it holds.
    #[default]
    Proof,
    /// The file of users.
    Users,
    /// The file of keys.
    Keys,
}

impl Basis {
    /// Of these bytes, which are no other kind's by their `label`.
    pub(super) fn of(label: &'static str, bytes: &[u8]) -> Basis {
        let mut hash = digest::Context::new(&digest::SHA256);
        [label.as_bytes(), b"\0", bytes].into_iter().for_each(|part| hash.update(part));
        Basis(hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Debug for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Basis")
    }
}

impl Principal {
    /// Whether one of the roles is this.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| **own == *role)
    }
}
