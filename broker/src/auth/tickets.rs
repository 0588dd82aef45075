//! Tickets: who has shown who it is gets a text that stands for that, once and
//! soon. A browser's `EventSource` can send no header, and a token in an address
//! would end up in logs and histories; a used ticket is worth nothing there.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use tokio::time::Instant;

use super::{Principal, Secret};

/// A ticket is good for so long.
pub const LASTS: Duration = Duration::from_secs(60);
/// Tickets of one user that nobody has used yet. A page needs one for each stream that it opens.
const OPEN_PER_USER_MAX: usize = 32;
/// Tickets that nobody has used yet.
const OPEN_MAX: usize = 65_536;

/// Why there is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Of one user, or of all together.
    #[error("too many tickets have not been used yet")]
    TooMany,
    /// The system gives no random numbers.
    #[error("there are no random numbers")]
    NoRandom,
}

/// Tickets that nobody has used yet.
#[derive(Default)]
pub struct Tickets(Mutex<Open>);

#[derive(Default)]
struct Open {
    by_text: HashMap<Arc<str>, Principal>,
    /// All live equally long, so the first to be made is the first to end. Used ones stay here until then.
    by_age: VecDeque<(Instant, Arc<str>)>,
    per_user: HashMap<Option<Arc<str>>, usize>,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl Tickets {
    /// A ticket for whoever that is: 192 random bits as 32 characters that fit into an address.
    ///
    /// # Errors
    /// If too many wait to be used.
    pub fn issue(&self, principal: Principal) -> Result<Secret, TicketError> {
        self.issue_at(principal, Instant::now())
    }

    fn issue_at(&self, principal: Principal, now: Instant) -> Result<Secret, TicketError> {
        let mut random = [0; 24];
        getrandom::fill(&mut random).map_err(|_| TicketError::NoRandom)?;
        let text: Arc<str> = BASE64URL_NOPAD.encode(&random).into();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.forget_old(now);
        let own = open.per_user.get(&principal.user).copied().unwrap_or(0);
        if own >= OPEN_PER_USER_MAX || open.by_age.len() >= OPEN_MAX {
            return Err(TicketError::TooMany);
        }
        *open.per_user.entry(principal.user.clone()).or_default() += 1;
        open.by_age.push_back((now + LASTS, text.clone()));
        open.by_text.insert(text.clone(), principal);
        Ok(Secret::from(&*text))
    }

    /// Whom the ticket stands for. The ticket is gone after that.
    pub fn redeem(&self, ticket: &str) -> Option<Principal> {
        self.redeem_at(ticket, Instant::now())
    }

    fn redeem_at(&self, ticket: &str, now: Instant) -> Option<Principal> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.forget_old(now);
        open.take(ticket)
    }
}

impl Open {
    fn forget_old(&mut self, now: Instant) {
        while let Some((_, text)) = self.by_age.pop_front_if(|(until, _)| *until <= now) {
            self.take(&text);
        }
    }

    fn take(&mut self, text: &str) -> Option<Principal> {
        let principal = self.by_text.remove(text)?;
        if let Some(own) = self.per_user.get_mut(&principal.user) {
            *own -= 1;
            if *own == 0 {
                self.per_user.remove(&principal.user);
            }
        }
        Some(principal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Principal {
        Principal { user: Some("alice".into()), ..Principal::default() }
    }

    #[test]
    fn a_ticket_is_good_once_and_for_a_minute() {
        let tickets = Tickets::default();
        let (first, second) = (tickets.issue(alice()).unwrap(), tickets.issue(alice()).unwrap());
        assert_eq!((first.expose().len(), first != second), (32, true));
        assert_eq!(tickets.redeem(first.expose()), Some(alice()));
        assert_eq!(tickets.redeem(first.expose()), None);
        assert_eq!(tickets.redeem("no ticket"), None);
        assert_eq!(tickets.redeem_at(second.expose(), Instant::now() + LASTS), None);
    }

    #[test]
    fn one_user_cannot_use_up_the_tickets() {
        let tickets = Tickets::default();
        let own: Vec<_> = (0..OPEN_PER_USER_MAX).map(|_| tickets.issue(alice()).unwrap()).collect();
        assert_eq!(tickets.issue(alice()), Err(TicketError::TooMany));
        assert!(tickets.issue(Principal::default()).is_ok());
        tickets.redeem(own[0].expose()).unwrap();
        assert!(tickets.issue(alice()).is_ok());
        tickets.redeem_at("", Instant::now() + LASTS);
        let open = tickets.0.lock().unwrap();
        assert!(open.by_text.is_empty() && open.by_age.is_empty() && open.per_user.is_empty());
    }

    #[test]
    fn what_is_open_is_not_shown() {
        let tickets = Tickets::default();
        let ticket = tickets.issue(alice()).unwrap();
        assert!(!format!("{tickets:?} {ticket:?}").contains(ticket.expose()));
    }
}
