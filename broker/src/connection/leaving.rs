//! How a conversation ends, whoever ends it.

use std::time::Duration;

use homeroom_protocol as stomp;
use tokio::time::Instant;

use super::disconnect::Ending;
use super::{Connection, Event};
use crate::metrics::Limit;
use crate::transport::{Inbound, Kind, Received};

/// After the last word, so long is waited for the peer to take it and close.
pub(super) const LINGER: Duration = Duration::from_secs(2);
/// What a peer still sends is read and forgotten, so often at most.
const LINGER_READS: usize = 64;
/// After DISCONNECT's RECEIPT, so long is waited for the client to close.
pub(super) const GOOD_BYE: Duration = Duration::from_secs(5);

/// How far the conversation has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Frames are taken up.
    Talking,
    /// No more frames; what was begun is finished, and the link is closed at this moment.
    Stopping { close_at: Instant },
    /// DISCONNECT was answered; the client closes, or we do at this moment.
    Leaving { close_at: Instant },
    /// The client closed: what it said before still has its effect, until this moment, and nothing is answered.
    Gone { normally: bool, close_at: Instant },
    /// Over.
    Over(Ending),
}

impl Connection {
    pub(super) fn peer_closed(&mut self, code: Option<u16>) {
        let normally = self.link.kind() != Kind::WebSocket || matches!(code, None | Some(1000 | 1005));
        match self.phase {
            Phase::Leaving { .. } => self.peer_left(normally),
            Phase::Talking => {
                // Nobody is there to read what is subscribed; a SEND that is held asks for its room again.
                self.busy = None;
                self.held.take_if(|event| matches!(**event, Event::Subscribe(_)));
                self.phase = Phase::Gone { normally, close_at: Instant::now() + GOOD_BYE };
            }
            Phase::Stopping { .. } | Phase::Gone { .. } | Phase::Over(_) => self.peer_is_gone(normally),
        }
    }

    /// The client said DISCONNECT and closed.
    pub(super) fn peer_left(&mut self, normally: bool) {
        if normally {
            self.settle_at_good_bye();
        }
        self.phase = Phase::Over(Ending::Disconnected);
    }

    /// The client closed without a word.
    pub(super) fn peer_is_gone(&mut self, normally: bool) {
        // The end of a TCP connection, or of a SockJS session, says nothing about why.
        let normally = normally && self.link.kind() == Kind::WebSocket;
        self.phase = Phase::Over(Ending::PeerClosed { normally });
    }

    /// All that the client said before it closed has had its effect.
    pub(super) fn leave_if_gone(&mut self) {
        if let Phase::Gone { normally, .. } = self.phase
            && self.in_flight.is_none()
            && self.busy.is_none()
        {
            self.peer_is_gone(normally);
        }
    }

    pub(super) fn session_closed(&mut self, ending: stomp::Ending) {
        match ending {
            stomp::Ending::Disconnected => {
                match self.phase {
                    Phase::Talking => self.phase = Phase::Leaving { close_at: Instant::now() + GOOD_BYE },
                    Phase::Gone { normally, .. } => self.peer_left(normally),
                    Phase::Leaving { .. } | Phase::Stopping { .. } | Phase::Over(_) => {}
                }
                self.session_wait = None;
            }
            stomp::Ending::Refused { refusal, error, limit } => {
                limit.into_iter().for_each(|limit| self.services.metrics.hit(setting_of(limit)));
                tracing::debug!(code = refusal.code, message = refusal.message, "refused");
                self.services.metrics.refused(refusal.code);
                self.note_refused(&refusal);
                match self.phase {
                    // Behind a WebSocket's close nothing more may be said.
                    Phase::Gone { normally, .. } => self.peer_is_gone(normally),
                    _ => self.phase = Phase::Over(Ending::Refused { refusal, error }),
                }
            }
            stomp::Ending::Silent => self.phase = Phase::Over(Ending::Silent),
        }
    }

    /// The time for a last word is over.
    pub(super) fn close(&mut self) {
        match self.phase {
            Phase::Stopping { .. } => self.phase = Phase::Over(Ending::Stopping),
            Phase::Gone { normally, .. } => self.peer_is_gone(normally),
            Phase::Talking | Phase::Leaving { .. } | Phase::Over(_) => self.phase = Phase::Over(Ending::Disconnected),
        }
    }

    /// When the link is closed from our side. Receipts of what was begun go out before.
    pub(super) fn closes_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Stopping { close_at } if self.in_flight.is_some() => Some(close_at + GOOD_BYE),
            Phase::Stopping { close_at } | Phase::Leaving { close_at } | Phase::Gone { close_at, .. } => Some(close_at),
            Phase::Talking | Phase::Over(_) => None,
        }
    }

    /// The end, in a word.
    pub(super) async fn end(&mut self, mut ending: Ending) -> &'static str {
        self.leave_replies();
        if let Ending::Refused { refusal, error } = ending {
            ending = self.tell_refusal(refusal, error).await;
        }
        self.say_good_bye(&ending).await;
        ending.label()
    }

    /// The last word, flushed before the link is closed.
    pub(super) async fn say_good_bye(&mut self, ending: &Ending) {
        self.keep_cursors().await;
        let until = Instant::now() + LINGER;
        if !matches!(ending, Ending::PeerClosed { .. }) {
            self.link.push_close(ending.close_code(), ending.reason(), self.outbox.private());
        }
        while let Ok(false) = self.outbox.flush(&mut self.link) {
            if tokio::time::timeout_at(until, self.link.writable()).await.is_err() {
                return;
            }
        }
        // Unread bytes at a close make the kernel send a reset, which can overtake our last word.
        self.link.finish();
        let (mut nothing, mut rounds) = (Vec::new(), 0);
        while rounds < LINGER_READS && tokio::time::timeout_at(until, self.link.readable()).await.is_ok() {
            let mut over = Instant::now() >= until;
            match self.link.receive(&mut nothing, |inbound| over |= matches!(inbound, Inbound::Closed(_))) {
                Received::Some | Received::Nothing if !over => rounds += 1,
                _ => return,
            }
        }
    }
}

/// Which setting the session's limit is.
fn setting_of(limit: stomp::Limit) -> Limit {
    match limit {
        stomp::Limit::HeaderBytes => Limit::HeaderBytes,
        stomp::Limit::Headers => Limit::HeaderCount,
        stomp::Limit::BodyBytes => Limit::BodyBytes,
        stomp::Limit::ConnectBytes => Limit::BytesBeforeConnected,
        stomp::Limit::ConnectTime => Limit::ConnectWithin,
        stomp::Limit::IdentifierBytes => Limit::IdentifierBytes,
        stomp::Limit::Subscriptions => Limit::Subscriptions,
        stomp::Limit::Transactions => Limit::Transactions,
        stomp::Limit::TransactionOperations => Limit::TransactionMessages,
        stomp::Limit::TransactionBytes => Limit::TransactionBytes,
        stomp::Limit::TransactionAge => Limit::TransactionAge,
    }
}
