//! What somebody holds as long as they may stay.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::gatekeeper::Listed;
use super::hook::{Answer, Asker, Hook, Key, Question};
use crate::auth::{Clock, Identity, Principal};
use crate::classroom::bell::Bell;
use crate::refusals::{bad_request, code, refusal};
use crate::router::{Grants, Pattern};
use crate::settings::Act;
use homeroom_protocol::Refusal;

/// What somebody holds who was let in: who they are and what they may do.
///
/// It is shared by whatever they do at the same time, and by the gatekeeper, who
/// may take it back at any moment.
#[derive(Debug)]
pub struct Pass {
    person: Identity,
    inner: Mutex<Inner>,
    clock: Clock,
    /// For those who look at it beside the one whose bell it is.
    changed: Notify,
    /// Asks who else decides.
    asker: Option<Asker>,
    _listed: Option<Listed>,
}

#[derive(Debug)]
struct Inner {
    principal: Arc<Principal>,
    grants: Arc<Grants>,
    until: Option<Until>,
    is_revoked: bool,
    /// Rung when anything about it changes.
    bell: Arc<Bell>,
    /// Counts what was changed.
    version: u64,
}

/// A moment by both clocks. The monotonic one cannot be set back, the other one goes on while a machine sleeps.
#[derive(Clone, Copy, Debug)]
struct Until {
    instant: Instant,
    wall: SystemTime,
}

/// How a pass stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It holds, as it was when it had this version.
    Holds {
        /// Grows whenever rights change.
        version: u64,
    },
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

impl Pass {
    pub(super) fn new(
        person: Identity,
        principal: Arc<Principal>,
        grants: Grants,
        asker: Option<Asker>,
        (bell, clock): (Arc<Bell>, Clock),
        listed: Option<Listed>,
    ) -> Pass {
        let until = until(&principal, clock);
        let inner = Inner { principal, grants: Arc::new(grants), until, is_revoked: false, bell, version: 0 };
        Pass { person, inner: Mutex::new(inner), clock, changed: Notify::new(), asker, _listed: listed }
    }

    /// Whose it is, as messages and cursors name them.
    pub fn person(&self) -> &Identity {
        &self.person
    }

    /// What is known of them now.
    pub fn principal(&self) -> Arc<Principal> {
        self.inner().principal.clone()
    }

    /// What they may do now.
    pub fn grants(&self) -> Arc<Grants> {
        self.inner().grants.clone()
    }

    /// How it stands at this moment.
    pub fn standing(&self) -> Standing {
        let inner = self.inner();
        if inner.is_revoked {
            Standing::Revoked
        } else if inner.until.is_some_and(|until| until.left(self.clock).is_zero()) {
            Standing::Expired
        } else {
            Standing::Holds { version: inner.version }
        }
    }

    /// When its time is over, if ever.
    pub fn expires_at(&self) -> Option<Instant> {
        self.inner().until.map(|until| until.instant)
    }

    /// How long it still holds, if it ends.
    pub fn time_left(&self) -> Option<Duration> {
        self.inner().until.map(|until| until.left(self.clock))
    }

    /// Whether they may still be here.
    ///
    /// # Errors
    /// That the time is over, or that the pass was taken back.
    pub fn check(&self) -> Result<(), Refusal> {
        match self.standing() {
            Standing::Holds { .. } => Ok(()),
            Standing::Expired => Err(expired()),
            Standing::Revoked => Err(revoked()),
        }
    }

    /// Whether the rules allow a subscription. The hook may still refuse it.
    ///
    /// # Errors
    /// That it is not, or that the pass holds no more.
    pub fn may_subscribe(&self, wanted: &Pattern, shares: bool) -> Result<(), Refusal> {
        self.check()?;
        let grants = self.grants();
        let allowed = if shares { grants.may_join_group(wanted) } else { grants.may_subscribe(wanted) };
        if allowed {
            return Ok(());
        }
        let what = if shares { "subscribe in a group to" } else { "subscribe to" };
        Err(self.denied(what, &wanted.canonical()))
    }

    /// Whether the rules allow that a message is sent to a canonical path. The hook may still refuse it.
    ///
    /// # Errors
    /// That it may not, or that the pass holds no more.
    pub fn may_send(&self, path: &str) -> Result<(), Refusal> {
        self.check()?;
        if self.grants().may_send(path) { Ok(()) } else { Err(self.denied("send to", &format!("/{path}"))) }
    }

    /// Resolves when this holds of it, which is looked at whenever anything changes, and when its time is over.
    pub async fn until(&self, is_so: impl Fn(&Pass) -> bool) {
        loop {
            let changed = self.changed.notified();
            if is_so(self) {
                return;
            }
            match self.expires_at() {
                Some(expires) if expires > Instant::now() => {
                    // However it ends, it is looked at again.
                    let _ = timeout_at(expires, changed).await;
                }
                _ => changed.await,
            }
        }
    }

    /// Who else decides, if anybody.
    pub fn hook(&self) -> Option<&Arc<Hook>> {
        self.asker.as_ref().map(|asker| &asker.hook)
    }

    /// What the hook is to be asked before this is done; `None` if it is not asked for it. `destination` is canonical.
    pub fn question(&self, act: Act, destination: Option<&str>) -> Option<Question> {
        self.asker.as_ref()?.question(act, destination, &self.person, &self.principal())
    }

    /// What the hook decides about this, and until when that counts; `None` if it is not asked for it.
    ///
    /// # Errors
    /// That it refuses or does not answer, or that the pass holds no more.
    pub async fn decided(&self, act: Act, destination: Option<&str>) -> Result<Option<Instant>, Refusal> {
        let (Some(hook), Some(question)) = (self.hook(), self.question(act, destination)) else { return Ok(None) };
        let answer = hook.ask(&question).await;
        self.check()?;
        answer.check(&question).map(Some)
    }

    /// The same about several places, with every same question once.
    ///
    /// # Errors
    /// One of those that are refused, by its index, and why.
    pub async fn decided_all(&self, act: Act, destinations: &[String]) -> Result<(), (usize, Refusal)> {
        let Some(hook) = self.hook() else { return Ok(()) };
        let questions: Vec<Question> =
            destinations.iter().filter_map(|place| self.question(act, Some(place))).collect();
        let answers: HashMap<Key, Answer> = hook.ask_all(questions.clone()).await.into_iter().collect();
        self.check().map_err(|refusal| (0, refusal))?;
        (0..).zip(&questions).try_for_each(|(at, question)| match answers.get(question.key()) {
            Some(answer) => answer.check(question).map(drop).map_err(|refusal| (at, refusal)),
            // Another one was refused before this was asked for.
            None => Ok(()),
        })
    }

    /// Has this bell rung from now on when anything about it changes.
    pub fn hang(&self, bell: Arc<Bell>) {
        self.inner().bell = bell;
    }

    /// Takes what a newer proof of the same person says.
    ///
    /// # Errors
    /// A proof of somebody else, or a pass that was taken back.
    pub(super) fn renew(&self, principal: Arc<Principal>, grants: Grants) -> Result<(), Refusal> {
        if principal.user != self.person.user {
            let reason = "the new credentials are of another user than this connection";
            return Err(bad_request(reason, "Renew with credentials of the same user, or connect again as the other."));
        }
        let mut inner = self.inner();
        if inner.is_revoked {
            return Err(revoked());
        }
        inner.until = until(&principal, self.clock);
        inner.change(principal, grants);
        drop(inner);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Other rights from now on.
    pub(super) fn change(&self, principal: Arc<Principal>, grants: Grants) {
        let mut inner = self.inner();
        inner.until = until(&principal, self.clock);
        inner.change(principal, grants);
        drop(inner);
        self.changed.notify_waiters();
    }

    /// It holds no more.
    pub(super) fn revoke(&self) {
        let mut inner = self.inner();
        inner.is_revoked = true;
        inner.bell.ring();
        drop(inner);
        self.changed.notify_waiters();
    }

    fn denied(&self, what: &str, place: &str) -> Refusal {
        let principal = self.principal();
        let roles = principal.roles.join(", ");
        let who = if roles.is_empty() { "without a role one".to_owned() } else { format!("the role {roles}") };
        let reason = format!("{who} may not {what} {place}");
        let remedy = "Ask for credentials that name this classroom or role, or have the operator look at access.rules.";
        refusal(code::PERMISSION_DENIED, "permission denied", reason, false, remedy)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn change(&mut self, principal: Arc<Principal>, grants: Grants) {
        self.principal = principal;
        self.grants = Arc::new(grants);
        self.version += 1;
        self.bell.ring();
    }
}

impl Until {
    fn left(self, clock: Clock) -> Duration {
        let by_instant = self.instant.saturating_duration_since(Instant::now());
        self.wall.duration_since(clock.now()).unwrap_or_default().min(by_instant)
    }
}

/// When the proof ends, by both clocks.
fn until(principal: &Principal, clock: Clock) -> Option<Until> {
    let wall = principal.expires?;
    let left = wall.duration_since(clock.now()).unwrap_or_default();
    Some(Until { instant: Instant::now().checked_add(left)?, wall })
}

fn expired() -> Refusal {
    let remedy = "Connect again with new credentials. Before they expire they are renewed by a SEND to /app/auth.";
    refusal(code::EXPIRED, "token expired", "the time of the credentials is over", false, remedy)
}

fn revoked() -> Refusal {
    let reason = "the credentials were revoked";
    refusal(code::PERMISSION_DENIED, "revoked", reason, false, "Ask whoever gave them to you.")
}
