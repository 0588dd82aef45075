//! The fast path: a classroom's dispatchers write shared bytes straight to the
//! links of those who are up to date, and no task is woken for it.
//!
//! It is for `ack:auto` subscriptions that stand among the newest messages and
//! see them as all others of their form do. Everything else, and whoever falls
//! behind, is served by the connection's own task ([`super::delivery`]), which
//! finds the same messages by itself. See [`super::gate`] for who writes when.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use homeroom_protocol::AckMode;
use homeroom_storage::{LogName, Offset};

use super::envelope::{Look, Repeat};
use super::gate::{self, Gate, Lane};
use super::subscription::{Source, Subscription};
use super::{Connection, Phase};
use crate::classroom::audience::{Heard, Listener};
use crate::classroom::bell::Bell;
use crate::classroom::durable::Attachment;
use crate::classroom::entry::{Entry, Shape};
use crate::classroom::news::{Form, News};
use crate::metrics::Metrics;
use crate::router::Pattern;
use crate::transport::{Carriage, Kind, Wire};

/// Nothing about new messages is to be looked after by the task.
const FOR_EVER: usize = usize::MAX;

/// How live messages of one kind of subscription leave.
#[derive(Debug)]
struct Live {
    look: Look,
    shape: Shape,
    pattern: Arc<Pattern>,
    log: LogName,
    kind: Kind,
    carriage: Carriage,
    metrics: Arc<Metrics>,
}

/// A connection, as its classrooms' dispatchers know it.
#[derive(Debug)]
pub(super) struct Outlet {
    gate: Gate<Wire>,
    bell: Arc<Bell>,
}

impl Form for Live {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn pattern(&self) -> &Arc<Pattern> {
        &self.pattern
    }

    fn bytes(&self, entry: &Entry) -> Bytes {
        self.carriage.carry(self.look.framed(&self.log, entry, &Repeat::default()))
    }

    fn delivered(&self, count: u64) {
        self.metrics.dispatched(self.kind, count);
    }
}

impl Listener for Outlet {
    fn hear(&self, lane: u32, news: &News) -> Heard {
        self.gate.offer(lane, news)
    }

    fn ring(&self) {
        self.bell.ring();
    }
}

impl Connection {
    /// Has the dispatchers of its classrooms serve a subscription, if it is of the kind they can serve.
    pub(super) fn enlist(&mut self, index: usize) {
        let subscription = &mut self.subscriptions[index];
        let plain = subscription.ack == AckMode::Auto && subscription.not_of.is_none() && !subscription.is_of_queue();
        if !plain || !self.services.settings.delivery.fast_path {
            return;
        }
        let Some(wire) = self.link.wire() else { return };
        let (kind, carriage) = (self.link.kind(), self.link.carriage());
        let new = || Arc::new(Outlet { gate: Gate::new(wire), bell: self.bell.clone() });
        let outlet = self.outlet.get_or_insert_with(new);
        for source in subscription.sources.iter_mut().filter(|source| source.lane.is_none()) {
            let lane = self.lane_next;
            self.lane_next += 1;
            let shape = subscription.look.shape(&Repeat::default());
            let form = Live {
                shape: Shape { tag: shape.tag | carriage_bits(kind, carriage), ..shape },
                look: subscription.look.clone(),
                pattern: subscription.pattern.clone(),
                log: source.reader.room().log().clone(),
                kind,
                carriage,
                metrics: self.services.metrics.clone(),
            };
            source.lane = Some(lane);
            if let Some(shared) = source.reader.hand_over(Arc::new(form), (outlet.clone(), lane)) {
                // What all of the form have in common is kept once.
                subscription.pattern = shared.pattern().clone();
                subscription.id = shared.shape().id.clone();
                subscription.look.share(&subscription.id);
            }
        }
    }

    /// Before the task rests: dispatchers may write where nothing waits.
    pub(super) fn open_gate(&mut self) {
        let Some(Outlet { gate, .. }) = self.outlet.as_deref() else { return };
        if self.is_blocked {
            return gate.wait_for_link();
        }
        let talks = matches!(self.phase, Phase::Talking | Phase::Stopping { .. }) && self.session.is_connected();
        let full = self.barrier.as_ref().is_some_and(|barrier| barrier.is_full());
        if !talks || full || self.outbox.waiting() > 0 {
            return;
        }
        let durable = self.subscriptions.iter().any(Subscription::is_settled_by_itself);
        let quiet_bytes = self.barrier.as_ref().map_or(FOR_EVER, |barrier| barrier.quiet_bytes(durable));
        gate.open(self.subscriptions.iter().flat_map(lanes), quiet_bytes);
    }

    /// The task is awake: it takes over where the dispatchers have come to.
    pub(super) fn shut_gate(&mut self) {
        let Some(Outlet { gate, .. }) = self.outlet.as_deref() else { return };
        let sources = &mut self.subscriptions;
        let turn = gate.shut(|lane| {
            let mut all = sources.iter_mut().flat_map(|known| &mut known.sources);
            if let Some(source) = all.find(|source| source.lane == Some(lane.number)) {
                source.carry_on(lane);
            }
        });
        if let Some(begun) = turn.begun {
            self.outbox.begin(begun);
        }
        let Some((first, last)) = turn.span else { return };
        if let Some(barrier) = &mut self.barrier {
            barrier.sent(turn.bytes, first);
        }
        self.session.sent(last);
        if self.outbox.waiting() == 0 {
            // At once, not with the next delivery: the link may be gone by then, and what was written was written.
            self.all_sent();
        }
    }
}

/// Of a shape's tag, the bits that tell links of one carriage, and of one kind, from those of another.
fn carriage_bits(kind: Kind, carriage: Carriage) -> u16 {
    let bits = match (carriage, kind) {
        (Carriage::Message, Kind::Sockjs) => 3,
        (Carriage::Message, _) => 0,
        (Carriage::Bare, _) => 1,
        (Carriage::Array, _) => 2,
    };
    bits << 6
}

/// The sources of a subscription that dispatchers may serve now.
fn lanes(subscription: &Subscription) -> impl Iterator<Item = Lane> {
    let busy = subscription.first.is_some() || !subscription.repeats.is_empty();
    let sources = if busy { &[][..] } else { &subscription.sources };
    sources.iter().filter_map(Source::as_lane)
}

impl Source {
    /// Where it stands, if new messages are for it as they are for all others of its form.
    fn as_lane(&self) -> Option<Lane> {
        let (number, next) = (self.lane?, self.reader.stands_at()?);
        let passed = self.reader.mark().passed();
        let before = self.skip.iter().any(|range| *range.end() > passed.0);
        if before || passed < self.replay_to || passed < self.delivered_to {
            return None;
        }
        let until = self.attachment.as_ref().map_or(Offset(u64::MAX), Attachment::quiet_until);
        Some(Lane { number, next, through: None, sent: None, until })
    }

    /// Takes over from the dispatchers.
    fn carry_on(&mut self, lane: &Lane) {
        self.reader.advance(lane.next, lane.through);
        if let Some(sent) = lane.sent {
            self.standing.sent = self.standing.sent.max(sent.passed().0);
            if let Some(attachment) = &self.attachment {
                attachment.note_delivered(sent.offset);
            }
        }
    }
}

impl gate::Wire for Wire {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Wire::try_write(self, bytes)
    }
}
