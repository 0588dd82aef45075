//! Request and reply on one connection: `/temp-queue/{name}` in `reply-to`, and
//! what comes back.
//!
//! Nobody subscribes. The first SEND that names a queue in `reply-to` makes it,
//! and its replies go out like all that is for this connection alone.

use homeroom_protocol::{Commit, Event, Headers, Operation, Refusal, Send};
use homeroom_storage::Message;
use tokio::time::Instant;

use super::Connection;
use super::delivery::BATCH_BYTES;
use super::envelope;
use super::publish;
use crate::classroom::now_millis;
use crate::metrics::Limit;
use crate::refusals::{code, destination_refusal, refusal, unavailable};
use crate::replies::{NoQueue, OwnQueues, Reply, Slot};
use crate::router::{REPLY_QUEUE, reply_queue, temp_queue};

/// Where the answer to a message is to be sent.
const REPLY_TO: &str = "reply-to";

/// The reply queues of one connection.
#[derive(Debug)]
pub(super) struct Replies {
    queues: OwnQueues,
    /// So many were told.
    told: u64,
}

/// A reply that has room where it goes.
#[derive(Debug)]
pub(super) struct Prepared {
    slot: Slot,
    message: Message,
}

impl Prepared {
    /// Hands it over.
    pub(super) fn deliver(self) {
        self.slot.deliver(self.message);
    }
}

/// Whether a step of a transaction is a reply, which no log keeps.
pub(super) fn is_reply(operation: &Operation) -> bool {
    matches!(operation, Operation::Send(send) if reply_queue(&send.destination).is_some())
}

impl Connection {
    /// Gives each temporary queue that a SEND or COMMIT names in `reply-to` an address under which others reach it.
    ///
    /// # Errors
    /// What is wrong with the name, or that there are too many.
    pub(super) fn address_replies(&mut self, event: &mut Event) -> Result<(), Refusal> {
        match event {
            Event::Send(send) => self.address(&mut send.headers),
            Event::Commit(commit) => commit.operations.iter_mut().try_for_each(|operation| match operation {
                Operation::Send(send) => self.address(&mut send.headers),
                Operation::Acknowledge(_) => Ok(()),
            }),
            _ => Ok(()),
        }
    }

    fn address(&mut self, headers: &mut Headers) -> Result<(), Refusal> {
        let Some(wanted) = headers.get(REPLY_TO).and_then(temp_queue) else { return Ok(()) };
        let name = wanted.map_err(|error| destination_refusal(&error))?;
        // What is sent without a subscription is confirmed like everything else.
        self.barrier();
        let new = || {
            let queues = OwnQueues::new(self.services.replies.clone(), self.bell.clone());
            Box::new(Replies { queues, told: 0 })
        };
        let replies = self.replies.get_or_insert_with(new);
        let metrics = &self.services.metrics;
        let too_many = |error: &NoQueue| {
            if let NoQueue::TooMany(_) = error {
                metrics.hit(Limit::ReplyQueues);
            }
        };
        let secret = replies.queues.secret_of(name).inspect_err(too_many).map_err(no_queue)?;
        let address = format!("{REPLY_QUEUE}{secret}");
        *headers = headers.iter().map(|(key, value)| (key, if key == REPLY_TO { &*address } else { value })).collect();
        Ok(())
    }

    /// Takes a SEND to a reply queue; gives it back if it is to something else.
    pub(super) fn reply(&mut self, send: Send) -> Option<Send> {
        let Some(secret) = reply_queue(&send.destination) else { return Some(send) };
        match self.prepare(secret, &send) {
            Ok(prepared) => {
                prepared.into_iter().for_each(Prepared::deliver);
                if let Some(ticket) = send.ticket {
                    self.session.confirm(ticket, &[]);
                }
            }
            Err(refusal) => drop(self.decline(send.ticket, refusal)),
        }
        None
    }

    /// Makes room for all replies of a transaction.
    ///
    /// # Errors
    /// What is wrong with one of them, or that too much waits where it goes.
    pub(super) fn prepare_replies(&self, commit: &Commit) -> Result<Vec<Prepared>, Refusal> {
        let mut prepared = Vec::new();
        for operation in commit.operations.iter().filter(|operation| is_reply(operation)) {
            let Operation::Send(send) = operation else { continue };
            let secret = reply_queue(&send.destination).unwrap_or_default();
            prepared.extend(self.prepare(secret, send)?);
        }
        Ok(prepared)
    }

    /// A reply with its room; `None` where nobody waits for it any more.
    fn prepare(&self, secret: &str, send: &Send) -> Result<Option<Prepared>, Refusal> {
        let message = publish::message(send.destination.clone(), &self.person, &self.session_id, send)?;
        match self.services.replies.reserve(secret, message.cost()) {
            Ok(slot) => {
                self.services.metrics.published(false, 1);
                Ok(Some(Prepared { slot, message }))
            }
            // Whoever asks and does not read must not end the service that answers.
            Err(closed) => {
                tracing::debug!(?closed, "a reply was dropped");
                self.services.metrics.reply_dropped();
                closed.limit().into_iter().for_each(|limit| self.services.metrics.hit(limit));
                Ok(None)
            }
        }
    }

    /// Nobody waits for replies any more. Those of our own that go out with what is on its way to the disk still do.
    pub(super) fn leave_replies(&mut self) {
        self.replies = None;
        if let Some(mut in_flight) = self.in_flight.take_if(|in_flight| in_flight.has_replies()) {
            tokio::spawn(async move {
                while !in_flight.is_empty() {
                    in_flight.next().await;
                }
            });
        }
    }

    /// Says the replies that came, as many as go out in about one write.
    pub(super) fn say_replies(&mut self) {
        while self.outbox.waiting() < BATCH_BYTES && !self.barrier.as_ref().is_some_and(|barrier| barrier.is_full()) {
            let Some(replies) = self.replies.as_deref_mut() else { return };
            let Some(reply) = replies.queues.take() else { return };
            if envelope::has_expired(&reply.message, now_millis()) {
                continue;
            }
            replies.told += 1;
            let number = replies.told;
            self.say_reply(&reply, number);
        }
    }

    fn say_reply(&mut self, reply: &Reply, number: u64) {
        let before = self.outbox.waiting();
        let frame = envelope::reply(self.session.version(), reply, number);
        self.link.push(&frame, self.outbox.private());
        let bytes = self.outbox.waiting() - before;
        if let Some(barrier) = &mut self.barrier {
            barrier.sent(bytes, Instant::now().into_std());
        }
        self.services.metrics.delivered(self.link.kind(), 1);
    }
}

fn no_queue(error: NoQueue) -> Refusal {
    match error {
        NoQueue::TooMany(limit) => refusal(
            code::LIMIT,
            "too many reply queues",
            format!("a connection may have {limit} reply queues"),
            false,
            "Name the same /temp-queue/ in every reply-to and tell the replies apart by correlation-id, or have \
             limits.reply_queues raised.",
        ),
        NoQueue::NoSecret => unavailable("the system gave no random number for a reply queue"),
    }
}
