//! What goes out: messages from the logs, in batches of one write each, and the
//! Pings behind them.
//!
//! A batch is taken from the readers, written, and only what left counts: what
//! the link did not take is handed back, so nothing is kept for a slow student
//! but the rest of one message.

use bytes::Bytes;
use homeroom_protocol::AckMode;
use tokio::time::Instant;

use super::barrier::{Confirmation, Standing};
use super::envelope::is_of_session;
use super::outbox::Outbox;
use super::subscription::{Source, Subscription};
use super::{Connection, Ending, Phase};
use crate::classroom::reader::{Filled, Step};
use crate::metrics::Limit;
use crate::refusals::{code, refusal};

/// About so many bytes of messages leave in one write.
pub(super) const BATCH_BYTES: usize = 64 * 1024;
/// So many batches at a time, so that one late student does not keep a thread: with eight, a live class beside a
/// thousand of them waited 67 ms for a message (median), with two 10.
const BATCHES_AT_ONCE: usize = 2;

/// A message of a batch.
struct Parcel {
    subscription: usize,
    source: usize,
    step: Step,
    bytes: Bytes,
}

/// How far each log's messages have come, for `ack:auto`. Elsewhere the client says it, and nothing settles by itself.
pub(super) fn standings(subscriptions: &mut [Subscription]) -> impl Iterator<Item = &mut Standing> {
    let auto = subscriptions.iter_mut().filter(|known| known.ack == AckMode::Auto);
    auto.flat_map(|known| {
        let shared = known.consumer.iter_mut().map(|consuming| &mut consuming.standing);
        known.sources.iter_mut().map(|source| &mut source.standing).chain(shared)
    })
}

/// Moves the cursors of all `ack:auto` subscriptions to what is settled.
pub(super) fn save_settled(subscriptions: &mut [Subscription]) {
    subscriptions.iter_mut().filter(|known| known.is_settled_by_itself()).for_each(Subscription::save_settled);
}

impl Connection {
    /// Writes what waits, then messages. Says whether there is more to do at once.
    pub(super) fn deliver(&mut self) -> bool {
        self.is_blocked = false;
        self.try_deliver().unwrap_or_else(|_| {
            match self.phase {
                Phase::Gone { .. } => self.outbox = Outbox::default(),
                _ => self.phase = Phase::Over(Ending::PeerClosed { normally: false }),
            }
            false
        })
    }

    fn try_deliver(&mut self) -> std::io::Result<bool> {
        for _ in 0..BATCHES_AT_ONCE {
            if self.outbox.waiting() > 0 {
                let flushed = self.outbox.flush(&mut self.link)?;
                self.session.sent(Instant::now().into_std());
                if !flushed {
                    self.is_blocked = true;
                    return Ok(false);
                }
            }
            if !matches!(self.phase, Phase::Talking | Phase::Stopping { .. }) || !self.session.is_connected() {
                return Ok(false);
            }
            self.ping_if_due();
            self.say_own();
            if self.outbox.waiting() > 0 {
                continue;
            }
            if self.barrier.as_ref().is_some_and(|barrier| barrier.is_full()) || !self.write_batch()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes one batch; `false` if there is none or the link takes no more.
    fn write_batch(&mut self) -> std::io::Result<bool> {
        let (parcels, passed) = self.take_batch();
        if parcels.is_empty() {
            self.all_sent();
            return Ok(passed);
        }
        let bytes: Vec<Bytes> = parcels.iter().map(|parcel| parcel.bytes.clone()).collect();
        let batch = self.outbox.write(&mut self.link, &bytes)?;
        let left = batch.whole + usize::from(batch.begun);
        self.count(&parcels[..left]);
        self.hand_back(&parcels[left..]);
        let all = batch.whole == parcels.len();
        // Also when nothing was begun: the readers went back, and go on when the link takes more.
        self.is_blocked = !all;
        if all {
            self.all_sent();
        }
        self.session.sent(Instant::now().into_std());
        Ok(all)
    }

    /// Takes messages from the subscriptions, each in its turn. Says whether any was passed over: then
    /// there may be more behind it.
    fn take_batch(&mut self) -> (Vec<Parcel>, bool) {
        let (mut parcels, mut steps, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut taken = 0;
        let is_behind = self.subscriptions.iter().any(Subscription::is_behind);
        let catch_up = !is_behind || self.turn.take(&self.services.turns);
        let count = self.subscriptions.len();
        for turn in 0..count {
            let index = (self.first + turn) % count;
            if bytes >= BATCH_BYTES {
                self.first = index;
                break;
            }
            let ended = self.subscriptions[index].fill(BATCH_BYTES - bytes, catch_up, &mut steps);
            taken += steps.len();
            for (source, step) in steps.drain(..) {
                bytes += step.entry.message().cost();
                parcels.extend(self.parcel(index, source, step));
            }
            if let Some(ended) = ended {
                self.end_subscription(ended);
            }
        }
        let passed = parcels.len() < taken;
        (parcels, passed)
    }

    /// The bytes of a message; none for one that was acknowledged before, has expired or is not wanted: its
    /// reader has passed it.
    fn parcel(&self, index: usize, source: usize, step: Step) -> Option<Parcel> {
        let subscription = &self.subscriptions[index];
        if step.entry.has_expired() || subscription.is_beyond(step.entry.offset()) {
            return None;
        }
        if subscription.not_of.as_ref().is_some_and(|session| is_of_session(step.entry.message(), session)) {
            return None;
        }
        let known = &subscription.sources[source];
        let repeat = known.repeat(&step)?;
        let framed = subscription.look.framed(known.reader.room().log(), &step.entry, &repeat);
        Some(Parcel { subscription: index, source, step, bytes: self.link.carry(framed) })
    }

    /// Counts what left: windows, cursors, Pings, metrics.
    fn count(&mut self, left: &[Parcel]) {
        let now = Instant::now().into_std();
        for parcel in left {
            let subscription = &mut self.subscriptions[parcel.subscription];
            subscription.sent(parcel.source, &parcel.step.entry);
            if subscription.room() == 0 {
                self.services.metrics.hit(Limit::Prefetch);
            }
            if let Some(barrier) = &mut self.barrier {
                barrier.sent(parcel.bytes.len(), now);
            }
        }
        self.services.metrics.delivered(self.link.kind(), left.len() as u64);
    }

    /// Gives back what did not leave, newest first, so that each reader stands before its first.
    fn hand_back(&mut self, unsent: &[Parcel]) {
        for parcel in unsent.iter().rev() {
            self.subscriptions[parcel.subscription].sources[parcel.source].reader.rewind(&parcel.step);
        }
    }

    /// Nothing that was handed out waits: readers' marks are what was sent.
    pub(super) fn all_sent(&mut self) {
        let written = self.barrier.as_ref().is_some_and(|barrier| barrier.confirmation() == Confirmation::Written);
        self.subscriptions.iter_mut().flat_map(|known| &mut known.sources).for_each(Source::all_sent);
        if written {
            standings(&mut self.subscriptions).for_each(Standing::settle_sent);
            save_settled(&mut self.subscriptions);
        }
    }

    /// A log that cannot be read, or is gone, ends the conversation: the client
    /// returns and is told what is left.
    pub(super) fn end_subscription(&mut self, ended: Filled) {
        let refusal = match ended {
            Filled::Failed(error) => crate::refusals::log_refusal(error),
            Filled::Ended => refusal(
                code::NOT_AVAILABLE,
                "classroom closed",
                "the classroom's log was deleted",
                true,
                "Subscribe again: the classroom begins anew.",
            ),
            Filled::Empty | Filled::Enough => return,
        };
        self.refuse(None, refusal);
        self.bell.ring();
    }

    /// When a Ping is due.
    pub(super) fn ping_due(&self) -> Option<std::time::Instant> {
        if self.outbox.waiting() > 0 {
            return None;
        }
        let durable = self.subscriptions.iter().any(Subscription::is_settled_by_itself);
        self.barrier.as_ref()?.ping_due(durable)
    }

    fn ping_if_due(&mut self) {
        let now = Instant::now().into_std();
        if self.ping_due().is_some_and(|due| due <= now) {
            self.ping(now);
        }
    }

    fn ping(&mut self, now: std::time::Instant) {
        // Only ever behind a whole message: between the pieces of one it would be answered too early.
        debug_assert!(!self.outbox.is_inside_message());
        if let Some(barrier) = &mut self.barrier {
            let payload = barrier.ping(standings(&mut self.subscriptions), now);
            self.link.push_ping(&payload, self.outbox.private());
        }
    }

    /// Asks for a sign of life.
    pub(super) fn probe(&mut self, now: Instant) {
        let pings = self.link.has_pings() && !self.outbox.is_inside_message();
        if pings && self.barrier.as_ref().is_some_and(|barrier| !barrier.is_waiting()) {
            self.ping(now.into_std());
        } else if pings {
            self.link.push_ping(b"", self.outbox.private());
        }
    }

    /// The client said good-bye and closed normally: what had reached it is settled.
    pub(super) fn settle_at_good_bye(&mut self) {
        for standing in standings(&mut self.subscriptions) {
            standing.settle_reached();
        }
        save_settled(&mut self.subscriptions);
    }

    /// Makes the cursors durable at once: the client may be back in a moment, at another broker process even.
    pub(super) async fn keep_cursors(&mut self) {
        let is_kept = |known: &Subscription| {
            known.consumer.is_some() || known.sources.iter().any(|source| source.attachment.is_some())
        };
        if !self.subscriptions.iter().any(is_kept) {
            return;
        }
        self.subscriptions.iter().filter_map(|known| known.consumer.as_ref()).for_each(|consuming| consuming.save());
        self.subscriptions.clear();
        // A store that takes nothing now has the cursors in memory and saves them when it can.
        let _ = tokio::time::timeout(super::leaving::LINGER, self.services.registry.store().sync()).await;
    }
}
