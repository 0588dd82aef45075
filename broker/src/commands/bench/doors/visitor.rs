//! Somebody who has the page open: a socket, and a manner of hearing of updates.

use std::net::SocketAddr;

use mio::event::Event;
use mio::{Registry, Token};

use super::Stage;
use super::manner::{Came, Manner};
use crate::commands::bench::socket::Socket;

/// One open page.
pub(super) struct Visitor {
    socket: Option<Socket>,
    manner: Manner,
    /// Of connections that have ended.
    past: Traffic,
    /// The last update it has; 0 before the first.
    pub(super) last: u64,
    /// Whether a time was set before.
    pub(super) is_timed: bool,
}

/// What went over the line, above TCP.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    pub(super) connections: u64,
}

/// Where connections are made and watched.
pub(super) struct Street<'a> {
    pub(super) address: SocketAddr,
    pub(super) registry: &'a Registry,
    pub(super) token: Token,
}

impl Visitor {
    pub(super) fn new(stage: &Stage<'_>) -> Visitor {
        let (manner, past) = (Manner::new(stage), Traffic::default());
        Visitor { socket: None, manner, past, last: 0, is_timed: false }
    }

    /// Connects and says what comes first.
    pub(super) fn open(&mut self, stage: &Stage<'_>, street: &Street<'_>, came: &mut Came) -> Result<(), String> {
        let words = self.manner.begin(stage, came);
        let mut socket =
            Socket::connect(street.address, street.registry, street.token).map_err(|error| unreachable(&error))?;
        socket.say(&words).map_err(|error| unreachable(&error))?;
        self.socket = Some(socket);
        Ok(())
    }

    /// The time has come that it asked for.
    pub(super) fn due(&mut self, stage: &Stage<'_>, street: &Street<'_>, came: &mut Came) -> Result<(), String> {
        let Some(socket) = &mut self.socket else { return self.open(stage, street, came) };
        let words = self.manner.due(stage, came);
        socket.say(&words).map_err(|error| error.to_string())
    }

    /// What this event brings; an error is the end of the connection.
    pub(super) fn event(
        &mut self,
        stage: &Stage<'_>,
        event: &Event,
        buffer: &mut [u8],
        came: &mut Came,
    ) -> Result<(), String> {
        let (Some(socket), manner) = (&mut self.socket, &mut self.manner) else { return Ok(()) };
        if event.is_writable() {
            socket.flush().map_err(|error| unreachable(&error))?;
        }
        if !(event.is_readable() || event.is_read_closed() || event.is_error()) {
            return Ok(());
        }
        let mut outcome = Ok(());
        let read = socket.read(buffer, |bytes, reply| {
            if outcome.is_ok() {
                outcome = manner.hear(stage, bytes, reply, came);
            }
            Ok(())
        });
        outcome?;
        match read {
            Ok(true) => Ok(()),
            _ if self.manner.may_be_left() => {
                self.past = self.traffic();
                self.socket = None;
                Ok(())
            }
            Ok(false) => Err("the broker closed it without a word".to_owned()),
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// So far.
    pub(super) fn traffic(&self) -> Traffic {
        let Some(socket) = &self.socket else { return self.past };
        Traffic {
            sent_bytes: self.past.sent_bytes + socket.sent_bytes,
            received_bytes: self.past.received_bytes + socket.received_bytes,
            connections: self.past.connections + 1,
        }
    }
}

pub(super) fn unreachable(error: &std::io::Error) -> String {
    format!("{error}. Is the broker running there? Name another address with --url")
}
