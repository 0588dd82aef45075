//! Subscriptions to what is shared: messages that this connection was given and others are not, and
//! queues that are only looked at.

use bytes::Bytes;
use homeroom_protocol::{AckMode, Acknowledge};
use homeroom_storage::{Message, Offset, Position, Settlement};
use tokio::time::Instant;

use super::Connection;
use super::barrier::Standing;
use super::delivery::BATCH_BYTES;
use super::envelope::Repeat;
use super::inbound::comes_again;
use super::subscription::Subscription;
use crate::classroom::group::{Consumer, Delivery, Verdict, Which};

/// The part of a subscription in a group of consumers.
#[derive(Debug)]
pub(super) struct Consuming {
    consumer: Consumer,
    /// How far what it was given has come, by number.
    pub standing: Standing,
    /// Its messages up to here are done with.
    settled: u64,
}

impl Consuming {
    /// Nothing was delivered yet.
    pub(super) fn new(consumer: Consumer) -> Consuming {
        Consuming { consumer, standing: Standing::default(), settled: 0 }
    }

    /// An ACK or NACK, to take effect with a transaction if there is one.
    pub(super) fn apply(&self, ack: AckMode, position: Position, acknowledge: &Acknowledge, in_transaction: bool) {
        if ack == AckMode::Auto {
            // What has arrived is done; nothing is said about it.
            return;
        }
        let which = Which { position, cumulative: ack == AckMode::Client };
        let verdict = match (acknowledge.negative, comes_again(acknowledge)) {
            (false, _) => Verdict::Done,
            (true, Some(delay)) => Verdict::Again((Instant::now() + delay).into_std()),
            (true, None) => Verdict::Rejected,
        };
        match in_transaction {
            true => self.consumer.judge_with_transaction(which, verdict),
            false => self.consumer.judge(which, verdict),
        }
    }

    /// Where the group stands, to be stored with a record.
    pub(super) fn settlement(&self) -> Settlement {
        self.consumer.settlement()
    }

    /// What was acknowledged with a transaction is done.
    pub(super) fn settled(&self) {
        self.consumer.settled();
    }

    /// What has arrived is done with: nobody acknowledges it.
    pub(super) fn settle(&mut self) {
        if self.standing.settled > self.settled {
            self.settled = self.standing.settled;
            self.consumer.settle(self.settled);
        }
    }

    /// Tells the store how far the group has come.
    pub(super) fn save(&self) {
        self.consumer.save();
    }
}

impl Connection {
    /// Says what a subscription was given, as much as one batch takes.
    pub(super) fn say_leased(&mut self, index: usize) {
        let subscription = &self.subscriptions[index];
        let Some(Consuming { consumer, .. }) = subscription.consumer.as_deref() else { return };
        if let Some(failure) = consumer.failure() {
            return self.end_subscription(failure);
        }
        while self.outbox.waiting() < BATCH_BYTES && !self.barrier.as_ref().is_some_and(|barrier| barrier.is_full()) {
            let subscription = &mut self.subscriptions[index];
            let Some(consuming) = subscription.consumer.as_deref_mut() else { return };
            let Some(Delivery { entry, count, nth }) = consuming.consumer.take() else { return };
            consuming.standing.sent = nth;
            let redelivered = count > 1;
            let repeat = Repeat { redelivered, count: redelivered.then_some(count), ..Repeat::default() };
            let framed = subscription.look.framed(consuming.consumer.room().log(), &entry, &repeat);
            if let Some(barrier) = &mut self.barrier {
                barrier.sent(framed.len(), Instant::now().into_std());
            }
            self.link.push_framed(framed, self.outbox.private());
            self.services.metrics.delivered(self.link.kind(), 1);
        }
    }

    /// Says that all of a queue that was looked at has been shown, in ActiveMQ's words.
    pub(super) fn say_end(&mut self, index: usize) {
        let subscription = &mut self.subscriptions[index];
        let Some(to) = subscription.browses_to else { return };
        if subscription.sources.first().is_none_or(|source| source.reader.mark().passed() < to) {
            return;
        }
        let source = subscription.sources.remove(0);
        let (room, path) = (source.reader.room(), source.reader.room().name().to_owned());
        let headers = [("browser".into(), "end".into())].into();
        let end = Message { destination: format!("/{path}").into(), headers, body: Bytes::new(), publisher: None };
        let framed = subscription.look.framed(room.log(), &room.entry_of_its_own(end, path), &Repeat::default());
        self.link.push_framed(framed, self.outbox.private());
    }
}

impl Subscription {
    /// Whether it consumes with others, or looks at what they consume.
    pub(super) fn is_of_queue(&self) -> bool {
        self.consumer.is_some() || self.browses_to.is_some()
    }

    /// Whether a message lies beyond what is looked at.
    pub(super) fn is_beyond(&self, offset: Offset) -> bool {
        self.browses_to.is_some_and(|to| offset > to)
    }
}
