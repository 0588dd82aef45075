//! RFC 6455 without I/O: tungstenite is fed bytes and asked for messages, and
//! what it wants to write goes into the same ordered stream as everything else.
//! A Pong can therefore never land inside a half-written message.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket};

use super::Inbound;

/// An idle connection keeps one read buffer of this size.
const READ_BUFFER_BYTES: usize = 1024;

const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// The longest payload of a control frame (RFC 6455, section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// One WebSocket, server side.
#[derive(Debug)]
pub struct Framing {
    socket: WebSocket<Feed>,
    closed_by_peer: bool,
}

/// What tungstenite reads from and writes to.
#[derive(Debug, Default)]
struct Feed {
    inbound: BytesMut,
    outbound: Vec<u8>,
}

impl Framing {
    /// A WebSocket after its handshake; `already_read` came behind the request.
    pub fn new(already_read: &[u8], message_bytes_max: usize) -> Framing {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(64 * 1024)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        let feed = Feed { inbound: BytesMut::from(already_read), outbound: Vec::new() };
        Framing { socket: WebSocket::from_raw_socket(feed, Role::Server, Some(config)), closed_by_peer: false }
    }

    /// Takes larger messages from now on.
    pub fn raise_limit(&mut self, message_bytes_max: usize) {
        self.socket.set_config(|config| {
            config.max_message_size = Some(message_bytes_max);
            config.max_frame_size = Some(message_bytes_max);
        });
    }

    /// Whether the peer has closed: the answer to its Close has gone out, and nothing may follow.
    pub fn is_closed_by_peer(&self) -> bool {
        self.closed_by_peer
    }

    /// Whether bytes wait to be taken by [`Framing::receive`].
    pub fn has_input(&self) -> bool {
        !self.socket.get_ref().inbound.is_empty()
    }

    /// Takes bytes from the wire, hands out what they complete and appends what must be answered to `outbound`.
    ///
    /// # Errors
    /// The peer broke the protocol; nothing more can be read.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        outbound: &mut Vec<u8>,
        mut sink: impl FnMut(Inbound<'_>),
    ) -> Result<(), Error> {
        self.socket.get_mut().inbound.extend_from_slice(bytes);
        let ended = loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => sink(Inbound::Bytes(text.as_bytes())),
                Ok(Message::Binary(bytes)) => sink(Inbound::Bytes(&bytes)),
                Ok(Message::Pong(payload)) => sink(Inbound::Pong(&payload)),
                Ok(Message::Close(frame)) => {
                    self.closed_by_peer = true;
                    sink(Inbound::Closed(frame.map(|frame| frame.code.into())));
                }
                Ok(Message::Ping(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                    // RFC 6455, section 5.5.1: what follows a Close is not looked at.
                    self.socket.get_mut().inbound.clear();
                    break Ok(());
                }
                Err(error) => break Err(error),
            }
        };
        // Answers to Ping and Close; a failure here is that of the closed connection, seen above.
        let _ = self.socket.flush();
        let feed = self.socket.get_mut();
        outbound.append(&mut feed.outbound);
        if feed.inbound.is_empty() {
            (feed.inbound, feed.outbound) = (BytesMut::new(), Vec::new());
        }
        ended
    }
}

/// What RFC 6455, section 7.4.1, has for a peer's fault.
pub fn close_code(error: &Error) -> u16 {
    match error {
        Error::Capacity(_) => 1009,
        Error::Utf8(_) => 1007,
        _ => 1002,
    }
}

/// Appends a data message: text when it is valid UTF-8, else binary. One fixed
/// kind breaks stompjs 2 (which takes no binary) or stompjs 7 (binary bodies).
pub fn push_message(payload: &[u8], out: &mut Vec<u8>) {
    let kind = if std::str::from_utf8(payload).is_ok() { TEXT } else { BINARY };
    push_header(kind, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends a Ping. `payload` has at most [`CONTROL_BYTES_MAX`] bytes.
pub fn push_ping(payload: &[u8], out: &mut Vec<u8>) {
    push_header(PING, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends a Close with a reason, cut to what a control frame holds.
pub fn push_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let mut end = reason.len().min(CONTROL_BYTES_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    push_header(CLOSE, 2 + end, out);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(&reason.as_bytes()[..end]);
}

/// A message with its WebSocket header, to be shared by all links; see [`payload_of`].
pub fn framed(payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + 10);
    push_message(payload, &mut out);
    Bytes::from(out)
}

/// What [`framed`] was given: for links that have no WebSocket header.
pub fn payload_of(framed: &Bytes) -> Bytes {
    let header = match framed.get(1).map(|byte| byte & 0x7f) {
        Some(127) => 10,
        Some(126) => 4,
        _ => 2,
    };
    framed.slice(header..)
}

/// RFC 6455, section 5.2: a server's frames are not masked; the length takes 7, 7+16 or 7+64 bits.
fn push_header(opcode: u8, length: usize, out: &mut Vec<u8>) {
    out.push(FINAL | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.inbound.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(self.inbound.len());
        self.inbound.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Write for Feed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbound.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame: masked with zeros, so that the payload stays readable.
    fn from_client(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![FINAL | opcode, 0x80 | u8::try_from(payload.len()).expect("short"), 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn messages_come_out_whole_however_they_came_in() {
        let mut wire = from_client(TEXT, b"hello");
        wire.extend(from_client(0xA, b"pong"));
        let mut framing = Framing::new(&[], 1024);
        let (mut seen, mut answers) = (Vec::new(), Vec::new());
        for byte in wire {
            let received = framing.receive(&[byte], &mut answers, |inbound| seen.push(format!("{inbound:?}")));
            received.expect("well-formed");
        }
        assert_eq!(seen, [format!("{:?}", Inbound::Bytes(b"hello")), format!("{:?}", Inbound::Pong(b"pong"))]);
        assert!(answers.is_empty());
    }

    #[test]
    fn a_ping_is_answered_into_the_ordered_stream() {
        let mut framing = Framing::new(&from_client(PING, b"abc"), 1024);
        let mut answers = Vec::new();
        framing.receive(&[], &mut answers, |_| {}).expect("well-formed");
        assert_eq!(answers, [0x8A, 3, b'a', b'b', b'c']);
    }

    #[test]
    fn what_follows_a_close_is_not_looked_at() {
        let close = from_client(CLOSE, &1000u16.to_be_bytes());
        let mut framing = Framing::new(&[close.clone(), close, from_client(TEXT, b"late")].concat(), 1024);
        let (mut seen, mut answers) = (Vec::new(), Vec::new());
        framing.receive(&[], &mut answers, |inbound| seen.push(format!("{inbound:?}"))).expect("well-formed");
        assert_eq!(seen, [format!("{:?}", Inbound::Closed(Some(1000)))]);
        assert!(framing.is_closed_by_peer() && !framing.has_input());
        assert_eq!(answers, [0x88, 2, 0x03, 0xE8], "one Close, once");
    }

    #[test]
    fn a_message_over_the_limit_is_refused_before_it_arrives() {
        let mut framing = Framing::new(&[], 1024);
        let header = [FINAL | TEXT, 0xFF, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        let refused = framing.receive(&header, &mut Vec::new(), |_| {}).expect_err("over the limit");
        assert_eq!(close_code(&refused), 1009);
    }

    #[test]
    fn the_header_is_cut_off_for_links_without_one() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            assert_eq!(payload_of(&framed(&payload)), payload, "{length}");
        }
    }

    #[test]
    fn text_is_sent_as_text_and_the_rest_as_binary() {
        assert_eq!(framed("ä".as_bytes())[0], FINAL | TEXT);
        assert_eq!(framed(&[0xff])[0], FINAL | BINARY);
    }

    #[test]
    fn a_long_reason_is_cut_at_a_letter() {
        let mut out = Vec::new();
        push_close(1012, &"ä".repeat(100), &mut out);
        assert_eq!(usize::from(out[1]), 2 + 122);
    }
}
