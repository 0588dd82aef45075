//! RFC 6455 without I/O: tungstenite is fed bytes and asked for messages, and
//! what it wants to write goes into the same ordered stream as everything else.
//! A Pong can therefore never land inside a half-written message.
//!
//! Never here: sockets, STOMP.

mod context;
mod framing;
mod outgoing;
mod walk;

use tokio_tungstenite::tungstenite::Error;

pub use self::framing::Framing;
pub use self::outgoing::{CONTROL_BYTES_MAX, Frame, framed, payload_of, push_close, push_message, push_ping, split};

const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// What RFC 6455, section 7.4.1, has for a peer's fault.
pub fn close_code(error: &Error) -> u16 {
    match error {
        Error::Capacity(_) => 1009,
        Error::Utf8(_) => 1007,
        _ => 1002,
    }
}

#[cfg(test)]
mod tests;
