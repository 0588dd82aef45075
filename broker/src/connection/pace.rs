//! How fast this connection publishes: what comes too fast waits here, and its socket is not read meanwhile.

use homeroom_protocol::{Commit, Event, Operation, Refusal};
use tokio::time::{Duration, Instant};

use super::Connection;
use crate::classroom::Room;
use crate::metrics::Limit;
use crate::rate::{Account, TooFast};

/// Where the SEND or COMMIT that is looked at has got to on its way past the rates.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Whose messages these are; known with the first.
    account: Option<Box<Account>>,
    /// It has passed the rate of its sender.
    is_sent: bool,
    /// ... and those of its rooms.
    has_entered: bool,
    /// Then it goes on.
    goes_at: Option<Instant>,
    /// Why nothing more is taken up, as far as that was counted.
    stopped_by: Option<Limit>,
}

impl Pace {
    /// Another event is looked at.
    pub(super) fn begin(&mut self) {
        (self.is_sent, self.has_entered) = (false, false);
    }

    /// When what waits goes on.
    pub(super) fn goes_at(&self) -> Option<Instant> {
        self.goes_at
    }
}

impl Connection {
    /// Whether what is held waits for its time.
    pub(super) fn is_resting(&mut self) -> bool {
        let waits = self.pace.goes_at.is_some_and(|goes_at| Instant::now() < goes_at);
        if !waits {
            self.pace.goes_at = None;
        }
        waits
    }

    /// Lets an event past the rate of its sender; `false` if it has to wait first.
    ///
    /// # Errors
    /// It would have to wait for too long.
    pub(super) fn may_send_now(&mut self, event: &Event) -> Result<bool, Refusal> {
        let count = match event {
            Event::Send(_) => 1,
            Event::Commit(commit) => messages_of(commit),
            _ => return Ok(true),
        };
        if self.pace.is_sent || count == 0 {
            return Ok(true);
        }
        let longest = self.services.publishing.longest_wait();
        let passed = self.account().pass(count, longest);
        let limit = self.account().limit();
        self.pace.is_sent = true;
        self.wait_or_refuse(passed, limit)
    }

    /// Lets messages into their rooms; `false` if they have to wait first.
    ///
    /// # Errors
    /// They would have to wait for too long.
    pub(super) fn may_enter_now<'a>(
        &mut self,
        rooms: impl IntoIterator<Item = (&'a Room, usize)>,
    ) -> Result<bool, Refusal> {
        if self.pace.has_entered {
            return Ok(true);
        }
        self.account();
        let (Some(account), publishing) = (self.pace.account.as_deref(), &self.services.publishing) else {
            return Ok(true);
        };
        let longest = publishing.longest_wait();
        let enter = |(room, count): (&Room, usize)| publishing.enter(account, room.publishing(), count, longest);
        let passed = rooms.into_iter().map(enter).try_fold(Duration::ZERO, |wait, next| Ok(wait.max(next?)));
        self.pace.has_entered = true;
        self.wait_or_refuse(passed, Limit::PublishPerClassroom)
    }

    fn account(&mut self) -> &Account {
        let (permit, publishing) = (&self.permit, &self.services.publishing);
        self.pace.account.get_or_insert_with(|| {
            let principal = permit.as_ref().map(|permit| permit.principal());
            Box::new(publishing.of_connection(principal.as_deref()))
        })
    }

    fn wait_or_refuse(&mut self, passed: Result<Duration, TooFast>, limit: Limit) -> Result<bool, Refusal> {
        match passed {
            Ok(Duration::ZERO) => Ok(true),
            Ok(wait) => {
                self.services.metrics.hit(limit);
                self.pace.goes_at = Some(Instant::now() + wait);
                Ok(false)
            }
            Err(too_fast) => {
                self.services.metrics.hit(too_fast.limit);
                self.services.metrics.hit(Limit::PublishWait);
                Err(too_fast.refusal())
            }
        }
    }

    /// Counts each time that nothing more is taken up because of a limit.
    pub(super) fn note_stop(&mut self, limit: Option<Limit>) {
        if self.pace.stopped_by == limit {
            return;
        }
        self.pace.stopped_by = limit;
        if let Some(limit) = limit {
            self.services.metrics.hit(limit);
        }
    }
}

fn messages_of(commit: &Commit) -> usize {
    commit.operations.iter().filter(|operation| matches!(operation, Operation::Send(_))).count()
}
