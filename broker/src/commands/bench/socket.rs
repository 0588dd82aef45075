//! One nonblocking socket, and how many bytes went through it.
//!
//! Reads go into a buffer that all sockets share. Only what a write left
//! unfinished is kept, and given back once it is whole.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::framing::{WAITING_BYTES_MAX, forget};

/// One connection. Edge-triggered: whoever is told that it can be read or written must call
/// [`Socket::read`] or [`Socket::flush`].
pub(super) struct Socket {
    stream: TcpStream,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
    /// Bytes said so far, those that wait included.
    pub(super) sent_bytes: u64,
    /// Bytes heard so far.
    pub(super) received_bytes: u64,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Socket {
        Socket { stream, unsent: Vec::new(), sent_bytes: 0, received_bytes: 0 }
    }

    /// Begins to connect; `token` is what its events will carry.
    pub(super) fn connect(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Socket> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        // Edges: one registration for good, and no system call but reads and writes.
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Socket::new(stream))
    }

    /// For registering it.
    pub(super) fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Reads until nothing more is there; what `take` adds to its second argument is said at once. `false`: the other
    /// side is gone.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        mut take: impl FnMut(&mut [u8], &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<bool> {
        let mut answers = Vec::new();
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.received_bytes += read as u64;
                    take(&mut buffer[..read], &mut answers)?;
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
        self.sent_bytes += bytes.len() as u64;
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
    use super::*;

    #[test]
    fn what_the_socket_does_not_take_waits_up_to_a_limit() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_nonblocking(true).unwrap();
        let (mut socket, mut far) = (Socket::new(TcpStream::from_std(near)), listener.accept().unwrap().0);
        let megabyte = vec![b'x'; 1 << 20];
        let (mut said, refused) = (0, WAITING_BYTES_MAX + (16 << 20));
        while said < refused && socket.say(&megabyte).is_ok() {
            said += megabyte.len();
        }
        assert!(said < refused, "{said} bytes wait");
        assert_eq!(socket.sent_bytes, said as u64);
        let waiting = socket.unsent.len();
        assert!(waiting <= WAITING_BYTES_MAX);
        let mut rest = vec![0; said];
        let reading = std::thread::spawn(move || far.read_exact(&mut rest));
        while !socket.unsent.is_empty() {
            socket.flush().unwrap();
        }
        reading.join().unwrap().unwrap();
    }
}
