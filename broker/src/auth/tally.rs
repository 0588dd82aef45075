//! How often somebody was let in, and how often not.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Denied, Principal};

/// With what somebody came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// With nothing.
    Nothing,
    /// With a password.
    Password,
    /// With a token.
    Token,
    /// With a key.
    Key,
    /// With a ticket.
    Ticket,
}

impl Proof {
    /// All of them, with their labels.
    pub const ALL: [(Proof, &'static str); 5] = [
        (Proof::Nothing, "nothing"),
        (Proof::Password, "password"),
        (Proof::Token, "token"),
        (Proof::Key, "key"),
        (Proof::Ticket, "ticket"),
    ];
}

/// Why not, as [`Denied::label`] says it.
const REASONS: [&str; 9] =
    ["nothing", "password", "key", "ticket", "expired", "token", "failures", "busy", "unavailable"];

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Tally {
    let_in: [AtomicU64; Proof::ALL.len()],
    denied: [AtomicU64; REASONS.len()],
}

impl Tally {
    pub(super) fn count(&self, proof: Proof, answer: &Result<Principal, Denied>) {
        let counter = match answer {
            Ok(_) => self.let_in.get(proof as usize),
            Err(denied) => REASONS.iter().position(|reason| *reason == denied.label()).map(|at| &self.denied[at]),
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often somebody was let in, by what they came with.
    pub fn let_in(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Proof::ALL.iter().zip(&self.let_in).map(|((_, label), count)| (*label, count.load(Ordering::Relaxed)))
    }

    /// How often somebody was not, by the reason.
    pub fn denied(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.iter().zip(&self.denied).map(|(label, count)| (*label, count.load(Ordering::Relaxed)))
    }
}
