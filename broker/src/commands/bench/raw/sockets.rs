//! The clients of one thread of the bare server.

use std::io;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::client::Client;

/// By token. A place that was left is taken again, so `birth` tells who had it when.
#[derive(Default)]
pub(super) struct Sockets {
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    births: u32,
    /// Clients that left since somebody last looked.
    gone: usize,
}

impl Sockets {
    /// A new client.
    pub(super) fn adopt(&mut self, registry: &Registry, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        self.births = self.births.wrapping_add(1);
        let mut client = Client::new(stream, self.births);
        let index = self.free.pop().unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        registry.register(client.line.source(), Token(index), Interest::READABLE | Interest::WRITABLE)?;
        self.clients[index] = Some(client);
        Ok(())
    }

    /// Writes to a client, if it is still there.
    #[inline]
    pub(super) fn say(&mut self, index: usize, birth: u32, bytes: &[u8]) {
        let Some(client) = self.clients[index].as_mut().filter(|client| client.birth == birth) else { return };
        if client.line.say(bytes).is_err() {
            self.drop_client(index);
        }
    }

    /// Closes a client's socket.
    pub(super) fn drop_client(&mut self, index: usize) {
        if self.clients[index].take().is_some() {
            self.free.push(index);
            self.gone += 1;
        }
    }

    /// Who is at this place.
    pub(super) fn at(&mut self, index: usize) -> Option<&mut Client> {
        self.clients[index].as_mut()
    }

    /// Whether a client is still there.
    pub(super) fn has(&self, index: usize, birth: u32) -> bool {
        self.clients[index].as_ref().is_some_and(|client| client.birth == birth)
    }

    /// Whether so many have left that it is worth looking for them among the subscribers. Begins to count anew.
    pub(super) fn many_left(&mut self) -> bool {
        let many = self.gone >= GONE_MAX;
        if many {
            self.gone = 0;
        }
        many
    }
}

const GONE_MAX: usize = 1024;
