//! Frames as a server writes them: whole, unmasked, with the shortest header.

use bytes::Bytes;

use super::{BINARY, CLOSE, FINAL, PING, TEXT};

/// The longest payload of a control frame (RFC 6455, section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

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
    framed.slice(header_bytes(framed.get(1).copied().unwrap_or_default())..)
}

/// Bytes before the payload, by the second of them.
fn header_bytes(second: u8) -> usize {
    match second {
        127 => 10,
        126 => 4,
        _ => 2,
    }
}

/// A frame of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Text or binary.
    Message(&'a [u8]),
    /// With its payload.
    Ping(&'a [u8]),
    /// Code and reason.
    Close(u16, &'a [u8]),
}

/// Splits the first frame off bytes that hold whole frames of ours; `None` at their end.
pub fn split(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (opcode, begin) = (bytes.first()? & !FINAL, header_bytes(*bytes.get(1)?));
    let length = match begin {
        2 => usize::from(bytes[1]),
        _ => bytes.get(2..begin)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
    };
    let (payload, rest) = bytes.get(begin..)?.split_at_checked(length)?;
    let frame = match (opcode, payload) {
        (PING, _) => Frame::Ping(payload),
        (CLOSE, [high, low, reason @ ..]) => Frame::Close(u16::from_be_bytes([*high, *low]), reason),
        (CLOSE, _) => Frame::Close(1005, &[]),
        _ => Frame::Message(payload),
    };
    Some((frame, rest))
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

#[cfg(test)]
mod tests {
    use super::*;

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
