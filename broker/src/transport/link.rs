//! One connection's bytes, whatever carries them.

use std::cell::RefCell;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::websocket::{self, Framing};

/// Read at once from a socket, into a buffer that all connections of a thread share.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// What a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// STOMP frames on a TCP stream.
    Tcp,
    /// STOMP frames in WebSocket messages.
    WebSocket,
}

impl Kind {
    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Tcp => "tcp",
            Kind::WebSocket => "websocket",
        }
    }
}

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound<'a> {
    /// Bytes the peer's program wrote.
    Bytes(&'a [u8]),
    /// The answer to a Ping, made below the peer's program.
    Pong(&'a [u8]),
    /// The peer closed, with its code if it gave one.
    Closed(Option<u16>),
}

/// How a read ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Some bytes; there may be more.
    Some,
    /// Nothing is there now.
    Nothing,
    /// The stream has ended.
    End,
    /// The peer broke the transport's rules.
    Broken {
        /// The WebSocket close code that says so.
        code: u16,
        /// In words.
        reason: String,
    },
}

/// One connection that moves bytes.
#[derive(Debug)]
pub struct Link {
    stream: Arc<TcpStream>,
    peer: SocketAddr,
    framing: Option<Framing>,
}

/// The writing half of a [`Link`].
#[derive(Clone, Debug)]
pub struct Wire(Arc<TcpStream>);

impl Wire {
    /// Writes what the socket takes now.
    ///
    /// # Errors
    /// `WouldBlock` if it takes nothing; else those of the socket.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
}

impl Link {
    /// A plain TCP stream.
    pub fn tcp(stream: TcpStream, peer: SocketAddr) -> Link {
        Link { stream: Arc::new(stream), peer, framing: None }
    }

    /// A WebSocket after its handshake.
    pub fn websocket(stream: TcpStream, peer: SocketAddr, framing: Framing) -> Link {
        Link { stream: Arc::new(stream), peer, framing: Some(framing) }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        if self.framing.is_some() { Kind::WebSocket } else { Kind::Tcp }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Resolves when [`Link::receive`] may find something.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn readable(&self) -> io::Result<()> {
        if self.framing.as_ref().is_some_and(Framing::has_input) {
            return Ok(());
        }
        self.stream.readable().await
    }

    /// Resolves when [`Link::try_write`] may take something.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }

    /// Reads once. What the transport itself has to answer is appended to `outbound`.
    pub fn receive(&mut self, outbound: &mut Vec<u8>, mut sink: impl FnMut(Inbound<'_>)) -> Received {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let pending = self.framing.as_ref().is_some_and(Framing::has_input);
            let (count, read) = match read(&self.stream, buffer) {
                Ok(0) => (0, Received::End),
                Ok(count) => (count, Received::Some),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (0, Received::Nothing),
                Err(_) => (0, Received::End),
            };
            if count == 0 && !pending {
                return read;
            }
            match &mut self.framing {
                None => sink(Inbound::Bytes(&buffer[..count])),
                Some(framing) => {
                    if let Err(error) = framing.receive(&buffer[..count], outbound, sink) {
                        return Received::Broken { code: websocket::close_code(&error), reason: error.to_string() };
                    }
                }
            }
            if read == Received::Nothing { Received::Some } else { read }
        })
    }

    /// Writes what the socket takes now.
    ///
    /// # Errors
    /// `WouldBlock` if it takes nothing; else those of the socket.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.try_write(bytes)
    }

    /// Appends whole STOMP frames as this link carries them.
    pub fn push(&self, stomp: &[u8], out: &mut Vec<u8>) {
        match self.framing {
            None => out.extend_from_slice(stomp),
            Some(_) => websocket::push_message(stomp, out),
        }
    }

    /// Appends a framed message as this link carries it.
    pub fn push_framed(&self, framed: Bytes, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.carry(framed));
    }

    /// Says that nothing more will be written.
    pub fn finish(&self) {
        // A socket that is gone already has nothing to be told.
        let _ = SockRef::from(&*self.stream).shutdown(Shutdown::Write);
    }

    /// The writing half, for those who write without this link's task.
    pub fn wire(&self) -> Wire {
        Wire(self.stream.clone())
    }

    /// A shared, framed message as this link carries it.
    pub fn carry(&self, framed: Bytes) -> Bytes {
        match self.framing {
            None => websocket::payload_of(&framed),
            Some(_) => framed,
        }
    }

    /// Appends a Ping; `false` if this transport has none.
    pub fn push_ping(&self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        if self.framing.is_some() {
            websocket::push_ping(payload, out);
        }
        self.framing.is_some()
    }

    /// Appends a close with code and reason, where the transport has such.
    pub fn push_close(&self, code: u16, reason: &str, out: &mut Vec<u8>) {
        if self.framing.as_ref().is_some_and(|framing| !framing.is_closed_by_peer()) {
            websocket::push_close(code, reason, out);
        }
    }

    /// Takes larger messages: the peer is known now.
    pub fn raise_limit(&mut self, message_bytes_max: usize) {
        if let Some(framing) = &mut self.framing {
            framing.raise_limit(message_bytes_max);
        }
    }
}

/// Reads what is there. A read that does not fill the buffer has emptied the socket (`epoll(7)`), so
/// the socket counts as empty until it says otherwise, and nobody has to read again to find nothing.
fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    let read = stream.try_io(Interest::READABLE, || {
        count = stream.try_read(buffer)?;
        if (1..buffer.len()).contains(&count) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    });
    if count > 0 { Ok(count) } else { read }
}
