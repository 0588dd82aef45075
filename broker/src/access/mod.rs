//! Who may be here, what they may do, and for how long.
//!
//! ```text
//!  credentials ─► auth ─► Principal ─► gatekeeper ─► Pass ─► connection, http
//!                  ▲                       ▲
//!  users, keys ────┘   revocations, rules ─┘   one word, and every pass it concerns is rung
//!                                              hook: asked as well, where there is one
//! ```
//!
//! A pass is asked when something is begun: a SEND, a SUBSCRIBE, a page, a
//! stream. What goes on for longer holds on to its pass and looks at it when its
//! bell rings or its time is over, so that a message costs nothing more.
//!
//! Never here: frames, sockets, how somebody proves who they are.

mod gatekeeper;
pub mod hook;
mod pass;
mod revocations;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use homeroom_protocol::Refusal;

pub use self::gatekeeper::Gatekeeper;
use self::hook::{Asker, Hook};
pub use self::pass::{Pass, Standing};
pub use self::revocations::{Revocation, RevocationError, Revocations};
use crate::auth::{Authenticator, Credentials, Denied, Principal, Secret, TicketError};
use crate::classroom::bell::Bell;
use crate::metrics::Hits;
use crate::refusals::{code, refusal};
use crate::router::{Rights, Rule};
use crate::settings::Act;

/// The door of a broker where not everybody may do everything.
#[derive(Debug)]
pub struct Access {
    authenticator: Arc<Authenticator>,
    gatekeeper: Gatekeeper,
    hook: Option<Arc<Hook>>,
}

impl Access {
    /// Decides by these rules, or by the usual ones if there are none. One user has at most `per_user_max` connections
    /// and requests at a time. What is revoked is kept in a file, or in memory. What the rules allow, `hook` may still
    /// refuse.
    ///
    /// # Errors
    /// The revocations that were kept cannot be read.
    pub fn open(
        authenticator: Arc<Authenticator>,
        rules: &[Rule],
        kept_in: Option<&Path>,
        per_user_max: usize,
        hits: Hits,
        hook: Option<Arc<Hook>>,
    ) -> Result<Access, RevocationError> {
        let rights = if rules.is_empty() { Rights::default() } else { Rights::new(rules.to_vec()) };
        let revocations = kept_in.map(Revocations::open).transpose()?.unwrap_or_default();
        let gatekeeper = Gatekeeper::new(rights, revocations, per_user_max, hits, authenticator.clock());
        Ok(Access { authenticator, gatekeeper, hook })
    }

    /// A pass for whoever brings these credentials. `bell` rings when anything about it changes.
    ///
    /// # Errors
    /// Why they may not come in.
    pub async fn let_in(
        &self,
        credentials: Credentials,
        client: Option<&str>,
        from: IpAddr,
        bell: Arc<Bell>,
    ) -> Result<Arc<Pass>, Refusal> {
        let principal = self.authenticator.authenticate(credentials, from).await;
        let principal = principal.map_err(|denied| denied_refusal(&denied))?;
        let asker = self.hook.clone().map(|hook| Asker { hook, from });
        let pass = self.gatekeeper.admit(principal, client, asker, bell)?;
        self.holds_still(&pass)?;
        pass.decided(Act::Connect, None).await?;
        Ok(pass)
    }

    /// Takes newer credentials of the same person.
    ///
    /// # Errors
    /// Credentials that let nobody in, or somebody else.
    pub async fn renew(&self, pass: &Pass, credentials: Credentials, from: IpAddr) -> Result<(), Refusal> {
        let principal = self.authenticator.authenticate(credentials, from).await;
        self.gatekeeper.renew(pass, principal.map_err(|denied| denied_refusal(&denied))?)?;
        self.holds_still(pass)
    }

    /// Files may have changed between the look at somebody's proof and the listing of the pass, and everybody who was
    /// listed may have been looked at meanwhile. Whoever is listed now and looked at once more was not overlooked.
    fn holds_still(&self, pass: &Pass) -> Result<(), Refusal> {
        self.gatekeeper.look_at(pass, |principal| self.authenticator.again(principal));
        pass.check()
    }

    /// A text that lets the same person in once, for where no header can be sent.
    ///
    /// # Errors
    /// Too many of them wait to be used.
    pub fn ticket(&self, pass: &Pass) -> Result<Secret, Refusal> {
        pass.check()?;
        let issued = self.authenticator.tickets().issue(Principal::clone(&pass.principal()));
        issued.map_err(|error| match error {
            TicketError::TooMany => {
                let remedy = "Use the tickets you have, or wait a minute: then the old ones are gone.";
                refusal(code::TOO_MANY_REQUESTS, "too many tickets", error.to_string(), true, remedy)
            }
            TicketError::NoRandom => {
                let remedy = "Try again; if it stays, tell the operator.";
                refusal(code::INTERNAL, "no ticket", error.to_string(), true, remedy)
            }
        })
    }

    /// Takes rights back and gives them back.
    pub fn gatekeeper(&self) -> &Gatekeeper {
        &self.gatekeeper
    }

    /// Looks again at everybody whenever the files of users and keys say something new, for ever.
    pub async fn keep_watch(self: Arc<Self>) {
        let mut changes = self.authenticator.changes();
        while changes.changed().await.is_ok() {
            self.gatekeeper.look_at_everybody(|principal| self.authenticator.again(principal));
        }
    }
}

/// What is said to somebody who may not come in.
fn denied_refusal(denied: &Denied) -> Refusal {
    let message = match denied.code() {
        code::EXPIRED => "token expired",
        code::TOO_MANY_REQUESTS => "too many requests",
        code::NOT_AVAILABLE => "not available",
        _ => "unauthorized",
    };
    refusal(denied.code(), message, denied.to_string(), denied.is_retryable(), denied.remedy())
}
