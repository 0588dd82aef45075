//! Signs of life: of the peer, and of the frame that it has begun.

use std::time::Duration;

use tokio::time::Instant;

use super::{Connection, Ending, Phase, publish};
use crate::metrics::Limit;

/// Where no heart-beats were negotiated, a silent WebSocket is asked for a sign of life so often.
const PROBE: Duration = Duration::from_secs(25);
/// A sign of life is asked for after this share of the interval, so that a punctual client is never asked.
const PROBE_AFTER: f32 = 1.25;
/// A link whose peer takes nothing and says nothing is given up after this: slow is not dead.
const STALLED_MAX: Duration = Duration::from_secs(600);
/// A large frame has this much more time ...
pub(super) const FRAME_SECOND: Duration = Duration::from_secs(1);
/// ... for every so many bytes of it that have come.
const FRAME_BYTES: usize = 16 * 1024;

/// Signs of life.
#[derive(Debug)]
pub(super) struct Life {
    /// Any byte.
    pub(super) heard: Instant,
    /// A write of the client's program.
    pub(super) wrote: Instant,
    /// A sign of life was asked for since anything was heard.
    pub(super) probed: bool,
}

/// So late nobody is woken but where the whole process stood still, or has too much to do.
const STOOD_STILL: Duration = Duration::from_millis(100);

impl Connection {
    /// Whoever spoke while this process stood still was not silent. The system has what they said, and the runtime
    /// may not have asked it yet.
    pub(super) fn excuse_the_unread(&mut self, wake_at: Instant) {
        let now = Instant::now();
        if now >= wake_at + STOOD_STILL && self.link.has_unread() {
            (self.life.heard, self.life.wrote) = (now, now);
            self.session.heard(now.into_std());
        }
    }

    /// When life is looked after next: to ask for a sign of it, to give up, to tell the roster.
    pub(super) fn look_after_life_at(&self, now: Instant) -> Instant {
        let silence = if self.life.probed { self.silence_max() } else { self.interval().mul_f32(PROBE_AFTER) };
        let due = self.life.heard + silence;
        if due > now { due } else { now + self.interval() }
    }

    /// So long nothing may be heard.
    pub(super) fn silence_max(&self) -> Duration {
        self.interval().mul_f32(self.services.settings.stomp.heartbeat_tolerance)
    }

    /// The client's heart-beat, or how often it is asked for a sign of life.
    pub(super) fn interval(&self) -> Duration {
        let (_, theirs) = self.session.heart_beats();
        if theirs.is_zero() { PROBE } else { theirs }
    }

    /// A frame that was begun has to end: slowly is allowed, drop by drop is not.
    pub(super) fn watch_frame(&mut self, now: Instant) {
        let buffered = self.session.buffered() + self.link.begun();
        if buffered == 0 || !self.session.is_connected() || self.held.is_some() || self.is_overloaded() {
            self.frame_since = None;
            return;
        }
        let since = *self.frame_since.get_or_insert(now);
        let allowed = self.services.settings.stomp.frame_within + FRAME_SECOND * (buffered / FRAME_BYTES) as u32;
        if now - since > allowed {
            self.services.metrics.hit(Limit::FrameWithin);
            self.refuse(None, publish::frame_too_slow(buffered));
        }
    }

    pub(super) fn watch_life(&mut self, now: Instant) {
        if self.is_resting() {
            // Who sends so much that it is not read is here.
            (self.life.heard, self.life.wrote) = (now, now);
            self.session.heard(now.into_std());
        }
        // Bytes we do not read are no silence, and neither is a Pong that waits behind data.
        if !self.may_read() || self.is_late_not_dead(now) {
            self.session.heard(now.into_std());
        }
        if !self.session.is_connected() {
            return;
        }
        let (limit, silence) = (self.silence_max(), now - self.life.heard);
        if silence >= self.interval().mul_f32(PROBE_AFTER) && !self.life.probed && self.outbox.waiting() == 0 {
            self.life.probed = true;
            self.probe(now);
        }
        let unheard = self.link.has_pings() && silence >= limit && !self.is_late_not_dead(now);
        if unheard && self.may_read() && matches!(self.phase, Phase::Talking) {
            self.phase = Phase::Over(Ending::Silent);
        }
        let here = self.session.heart_beats().1.is_zero() || now - self.life.wrote < limit;
        self.subscriptions.iter_mut().filter_map(|known| known.presence.as_mut()).for_each(|present| present.set(here));
    }

    pub(super) fn is_late_not_dead(&self, now: Instant) -> bool {
        let behind_data = self.barrier.as_ref().is_some_and(|barrier| barrier.waits_behind_data());
        (self.is_blocked || behind_data) && now - self.life.heard < STALLED_MAX
    }
}
