//! One nonblocking socket with WebSocket frames on it.

use std::io;

use mio::net::TcpStream;

use super::framing::{Incoming, Piece, Side};
use super::socket::Socket;

/// One connection. Edge-triggered: whoever is told that it can be read or written must call
/// [`Line::read`] or [`Line::flush`].
pub(super) struct Line {
    socket: Socket,
    incoming: Incoming,
}

impl Line {
    pub(super) fn new(stream: TcpStream, side: Side) -> Line {
        Line { socket: Socket::new(stream), incoming: Incoming::new(side) }
    }

    /// For registering it.
    pub(super) fn source(&mut self) -> &mut TcpStream {
        self.socket.source()
    }

    /// Reads until nothing more is there. Pings are answered. `false`: the other side is gone.
    pub(super) fn read(&mut self, buffer: &mut [u8], mut on: impl FnMut(Piece<'_>)) -> io::Result<bool> {
        let incoming = &mut self.incoming;
        self.socket.read(buffer, |bytes, answers| incoming.take(bytes, answers, &mut on))
    }

    /// Writes, or keeps what the socket does not take now. One system call if nothing waits before it.
    pub(super) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.say(bytes)
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::super::framing::text;
    use super::*;

    #[test]
    fn a_ping_is_answered() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_nonblocking(true).unwrap();
        let mut line = Line::new(TcpStream::from_std(near), Side::Client);
        let mut far = listener.accept().unwrap().0;
        far.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x89\x05hello").unwrap();
        far.write_all(&text(Side::Server, b"and more")).unwrap();
        let (mut buffer, mut more) = (vec![0; 1024], false);
        while !more {
            line.read(&mut buffer, |piece| more |= matches!(piece, Piece::Message(b"and more"))).unwrap();
        }
        let mut answer = [0; 11];
        far.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"\x8a\x85\0\0\0\0hello");
    }
}
