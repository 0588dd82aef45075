//! Who says what sells best: one POST for each update, on a connection of its own, as curl does it.

use std::io;
use std::time::Instant;

use super::answer::answer;
use super::asking::Asking;
use super::update::update;
use super::visitor::{Street, unreachable};
use crate::commands::bench::socket::Socket;

/// The service that publishes.
pub(super) struct Shop {
    /// Updates that the broker has not confirmed.
    calls: Vec<Call>,
    /// When each update was due, from number 1 on.
    due: Vec<Instant>,
}

/// One update on its way.
struct Call {
    socket: Socket,
    heard: Vec<u8>,
}

impl Shop {
    pub(super) fn new() -> Shop {
        Shop { calls: Vec::new(), due: Vec::new() }
    }

    /// Sends the next update, which was due then.
    pub(super) fn publish(&mut self, asking: &Asking, street: &Street<'_>, due: Instant) -> Result<(), String> {
        self.due.push(due);
        let words = asking.publish(&update(self.published()));
        let call = || {
            let mut socket = Socket::connect(street.address, street.registry, street.token)?;
            socket.say(&words)?;
            Ok(Call { socket, heard: Vec::new() })
        };
        self.calls.push(call().map_err(|error: io::Error| unreachable(&error))?);
        Ok(())
    }

    /// How many updates were sent; the number of the last one.
    pub(super) fn published(&self) -> u64 {
        self.due.len() as u64
    }

    /// Whether the broker has confirmed all of them.
    pub(super) fn is_confirmed(&self) -> bool {
        self.calls.is_empty()
    }

    /// When the update with this number was due.
    pub(super) fn due(&self, number: u64) -> Option<Instant> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.due.get(index).copied()
    }

    /// One of its sockets has something to say, or takes something.
    pub(super) fn event(&mut self, buffer: &mut [u8]) -> Result<(), String> {
        let mut outcome = Ok(());
        self.calls.retain_mut(|call| match call.goes_on(buffer) {
            Ok(goes_on) => goes_on,
            Err(reason) => {
                outcome = Err(reason);
                false
            }
        });
        outcome
    }
}

impl Call {
    /// Whether the answer is still to come.
    fn goes_on(&mut self, buffer: &mut [u8]) -> Result<bool, String> {
        self.socket.flush().map_err(|error| unreachable(&error))?;
        let heard = &mut self.heard;
        let is_open = self.socket.read(buffer, |bytes, _| {
            heard.extend_from_slice(bytes);
            Ok(())
        });
        let is_open = match is_open {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => true,
            result => result.map_err(|error| unreachable(&error))?,
        };
        match answer(&self.heard)? {
            Some(answer) if answer.status == 201 => Ok(false),
            Some(answer) => {
                let said = String::from_utf8_lossy(answer.body);
                Err(format!("the broker answered {}: {}", answer.status, said.trim()))
            }
            None if is_open => Ok(true),
            None => Err("the broker closed it without a word".to_owned()),
        }
    }
}
