//! One nonblocking WebSocket, of either side: frames in from a buffer that all lines share, bytes out.
//!
//! A line that waits holds no buffer. Only what a read or a write left
//! unfinished is kept, and given back once it is whole.

use std::io::{self, Cursor, Read, Write};

use mio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// One connection. Edge-triggered: whoever is told that it can be read or written must call
/// [`Line::read`] or [`Line::flush`].
pub(super) struct Line {
    stream: TcpStream,
    side: Side,
    /// The head of the HTTP upgrade has passed, and frames follow.
    upgraded: bool,
    /// The beginning of a frame, or of the head, whose end has not come.
    cut: Vec<u8>,
    /// The beginning of a message that comes in several frames.
    fragments: Vec<u8>,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
}

/// Who masks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Masks what it says.
    Client,
    /// Hears what is masked.
    Server,
}

/// What came in.
pub(super) enum Piece<'a> {
    /// The head of the upgrade or of its answer.
    Head(&'a [u8]),
    /// A whole WebSocket message.
    Message(&'a [u8]),
    /// The other side closes: code and reason.
    Close(String),
}

/// Largest message, and most that may wait for a socket. In bytes.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// What is kept of an emptied buffer for the next time. In bytes.
const KEPT_BYTES_MAX: usize = 4096;

impl Line {
    pub(super) fn new(stream: TcpStream, side: Side) -> Line {
        let empty = Vec::new;
        Line { stream, side, upgraded: false, cut: empty(), fragments: empty(), unsent: empty() }
    }

    /// For registering it.
    pub(super) fn source(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Why it could not be connected, if so.
    pub(super) fn error(&self) -> Option<io::Error> {
        self.stream.take_error().ok().flatten()
    }

    /// Reads until nothing more is there. Pings are answered. `false`: the other side is gone.
    pub(super) fn read(&mut self, buffer: &mut [u8], mut on: impl FnMut(Piece<'_>)) -> io::Result<bool> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.take(&mut buffer[..read], &mut on)?;
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

    fn take(&mut self, bytes: &mut [u8], on: &mut impl FnMut(Piece<'_>)) -> io::Result<()> {
        if self.cut.is_empty() {
            let used = self.walk(bytes, on)?;
            self.cut.extend_from_slice(&bytes[used..]);
        } else {
            self.cut.extend_from_slice(bytes);
            let mut cut = std::mem::take(&mut self.cut);
            let used = self.walk(&mut cut, on)?;
            forget(&mut cut, used);
            self.cut = cut;
        }
        Ok(())
    }

    /// Gives out all that is whole, and says how many bytes that was.
    fn walk(&mut self, bytes: &mut [u8], on: &mut impl FnMut(Piece<'_>)) -> io::Result<usize> {
        let mut at = 0;
        if !self.upgraded {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(0) };
            at = end + 4;
            self.upgraded = true;
            on(Piece::Head(&bytes[..at]));
        }
        while at < bytes.len() {
            let rest = &mut bytes[at..];
            let mut cursor = Cursor::new(&*rest);
            let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(io::Error::other)? else { break };
            let start = cursor.position() as usize;
            if length > WAITING_BYTES_MAX as u64 {
                return Err(io::Error::other(format!("a frame of {length} bytes")));
            }
            let end = start + length as usize;
            let Some(payload) = rest.get_mut(start..end) else { break };
            if let Some(mask) = header.mask {
                payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
            }
            self.frame(&header, payload, on)?;
            at += end;
        }
        Ok(at)
    }

    fn frame(&mut self, header: &FrameHeader, payload: &[u8], on: &mut impl FnMut(Piece<'_>)) -> io::Result<()> {
        match header.opcode {
            OpCode::Data(_) if header.is_final && self.fragments.is_empty() => on(Piece::Message(payload)),
            OpCode::Data(_) => {
                if self.fragments.len() + payload.len() > WAITING_BYTES_MAX {
                    return Err(io::Error::other("a message without end"));
                }
                self.fragments.extend_from_slice(payload);
                if header.is_final {
                    on(Piece::Message(&std::mem::take(&mut self.fragments)));
                }
            }
            OpCode::Control(Control::Ping) => self.say(&framed(self.side, OpCode::Control(Control::Pong), payload))?,
            OpCode::Control(Control::Close) => on(Piece::Close(closing(payload))),
            OpCode::Control(_) => {}
        }
        Ok(())
    }
}

/// A text message as it goes over the line.
pub(super) fn text(side: Side, payload: &[u8]) -> Vec<u8> {
    framed(side, OpCode::Data(Data::Text), payload)
}

/// A binary message as it goes over the line.
pub(super) fn binary(side: Side, payload: &[u8]) -> Vec<u8> {
    framed(side, OpCode::Data(Data::Binary), payload)
}

fn framed(side: Side, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    // A mask of zeros is a mask, and leaves the payload as it is: it can be changed in place afterwards.
    let mask = (side == Side::Client).then_some([0; 4]);
    let header = FrameHeader { opcode, mask, ..FrameHeader::default() };
    let mut bytes = Vec::with_capacity(payload.len() + 14);
    header.format(payload.len() as u64, &mut bytes).expect("a vector takes all");
    bytes.extend_from_slice(payload);
    bytes
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

fn forget(buffer: &mut Vec<u8>, used: usize) {
    if used < buffer.len() {
        buffer.drain(..used);
    } else if buffer.capacity() > KEPT_BYTES_MAX {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}

fn closing(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            format!("{code} {}", String::from_utf8_lossy(reason)).trim_end().to_owned()
        }
        _ => "no code".to_owned(),
    }
}
