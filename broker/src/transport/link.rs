//! One connection's bytes, whatever carries them.

use std::cell::RefCell;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::Socket;
use super::kind::{Carriage, Kind};
#[cfg(test)]
use super::memory::Memory;
use super::pipe::{Answering, Near, Writer};
use super::sockjs::{self, Broken, Texts};
use super::tls::{self, Sealed};
use super::websocket::{self, Framing};

/// Read at once from a socket, into a buffer that all connections of a thread share.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
    /// What TLS made of it.
    static OPENED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound<'a> {
    /// Bytes the peer's program wrote.
    Bytes(&'a [u8]),
    /// The answer to a Ping, made below the peer's program.
    Pong(&'a [u8]),
    /// What was before this Ping has left the broker; nobody answered it.
    Departed(&'a [u8]),
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
    stream: Stream,
    peer: SocketAddr,
    framing: Option<Framing>,
    carriage: Carriage,
    /// Nothing has been read.
    is_fresh: bool,
}

#[derive(Debug)]
enum Stream {
    Socket(Arc<TcpStream>),
    Sealed(Box<Sealed>),
    Pipe(Near),
    #[cfg(test)]
    Memory(Arc<Memory>),
}

impl From<Socket> for Stream {
    fn from(socket: Socket) -> Stream {
        match socket {
            Socket::Plain(stream) => Stream::Socket(Arc::new(stream)),
            Socket::Secure(stream) => Stream::Sealed(Box::new(Sealed::new(*stream))),
            #[cfg(test)]
            Socket::Memory(stream) => Stream::Memory(Arc::new(stream)),
        }
    }
}

/// The writing half of a [`Link`].
#[derive(Clone, Debug)]
pub struct Wire(WireTo);

#[derive(Clone, Debug)]
enum WireTo {
    Socket(Arc<TcpStream>),
    Pipe(Writer),
    #[cfg(test)]
    Memory(Arc<Memory>),
}

impl Wire {
    /// Writes what the socket takes now.
    ///
    /// # Errors
    /// `WouldBlock` if it takes nothing; else those of the socket.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            WireTo::Socket(stream) => stream.try_write(bytes),
            WireTo::Pipe(writer) => writer.try_write(bytes),
            #[cfg(test)]
            WireTo::Memory(stream) => stream.try_write(bytes),
        }
    }
}

impl Link {
    /// STOMP as it is.
    pub fn tcp(socket: Socket, peer: SocketAddr) -> Link {
        Link { stream: socket.into(), peer, framing: None, carriage: Carriage::Bare, is_fresh: true }
    }

    /// A WebSocket after its handshake.
    pub fn websocket(socket: Socket, peer: SocketAddr, framing: Framing) -> Link {
        Link { framing: Some(framing), carriage: Carriage::Message, ..Link::tcp(socket, peer) }
    }

    /// A WebSocket on which SockJS is spoken, and was begun.
    pub fn sockjs_websocket(socket: Socket, peer: SocketAddr, framing: Framing) -> Link {
        Link { carriage: Carriage::Array, ..Link::websocket(socket, peer, framing) }
    }

    /// The near end of a pipe to a SockJS session.
    pub fn pipe(near: Near, peer: SocketAddr) -> Link {
        Link { stream: Stream::Pipe(near), peer, framing: None, carriage: Carriage::Message, is_fresh: true }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match (&self.stream, self.carriage) {
            (Stream::Pipe(_), _) => Kind::Sockjs,
            (_, Carriage::Bare) => Kind::Tcp,
            (_, Carriage::Message | Carriage::Array) => Kind::WebSocket,
        }
    }

    /// How it carries frames.
    pub fn carriage(&self) -> Carriage {
        self.carriage
    }

    /// Whose answer a Ping has; `None` if there are no Pings.
    pub fn answering(&self) -> Option<Answering> {
        match &self.stream {
            Stream::Pipe(near) => Some(near.answering()),
            _ => self.framing.is_some().then_some(Answering::Client),
        }
    }

    /// Whether the peer answers Pings.
    pub fn has_pings(&self) -> bool {
        self.answering() == Some(Answering::Client)
    }

    /// Whether bytes wait in the system that nobody has read. Asks the system itself.
    pub fn has_unread(&self) -> bool {
        match &self.stream {
            Stream::Socket(stream) => has_unread(stream),
            Stream::Sealed(sealed) => has_unread(sealed.socket()),
            Stream::Pipe(_) => false,
            #[cfg(test)]
            Stream::Memory(_) => false,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Bytes of a WebSocket message that was begun.
    pub fn begun(&self) -> usize {
        self.framing.as_ref().map_or(0, Framing::begun)
    }

    /// Resolves when [`Link::receive`] may find something.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn readable(&self) -> io::Result<()> {
        if self.framing.as_ref().is_some_and(Framing::has_input) {
            return Ok(());
        }
        match &self.stream {
            Stream::Socket(stream) => stream.readable().await,
            Stream::Sealed(sealed) => sealed.readable().await,
            #[cfg(test)]
            Stream::Memory(stream) => stream.readable().await,
            Stream::Pipe(near) => {
                near.readable().await;
                Ok(())
            }
        }
    }

    /// Resolves when [`Link::try_write`] may take something.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn writable(&self) -> io::Result<()> {
        match &self.stream {
            Stream::Socket(stream) => stream.writable().await,
            Stream::Sealed(sealed) => sealed.writable().await,
            #[cfg(test)]
            Stream::Memory(stream) => stream.writable().await,
            Stream::Pipe(near) => {
                near.writable().await;
                Ok(())
            }
        }
    }

    /// Reads once. What the transport itself has to answer is appended to `outbound`.
    pub fn receive(&mut self, outbound: &mut Vec<u8>, sink: impl FnMut(Inbound<'_>)) -> Received {
        let Link { stream, framing, carriage, .. } = self;
        let framing = framing.as_mut();
        match stream {
            Stream::Pipe(near) => near.receive(sink),
            Stream::Socket(stream) => READ_BUFFER.with_borrow_mut(|buffer| {
                let (count, read) = match read(stream, buffer) {
                    Ok(0) => (0, Received::End),
                    Ok(count) => (count, Received::Some),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => (0, Received::Nothing),
                    Err(_) => (0, Received::End),
                };
                if count > 0 && std::mem::take(&mut self.is_fresh) && tls::is_hello(&buffer[..count]) {
                    tls::log_misdirected("stomp", self.peer);
                    return Received::Broken { code: 1002, reason: "TLS on a port without it".to_owned() };
                }
                unwrap(framing, *carriage, &buffer[..count], read, outbound, sink)
            }),
            #[cfg(test)]
            Stream::Memory(stream) => READ_BUFFER.with_borrow_mut(|buffer| {
                let (count, read) = match stream.try_read(buffer) {
                    Ok(0) => (0, Received::End),
                    Ok(count) => (count, Received::Some),
                    Err(_) => (0, Received::Nothing),
                };
                unwrap(framing, *carriage, &buffer[..count], read, outbound, sink)
            }),
            Stream::Sealed(sealed) => READ_BUFFER.with_borrow_mut(|buffer| {
                OPENED.with_borrow_mut(|opened| {
                    opened.clear();
                    let read = sealed.receive(buffer, opened);
                    unwrap(framing, *carriage, opened, read, outbound, sink)
                })
            }),
        }
    }

    /// Writes what the socket takes now. The next write begins with the first byte that was not taken.
    ///
    /// # Errors
    /// `WouldBlock` if it takes nothing; else those of the socket.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Socket(stream) => stream.try_write(bytes),
            Stream::Sealed(sealed) => sealed.try_write(bytes),
            #[cfg(test)]
            Stream::Memory(stream) => stream.try_write(bytes),
            Stream::Pipe(near) => near.writer().try_write(bytes),
        }
    }

    /// Appends whole STOMP frames as this link carries them.
    pub fn push(&self, stomp: &[u8], out: &mut Vec<u8>) {
        match self.carriage {
            Carriage::Bare => out.extend_from_slice(stomp),
            Carriage::Message => websocket::push_message(stomp, out),
            Carriage::Array => websocket::push_message(sockjs::array(stomp).as_bytes(), out),
        }
    }

    /// Appends a framed message as this link carries it.
    pub fn push_framed(&self, framed: Bytes, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.carry(framed));
    }

    /// Drops what waits here for a peer that has not asked for it. What a socket has cannot be taken back.
    pub fn forget_unread(&mut self) {
        if let Stream::Pipe(near) = &self.stream {
            near.forget_unread();
        }
    }

    /// Says that nothing more will be written.
    pub fn finish(&mut self) {
        match &mut self.stream {
            // A socket that is gone already has nothing to be told.
            Stream::Socket(stream) => drop(SockRef::from(&**stream).shutdown(Shutdown::Write)),
            Stream::Sealed(sealed) => sealed.finish(),
            #[cfg(test)]
            Stream::Memory(stream) => stream.finish(),
            Stream::Pipe(near) => near.finish(),
        }
    }

    /// The writing half, for those who write without this link's task. TLS has none: what is written there is sealed
    /// for this link alone, in the order in which it is written.
    pub fn wire(&self) -> Option<Wire> {
        match &self.stream {
            Stream::Socket(stream) => Some(Wire(WireTo::Socket(stream.clone()))),
            Stream::Sealed(_) => None,
            #[cfg(test)]
            Stream::Memory(stream) => Some(Wire(WireTo::Memory(stream.clone()))),
            Stream::Pipe(near) => Some(Wire(WireTo::Pipe(near.writer()))),
        }
    }

    /// A shared, framed message as this link carries it.
    pub fn carry(&self, framed: Bytes) -> Bytes {
        self.carriage.carry(framed)
    }

    /// Appends a Ping; `false` if this transport has none.
    pub fn push_ping(&self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        if self.answering().is_some() {
            websocket::push_ping(payload, out);
        }
        self.answering().is_some()
    }

    /// Appends a close with code and reason, where the transport has such.
    pub fn push_close(&self, code: u16, reason: &str, out: &mut Vec<u8>) {
        let closed_by_peer = self.framing.as_ref().is_some_and(Framing::is_closed_by_peer);
        match self.carriage {
            Carriage::Message | Carriage::Array if closed_by_peer => {}
            Carriage::Bare => {}
            Carriage::Message => websocket::push_close(code, reason, out),
            Carriage::Array => {
                websocket::push_message(sockjs::close(code, reason).as_bytes(), out);
                websocket::push_close(code, reason, out);
            }
        }
    }

    /// Takes larger messages: the peer is known now.
    pub fn raise_limit(&mut self, message_bytes_max: usize) {
        match (&mut self.framing, &self.stream) {
            (_, Stream::Pipe(near)) => near.raise_limit(message_bytes_max),
            (Some(framing), _) if self.carriage == Carriage::Array => {
                framing.raise_limit(message_bytes_max.saturating_mul(sockjs::ESCAPED_MAX));
            }
            (Some(framing), _) => framing.raise_limit(message_bytes_max),
            (None, _) => {}
        }
    }
}

/// Takes STOMP out of what was read, and says how the read ended.
fn unwrap(
    framing: Option<&mut Framing>,
    carriage: Carriage,
    bytes: &[u8],
    read: Received,
    outbound: &mut Vec<u8>,
    mut sink: impl FnMut(Inbound<'_>),
) -> Received {
    let pending = framing.as_ref().is_some_and(|framing| framing.has_input());
    if bytes.is_empty() && !pending {
        return read;
    }
    match framing {
        None => sink(Inbound::Bytes(bytes)),
        Some(framing) => {
            let mut broken = None;
            let unwrapped = |inbound: Inbound<'_>| match (carriage, inbound) {
                (Carriage::Array, Inbound::Bytes(bytes)) if broken.is_none() => {
                    broken = texts(bytes, &mut sink).err();
                }
                (Carriage::Array, Inbound::Bytes(_)) => {}
                (_, inbound) => sink(inbound),
            };
            if let Err(error) = framing.receive(bytes, outbound, unwrapped) {
                return Received::Broken { code: websocket::close_code(&error), reason: error.to_string() };
            }
            if let Some(broken) = broken {
                return Received::Broken { code: 1007, reason: broken.to_string() };
            }
        }
    }
    if read == Received::Nothing { Received::Some } else { read }
}

/// What a client of SockJS sent in one WebSocket message; an empty one says nothing.
fn texts(message: &[u8], sink: &mut impl FnMut(Inbound<'_>)) -> Result<(), Broken> {
    if message.is_empty() {
        return Ok(());
    }
    let mut texts = Texts::new(message.len());
    texts.read(message, |text| sink(Inbound::Bytes(text.as_bytes())))?;
    texts.finish()
}

/// Reads what is there. A read that does not fill the buffer has emptied the socket (`epoll(7)`), so
/// the socket counts as empty until it says otherwise, and nobody has to read again to find nothing.
pub(super) fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    let read = stream.try_io(Interest::READABLE, || {
        count = stream.try_read(buffer)?;
        if (1..buffer.len()).contains(&count) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    });
    if count > 0 { Ok(count) } else { read }
}

fn has_unread(stream: &TcpStream) -> bool {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    // The socket does not block.
    SockRef::from(stream).peek(&mut byte).is_ok_and(|count| count > 0)
}
