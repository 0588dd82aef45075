//! One nonblocking socket: bytes in through a buffer that all lines share, bytes out.
//!
//! A line that waits holds no buffer. Only what a read or a write left
//! unfinished is kept, and given back once it is whole.

use std::io::{self, Read, Write};

use mio::net::TcpStream;

use super::framing::{Incoming, Piece, Side, WAITING_BYTES_MAX, forget};

/// One connection. Edge-triggered: whoever is told that it can be read or written must call
/// [`Line::read`] or [`Line::flush`].
pub(super) struct Line {
    stream: TcpStream,
    incoming: Incoming,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, side: Side) -> Line {
        Line { stream, incoming: Incoming::new(side), unsent: Vec::new() }
    }

    /// For registering it.
    pub(super) fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Reads until nothing more is there. Pings are answered. `false`: the other side is gone.
    pub(super) fn read(&mut self, buffer: &mut [u8], mut on: impl FnMut(Piece<'_>)) -> io::Result<bool> {
        let mut answers = Vec::new();
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.incoming.take(&mut buffer[..read], &mut answers, &mut on)?;
                    if !answers.is_empty() {
                        self.say(&answers)?;
                        answers.clear();
                    }
                    // A read that does not fill the buffer has emptied the socket: the next event comes with new bytes.
                    if read < buffer.len() {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes, or keeps what the socket does not take now. One system call if nothing waits before it.
    pub(super) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = if self.unsent.is_empty() { write_some(&mut self.stream, bytes)? } else { 0 };
        if self.unsent.len() + bytes.len() - written > WAITING_BYTES_MAX {
            return Err(io::Error::other(format!("it left more than {WAITING_BYTES_MAX} bytes unread")));
        }
        self.unsent.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let written = write_some(&mut self.stream, &self.unsent)?;
        forget(&mut self.unsent, written);
        Ok(())
    }
}

/// How much the socket takes at once; nothing if it is full.
fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match stream.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A socket that is still being connected takes nothing either.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => {
                return Ok(0);
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::framing::text;
    use super::*;

    /// A line, and the other end of its socket.
    fn line() -> (Line, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_nonblocking(true).unwrap();
        (Line::new(TcpStream::from_std(near), Side::Client), listener.accept().unwrap().0)
    }

    #[test]
    fn a_ping_is_answered() {
        let (mut line, mut far) = line();
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

    #[test]
    fn what_the_socket_does_not_take_waits_up_to_a_limit() {
        let (mut line, mut far) = line();
        let megabyte = vec![b'x'; 1 << 20];
        let (mut said, refused) = (0, WAITING_BYTES_MAX + (16 << 20));
        while said < refused && line.say(&megabyte).is_ok() {
            said += megabyte.len();
        }
        assert!(said < refused, "{said} bytes wait");
        let waiting = line.unsent.len();
        assert!(waiting <= WAITING_BYTES_MAX);
        let mut rest = vec![0; said];
        let reading = std::thread::spawn(move || far.read_exact(&mut rest));
        while !line.unsent.is_empty() {
            line.flush().unwrap();
        }
        reading.join().unwrap().unwrap();
    }
}
