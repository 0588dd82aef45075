//! WebSocket frames, of either side: pieces out of a stream of bytes, and bytes out of messages.

use std::io::{self, Cursor};

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// What has come in and is not whole yet.
pub(super) struct Incoming {
    side: Side,
    /// The head of the HTTP upgrade has passed, and frames follow.
    upgraded: bool,
    /// The beginning of a frame, or of the head, whose end has not come.
    cut: Vec<u8>,
    /// The beginning of a message that comes in several frames.
    fragments: Vec<u8>,
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
pub(super) const WAITING_BYTES_MAX: usize = 64 << 20;

/// What is kept of an emptied buffer for the next time. In bytes.
const KEPT_BYTES_MAX: usize = 4096;

impl Incoming {
    /// Nothing has come in; the upgrade is first.
    pub(super) fn new(side: Side) -> Incoming {
        Incoming { side, upgraded: false, cut: Vec::new(), fragments: Vec::new() }
    }

    /// Gives out all that is whole. Answers to Pings are added to `answers`.
    pub(super) fn take(
        &mut self,
        bytes: &mut [u8],
        answers: &mut Vec<u8>,
        on: &mut impl FnMut(Piece<'_>),
    ) -> io::Result<()> {
        if self.cut.is_empty() {
            let used = self.walk(bytes, answers, on)?;
            self.cut.extend_from_slice(&bytes[used..]);
        } else {
            self.cut.extend_from_slice(bytes);
            let mut cut = std::mem::take(&mut self.cut);
            let used = self.walk(&mut cut, answers, on)?;
            forget(&mut cut, used);
            self.cut = cut;
        }
        Ok(())
    }

    /// Gives out all that is whole, and says how many bytes that was.
    fn walk(&mut self, bytes: &mut [u8], answers: &mut Vec<u8>, on: &mut impl FnMut(Piece<'_>)) -> io::Result<usize> {
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
            self.frame(&header, payload, answers, on)?;
            at += end;
        }
        Ok(at)
    }

    fn frame(
        &mut self,
        header: &FrameHeader,
        payload: &[u8],
        answers: &mut Vec<u8>,
        on: &mut impl FnMut(Piece<'_>),
    ) -> io::Result<()> {
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
            OpCode::Control(Control::Ping) => {
                answers.append(&mut framed(self.side, OpCode::Control(Control::Pong), payload));
            }
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

/// Takes the used beginning away, and gives an emptied buffer back if it is large.
pub(super) fn forget(buffer: &mut Vec<u8>, used: usize) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn part(opcode: Data, is_final: bool, payload: &[u8]) -> Vec<u8> {
        let header = FrameHeader { is_final, opcode: OpCode::Data(opcode), ..FrameHeader::default() };
        let mut bytes = Vec::new();
        header.format(payload.len() as u64, &mut bytes).unwrap();
        bytes.extend_from_slice(payload);
        bytes
    }

    /// What a stream holds that comes in pieces of so many bytes, and the answers.
    fn heard(incoming: &mut Incoming, stream: &[u8], piece: usize) -> (Vec<String>, Vec<u8>) {
        let (mut heard, mut answers) = (Vec::new(), Vec::new());
        for piece in stream.chunks(piece) {
            let taken = incoming.take(&mut piece.to_vec(), &mut answers, &mut |piece| {
                heard.push(match piece {
                    Piece::Head(head) => format!("head of {}", head.len()),
                    Piece::Message(message) => format!("message of {}", message.len()),
                    Piece::Close(reason) => format!("close {reason}"),
                });
            });
            taken.unwrap();
        }
        (heard, answers)
    }

    #[test]
    fn frames_are_found_however_the_stream_is_cut() {
        let mut stream = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec();
        stream.extend(text(Side::Server, &[b'a'; 5]));
        stream.extend(text(Side::Server, &[b'b'; 70_000]));
        stream.extend(part(Data::Text, false, b"one "));
        stream.extend(framed(Side::Server, OpCode::Control(Control::Ping), b"still there?"));
        stream.extend(part(Data::Continue, false, b"after "));
        stream.extend(part(Data::Continue, true, b"another"));
        stream.extend(framed(Side::Server, OpCode::Control(Control::Close), b"\x03\xe8bye"));
        for piece in [1, 2, 3, 7, 64, 1000, 65_536, stream.len()] {
            let mut incoming = Incoming::new(Side::Client);
            let expected = ["head of 36", "message of 5", "message of 70000", "message of 17", "close 1000 bye"];
            let pong = framed(Side::Client, OpCode::Control(Control::Pong), b"still there?");
            let (heard, answers) = heard(&mut incoming, &stream, piece);
            assert_eq!((heard, answers), (expected.map(str::to_owned).to_vec(), pong), "in pieces of {piece}");
            assert!(incoming.cut.is_empty() && incoming.fragments.is_empty());
        }
    }

    #[test]
    fn what_is_masked_is_unmasked() {
        let mut incoming = Incoming { upgraded: true, ..Incoming::new(Side::Server) };
        let header =
            FrameHeader { opcode: OpCode::Data(Data::Text), mask: Some([1, 2, 3, 4]), ..FrameHeader::default() };
        let mut bytes = Vec::new();
        header.format(5, &mut bytes).unwrap();
        bytes.extend(b"hello".iter().zip([1, 2, 3, 4, 1]).map(|(byte, mask)| byte ^ mask));
        let mut said = Vec::new();
        incoming
            .take(&mut bytes, &mut Vec::new(), &mut |piece| {
                if let Piece::Message(message) = piece {
                    said.extend_from_slice(message);
                }
            })
            .unwrap();
        assert_eq!(said, b"hello");
    }

    #[test]
    fn a_frame_without_end_is_refused_before_it_is_kept() {
        let mut incoming = Incoming { upgraded: true, ..Incoming::new(Side::Server) };
        let mut bytes = Vec::new();
        FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() }.format(1 << 40, &mut bytes).unwrap();
        assert!(incoming.take(&mut bytes, &mut Vec::new(), &mut |_| ()).is_err());
    }
}
