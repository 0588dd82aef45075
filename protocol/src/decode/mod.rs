//! Bytes → frames, in any pieces.

mod framer;
mod grammar;

use bytes::Bytes;

use self::framer::{Framer, Outline};
use crate::{DecodeError, Frame, Limits, Version};

/// Takes bytes in any pieces and gives frames. Serves both directions.
///
/// What is pushed stays as it is until [`Decoder::next`] asks for it: who does
/// not ask does not pay. A decoder with nothing buffered keeps nothing on the heap.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the frame begins that is being received.
    start: usize,
    framer: Framer,
    version: Version,
    /// With a buffer shorter than this there is nothing to give out.
    promising: usize,
    /// EOLs came in outside of frames.
    heart_beat: bool,
    /// A flaw was reported: where the next frame begins, nobody knows.
    failed: bool,
}

/// What a peer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A frame.
    Frame(Frame),
    /// One or more ends of line outside of frames.
    HeartBeat,
}

/// Below this a buffer is not worth growing in steps. In bytes.
const BUFFER_BYTES_MIN: usize = 256;

/// From here on a body that fills its buffer takes the buffer along instead of being copied. In bytes.
const BODY_BYTES_TAKEN: usize = 1024;

/// Pieces up to this size are searched for something that matters before the framer is called. In bytes.
const PIECE_BYTES_SEARCHED: usize = 16;

impl Decoder {
    /// A decoder at the beginning of a stream of frames in `version`.
    #[must_use]
    pub fn new(version: Version, limits: &Limits) -> Decoder {
        Decoder {
            buffer: Vec::new(),
            start: 0,
            framer: Framer::new(limits),
            version,
            promising: 0,
            heart_beat: false,
            failed: false,
        }
    }

    /// Frames asked for from here on are in this version, also those pushed already.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Adds bytes as they came. After a flaw they are dropped.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        match bytes {
            // One byte of a frame, the dearest piece: nothing but what it needs.
            [byte] if !self.buffer.is_empty() && self.buffer.len() < self.buffer.capacity() => {
                self.buffer.push(*byte);
                if matches!(byte, b'\n' | 0) {
                    self.promising = 0;
                }
            }
            _ => self.push_piece(bytes),
        }
    }

    /// The next frame, if it is whole. `None` until more is pushed, and for ever after a flaw.
    ///
    /// # Errors
    ///
    /// The first flaw: a limit passed, a frame that follows no grammar.
    #[expect(clippy::should_implement_trait, reason = "a decoder gives more after None, once more was pushed")]
    #[inline]
    pub fn next(&mut self) -> Option<Result<Decoded, DecodeError>> {
        if self.has_promise() { self.look() } else { None }
    }

    /// Whether [`Decoder::next`] may have something to give out.
    #[inline]
    pub(crate) fn has_promise(&self) -> bool {
        self.buffer.len() >= self.promising
    }

    /// Bytes pushed and not yet given out as frames.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// What the buffer takes on the heap, in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Forgets all that is buffered and all that is still to come.
    pub(crate) fn stop(&mut self) {
        self.failed = true;
        self.heart_beat = false;
        self.release();
    }

    fn push_piece(&mut self, bytes: &[u8]) {
        let bytes = if self.buffer.is_empty() { self.without_eols(bytes) } else { bytes };
        if bytes.is_empty() || self.failed {
            return;
        }
        self.make_room(bytes.len());
        self.buffer.extend_from_slice(bytes);
        if bytes.len() > PIECE_BYTES_SEARCHED || bytes.iter().any(|byte| matches!(byte, b'\n' | 0)) {
            self.promising = 0;
        }
    }

    #[inline(never)]
    fn look(&mut self) -> Option<Result<Decoded, DecodeError>> {
        if std::mem::take(&mut self.heart_beat) {
            return Some(Ok(Decoded::HeartBeat));
        }
        if self.failed {
            return None;
        }
        match self.framer.advance(&self.buffer[self.start..]) {
            Ok(None) => {
                self.promising = self.start.saturating_add(self.framer.wanted());
                None
            }
            Ok(Some(outline)) => Some(self.frame(&outline).map(Decoded::Frame).inspect_err(|_| self.stop())),
            Err(error) => {
                self.stop();
                Some(Err(error))
            }
        }
    }

    /// Parses the frame at the start of the buffer and moves on behind it.
    fn frame(&mut self, outline: &Outline) -> Result<Frame, DecodeError> {
        let frame = &self.buffer[self.start..self.start + outline.end];
        let (command, headers) = grammar::head(self.version, &frame[outline.head.clone()], outline.headers)?;
        let body = self.start + outline.body.start..self.start + outline.body.end;
        self.start += outline.end;
        self.skip_eols();
        let body = if self.start == self.buffer.len() {
            let buffer = self.release();
            if body.len() >= BODY_BYTES_TAKEN && body.len() >= buffer.capacity() / 4 * 3 {
                Bytes::from(buffer).slice(body)
            } else {
                Bytes::copy_from_slice(&buffer[body])
            }
        } else {
            Bytes::copy_from_slice(&self.buffer[body])
        };
        Ok(Frame { command, headers, body })
    }

    /// STOMP 1.2, Augmented BNF: `frame = … NULL *( EOL )`. Also heart-beats.
    fn without_eols<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let eols = bytes.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        if eols > 0 && !self.failed {
            self.heart_beat = true;
            self.promising = 0;
        }
        &bytes[eols..]
    }

    fn skip_eols(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.start = buffer.len() - self.without_eols(&buffer[self.start..]).len();
        self.buffer = buffer;
    }

    /// Gives the buffer away and starts with none.
    fn release(&mut self) -> Vec<u8> {
        self.start = 0;
        self.promising = 0;
        std::mem::take(&mut self.buffer)
    }

    /// Moves what is left to the front once that is less than what is behind it:
    /// a byte is moved at most once for each byte given out.
    fn make_room(&mut self, bytes: usize) {
        if self.buffer.capacity() - self.buffer.len() >= bytes {
            return;
        }
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
            self.promising = 0;
        }
        self.buffer.reserve(bytes.max(BUFFER_BYTES_MIN - BUFFER_BYTES_MIN.min(self.buffer.len())));
    }
}
