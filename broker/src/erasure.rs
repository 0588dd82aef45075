//! What a person or a classroom left behind: which of it the store erases, and what is not in the store.
//!
//! Never here: how it is erased, and who may ask for it.

use std::fmt;
use std::sync::Arc;

use homeroom_storage::erase::{Erased, Erasure};
use homeroom_storage::{CursorKey, LogName, Message};
use serde_json::{Value, json};

use crate::auth::{Identity, names};
use crate::router::{Kind, segment_of};

/// Whose traces go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A classroom's, as it is written in tokens: `/topic/{classroom}/**` wherever the settings say that classrooms
    /// end, and queues that are named after it, `/queue/{classroom}` and `/queue/{classroom}/**`.
    Classroom(Box<str>),
    /// A user's: what they published anywhere, their private destinations, and their cursors.
    User(Box<str>),
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whose::Classroom(classroom) => write!(f, "classroom {classroom}"),
            Whose::User(user) => write!(f, "user {user}"),
        }
    }
}

impl Whose {
    /// One of the two.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn new(classroom: Option<&str>, user: Option<&str>) -> Result<Whose, String> {
        match (classroom, user) {
            (Some(name), None) => match names::classroom(name) {
                Ok(()) => Ok(Whose::Classroom(name.into())),
                Err(wrong) => Err(format!("the classroom {wrong}")),
            },
            (None, Some(name)) => match names::user(name) {
                Ok(()) => Ok(Whose::User(name.into())),
                Err(wrong) => Err(format!("the user {wrong}")),
            },
            _ => Err("it takes a classroom or a user, and not both".to_owned()),
        }
    }

    /// What the store is to erase.
    pub(crate) fn erasure(&self) -> Erasure {
        match self {
            Whose::Classroom(_) => {
                let whose = self.clone();
                Erasure { logs: Arc::new(move |log| whose.has_log(log)), set_aside: true, ..Erasure::nothing() }
            }
            Whose::User(user) => {
                let (log, sent, own) = (self.clone(), user.clone(), self.clone());
                Erasure {
                    logs: Arc::new(move |name| log.has_log(name)),
                    messages: Arc::new(move |message: &Message| message.publisher.as_deref() == Some(&*sent)),
                    cursors: Arc::new(move |key| own.has_cursor(key)),
                    set_aside: true,
                }
            }
        }
    }

    /// Whether all of a log is theirs.
    pub(crate) fn has_log(&self, log: &LogName) -> bool {
        let segments: Vec<&str> = log.as_str().split('/').collect();
        let is_named = |segment: &str, name: &str| segment_of(name).is_ok_and(|named| named == segment);
        match (self, Kind::of(log.as_str()).map(|(kind, _)| kind)) {
            // A room of this kind ends with its classroom.
            (Whose::Classroom(name), Some(Kind::Topic)) => segments.last().is_some_and(|last| is_named(last, name)),
            (Whose::Classroom(name), Some(Kind::Queue)) => is_named(segments[1], name),
            (Whose::User(name), Some(Kind::Private)) => is_named(segments[1], name),
            _ => false,
        }
    }

    fn has_cursor(&self, key: &CursorKey) -> bool {
        match self {
            Whose::Classroom(_) => false,
            Whose::User(user) => Identity::is_owner(user, &key.owner),
        }
    }

    /// What names them and is not the store's.
    fn left(&self) -> Vec<String> {
        let mut left = vec![
            "revocations.json in the data directory: what is revoked has to stay revoked. Take it back with DELETE \
             /v1/revocations once every token has expired"
                .to_owned(),
        ];
        if let Whose::User(user) = self {
            left.push(format!("the file of users, if access.users names one: homeroom user remove {user}"));
        }
        left.push("the audit log, if log.audit names one, and backups".to_owned());
        left
    }

    /// What came of it, for programs.
    pub(crate) fn object(&self, erased: &Erased) -> Value {
        let mut said = object(erased);
        said["left"] = json!(self.left());
        said
    }

    /// The same for people.
    pub(crate) fn text(&self, erased: &Erased) -> String {
        let left: String = self.left().iter().map(|left| format!("  - {left}\n")).collect();
        format!("{}It may still be named in:\n{left}", text(erased))
    }
}

/// What was counted, for programs.
pub(crate) fn object(erased: &Erased) -> Value {
    json!({
        "logs": erased.logs,
        "records": erased.records,
        "messages": erased.messages,
        "cursors": erased.cursors,
        "keys": erased.keys,
        "unreadable": erased.unreadable,
        "set_aside": erased.set_aside,
        "disk_bytes_before": erased.disk_bytes_before,
        "disk_bytes_after": erased.disk_bytes_after,
        "bytes_given_back": erased.disk_bytes_before.saturating_sub(erased.disk_bytes_after),
        "seconds": erased.took.as_secs_f64(),
    })
}

/// What was counted, for people.
pub(crate) fn text(erased: &Erased) -> String {
    let Erased { logs, records, messages, cursors, keys, unreadable, .. } = erased;
    let (before, after) = (erased.disk_bytes_before, erased.disk_bytes_after);
    let seconds = erased.took.as_secs_f64();
    let mut text = format!(
        "erased: {logs} whole logs, {records} records with {messages} messages, {cursors} cursors, {keys} idempotency \
         keys\non disk: {after} bytes, {before} before; it took {seconds:.1} s\n"
    );
    if *unreadable > 0 {
        text +=
            &format!("{unreadable} pieces could not be read: nothing of them is left, and they are named as damaged\n");
    }
    for name in &erased.set_aside {
        text += &format!("removed: {name}, a copy that was set aside as damaged\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_classroom_has_its_room_and_what_is_named_after_it() {
        let class = Whose::new(Some("7b"), None).expect("a name");
        for (log, expected) in [
            ("topic/7b", true),
            ("topic/course/7b", true),
            ("queue/7b", true),
            ("queue/7b/grading/$dead", true),
            ("topic/7bc", false),
            ("topic/7b/other", false),
            ("queue/grading/7b", false),
            ("user/7b", false),
        ] {
            assert_eq!(class.has_log(&LogName::new(log)), expected, "{log}");
        }
        assert!(Whose::new(Some("a/b"), None).expect("a name").has_log(&LogName::new("topic/a%2Fb")));
    }

    #[test]
    fn a_user_has_the_private_room_and_cursors_on_every_device() {
        let alice = Whose::new(None, Some("a/lice")).expect("a name");
        assert!(alice.has_log(&LogName::new("user/a%2Flice")) && !alice.has_log(&LogName::new("topic/a%2Flice")));
        let key = |owner: &str| CursorKey { log: LogName::new("topic/7b"), owner: owner.into(), name: "q".into() };
        for (owner, expected) in [
            ("user:a%2Flice", true),
            ("user:a%2Flice/tablet", true),
            ("user:a", false),
            ("user:a%2Flicea", false),
            ("client:a%2Flice", false),
        ] {
            assert_eq!(alice.has_cursor(&key(owner)), expected, "{owner}");
        }
    }

    #[test]
    fn it_is_one_of_the_two() {
        assert!(Whose::new(None, None).is_err() && Whose::new(Some("7b"), Some("alice")).is_err());
        assert!(Whose::new(None, Some("a\nb")).is_err() && Whose::new(Some(""), None).is_err());
    }
}
