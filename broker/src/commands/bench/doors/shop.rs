//! Who says what sells best: one connection, one POST for each update.

use std::time::Instant;

use mio::event::Event;

use super::answer::answer;
use super::asking::Asking;
use super::update::update;
use super::visitor::{Street, unreachable};
use crate::commands::bench::framing::forget;
use crate::commands::bench::socket::Socket;

/// The service that publishes.
pub(super) struct Shop {
    socket: Socket,
    heard: Vec<u8>,
    /// When each update was due, from number 1 on.
    due: Vec<Instant>,
    /// Updates that the broker has confirmed.
    pub(super) confirmed: u64,
}

impl Shop {
    pub(super) fn open(street: &Street<'_>) -> Result<Shop, String> {
        let socket =
            Socket::connect(street.address, street.registry, street.token).map_err(|error| unreachable(&error))?;
        Ok(Shop { socket, heard: Vec::new(), due: Vec::new(), confirmed: 0 })
    }

    /// Sends the next update, which was due then.
    pub(super) fn publish(&mut self, asking: &Asking, due: Instant) -> Result<(), String> {
        self.due.push(due);
        let words = asking.publish(&update(self.published()));
        self.socket.say(&words).map_err(|error| unreachable(&error))
    }

    /// How many updates were sent; the number of the last one.
    pub(super) fn published(&self) -> u64 {
        self.due.len() as u64
    }

    /// When the update with this number was due.
    pub(super) fn due(&self, number: u64) -> Option<Instant> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.due.get(index).copied()
    }

    /// What this event brings.
    pub(super) fn event(&mut self, event: &Event, buffer: &mut [u8]) -> Result<(), String> {
        if event.is_writable() {
            self.socket.flush().map_err(|error| unreachable(&error))?;
        }
        let heard = &mut self.heard;
        let is_open = self.socket.read(buffer, |bytes, _| {
            heard.extend_from_slice(bytes);
            Ok(())
        });
        while let Some(answer) = answer(&self.heard)? {
            if answer.status != 201 {
                let said = String::from_utf8_lossy(answer.body);
                return Err(format!("the broker answered {}: {}", answer.status, said.trim()));
            }
            let length = answer.length;
            forget(&mut self.heard, length);
            self.confirmed += 1;
        }
        match is_open.map_err(|error| unreachable(&error))? {
            true => Ok(()),
            false => Err("the broker closed the publisher's connection".to_owned()),
        }
    }
}
