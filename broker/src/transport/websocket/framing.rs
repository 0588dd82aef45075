//! What one connection keeps of the WebSocket protocol: nothing at all between
//! two messages, the bytes of a frame that was begun, and tungstenite's context
//! only within a fragmented message.

use std::borrow::Cow;
use std::mem;

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketContext;

use super::context::{self, Feed};
use super::walk::{is_endless_control, walk};
use crate::transport::Inbound;

/// Frames of so many bytes are copied into a shared context; with more, a context takes over their buffer.
const COPIED_BYTES_MAX: usize = 2 * 1024;

/// One WebSocket, server side.
#[derive(Debug)]
pub struct Framing {
    message_bytes_max: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The last message is complete.
    Between,
    /// These came behind the handshake.
    Unread(Vec<u8>),
    /// A frame or a fragmented message is incomplete.
    Within(Box<Begun>),
    /// The peer has closed.
    Closed,
    /// The peer broke the protocol.
    Broken,
}

#[derive(Debug, Default)]
struct Begun {
    /// Of the frame.
    bytes: Vec<u8>,
    /// Of the fragmented message.
    context: Option<Box<WebSocketContext>>,
    /// So many bytes went there.
    handed_over: usize,
}

impl Framing {
    /// A WebSocket after its handshake; `already_read` came behind the request.
    pub fn new(already_read: &[u8], message_bytes_max: usize) -> Framing {
        let state = if already_read.is_empty() { State::Between } else { State::Unread(already_read.to_vec()) };
        Framing { message_bytes_max, state }
    }

    /// Takes larger messages from now on.
    pub fn raise_limit(&mut self, message_bytes_max: usize) {
        self.message_bytes_max = message_bytes_max;
    }

    /// Whether the peer has closed: the answer to its Close has gone out, and nothing may follow.
    pub fn is_closed_by_peer(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Bytes of a message that was begun, its frames' headers included; zero between two messages.
    pub fn begun(&self) -> usize {
        match &self.state {
            // However many empty frames come, there is no more of a message than it may have.
            State::Within(begun) => begun.bytes.len() + begun.handed_over.min(self.message_bytes_max),
            _ => 0,
        }
    }

    /// Whether bytes wait to be taken by [`Framing::receive`].
    pub fn has_input(&self) -> bool {
        matches!(self.state, State::Unread(_))
    }

    /// Takes bytes from the wire, hands out what they complete and appends what must be answered to
    /// `outbound`. After a Close or an error, nothing more is looked at.
    ///
    /// # Errors
    /// The peer broke the protocol.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        outbound: &mut Vec<u8>,
        mut sink: impl FnMut(Inbound<'_>),
    ) -> Result<(), Error> {
        let mut begun = match mem::replace(&mut self.state, State::Between) {
            State::Between => Begun::default(),
            State::Unread(bytes) => Begun { bytes, ..Begun::default() },
            State::Within(begun) => *begun,
            // RFC 6455, section 5.5.1: what follows a Close is not looked at.
            over @ (State::Closed | State::Broken) => {
                self.state = over;
                return Ok(());
            }
        };
        let advanced = match begun.advance(bytes, self.message_bytes_max, outbound, &mut sink) {
            Ok(true) if is_endless_control(&begun.bytes) => Err(Error::Protocol(ProtocolError::ControlFrameTooBig)),
            advanced => advanced,
        };
        self.state = match &advanced {
            Ok(true) if begun.is_nothing() => State::Between,
            Ok(true) => State::Within(Box::new(begun)),
            Ok(false) => State::Closed,
            Err(_) => State::Broken,
        };
        advanced.map(drop)
    }
}

impl Begun {
    fn is_nothing(&self) -> bool {
        self.bytes.is_empty() && self.context.is_none()
    }

    /// Takes up what `bytes` make whole and keeps what they begin; `false` when the peer has closed.
    fn advance(
        &mut self,
        bytes: &[u8],
        message_bytes_max: usize,
        outbound: &mut Vec<u8>,
        sink: &mut impl FnMut(Inbound<'_>),
    ) -> Result<bool, Error> {
        let bytes = if self.bytes.is_empty() {
            Cow::Borrowed(bytes)
        } else {
            self.bytes.extend_from_slice(bytes);
            Cow::Owned(mem::take(&mut self.bytes))
        };
        let walk = walk(&bytes, self.context.is_some(), message_bytes_max);
        // What is hopeless is not waited for: tungstenite says at once what is wrong with it.
        let whole = if walk.hopeless { bytes.len() } else { walk.whole };
        let between = if walk.hopeless { whole } else { walk.between.unwrap_or_default() };
        if whole == 0 {
            self.bytes = bytes.into_owned();
            return Ok(true);
        }

        self.bytes = bytes[whole..].to_vec();
        let mut feed = Feed { message_bytes_max, outbound, sink };
        let shared = if self.context.is_none() { between } else { 0 };
        let open = match shared {
            0 => true,
            1..=COPIED_BYTES_MAX => feed.shared(&bytes[..shared])?,
            // What follows the shared part is in `self.bytes` then, if anything is.
            _ if shared == whole => return feed.alone(prefix(bytes, shared)),
            _ => feed.alone(bytes[..shared].to_vec())?,
        };
        if !open || shared == whole {
            return Ok(open);
        }
        let open = feed.own(self.context.get_or_insert_with(context::own), &bytes[shared..whole]);
        self.handed_over += whole - shared;
        if between == whole {
            (self.context, self.handed_over) = (None, 0);
        }
        open
    }
}

/// Its first bytes, without a copy if it is ours.
fn prefix(bytes: Cow<'_, [u8]>, length: usize) -> Vec<u8> {
    match bytes {
        Cow::Borrowed(bytes) => bytes[..length].to_vec(),
        Cow::Owned(mut bytes) => {
            bytes.truncate(length);
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(framing: &mut Framing, bytes: &[u8]) {
        framing.receive(bytes, &mut Vec::new(), |_| {}).expect("well-formed");
    }

    #[test]
    fn nothing_is_kept_between_two_messages() {
        let ping = [0x89, 0x81, 0, 0, 0, 0, b'?'];
        let text = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
        let mut framing = Framing::new(&[], 1024);
        for piece in [&ping[..3], &ping[3..], &text[..7], &text[7..], &[&ping[..], &text].concat()] {
            receive(&mut framing, piece);
            let whole = piece.len() != 3 && piece.len() != 7;
            assert_eq!(matches!(framing.state, State::Between), whole, "{piece:x?}");
        }
    }

    #[test]
    fn tungstenite_is_kept_within_a_fragmented_message_only() {
        let (begin, end) = ([0x01, 0x81, 0, 0, 0, 0, b'h'], [0x80, 0x81, 0, 0, 0, 0, b'i']);
        let mut framing = Framing::new(&[], 1024);
        receive(&mut framing, &begin[..6]);
        assert!(matches!(&framing.state, State::Within(begun) if begun.context.is_none()));
        receive(&mut framing, &[&begin[6..], &end[..6]].concat());
        assert!(matches!(&framing.state, State::Within(begun) if begun.context.is_some() && begun.bytes.len() == 6));
        receive(&mut framing, &[&end[6..], &begin[..6]].concat());
        assert!(matches!(&framing.state, State::Within(begun) if begun.context.is_none() && begun.bytes.len() == 6));
    }

    #[test]
    fn what_is_kept_of_a_frame_grows_as_it_arrives_whatever_it_announces() {
        let mut framing = Framing::new(&[], 1024 * 1024);
        receive(&mut framing, &[0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xff, 0, 0, 0, 0]);
        for arrived in (1..100).map(|pieces| 14 + pieces * 100) {
            receive(&mut framing, &[b'x'; 100]);
            let State::Within(begun) = &framing.state else { panic!("the frame is incomplete") };
            assert_eq!(begun.bytes.len(), arrived);
            assert!(begun.bytes.capacity() <= 2 * arrived && begun.context.is_none());
        }
    }
}
