//! What a history amounts to.

use std::fmt;

use serde::Serialize;

use crate::Entry;

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A confirmed message is in the log in the end, where its RECEIPT said, unless retention may have removed it.
    ConfirmedIsKept,
    /// What a reader saw is in the log in the end.
    SeenIsKept,
    /// Nothing comes that nobody sent, changed, from another log, or that was refused.
    NothingInvented,
    /// A place in a log holds one message for ever, and a message has one place: so retries are stored once.
    OnePlaceEach,
    /// In a session positions grow, unless a repeat is announced.
    InOrder,
    /// In a session nothing of the log is left out, unless a gap is announced.
    NothingLeftOut,
    /// A reader that comes back begins no later than behind what it saw.
    ResumesWhereItWas,
    /// What was acknowledged with a RECEIPT does not come again.
    NothingBelowTheCursor,
    /// What a durable reader sees again is announced as a repeat.
    RepeatsAreMarked,
    /// What was confirmed before another was sent lies before it.
    RealTimeOrder,
    /// One publisher's messages lie in its order.
    PublisherOrder,
    /// Nobody reads what they may not, or may no more since a second.
    OnlyWhoMay,
    /// The same place looks the same to every reader, live and in replay.
    ReplayEqualsLive,
    /// When nothing disturbs, everything is answered and delivered within 10 s.
    InTime,
    /// What the broker counted is what everybody did and saw.
    BooksBalance,
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which promise.
    pub rule: Rule,
    /// What happened, in words.
    pub what: String,
    /// The few events that prove it, with their places in the history.
    pub evidence: Vec<(usize, Entry)>,
}

/// What a history amounts to.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Events in all.
    pub events: usize,
    /// Messages sent.
    pub sent: usize,
    /// Messages confirmed.
    pub confirmed: usize,
    /// Messages delivered, all readers together.
    pub received: usize,
    /// Messages in the logs in the end.
    pub kept: usize,
    /// The broken promises, a few proofs of each.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// The verdict, when nothing was broken.
    ///
    /// # Panics
    /// With the proofs, when something was.
    pub fn expect_clean(self, what: &str) -> Verdict {
        assert!(self.violations.is_empty(), "{what} broke promises\n{self}");
        self
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { events, sent, confirmed, received, kept, violations } = self;
        writeln!(f, "{events} events: {sent} sent, {confirmed} confirmed, {received} received, {kept} kept")?;
        for Violation { rule, what, evidence } in violations {
            writeln!(f, "\n{rule:?}: {what}")?;
            for (place, entry) in evidence {
                let line = serde_json::to_string(entry).map_err(|_| fmt::Error)?;
                writeln!(f, "  {place}: {line}")?;
            }
        }
        match violations.len() {
            0 => write!(f, "every promise was kept"),
            1 => write!(f, "\n1 proof of a broken promise"),
            count => write!(f, "\n{count} proofs of broken promises"),
        }
    }
}
