//! A TLS stream for those who write and read what can be now, and wait by themselves.
//!
//! ```text
//!  try_write ─ bytes ─► records ─► socket      what the socket does not take waits here: one write at most
//!  receive  ◄─ bytes ─┘ opened  ◄─ socket      what came is opened at once, all of it
//! ```
//!
//! Bytes that were sealed cannot be taken back. While some of their records wait, the last of the bytes is said not to
//! have been taken: so whoever writes keeps at least that one, comes back with it when the socket takes more, and
//! counts as written only what has left.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use rustls::Connection;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use crate::transport::{Received, link};

/// A TLS stream after its handshake.
#[derive(Debug)]
pub(in crate::transport) struct Sealed {
    stream: TcpStream,
    session: Connection,
    /// The next byte to be written was sealed already.
    owes_one: bool,
    /// Something may have come in with the handshake.
    unread: bool,
}

impl Sealed {
    /// Goes on where hyper or the handshake has come to.
    pub(in crate::transport) fn new(stream: TlsStream<TcpStream>) -> Sealed {
        let (stream, session) = match stream {
            TlsStream::Server(server) => {
                let (stream, session) = server.into_inner();
                (stream, Connection::Server(session))
            }
            TlsStream::Client(client) => {
                let (stream, session) = client.into_inner();
                (stream, Connection::Client(session))
            }
        };
        Sealed { stream, session, owes_one: false, unread: true }
    }

    /// What the records go through.
    pub(in crate::transport) fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Resolves when [`Sealed::receive`] may find something.
    ///
    /// # Errors
    /// Those of the socket.
    pub(in crate::transport) async fn readable(&self) -> io::Result<()> {
        if self.unread { Ok(()) } else { self.stream.readable().await }
    }

    /// Resolves when [`Sealed::try_write`] may take something.
    ///
    /// # Errors
    /// Those of the socket.
    pub(in crate::transport) async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }

    /// Reads once into `sealed`, and appends all that this opens to `opened`: no more than two buffers hold, since
    /// what is left over from before is less than one record.
    pub(in crate::transport) fn receive(&mut self, sealed: &mut [u8], opened: &mut Vec<u8>) -> Received {
        if std::mem::take(&mut self.unread) {
            match self.open(opened) {
                Received::Some if opened.is_empty() => {}
                other => return other,
            }
        }
        let count = match link::read(&self.stream, sealed) {
            Ok(0) => return Received::End,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Received::Nothing,
            Err(_) => return Received::End,
        };
        let mut rest = &sealed[..count];
        while !rest.is_empty() {
            match self.session.read_tls(&mut rest) {
                // Behind the peer's last word nothing counts.
                Ok(0) | Err(_) => return Received::End,
                Ok(_) => {}
            }
            if self.open(opened) == Received::End {
                return Received::End;
            }
        }
        Received::Some
    }

    /// Opens whole records.
    fn open(&mut self, opened: &mut Vec<u8>) -> Received {
        let state = match self.session.process_new_packets() {
            Ok(state) => state,
            Err(error) => {
                tracing::debug!(%error, "the peer broke the rules of TLS");
                // The alert that says so goes out if there is room for it.
                let _ = self.push();
                return Received::End;
            }
        };
        let begin = opened.len();
        opened.resize(begin + state.plaintext_bytes_to_read(), 0);
        // As many bytes are there as were announced.
        if self.session.reader().read_exact(&mut opened[begin..]).is_err() {
            opened.truncate(begin);
        }
        // The answer to a change of keys goes out with the next record at the latest.
        let _ = self.push();
        if state.peer_has_closed() { Received::End } else { Received::Some }
    }

    /// Seals and writes as many bytes as can be taken now, in one record if it holds them. The next write has to begin
    /// with the first byte that was not taken.
    ///
    /// # Errors
    /// `WouldBlock` if none can be taken; else those of the socket.
    pub(in crate::transport) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.push()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let owed = usize::from(std::mem::take(&mut self.owes_one)).min(bytes.len());
        let sealed = self.session.writer().write(&bytes[owed..])?;
        let taken = owed + sealed;
        if self.push()? || sealed == 0 {
            return Ok(taken);
        }
        self.owes_one = true;
        if taken == 1 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken - 1) }
    }

    /// Says that nothing more will be written, if there is room to say so.
    pub(in crate::transport) fn finish(&mut self) {
        self.session.send_close_notify();
        let _ = self.push();
        // A socket that is gone already has nothing to be told.
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
    }

    /// Writes records; `true` when all have left.
    fn push(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Now(&self.stream)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Writes to a socket what it takes now.
struct Now<'a>(&'a TcpStream);

impl Write for Now<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "sealed_tests.rs"]
mod tests;
