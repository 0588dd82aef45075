//! Whoever is let in is listed here, so that they can be found when something changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use homeroom_protocol::Refusal;

use super::hook::Asker;
use super::pass::Pass;
use super::revocations::{Revocation, RevocationError, Revocations};
use crate::auth::{Clock, Identity, Principal};
use crate::classroom::bell::Bell;
use crate::metrics::{Hits, Limit};
use crate::refusals::{code, refusal};
use crate::router::{Grants, Rights};

/// Gives passes, and takes them back.
#[derive(Debug)]
pub struct Gatekeeper {
    rights: Rights,
    revocations: Revocations,
    list: Arc<List>,
    per_user_max: usize,
    hits: Hits,
    clock: Clock,
}

/// The passes that are held.
#[derive(Debug, Default)]
struct List(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    next: u64,
    passes: HashMap<u64, Weak<Pass>>,
    /// How many each user holds.
    by_user: HashMap<Arc<str>, usize>,
}

/// The place of a pass in the list, given up with it.
#[derive(Debug)]
pub(super) struct Listed {
    number: u64,
    user: Option<Arc<str>>,
    list: Arc<List>,
}

impl Gatekeeper {
    /// Decides by these rules. One user holds at most `per_user_max` passes at a time, each until its proof ends by
    /// this clock.
    pub fn new(rights: Rights, revocations: Revocations, per_user_max: usize, hits: Hits, clock: Clock) -> Gatekeeper {
        Gatekeeper { rights, revocations, list: Arc::default(), per_user_max, hits, clock }
    }

    /// A pass for somebody who has shown who they are. `asker` asks who else decides, `bell` is rung when anything
    /// about it changes.
    ///
    /// # Errors
    /// What they have shown was revoked, or the user holds as many as are allowed.
    pub fn admit(
        &self,
        principal: Principal,
        client: Option<&str>,
        asker: Option<Asker>,
        bell: Arc<Bell>,
    ) -> Result<Arc<Pass>, Refusal> {
        let person = Identity::new(principal.user.as_deref(), client);
        let principal = Arc::new(principal);
        let mut held = self.list.held();
        // Under the lock: whoever is revoked now is either refused here or found in the list.
        let grants = self.grants(&principal)?;
        let (number, user) = (held.next, person.user.clone());
        if let Some(user) = &user {
            let count = held.by_user.entry(user.clone()).or_default();
            if *count >= self.per_user_max {
                self.hits.hit(Limit::ConnectionsPerUser);
                return Err(too_many(self.per_user_max));
            }
            *count += 1;
        }
        held.next += 1;
        let listed = Listed { number, user, list: self.list.clone() };
        let pass = Arc::new(Pass::new(person, principal, grants, asker, (bell, self.clock), Some(listed)));
        held.passes.insert(number, Arc::downgrade(&pass));
        Ok(pass)
    }

    /// Takes newer credentials of the same person.
    ///
    /// # Errors
    /// Somebody else's, or revoked ones.
    pub fn renew(&self, pass: &Pass, principal: Principal) -> Result<(), Refusal> {
        let principal = Arc::new(principal);
        let held = self.list.held();
        let grants = self.grants(&principal)?;
        let renewed = pass.renew(principal, grants);
        drop(held);
        renewed
    }

    /// Revokes, and tells everybody whom it concerns. Says how many there were.
    ///
    /// # Errors
    /// It could not be written down; whoever is here was told all the same.
    pub fn revoke(&self, revocation: &Revocation) -> Result<usize, RevocationError> {
        let kept = self.revocations.add(revocation.clone());
        let concerned = self.everybody().into_iter().filter(|pass| revocation.concerns(&pass.principal()));
        let told = concerned.map(|pass| self.look_again(&pass)).count();
        kept.map(|()| told)
    }

    /// Takes a revocation back. Those who were sent away may come again.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn restore(&self, revocation: &Revocation) -> Result<bool, RevocationError> {
        let known = self.revocations.remove(revocation)?;
        let concerned = self.everybody().into_iter().filter(|pass| revocation.concerns(&pass.principal()));
        concerned.for_each(|pass| self.look_again(&pass));
        Ok(known)
    }

    /// Takes for everybody what `now` says of them; whoever it does not know any more is sent away.
    pub fn look_at_everybody(&self, now: impl Fn(&Principal) -> Option<Principal>) {
        self.everybody().iter().for_each(|pass| self.look_at(pass, &now));
    }

    /// The same for one.
    pub fn look_at(&self, pass: &Pass, now: impl Fn(&Principal) -> Option<Principal>) {
        let known = pass.principal();
        match now(&known).map(Arc::new) {
            Some(principal) if principal == known => {}
            Some(principal) => match self.grants(&principal) {
                Ok(grants) => pass.change(principal, grants),
                Err(_) => pass.revoke(),
            },
            None => pass.revoke(),
        }
    }

    /// What is revoked.
    pub fn revocations(&self) -> Vec<Revocation> {
        self.revocations.list()
    }

    fn look_again(&self, pass: &Pass) {
        match self.grants(&pass.principal()) {
            Ok(grants) => pass.change(pass.principal(), grants),
            Err(_) => pass.revoke(),
        }
    }

    fn grants(&self, principal: &Arc<Principal>) -> Result<Grants, Refusal> {
        if self.revocations.refuses(principal) {
            let reason = "the credentials, or the user, were revoked";
            let remedy = "Ask whoever gave them to you for others.";
            return Err(refusal(code::UNAUTHORIZED, "revoked", reason, false, remedy));
        }
        Ok(self.rights.of(&self.revocations.without_removed(principal)))
    }

    /// All who hold a pass. They are looked at without the lock.
    fn everybody(&self) -> Vec<Arc<Pass>> {
        self.list.held().passes.values().filter_map(Weak::upgrade).collect()
    }
}

impl List {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut held = self.list.held();
        held.passes.remove(&self.number);
        if let Some(user) = &self.user
            && let Some(count) = held.by_user.get_mut(user)
        {
            *count -= 1;
            if *count == 0 {
                held.by_user.remove(user);
            }
        }
    }
}

fn too_many(most: usize) -> Refusal {
    let reason = format!("this user has {most} connections and requests open, which is the limit");
    let remedy = "Close some that are not used any more, or have limits.connections_per_user raised.";
    refusal(code::LIMIT, "too many connections", reason, true, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gatekeeper(per_user_max: usize) -> Gatekeeper {
        let (hits, clock) = (Hits::default(), Clock::default());
        Gatekeeper::new(Rights::default(), Revocations::default(), per_user_max, hits, clock)
    }

    fn admit(gatekeeper: &Gatekeeper, user: Option<&str>) -> Result<Arc<Pass>, Refusal> {
        let principal = Principal { user: user.map(Into::into), ..Principal::default() };
        gatekeeper.admit(principal, None, None, Arc::default())
    }

    #[test]
    fn a_user_holds_so_many_passes_and_others_are_not_counted_with_it() {
        let gatekeeper = gatekeeper(2);
        let held = [admit(&gatekeeper, Some("alice")).expect("one"), admit(&gatekeeper, Some("alice")).expect("two")];
        let refused = admit(&gatekeeper, Some("alice")).expect_err("three");
        assert_eq!((refused.code, refused.retryable), (code::LIMIT, true));
        assert!(admit(&gatekeeper, Some("bob")).is_ok());
        let nobody: Vec<_> = (0..5).map(|_| admit(&gatekeeper, None).expect("nobody in particular")).collect();
        drop((held, nobody));
        assert!(admit(&gatekeeper, Some("alice")).is_ok());
        let held = gatekeeper.list.held();
        assert!(held.passes.is_empty() && held.by_user.is_empty(), "something of them stays behind");
    }

    #[test]
    fn whoever_is_revoked_is_rung_and_nobody_else() {
        let gatekeeper = gatekeeper(2);
        let (alice, bob) =
            (admit(&gatekeeper, Some("alice")).expect("in"), admit(&gatekeeper, Some("bob")).expect("in"));
        assert_eq!(gatekeeper.revoke(&Revocation::User { user: "alice".into() }).expect("nothing is written"), 1);
        assert!(alice.check().is_err() && bob.check().is_ok());
        assert!(admit(&gatekeeper, Some("alice")).is_err());
        assert!(gatekeeper.restore(&Revocation::User { user: "alice".into() }).expect("nothing is written"));
        assert!(alice.check().is_err(), "what was taken back is not given back");
        assert!(admit(&gatekeeper, Some("alice")).is_ok());
    }

    #[test]
    fn whoever_is_no_longer_known_is_sent_away_and_others_have_what_is_said_now() {
        let gatekeeper = gatekeeper(2);
        let (alice, bob) =
            (admit(&gatekeeper, Some("alice")).expect("in"), admit(&gatekeeper, Some("bob")).expect("in"));
        gatekeeper.look_at_everybody(|known| {
            let is_bob = known.user.as_deref() == Some("bob");
            is_bob.then(|| Principal { roles: ["admin".into()].into(), ..known.clone() })
        });
        assert!(alice.check().is_err() && bob.may_send("topic/7b/quiz").is_ok());
    }
}
