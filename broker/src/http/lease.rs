//! How long an answer that streams may go on, whether or not somebody reads it.
//!
//! A stream looks at its pass whenever it is asked for more, and is not asked while its socket takes nothing. What it
//! had handed over before would leave whenever its reader comes back. So somebody else looks as well, and the
//! connection of a stream that has not ended by itself is cut.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::access::Pass;
use crate::router::Pattern;

/// So long a stream may take to end by itself.
pub(super) const END_WITHIN: Duration = Duration::from_millis(500);

/// What a stream needs to go on; it goes with its answer.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pass: Arc<Pass>,
    patterns: Vec<Arc<Pattern>>,
}

/// Looks after a lease as long as this lives, and rings when it is over.
#[derive(Debug)]
pub(super) struct Watch {
    lease: Lease,
    over: Arc<Notify>,
    watching: AbortHandle,
}

impl Lease {
    /// It holds as long as these may be read.
    pub(super) fn new(pass: Arc<Pass>, patterns: Vec<Arc<Pattern>>) -> Lease {
        Lease { pass, patterns }
    }

    /// Has `over` told at its end.
    pub(super) fn watch(self, over: Arc<Notify>) -> Watch {
        let (lease, told) = (self.clone(), over.clone());
        let watching = tokio::spawn(async move {
            self.pass.until(|_| self.is_over()).await;
            told.notify_one();
        });
        Watch { lease, over, watching: watching.abort_handle() }
    }

    fn is_over(&self) -> bool {
        self.patterns.iter().any(|pattern| self.pass.may_subscribe(pattern, false).is_err())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watching.abort();
        // The stream has ended, but what it handed over may not have left.
        if self.lease.is_over() {
            self.over.notify_one();
        }
    }
}
