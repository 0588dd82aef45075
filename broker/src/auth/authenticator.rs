//! From what somebody brings along to who that is: all sources in one place.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::files::Fault;
use super::keys::Keys;
use super::principal::Source;
use super::tally::{Proof, Tally};
use super::tickets::Tickets;
use super::token::{self, Verifier};
use super::users::Users;
use super::{Clock, Credentials, Denied, Principal, Secret};
use crate::settings::Access;

/// How often the files are looked at: what is changed holds within a second.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(500);

/// Settings of `[access]` that cannot be used; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Unusable(pub Vec<Fault>);

/// Says who somebody is.
#[derive(Debug)]
pub struct Authenticator {
    is_open: bool,
    anonymous: Option<Box<str>>,
    users: Option<Users>,
    keys: Option<Keys>,
    tokens: Verifier,
    tickets: Tickets,
    tally: Arc<Tally>,
    changes: watch::Sender<u64>,
    clock: Clock,
}

impl Authenticator {
    /// Reads all files that the settings name, and checks that tokens can be checked. Asks no address yet.
    ///
    /// # Errors
    /// Everything that cannot be used: a broker that does not know whom to let in lets in nobody.
    pub fn open(settings: &Access) -> Result<Authenticator, Unusable> {
        let mut faults = Vec::new();
        let users = settings.users.clone().map(|path| Users::open(path, settings));
        let users = users.transpose().unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        let keys = settings.keys.clone().map(Keys::open).transpose().unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        let tokens = Verifier::open(&settings.jwt).map_err(|mut more| faults.append(&mut more));
        match tokens {
            Ok(tokens) if faults.is_empty() => Ok(Authenticator {
                is_open: !settings.is_asked_for(),
                anonymous: settings.anonymous.as_ref().map(|role| role.to_string().into()),
                users,
                keys,
                tokens,
                tickets: Tickets::default(),
                tally: Arc::default(),
                changes: watch::Sender::new(0),
                clock: Clock::default(),
            }),
            _ => Err(Unusable(faults)),
        }
    }

    /// The same by another clock.
    #[cfg(test)]
    pub(crate) fn going_by(self, clock: Clock) -> Authenticator {
        Authenticator { clock, ..self }
    }

    /// What it goes by.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether nobody has to show who they are: then names are taken at their word.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Fetches the keys of tokens where they have an address, at once and again and again, and keeps files fresh, for
    /// ever. An address that is out of reach keeps no broker from starting: passwords and keys do without.
    pub async fn keep_fresh(self: Arc<Self>) {
        let jwks = self.tokens.jwks().cloned();
        let fetching = async move {
            if let Some(jwks) = jwks {
                jwks.keep_fresh().await;
            }
        };
        tokio::join!(fetching, self.keep_looking());
    }

    async fn keep_looking(self: &Arc<Self>) {
        if self.users.is_none() && self.keys.is_none() && !self.tokens.has_files() {
            return;
        }
        let mut looks = tokio::time::interval(LOOKED_AT_EVERY);
        loop {
            looks.tick().await;
            let me = self.clone();
            // A panic there would be a bug, and must not end the looking.
            let _ = tokio::task::spawn_blocking(move || me.look()).await;
        }
    }

    /// Reads the files again that have changed.
    pub fn look(&self) {
        let users = self.users.as_ref().is_some_and(Users::look);
        let keys = self.keys.as_ref().is_some_and(Keys::look);
        let signers = self.tokens.look();
        if users || keys || signers {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Changes whenever a file of users, keys or signers of tokens said something new: who was let in before may not be any more.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Who that is.
    ///
    /// # Errors
    /// Why nobody comes in with that.
    pub async fn authenticate(&self, credentials: Credentials, from: IpAddr) -> Result<Principal, Denied> {
        let proof = credentials.proof();
        let answer = self.answer(credentials, from).await;
        self.tally.count(proof, &answer);
        if let Err(denied) = &answer {
            tracing::debug!(%from, why = denied.label(), "not let in");
        }
        answer
    }

    async fn answer(&self, credentials: Credentials, from: IpAddr) -> Result<Principal, Denied> {
        let (now, proof) = (self.clock.now(), credentials.proof());
        match credentials {
            Credentials::Nothing => self.nobody(),
            Credentials::Bearer(token) => self.tokens.principal(token.expose(), now).await,
            Credentials::ApiKey(key) => self.of_key(&key, now),
            Credentials::Ticket(ticket) => self.of_ticket(&ticket, now),
            Credentials::Login { user, password } => match proof {
                Proof::Key => named(self.of_key(&password, now), &user),
                Proof::Token => named(self.tokens.principal(password.expose(), now).await, &user),
                _ => self.of_password(&user, &password, from).await,
            },
        }
    }

    fn nobody(&self) -> Result<Principal, Denied> {
        let role = self.anonymous.clone().ok_or(Denied::Nothing)?;
        Ok(Principal { roles: [role].into(), ..Principal::default() })
    }

    fn of_key(&self, key: &Secret, now: SystemTime) -> Result<Principal, Denied> {
        self.keys.as_ref().ok_or(Denied::Key)?.principal(key, now)
    }

    fn of_ticket(&self, ticket: &Secret, now: SystemTime) -> Result<Principal, Denied> {
        let issued = self.tickets.redeem(ticket.expose()).ok_or(Denied::Ticket)?;
        // It was asked for with a token, a password or a key, and does not outlive that.
        let principal = self.again(&issued).ok_or(Denied::Ticket)?;
        if principal.expires.is_some_and(|expires| expires <= now) { Err(Denied::Expired) } else { Ok(principal) }
    }

    async fn of_password(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Principal, Denied> {
        match &self.users {
            Some(users) => users.principal(user, password, from).await,
            None => Err(Denied::Password),
        }
    }

    /// What is said now of somebody who was let in; `None` if they would not be any more. To be asked after
    /// [`Authenticator::changes`].
    pub fn again(&self, principal: &Principal) -> Option<Principal> {
        match principal.source {
            Source::Users => self.users.as_ref()?.current(principal),
            Source::Keys => self.keys.as_ref()?.current(principal),
            Source::Proof => self.tokens.still_accepts(principal).then(|| principal.clone()),
        }
    }

    /// Tickets, for those who have shown who they are.
    pub fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// What is counted.
    pub fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    /// The keys of tokens that come from an address.
    pub fn fetched_keys(&self) -> Option<Arc<token::Jwks>> {
        self.tokens.jwks().cloned()
    }
}

/// A login beside a token or a key must name the same user.
fn named(answer: Result<Principal, Denied>, login: &str) -> Result<Principal, Denied> {
    match answer {
        Ok(principal) if !login.is_empty() && principal.user.as_deref() != Some(login) => Err(Denied::Login),
        answer => answer,
    }
}

#[cfg(test)]
mod tests;
