//! One connection of the bare server: what it said, and the few answers there are.

use homeroom_protocol::{Command, Decoded, Decoder, Frame, Limits, Version, encode};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::super::framing::{Piece, Side, text};
use super::super::line::Line;

/// A connection. `birth` tells it from others that had its place before.
pub(super) struct Client {
    pub(super) line: Line,
    pub(super) birth: u32,
}

impl Client {
    pub(super) fn new(stream: mio::net::TcpStream, birth: u32) -> Client {
        Client { line: Line::new(stream, Side::Server), birth }
    }

    /// Answers what needs no more than an answer, and adds the rest to `frames`. `false`: it is gone.
    pub(super) fn read(&mut self, buffer: &mut [u8], decoder: &mut Decoder, frames: &mut Vec<Frame>) -> bool {
        let (mut open, mut answer) = (true, Vec::new());
        let read = self.line.read(buffer, |piece| match piece {
            Piece::Head(head) => match upgrade(head) {
                Some(accepted) => answer.extend(accepted),
                None => open = false,
            },
            Piece::Message(message) => open &= decode(decoder, message, frames),
            Piece::Close(_) => open = false,
        });
        let said = answer.is_empty() || self.line.say(&answer).is_ok();
        open && said && read.unwrap_or(false)
    }
}

/// A decoder for all clients: each WebSocket message holds whole frames.
pub(super) fn decoder() -> Decoder {
    let limits = Limits { header_bytes_max: 1 << 20, body_bytes_max: 64 << 20, ..Limits::default() };
    Decoder::new(Version::V1_2, &limits)
}

fn decode(decoder: &mut Decoder, message: &[u8], frames: &mut Vec<Frame>) -> bool {
    decoder.push(message);
    while let Some(decoded) = decoder.next() {
        match decoded {
            Ok(Decoded::Frame(frame)) => frames.push(frame),
            Ok(Decoded::HeartBeat) => {}
            Err(_) => {
                *decoder = self::decoder();
                return false;
            }
        }
    }
    if decoder.buffered() > 0 {
        *decoder = self::decoder();
        return false;
    }
    true
}

fn upgrade(head: &[u8]) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(head).ok()?;
    let value = |wanted: &str| {
        let mut headers = head.lines().filter_map(|line| line.split_once(':'));
        headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    let accept = derive_accept_key(value("sec-websocket-key")?.as_bytes());
    let protocol = match value("sec-websocket-protocol") {
        Some(offered) if offered.contains("v12.stomp") => "Sec-WebSocket-Protocol: v12.stomp\r\n",
        _ => "",
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{protocol}\r\n"
    );
    Some(answer.into_bytes())
}

/// CONNECTED.
pub(super) fn connected() -> Vec<u8> {
    said(&Frame::new(Command::Connected).with("version", "1.2").with("server", "bare").with("heart-beat", "0,0"))
}

/// RECEIPT.
pub(super) fn receipt(id: &str) -> Vec<u8> {
    said(&Frame::new(Command::Receipt).with("receipt-id", id))
}

fn said(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes, Version::V1_2, frame);
    text(Side::Server, &bytes)
}
