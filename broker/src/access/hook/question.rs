//! What is asked, as JSON.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use serde::Serialize;

use super::Hook;
use crate::auth::{Identity, Principal};
use crate::settings::Act;

/// Whether somebody may do something somewhere.
#[derive(Clone, Debug)]
pub struct Question {
    act: Act,
    destination: Option<Box<str>>,
    body: Bytes,
    key: Key,
}

/// Questions of the same text have the same key, and no others: that is what an answer is remembered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

/// Who asks, from where.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Whom to ask.
    pub(in crate::access) hook: Arc<Hook>,
    /// The address of the client.
    pub(in crate::access) from: IpAddr,
}

/// The text. What is not known is `null`.
#[derive(Serialize)]
struct Written<'a> {
    act: &'static str,
    destination: Option<&'a str>,
    user: Option<&'a str>,
    name: Option<&'a str>,
    roles: &'a [Box<str>],
    classrooms: &'a [Box<str>],
    client: Option<&'a str>,
    from: IpAddr,
}

impl Asker {
    /// What to ask; `None` if the hook is not asked for this. `destination` is canonical.
    pub(in crate::access) fn question(
        &self,
        act: Act,
        destination: Option<&str>,
        person: &Identity,
        principal: &Principal,
    ) -> Option<Question> {
        // To share is to read as well: whoever decides about reading alone is not passed by.
        let act = if act == Act::Group && !self.hook.decides(Act::Group) { Act::Subscribe } else { act };
        if !self.hook.decides(act) {
            return None;
        }
        let written = Written {
            act: act.name(),
            destination,
            user: principal.user.as_deref(),
            name: principal.name.as_deref(),
            roles: &principal.roles,
            classrooms: &principal.classrooms,
            client: person.client.as_deref(),
            from: self.from.to_canonical(),
        };
        let body = Bytes::from(serde_json::to_vec(&written).expect("a question is plain JSON"));
        let mut key = Key([0; 32]);
        key.0.copy_from_slice(digest(&SHA256, &body).as_ref());
        Some(Question { act, destination: destination.map(Into::into), body, key })
    }
}

impl Question {
    /// By what its answer is remembered.
    pub fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// In words: what somebody wanted.
    pub(super) fn wanted(&self) -> String {
        let place = self.destination.as_deref().unwrap_or_default();
        match self.act {
            Act::Connect => "connect".to_owned(),
            Act::Subscribe => format!("subscribe to {place}"),
            Act::Send => format!("send to {place}"),
            Act::Group => format!("subscribe in a group to {place}"),
        }
    }
}
