//! The file of users, as `homeroom user` writes it.

use serde::{Deserialize, Serialize};

use super::hash;
use crate::auth::names::{self, CLASSROOMS_MAX, ROLES_MAX};
use crate::auth::register::Register;

/// A user with a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name to sign in with.
    pub name: String,
    /// The password's hash: argon2id as a PHC string.
    pub password: String,
    /// Whose rules hold for them.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Where they belong.
    #[serde(default)]
    pub classrooms: Vec<String>,
    /// What they are called among people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// The file as a whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserFile {
    version: u8,
    #[serde(default)]
    users: Vec<User>,
}

impl Register for UserFile {
    type Entry = User;

    const HEADING: &'static str = "\
# Users of Homeroom: `homeroom user add`, `remove`, `passwd` and `list` change and
# show them while the broker runs. Passwords are kept as argon2id hashes.
";

    fn empty(version: u8) -> UserFile {
        UserFile { version, users: Vec::new() }
    }

    fn version(&self) -> u8 {
        self.version
    }

    fn entries(&mut self) -> &mut Vec<User> {
        &mut self.users
    }

    fn name_of(user: &User) -> &str {
        &user.name
    }

    fn check(user: &User) -> Result<(), String> {
        names::user(&user.name).map_err(|what| format!("name {what}"))?;
        hash::check(&user.password).map_err(|what| format!("password {what}"))?;
        check_lists(&user.roles, &user.classrooms)?;
        user.called.as_deref().map_or(Ok(()), names::called).map_err(|what| format!("called {what}"))
    }
}

/// Whether roles and classrooms are names, and not too many.
///
/// # Errors
/// What is wrong with them.
pub(in crate::auth) fn check_lists(roles: &[String], classrooms: &[String]) -> Result<(), String> {
    if roles.len() > ROLES_MAX || classrooms.len() > CLASSROOMS_MAX {
        return Err(format!("there are at most {ROLES_MAX} roles and {CLASSROOMS_MAX} classrooms"));
    }
    roles.iter().try_for_each(|role| names::role(role)).map_err(|what| format!("a role {what}"))?;
    classrooms.iter().try_for_each(|name| names::classroom(name)).map_err(|what| format!("a classroom {what}"))
}
