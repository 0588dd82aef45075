//! The NATS protocol, as far as a load needs it: a stream of lines, whatever WebSocket messages it comes in.

use super::flags::Target;
use super::framing::{Side, binary};
use super::speech::{Letter, MARKER_BYTES, Said};
use crate::auth::Secret;

pub(super) fn connect(target: &Target) -> Vec<u8> {
    let options = serde_json::json!({
        "verbose": false, "pedantic": false, "tls_required": false, "lang": "rust", "version": "1", "protocol": 1,
        "user": target.sign_in.login, "pass": target.sign_in.passcode.as_ref().map(Secret::expose),
    });
    binary(Side::Client, format!("CONNECT {options}\r\nPING\r\n").as_bytes())
}

pub(super) fn subscribe(subject: &str) -> Vec<u8> {
    binary(Side::Client, format!("SUB {subject} 1\r\nPING\r\n").as_bytes())
}

pub(super) fn letter(subject: &str, body: &[u8]) -> Letter {
    let mut line = format!("PUB {subject} {}\r\n", body.len()).into_bytes();
    line.extend_from_slice(body);
    line.extend_from_slice(b"\r\n");
    let bytes = binary(Side::Client, &line);
    let place = bytes.len() - 2 - MARKER_BYTES;
    Letter { bytes, places: vec![place] }
}

pub(super) fn pong() -> Vec<u8> {
    binary(Side::Client, b"PONG\r\n")
}

pub(super) fn hear(carry: &mut Vec<u8>, payload: &[u8], mut on: impl FnMut(Said<'_>)) {
    if carry.is_empty() {
        let used = walk(payload, &mut on);
        carry.extend_from_slice(&payload[used..]);
    } else {
        carry.extend_from_slice(payload);
        let used = walk(carry, &mut on);
        carry.drain(..used);
    }
}

/// Gives out all that is whole, and says how many bytes that was.
fn walk(bytes: &[u8], on: &mut impl FnMut(Said<'_>)) -> usize {
    let mut at = 0;
    while let Some(end) = bytes[at..].windows(2).position(|two| two == b"\r\n") {
        let line = &bytes[at..at + end];
        let next = at + end + 2;
        if line.starts_with(b"MSG ") {
            let size = line.rsplit(|byte| *byte == b' ').next().and_then(|size| std::str::from_utf8(size).ok());
            let Some(size) = size.and_then(|size| size.parse::<usize>().ok()) else {
                on(Said::Error("a MSG without a size".to_owned()));
                return bytes.len();
            };
            let Some(body) = bytes.get(next..next.saturating_add(size)) else { return at };
            if bytes.len() < next + size + 2 {
                return at;
            }
            on(Said::Message(body));
            at = next + size + 2;
            continue;
        }
        match line {
            b"PING" => on(Said::Ping),
            b"PONG" => on(Said::Pong),
            _ if line.starts_with(b"-ERR") => on(Said::Error(String::from_utf8_lossy(line).into_owned())),
            _ => {}
        }
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_however_they_are_cut() {
        let stream = b"INFO {}\r\nPONG\r\nMSG a 1 5\r\nhe\r\nl\r\nPING\r\nMSG a 1 0\r\n\r\n";
        for piece in 1..=stream.len() {
            let mut carry = Vec::new();
            let mut heard = Vec::new();
            for part in stream.chunks(piece) {
                hear(&mut carry, part, |said| {
                    heard.push(match said {
                        Said::Message(body) => String::from_utf8_lossy(body).into_owned(),
                        Said::Ping => "PING".to_owned(),
                        Said::Pong => "PONG".to_owned(),
                        _ => "?".to_owned(),
                    });
                });
            }
            assert_eq!(heard, ["PONG", "he\r\nl", "PING", ""], "in pieces of {piece}");
            assert!(carry.is_empty());
        }
    }
}
