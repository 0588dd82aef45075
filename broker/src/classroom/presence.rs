//! Who is here: people, not sockets. Somebody who drops off stays for a grace
//! period, so that a flickering network does not blink on the roster, and
//! changes are told together, not one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::bell::Bell;

/// The people of one classroom.
#[derive(Debug)]
pub struct Presence {
    inner: Mutex<Inner>,
    grace: Duration,
    stirred: Arc<Bell>,
}

#[derive(Debug, Default)]
struct Inner {
    here: BTreeMap<Arc<str>, Person>,
    anonymous: usize,
    told: BTreeSet<Arc<str>>,
    told_anonymous: usize,
}

#[derive(Debug, Default)]
struct Person {
    connections: usize,
    gone_since: Option<Instant>,
}

/// What the roster is told.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Notice {
    /// All who are here, to somebody who begins to watch.
    Snapshot {
        /// People with a name.
        here: Vec<Here>,
        /// Connections without one.
        anonymous: usize,
    },
    /// What changed since the last notice.
    Diff {
        /// Came.
        joined: Vec<Arc<str>>,
        /// Went, and did not come back within the grace period.
        left: Vec<Arc<str>>,
        /// Connections without a name.
        anonymous: usize,
    },
}

/// One person.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub struct Here {
    /// The user's name.
    pub user: Arc<str>,
    /// How many connections; 0 within the grace period.
    pub connections: usize,
}

impl Presence {
    /// An empty room.
    pub fn new(grace: Duration) -> Presence {
        Presence { inner: Mutex::default(), grace, stirred: Arc::default() }
    }

    /// Rings when somebody comes or goes.
    pub fn stirred(&self) -> Arc<Bell> {
        self.stirred.clone()
    }

    /// A connection shows that somebody is here.
    pub fn arrive(&self, user: Option<&Arc<str>>) {
        self.stirred.ring();
        let mut inner = self.lock();
        match user {
            None => inner.anonymous += 1,
            Some(user) => {
                let person = inner.here.entry(user.clone()).or_default();
                person.connections += 1;
                person.gone_since = None;
            }
        }
    }

    /// A connection of somebody ended or fell silent.
    pub fn leave(&self, user: Option<&Arc<str>>, now: Instant) {
        self.stirred.ring();
        let mut inner = self.lock();
        match user {
            None => inner.anonymous = inner.anonymous.saturating_sub(1),
            Some(user) => {
                let Some(person) = inner.here.get_mut(user) else { return };
                person.connections = person.connections.saturating_sub(1);
                if person.connections == 0 {
                    person.gone_since = Some(now);
                }
            }
        }
    }

    /// Everybody, for somebody who begins to watch.
    pub fn snapshot(&self) -> Notice {
        let inner = self.lock();
        let here = inner.here.iter();
        let here = here.map(|(user, person)| Here { user: user.clone(), connections: person.connections }).collect();
        Notice::Snapshot { here, anonymous: inner.anonymous }
    }

    /// What changed since the last time, if anything did. Those whose grace is over are gone.
    pub fn changes(&self, now: Instant) -> Option<Notice> {
        let mut inner = self.lock();
        let grace = self.grace;
        inner.here.retain(|_, person| person.gone_since.is_none_or(|since| now - since < grace));
        let here: BTreeSet<Arc<str>> = inner.here.keys().cloned().collect();
        let joined: Vec<_> = here.difference(&inner.told).cloned().collect();
        let left: Vec<_> = inner.told.difference(&here).cloned().collect();
        let anonymous = inner.anonymous;
        let changed = !joined.is_empty() || !left.is_empty() || anonymous != inner.told_anonymous;
        (inner.told, inner.told_anonymous) = (here, anonymous);
        changed.then_some(Notice::Diff { joined, left, anonymous })
    }

    /// When the first grace period ends.
    pub fn next_departure(&self) -> Option<Instant> {
        self.lock().here.values().filter_map(|person| person.gone_since).min().map(|since| since + self.grace)
    }

    /// How many are here or expected back.
    pub fn count(&self) -> usize {
        let inner = self.lock();
        inner.here.len() + inner.anonymous
    }

    /// Whether nobody is here and nobody is expected back.
    pub fn is_empty(&self) -> bool {
        let inner = self.lock();
        inner.here.is_empty() && inner.anonymous == 0 && inner.told.is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the roster")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(joined: &[&str], left: &[&str], anonymous: usize) -> Option<Notice> {
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        Some(Notice::Diff { joined: names(joined), left: names(left), anonymous })
    }

    #[test]
    fn people_are_counted_once_over_their_tabs() {
        let (presence, now, alice) = (Presence::new(Duration::from_secs(20)), Instant::now(), Arc::from("alice"));
        presence.arrive(Some(&alice));
        presence.arrive(Some(&alice));
        assert_eq!(presence.changes(now), diff(&["alice"], &[], 0));
        presence.leave(Some(&alice), now);
        assert_eq!(presence.changes(now + Duration::from_secs(60)), None);
    }

    #[test]
    fn a_flickering_network_does_not_show() {
        let (presence, now, bob) = (Presence::new(Duration::from_secs(20)), Instant::now(), Arc::from("bob"));
        presence.arrive(Some(&bob));
        presence.changes(now);
        presence.leave(Some(&bob), now);
        assert_eq!(presence.changes(now + Duration::from_secs(19)), None);
        presence.arrive(Some(&bob));
        assert_eq!(presence.changes(now + Duration::from_secs(40)), None);
        presence.leave(Some(&bob), now + Duration::from_secs(40));
        assert_eq!(presence.changes(now + Duration::from_secs(61)), diff(&[], &["bob"], 0));
        assert!(presence.is_empty());
    }

    #[test]
    fn notices_have_a_plain_json_form() {
        let presence = Presence::new(Duration::ZERO);
        presence.arrive(Some(&"alice".into()));
        presence.arrive(None);
        let text = serde_json::to_string(&presence.snapshot()).expect("serialises");
        assert_eq!(text, r#"{"type":"snapshot","here":[{"user":"alice","connections":1}],"anonymous":1}"#);
    }
}
