//! What links are, and what becomes of a STOMP frame on them.

use bytes::Bytes;

use super::{sockjs, websocket};

/// What a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// STOMP frames on a TCP stream.
    Tcp,
    /// STOMP frames in WebSocket messages, of SockJS or not.
    WebSocket,
    /// STOMP frames in the requests and answers of a SockJS session.
    Sockjs,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::WebSocket, Kind::Tcp, Kind::Sockjs];

    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Tcp => "tcp",
            Kind::WebSocket => "websocket",
            Kind::Sockjs => "sockjs",
        }
    }
}

/// How a link carries STOMP frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// Each in a WebSocket message.
    Message,
    /// As they are.
    Bare,
    /// Each in an array of SockJS, in a WebSocket message.
    Array,
}

impl Carriage {
    /// A shared, framed message as such links carry it.
    pub fn carry(self, framed: Bytes) -> Bytes {
        match self {
            Carriage::Message => framed,
            Carriage::Bare => websocket::payload_of(&framed),
            Carriage::Array => websocket::framed(sockjs::array(&websocket::payload_of(&framed)).as_bytes()),
        }
    }
}
