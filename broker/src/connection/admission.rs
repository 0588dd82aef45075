//! Who this connection is, and whether it may go on: CONNECT, SEND to `/app/auth`, the time of a token, revocation.

use std::sync::Arc;

use homeroom_protocol::{Accepted, Connect, Event, Refusal, Send, Ticket};
use tokio::time::{Duration, Instant};

use super::decision::Decisions;
use super::notices::{Notices, Topic};
use super::publish;
use super::subscribe::Request;
use super::{Connection, Outcome, Phase};
use crate::access::{Pass, Standing};
use crate::audit::Line;
use crate::auth::{Credentials, Identity, Principal};
use crate::outside::random;
use crate::publication::Publication;

/// Where new credentials are sent.
const RENEW: &str = "/app/auth";
/// So long before its time is over a connection is told.
const WARNING: Duration = Duration::from_secs(60);

/// The pass of a connection, as far as it was looked at.
#[derive(Debug)]
pub(super) struct Permit {
    pub(super) pass: Arc<Pass>,
    /// What the hook decided, where there is one.
    pub(super) decisions: Option<Box<Decisions>>,
    /// The version of its rights that the subscriptions were looked at with.
    seen: u64,
    /// The end of its time was told.
    warned: bool,
}

impl Permit {
    pub(super) fn new(pass: Arc<Pass>) -> Box<Permit> {
        let decisions = pass.hook().map(|_| Box::default());
        Box::new(Permit { pass, decisions, seen: 0, warned: false })
    }

    /// What is known of whoever holds it.
    pub(super) fn principal(&self) -> Arc<Principal> {
        self.pass.principal()
    }

    /// When it is to be looked at next.
    pub(super) fn look_at(&self, now: Instant) -> Option<Instant> {
        let ends = self.pass.expires_at().map(|expires| {
            // Where nobody listens to the warning it stays unsaid, and is not due again and again.
            let warning = expires.checked_sub(WARNING).filter(|at| !self.warned && *at > now);
            warning.unwrap_or(expires)
        });
        let decided = self.decisions.as_ref().and_then(|decisions| decisions.again_at);
        ends.into_iter().chain(decided).min()
    }
}

impl Connection {
    /// Lets a client in: at once where everybody may come in, else when it is known who it is.
    pub(super) fn connect(&mut self, connect: Connect) -> Option<Event> {
        let Some(access) = self.services.access.clone() else {
            let person = Identity::new(connect.login.as_deref(), connect.client_id.as_deref());
            self.welcome(&connect, person);
            return None;
        };
        if let Some(permit) = &self.permit {
            let person = permit.pass.person().clone();
            self.welcome(&connect, person);
            return None;
        }
        let authorization = connect.headers.get("Authorization").or_else(|| connect.headers.get("authorization"));
        let said = Credentials::of_connect(connect.login.as_deref(), connect.passcode.as_deref(), authorization);
        let credentials = match self.brought.take() {
            Some(brought) if said == Credentials::Nothing => *brought,
            _ => said,
        };
        let (client, from, bell) = (connect.client_id.clone(), self.link.peer().ip(), self.bell.clone());
        self.wait_for(
            async move { Outcome::Admitted(access.let_in(credentials, client.as_deref(), from, bell).await) },
        );
        Some(Event::Connect(connect))
    }

    fn welcome(&mut self, connect: &Connect, person: Identity) {
        let now = Instant::now().into_std();
        self.notices = connect.errors_soft.then(|| Box::new(Notices::soft()));
        self.person = person;
        let limits = &self.services.settings.limits;
        self.link.raise_limit(usize::try_from(limits.body_bytes + limits.header_bytes + 1024).unwrap_or(usize::MAX));
        let session = random().map_or_else(|| "0".to_owned(), |number| format!("{number:016x}"));
        self.session_id = session.as_str().into();
        let user_name = self.person.user.as_ref().map(ToString::to_string);
        self.session.accept(Accepted { session, server: self.services.server.to_owned(), user_name }, now);
        self.services.metrics.connected(self.link.kind(), self.session.version());
        if let Some(audit) = &self.services.audit {
            audit.note(Line::connected(&self.person, self.link.peer().ip(), self.link.kind().name()));
        }
    }

    /// It is known who asks to come in.
    pub(super) fn admitted(&mut self, admitted: Result<Arc<Pass>, Refusal>) {
        match admitted {
            Ok(pass) => self.permit = Some(Permit::new(pass)),
            Err(refusal) => drop(self.refuse(None, refusal)),
        }
    }

    /// Reads a SEND that this client may make.
    pub(super) fn read_permitted(&self, send: &Send) -> Result<Publication, Refusal> {
        let rules = self.services.registry.rules();
        let publication = publish::read(rules, &self.person, &self.session_id, send)?;
        if let Some(permit) = &self.permit {
            permit.pass.may_send(&publication.place.path)?;
        }
        Ok(publication)
    }

    /// Whether this client may have a subscription.
    pub(super) fn may_have(&self, request: &Request) -> Result<(), Refusal> {
        let Some(permit) = &self.permit else { return Ok(()) };
        permit.pass.may_subscribe(&request.pattern, request.takes_from_a_class())
    }

    /// Takes a SEND of new credentials; gives back any other.
    pub(super) fn renew(&mut self, send: Send) -> Option<Send> {
        let (Some(access), Some(permit)) = (self.services.access.clone(), &self.permit) else { return Some(send) };
        if send.destination.replace('.', "/") != RENEW {
            return Some(send);
        }
        let header = |name| send.headers.get(name);
        let credentials = match header("passcode").or_else(|| header("Authorization")) {
            Some(value) => Credentials::of_authorization(value),
            None => Credentials::of_authorization(&String::from_utf8_lossy(&send.body)),
        };
        let (pass, from, ticket) = (permit.pass.clone(), self.link.peer().ip(), send.ticket);
        self.wait_for(
            async move { Outcome::Renewed { renewed: access.renew(&pass, credentials, from).await, ticket } },
        );
        None
    }

    /// The new credentials were looked at.
    pub(super) fn renewed(&mut self, renewed: Result<(), Refusal>, ticket: Option<Ticket>) {
        if let Err(refusal) = renewed {
            drop(self.decline(ticket, refusal));
            return;
        }
        let Some(permit) = &mut self.permit else { return };
        permit.warned = false;
        let left = permit.pass.time_left().map(|left| left.as_secs());
        if let Some(ticket) = ticket {
            let seconds = left.map(|left| left.to_string());
            let headers: Vec<(&str, &str)> = seconds.iter().map(|text| ("expires-in", text.as_str())).collect();
            self.session.confirm(ticket, &headers);
        }
        self.notify(Topic::Auth, &serde_json::json!({ "event": "renewed", "expires_in": left }));
    }

    /// Looks whether this client may still be here, and have what it has.
    pub(super) fn look_at_permit(&mut self) {
        let Some(permit) = &self.permit else { return };
        if !matches!(self.phase, Phase::Talking | Phase::Stopping { .. }) || !self.was_connected() {
            return;
        }
        match permit.pass.standing() {
            Standing::Holds { version } if version != permit.seen => {
                self.look_at_subscriptions(version);
                self.doubt_decisions();
            }
            Standing::Holds { .. } => {}
            Standing::Expired | Standing::Revoked => {
                if let Err(refusal) = permit.pass.check() {
                    self.link.forget_unread();
                    self.refuse(None, refusal);
                }
                return;
            }
        }
        self.look_at_decisions();
        self.warn();
    }

    /// Ends the subscriptions that are not allowed any more.
    fn look_at_subscriptions(&mut self, version: u64) {
        let Some(permit) = &mut self.permit else { return };
        permit.seen = version;
        let pass = permit.pass.clone();
        while let Some((index, refusal)) = self.subscriptions.iter().enumerate().find_map(|(index, known)| {
            let shares = known.takes_from_a_class();
            pass.may_subscribe(&known.pattern, shares).err().map(|refusal| (index, refusal))
        }) {
            self.withdraw_subscription(index, refusal);
        }
    }

    /// Somebody may not have a subscription any more.
    pub(super) fn withdraw_subscription(&mut self, index: usize, refusal: Refusal) {
        let mut subscription = self.subscriptions.remove(index);
        subscription.save();
        self.session.subscription_refused(&subscription.id);
        if !self.is_told_softly() {
            self.link.forget_unread();
        }
        self.decline(None, refusal);
    }

    /// Tells in time that the time will be over.
    pub(super) fn warn(&mut self) {
        let Some(permit) = self.permit.as_ref().filter(|permit| !permit.warned) else { return };
        let Some(left) = permit.pass.time_left().filter(|left| *left <= WARNING) else { return };
        let told = self.notify(Topic::Auth, &serde_json::json!({ "event": "expires", "expires_in": left.as_secs() }));
        if let Some(permit) = &mut self.permit {
            // Whoever does not listen now is told when they do.
            permit.warned = told;
        }
    }
}
