//! How long an answer that streams may go on, whether or not somebody reads it.
//!
//! A stream looks at its pass whenever it is asked for more, and is not asked while its socket takes nothing. What it
//! had handed over before would leave whenever its reader comes back. So somebody else looks as well, and what has not
//! ended by itself is cut: over HTTP/1.1 the connection, over HTTP/2 the one stream.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::sockjs::Session;
use crate::access::Pass;
use crate::router::Pattern;
use crate::transport::pipe::WhenForgotten;

/// So long a stream may take to end by itself.
pub(super) const END_WITHIN: Duration = Duration::from_millis(500);

/// What a stream needs to go on; it goes with its answer.
#[derive(Clone, Debug)]
pub(super) enum Lease {
    /// As long as these may be read.
    Reading(Arc<Pass>, Vec<Arc<Pattern>>),
    /// As long as the session may hear what it has not been handed yet.
    Hearing(Arc<Session>),
}

/// Who is told that a lease is over.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The connection.
    pub(super) connection: Arc<Notify>,
    /// What can be cut without the connection.
    pub(super) stream: Option<Arc<Notify>>,
}

/// Looks after a lease as long as this lives, and tells when it is over.
pub(super) struct Watch {
    lease: Lease,
    told: Told,
    watching: Watching,
}

/// Who looks.
enum Watching {
    Task(AbortHandle),
    /// The session, as long as this is kept.
    Session(#[allow(dead_code, reason = "it is called through the session")] WhenForgotten),
}

impl Told {
    pub(super) fn tell(&self) {
        self.stream.iter().for_each(|stream| stream.notify_one());
        self.connection.notify_one();
    }
}

impl Lease {
    /// Has these told of its end.
    pub(super) fn watch(self, told: Told) -> Watch {
        let watching = match &self {
            Lease::Reading(pass, _) => {
                let (pass, lease, told) = (pass.clone(), self.clone(), told.clone());
                let watching = tokio::spawn(async move {
                    pass.until(|_| lease.is_over()).await;
                    told.tell();
                });
                Watching::Task(watching.abort_handle())
            }
            Lease::Hearing(session) => {
                let told = told.clone();
                let tells: WhenForgotten = Arc::new(move || told.tell());
                session.far.when_forgotten(&tells);
                Watching::Session(tells)
            }
        };
        Watch { lease: self, told, watching }
    }

    fn is_over(&self) -> bool {
        match self {
            Lease::Reading(pass, patterns) => {
                patterns.iter().any(|pattern| pass.may_subscribe(pattern, false).is_err())
            }
            Lease::Hearing(session) => session.far.is_forgotten(),
        }
    }
}

impl Watch {
    /// Whether what has been handed over must not leave as if nothing had happened: its stream is to be reset, which
    /// takes back what waits in front of its reader.
    pub(super) fn takes_back(&self) -> bool {
        // What a session says at its end is for whoever was told to go.
        self.told.stream.is_some() && matches!(self.lease, Lease::Reading(..)) && self.lease.is_over()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Watching::Task(task) = &self.watching {
            task.abort();
        }
        // The stream has ended, but what it handed over may not have left.
        if self.lease.is_over() {
            self.told.connection.notify_one();
        }
    }
}
