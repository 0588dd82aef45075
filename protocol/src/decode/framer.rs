//! Where a frame ends, and the limits while it grows.
//!
//! The framer is called again and again with the same frame, a little longer
//! each time. It remembers how far it has looked: every byte is looked at once,
//! however the frame is cut.

use std::ops::Range;

use memchr::{memchr, memchr2};

use super::grammar;
use crate::{DecodeError, Limits};

/// The parts of a whole frame, counted from its first byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Command line and header lines with their ends, without the empty line.
    pub(crate) head: Range<usize>,
    /// Header lines, repeated ones included.
    pub(crate) headers: usize,
    /// The body, without the NUL.
    pub(crate) body: Range<usize>,
    /// Behind the NUL.
    pub(crate) end: usize,
}

/// Finds the end of one frame after the other.
#[derive(Debug)]
pub(crate) struct Framer {
    header_bytes_max: u32,
    headers_max: u32,
    body_bytes_max: usize,
    /// Up to here nothing is left to be found.
    looked: usize,
    /// Where the line begins that is being received.
    line: usize,
    /// Lines so far: the command and the headers.
    lines: u32,
    content_length: Option<usize>,
    /// Where the body begins, once the empty line has come.
    body: Option<usize>,
    #[cfg(test)]
    pub(crate) bytes_looked_at: u64,
}

impl Framer {
    pub(crate) fn new(limits: &Limits) -> Framer {
        Framer {
            header_bytes_max: u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX),
            headers_max: u32::try_from(limits.headers_max).unwrap_or(u32::MAX),
            body_bytes_max: limits.body_bytes_max,
            looked: 0,
            line: 0,
            lines: 0,
            content_length: None,
            body: None,
            #[cfg(test)]
            bytes_looked_at: 0,
        }
    }

    /// Looks at what is new in `frame`, all that was received of it so far. The
    /// outline, once it is whole; after that the next frame begins.
    pub(crate) fn advance(&mut self, frame: &[u8]) -> Result<Option<Outline>, DecodeError> {
        while self.body.is_none() {
            let Some(end) = self.line_end(frame)? else { return Ok(None) };
            self.take_line(&frame[self.line..end], end)?;
        }
        let body = self.body.expect("the loop ends with the head");
        let Some(body_end) = self.body_end(frame, body)? else { return Ok(None) };
        let outline = Outline {
            head: 0..self.line,
            headers: self.lines.saturating_sub(1) as usize,
            body: body..body_end,
            end: body_end + 1,
        };
        self.restart();
        Ok(Some(outline))
    }

    /// The length of frame below which nothing new can be said, as long as no
    /// LF and no NUL is among the new bytes.
    pub(crate) fn wanted(&self) -> usize {
        match (self.body, self.content_length) {
            (None, _) => self.header_bytes_max as usize + 1,
            (Some(body), Some(length)) => body.saturating_add(length).saturating_add(1),
            (Some(body), None) => body.saturating_add(self.body_bytes_max).saturating_add(1),
        }
    }

    /// Where the LF of the current line is.
    fn line_end(&mut self, frame: &[u8]) -> Result<Option<usize>, DecodeError> {
        let found = self.look(frame, |new| memchr2(b'\n', 0, new));
        // The empty line does not count: it is the grammar's, not the peer's.
        if found.unwrap_or(frame.len()) > self.header_bytes_max as usize {
            return Err(DecodeError::HeaderBytesExceeded { limit: self.header_bytes_max as usize });
        }
        match found {
            Some(position) if frame[position] == 0 => Err(DecodeError::HeadCutShort),
            found => Ok(found),
        }
    }

    fn take_line(&mut self, line: &[u8], end: usize) -> Result<(), DecodeError> {
        if (line.is_empty() || line == b"\r") && self.lines > 0 {
            self.body = Some(end + 1);
            return Ok(());
        }
        if self.lines > self.headers_max {
            return Err(DecodeError::HeadersExceeded { limit: self.headers_max as usize });
        }
        if let Some(length) = line.strip_prefix(b"content-length:") {
            // STOMP 1.2, Repeated Header Entries: the first one counts.
            if self.content_length.is_none() {
                self.content_length = Some(self.checked_length(length)?);
            }
        }
        if self.lines == 0 {
            // Who speaks another protocol never sends the NUL that would end this frame.
            grammar::command_line(line)?;
        }
        self.lines += 1;
        self.line = end + 1;
        Ok(())
    }

    /// A length is refused as soon as it is read: nothing is set aside for it.
    fn checked_length(&self, value: &[u8]) -> Result<usize, DecodeError> {
        let digits = value.trim_ascii();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(DecodeError::ContentLengthInvalid);
        }
        digits
            .iter()
            .try_fold(0_usize, |length, digit| length.checked_mul(10)?.checked_add(usize::from(digit - b'0')))
            .filter(|length| *length <= self.body_bytes_max)
            .ok_or(DecodeError::BodyBytesExceeded { limit: self.body_bytes_max })
    }

    /// Where the NUL is that ends the body.
    fn body_end(&mut self, frame: &[u8], body: usize) -> Result<Option<usize>, DecodeError> {
        if let Some(length) = self.content_length {
            return match frame.get(body.saturating_add(length)) {
                None => Ok(None),
                Some(0) => Ok(Some(body + length)),
                Some(_) => Err(DecodeError::ContentLengthWrong),
            };
        }
        let found = self.look(frame, |new| memchr(0, new));
        if found.unwrap_or(frame.len()) - body > self.body_bytes_max {
            return Err(DecodeError::BodyBytesExceeded { limit: self.body_bytes_max });
        }
        Ok(found)
    }

    /// Searches the part of the frame that nobody has looked at.
    fn look(&mut self, frame: &[u8], search: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        let new = &frame[self.looked..];
        let found = search(new);
        let looked_at = found.map_or(new.len(), |position| position + 1);
        #[cfg(test)]
        {
            self.bytes_looked_at += looked_at as u64;
        }
        let position = found.map(|position| self.looked + position);
        self.looked += looked_at;
        position
    }

    fn restart(&mut self) {
        self.looked = 0;
        self.line = 0;
        self.lines = 0;
        self.content_length = None;
        self.body = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framer() -> Framer {
        Framer::new(&Limits { header_bytes_max: 100, headers_max: 3, body_bytes_max: 20, ..Limits::default() })
    }

    /// The framer's last word on a frame that grows by one byte at a time; it must be what the whole frame gives.
    fn outline(frame: &[u8]) -> Result<Option<Outline>, DecodeError> {
        let whole = framer().advance(frame);
        let mut patient = framer();
        let mut grown = Ok(None);
        for end in 1..=frame.len() {
            grown = patient.advance(&frame[..end]);
            if !matches!(grown, Ok(None)) {
                break;
            }
        }
        assert_eq!(grown, whole, "{:?}", String::from_utf8_lossy(frame));
        whole
    }

    #[test]
    fn a_frame_ends_where_it_should() {
        let table: [(&[u8], Option<Outline>); 8] = [
            (b"ACK\n\n\0", Some(Outline { head: 0..4, headers: 0, body: 5..5, end: 6 })),
            (b"ACK\r\n\r\n\0", Some(Outline { head: 0..5, headers: 0, body: 7..7, end: 8 })),
            (b"ACK\nb:c\n\nbody\0", Some(Outline { head: 0..8, headers: 1, body: 9..13, end: 14 })),
            (b"ACK\ncontent-length:2\n\n\0\0\0", Some(Outline { head: 0..21, headers: 1, body: 22..24, end: 25 })),
            (b"ACK\ncontent-length: 2 \r\n\nxy\0", Some(Outline { head: 0..24, headers: 1, body: 25..27, end: 28 })),
            (
                b"ACK\ncontent-length:1\ncontent-length:9\n\nx\0",
                Some(Outline { head: 0..38, headers: 2, body: 39..40, end: 41 }),
            ),
            (b"ACK\nb:c\n\nbody", None),
            (b"ACK\ncontent-length:3\n\n\0\0\0", None),
        ];
        for (frame, expected) in table {
            assert_eq!(outline(frame), Ok(expected), "{:?}", String::from_utf8_lossy(frame));
        }
    }

    #[test]
    fn limits_hold_while_bytes_arrive() {
        let long = [b'x'; 101];
        let body = [b"ACK\n\n".as_slice(), &[b'x'; 21]].concat();
        let table: [(&[u8], DecodeError); 14] = [
            (&long, DecodeError::HeaderBytesExceeded { limit: 100 }),
            (&[b"ACK\nb:".as_slice(), &long].concat(), DecodeError::HeaderBytesExceeded { limit: 100 }),
            (b"ACK\n1:\n2:\n3:\n4:\n", DecodeError::HeadersExceeded { limit: 3 }),
            (&body, DecodeError::BodyBytesExceeded { limit: 20 }),
            (b"ACK\ncontent-length:21\n", DecodeError::BodyBytesExceeded { limit: 20 }),
            (b"ACK\ncontent-length:18446744073709551616\n", DecodeError::BodyBytesExceeded { limit: 20 }),
            (b"ACK\ncontent-length:18446744073709551615\n", DecodeError::BodyBytesExceeded { limit: 20 }),
            (b"ACK\ncontent-length:-1\n", DecodeError::ContentLengthInvalid),
            (b"ACK\ncontent-length:+1\n", DecodeError::ContentLengthInvalid),
            (b"ACK\ncontent-length:\n", DecodeError::ContentLengthInvalid),
            (b"ACK\ncontent-length:0x1\n", DecodeError::ContentLengthInvalid),
            (b"ACK\ncontent-length:1\n\nxy\0", DecodeError::ContentLengthWrong),
            (b"ACK\nb\0", DecodeError::HeadCutShort),
            (b"GET / HTTP/1.1\r\n", DecodeError::unknown_command("GET / HTTP/1.1")),
        ];
        for (frame, error) in table {
            assert_eq!(outline(frame), Err(error), "{:?}", String::from_utf8_lossy(frame));
        }
    }

    #[test]
    fn no_byte_is_looked_at_twice_however_the_frame_is_cut() {
        let limits = Limits::default();
        let headers: String = (0..60).map(|n| format!("header-{n}:{}\n", "v".repeat(200))).collect();
        let frames = [
            format!("SEND\n{headers}\nbody\0").into_bytes(),
            format!("SEND\n\n{}\0", "b".repeat(10_000)).into_bytes(),
            format!("SEND\ncontent-length:10000\n\n{}\0", "b".repeat(10_000)).into_bytes(),
        ];
        for frame in frames {
            for step in [1, 2, 7, 1000, frame.len()] {
                let mut framer = Framer::new(&limits);
                let mut found = None;
                for end in (step..frame.len()).step_by(step).chain([frame.len()]) {
                    found = framer.advance(&frame[..end]).unwrap();
                }
                assert_eq!(found.unwrap().end, frame.len());
                assert!(framer.bytes_looked_at <= frame.len() as u64, "{} in steps of {step}", framer.bytes_looked_at);
            }
        }
    }
}
