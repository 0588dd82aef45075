//! What is legal when.
//!
//! ```text
//!            CONNECT, STOMP              accept
//!  Opening ─────────────────► Asking ─────────────► Open ──┐ SEND, SUBSCRIBE, UNSUBSCRIBE, ACK, NACK,
//!     │                         │                    │  ▲  │ BEGIN, COMMIT, ABORT
//!     │ anything else,          │ refuse,            │  └──┘
//!     │ too late                │ too late           │ DISCONNECT
//!     │                         │                    ▼
//!     │                         │                 Leaving ── all receipts sent ──┐
//!     │                         │                    │                           │
//!     ▼                         ▼                    ▼                           ▼
//!   Over(Refused) ◄─────────────┴── anything wrong, refuse             Over(Disconnected)
//!
//!   Open ── silence ──► Over(Silent)
//! ```
//!
//! While the session is Asking it takes up no frame; while it is Leaving or Over it drops them.

use super::event::Ending;
use crate::{Command, Fault};

/// Where a conversation stands.
#[derive(Debug)]
pub(crate) struct State(Inner);

#[derive(Debug)]
enum Inner {
    Opening,
    Asking,
    Open,
    Leaving,
    Over(Box<Ending>),
}

impl State {
    pub(crate) fn new() -> State {
        State(Inner::Opening)
    }

    /// Whether this frame may come now. Whatever is not listed is the peer's fault.
    pub(crate) fn permit(&self, command: Command) -> Result<(), Fault> {
        use Command as C;
        match (&self.0, command) {
            (_, command) if command.is_of_server() => Err(Fault::CommandOfServer(command)),
            (Inner::Opening, C::Connect | C::Stomp) => Ok(()),
            (Inner::Opening | Inner::Asking, command) => Err(Fault::NotConnected(command)),
            (_, command @ (C::Connect | C::Stomp)) => Err(Fault::AlreadyConnected(command)),
            (_, _) => Ok(()),
        }
    }

    /// CONNECT came: the driver is asked.
    pub(crate) fn connect_came(&mut self) {
        self.0 = Inner::Asking;
    }

    /// The driver said yes. Says whether it was asked.
    pub(crate) fn accepted(&mut self) -> bool {
        let asked = matches!(self.0, Inner::Asking);
        if asked {
            self.0 = Inner::Open;
        }
        asked
    }

    /// DISCONNECT came: what is confirmed is still said, nothing more is heard.
    pub(crate) fn disconnect_came(&mut self) {
        self.0 = Inner::Leaving;
    }

    /// The conversation is over, if it was not over before. Says whether it was not.
    pub(crate) fn end(&mut self, ending: Ending) -> bool {
        let first = !self.is_over();
        if first {
            self.0 = Inner::Over(Box::new(ending));
        }
        first
    }

    /// Whether the next frame may be taken up.
    #[inline]
    pub(crate) fn can_take_frames(&self) -> bool {
        matches!(self.0, Inner::Opening | Inner::Open)
    }

    /// Whether bytes still mean anything.
    #[inline]
    pub(crate) fn can_hear(&self) -> bool {
        matches!(self.0, Inner::Opening | Inner::Asking | Inner::Open)
    }

    /// Whether CONNECTED was said and more may be.
    pub(crate) fn can_speak(&self) -> bool {
        matches!(self.0, Inner::Open | Inner::Leaving)
    }

    #[inline]
    pub(crate) fn is_before_connected(&self) -> bool {
        matches!(self.0, Inner::Opening | Inner::Asking)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.0, Inner::Leaving)
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.0, Inner::Over(_))
    }

    /// How it ended.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        match &self.0 {
            Inner::Over(ending) => Some(ending),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_not_listed_is_a_fault() {
        let open = {
            let mut state = State::new();
            state.connect_came();
            assert!(state.accepted());
            state
        };
        for command in Command::ALL.iter().copied() {
            let first = State::new().permit(command);
            let later = open.permit(command);
            match command {
                Command::Connect | Command::Stomp => {
                    assert_eq!((first, later), (Ok(()), Err(Fault::AlreadyConnected(command))));
                }
                command if command.is_of_server() => {
                    assert_eq!(
                        (first, later),
                        (Err(Fault::CommandOfServer(command)), Err(Fault::CommandOfServer(command)))
                    );
                }
                command => assert_eq!((first, later), (Err(Fault::NotConnected(command)), Ok(()))),
            }
        }
    }

    #[test]
    fn an_ending_is_final() {
        let mut state = State::new();
        assert!(state.end(Ending::Silent));
        assert!(!state.end(Ending::Disconnected) && !state.accepted());
        assert_eq!(state.ending(), Some(&Ending::Silent));
        assert!(!state.can_hear() && !state.can_speak() && !state.can_take_frames());
    }
}
