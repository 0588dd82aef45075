//! The last wait of those who are refused the same way again and again.
//!
//! Most STOMP clients return by themselves whatever ERROR and close code say,
//! and stompjs does so every five seconds. A class whose page has a mistake
//! would come back for ever, all of it. Its ERROR is withheld, longer each time,
//! and no client returns before it has its ERROR. Nobody else waits.

use std::time::Duration;

use bytes::Bytes;
use homeroom_protocol::Refusal;
use tokio::time::Instant;

use super::disconnect::Ending;
use super::publish::Rooms;
use super::turn::Turn;
use super::{Connection, Received};
use crate::outside::select;
use crate::transport::{Inbound, Kind};

/// What the peer sends meanwhile is forgotten, one read after such a time: who floods gains nothing by it.
const READ_EVERY: Duration = Duration::from_millis(100);
const HEART_BEAT: &[u8] = b"\n";

impl Connection {
    /// Says ERROR as the last word, when its time has come; the peer may have closed its WebSocket before.
    pub(super) async fn tell_refusal(&mut self, refusal: Refusal, error: Bytes) -> Ending {
        let delay = self.delay_of(&refusal);
        if !delay.is_zero() {
            tracing::debug!(code = refusal.code, ?delay, "a refusal is told later");
            self.services.metrics.delayed();
            if !self.wait_with_error(delay).await {
                return Ending::PeerClosed { normally: false };
            }
        }
        self.link.push(&error, self.outbox.private());
        Ending::Refused { refusal, error }
    }

    fn delay_of(&self, refusal: &Refusal) -> Duration {
        if self.services.shutdown.is_stopping() {
            return Duration::ZERO;
        }
        let longest = self.services.settings.delivery.refusal_delay_max;
        let person = self.was_connected().then_some(&self.person);
        self.services.recent_refusals.count(self.link.peer().ip(), person, refusal, longest, Instant::now())
    }

    /// Waits so long, or until the broker stops or the peer closes. `false` if nothing more can be said then.
    async fn wait_with_error(&mut self, delay: Duration) -> bool {
        self.let_go().await;
        let until = Instant::now() + delay;
        let (interval, _) = self.session.heart_beats();
        let promised = !interval.is_zero() && self.was_connected();
        // The session keeps no time any more: one at once, so that none is late.
        let mut beat_at = promised.then(Instant::now);
        let mut read_at = Instant::now();
        let bell = self.bell.clone();
        loop {
            let now = Instant::now();
            if now >= until || self.services.shutdown.is_stopping() {
                return true;
            }
            if let Some(due) = beat_at.filter(|due| *due <= now) {
                self.link.push(HEART_BEAT, self.outbox.private());
                beat_at = Some(due + interval);
            }
            let Ok(flushed) = self.outbox.flush(&mut self.link) else { return false };
            let may_read = read_at <= now;
            let wake_at = [beat_at, (!may_read).then_some(read_at)].into_iter().flatten().fold(until, Instant::min);
            select! {
                _ = self.link.readable(), if may_read => {
                    read_at = now + READ_EVERY;
                    if self.has_closed() {
                        // A TCP stream that has ended one way may still be read the other way.
                        return self.link.kind() == Kind::Tcp;
                    }
                }
                _ = self.link.writable(), if !flushed => {}
                () = bell.heard() => {}
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
    }

    /// Nobody waits for it, no place is kept by it, and it needs little memory.
    async fn let_go(&mut self) {
        self.keep_cursors().await;
        self.subscriptions = Vec::new();
        (self.busy, self.held, self.in_flight, self.barrier) = (None, None, None, None);
        (self.turn, self.rooms) = (Turn::None, Rooms::default());
    }

    /// Reads once, and says whether the peer has closed.
    fn has_closed(&mut self) -> bool {
        let mut closed = false;
        let read = |inbound: Inbound<'_>| closed |= matches!(inbound, Inbound::Closed(_));
        let received = self.link.receive(self.outbox.private(), read);
        closed || matches!(received, Received::End | Received::Broken { .. })
    }
}
