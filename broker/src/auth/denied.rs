//! Why somebody may not come in.

use std::time::Duration;

use super::token::Invalid;

/// Why credentials do not let somebody in. No text repeats a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There are no credentials, and nobody comes in without.
    #[error("nothing says who this is")]
    Nothing,
    /// No such user, or another password. Which of the two is nobody's business.
    #[error("the user or the password is wrong")]
    Password,
    /// No such key, or one that is no longer valid.
    #[error("the key is not known, or not any more")]
    Key,
    /// No such ticket, or one that was used or is too old.
    #[error("the ticket is not known, was used before, or is too old")]
    Ticket,
    /// The token was good once.
    #[error("the token has expired")]
    Expired,
    /// The token was never good here.
    #[error("the token is not valid: {0}")]
    Token(#[from] Invalid),
    /// The token is of somebody else than `login` says.
    #[error("the login is not the user of the token")]
    Login,
    /// Too many wrong passwords for this user, or from this address.
    #[error("too many failed attempts")]
    Failures {
        /// When the next attempt is looked at.
        again: Duration,
    },
    /// More passwords wait to be checked than can be.
    #[error("too many passwords are being checked at once")]
    Busy,
    /// The keys that tokens are checked with were never loaded.
    #[error("the keys that tokens are checked with cannot be had yet")]
    Unavailable,
}

impl Denied {
    /// Its number, as ERROR frames and problem documents carry it.
    pub fn code(&self) -> u16 {
        match self {
            Denied::Expired => 109,
            Denied::Failures { .. } | Denied::Busy => 111,
            Denied::Unavailable => 108,
            _ => 101,
        }
    }

    /// Whether the same credentials may do later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Denied::Failures { .. } | Denied::Busy | Denied::Unavailable)
    }

    /// One word, for metrics and the audit log.
    pub fn label(&self) -> &'static str {
        match self {
            Denied::Nothing => "nothing",
            Denied::Password => "password",
            Denied::Key => "key",
            Denied::Ticket => "ticket",
            Denied::Expired => "expired",
            Denied::Token(_) | Denied::Login => "token",
            Denied::Failures { .. } => "failures",
            Denied::Busy => "busy",
            Denied::Unavailable => "unavailable",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Denied::Nothing => {
                "Send a token as passcode or as `Authorization: Bearer …`, or login and passcode of a user."
            }
            Denied::Password => "Check login and passcode.",
            Denied::Key => "Ask the operator for a new key: `homeroom key add`.",
            Denied::Ticket => "Ask for a new ticket; each can be used once, and soon.",
            Denied::Expired => "Get a new token and connect again.",
            Denied::Token(_) => "Get a token that this broker accepts; the same one will be refused again.",
            Denied::Login => "Leave login empty, or send the token's own user.",
            Denied::Failures { .. } => "Wait a minute, then check login and passcode.",
            Denied::Busy | Denied::Unavailable => "Try again in some seconds.",
        }
    }
}
