//! What is said to a broker and heard from it, in STOMP or in NATS.

use std::time::Duration;

use tokio_tungstenite::tungstenite::http::Uri;

use super::Failure;
use super::flags::Target;
use super::{nats, stomp};
use crate::commands::reach::port;

/// How one run speaks to its broker.
pub(super) struct Speech {
    dialect: Dialect,
    target: Target,
    /// `host:port`.
    authority: String,
    path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Stomp,
    Nats,
}

/// What a broker said.
pub(super) enum Said<'a> {
    /// The conversation has begun. How often the broker wants to hear something, in milliseconds; 0 for never.
    Connected { beat_millis: u64 },
    /// What asked for it has had its effect.
    Receipt(&'a str),
    /// One message; see [`marker`].
    Message(&'a [u8]),
    /// The answer to what was said last, where answers have no names.
    Pong,
    /// An answer is wanted.
    Ping,
    /// It does not want to go on.
    Error(String),
}

/// A message ready to be sent, but for its number.
pub(super) struct Letter {
    pub(super) bytes: Vec<u8>,
    /// Where the number stands: in the body's last bytes, and in the name of the receipt.
    pub(super) places: Vec<usize>,
}

/// Digits of a message's number: the last bytes of every body.
pub(super) const MARKER_BYTES: usize = 16;

/// The receipt of a SUBSCRIBE.
pub(super) const SUBSCRIBED: &str = "subscribed";
/// The receipt of a DISCONNECT.
pub(super) const BYE: &str = "bye";

impl Speech {
    /// Reads `--url`.
    pub(super) fn new(target: &Target) -> Result<Speech, Failure> {
        let url = &target.url;
        let wrong = |what: &str| {
            Failure::usage(format!(
                "--url {url} {what}: write the address of a WebSocket, such as ws://127.0.0.1:8080/ws, or \
                 nats+ws://127.0.0.1:8090 for NATS."
            ))
        };
        let uri: Uri = url.parse().map_err(|error| wrong(&format!("cannot be read ({error})")))?;
        let dialect = match uri.scheme_str() {
            Some("ws") => Dialect::Stomp,
            Some("nats+ws") => Dialect::Nats,
            _ => return Err(wrong("is no ws:// address, and this client speaks without TLS")),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
        let port = uri.authority().and_then(|authority| port(authority, 80));
        let authority = format!("{host}:{}", port.ok_or_else(|| wrong("has no port from 1 to 65535"))?);
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Speech { dialect, target: target.clone(), authority, path })
    }

    /// As `--url` has it.
    pub(super) fn url(&self) -> &str {
        &self.target.url
    }

    /// `host:port` to connect to.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// A destination of this run that no other run has.
    pub(super) fn destination(&self) -> Result<String, Failure> {
        if let Some(destination) = &self.target.destination {
            return Ok(destination.clone());
        }
        let random = getrandom::u32().map_err(|error| Failure::new(format!("There is no randomness: {error}.")))?;
        Ok(match self.dialect {
            Dialect::Stomp => format!("/topic/bench-{random:08x}"),
            Dialect::Nats => format!("bench-{random:08x}"),
        })
    }

    /// The request that makes a WebSocket of the connection.
    pub(super) fn upgrade(&self) -> Vec<u8> {
        let protocol = match self.dialect {
            Dialect::Stomp => "Sec-WebSocket-Protocol: v12.stomp\r\n",
            Dialect::Nats => "",
        };
        format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {KEY}\r\n{protocol}\r\n",
            self.path, self.authority
        )
        .into_bytes()
    }

    /// Begins the conversation.
    pub(super) fn connect(&self, client_id: Option<&str>) -> Vec<u8> {
        match self.dialect {
            Dialect::Stomp => stomp::connect(&self.target, client_id),
            Dialect::Nats => nats::connect(&self.target),
        }
    }

    /// Whether subscriptions can be asked for in this way.
    pub(super) fn can_subscribe(&self, durable: bool) -> Result<(), Failure> {
        if durable && self.dialect == Dialect::Nats {
            return Err(Failure::usage(format!(
                "--url {}: durable subscriptions need STOMP. Those of NATS are JetStream's, which is not spoken here. \
                 Leave --durable out, or use fanout, latency or idle.",
                self.target.url
            )));
        }
        Ok(())
    }

    /// Asks for messages, and for a word once they will come. `number` is of the run's subscriptions.
    pub(super) fn subscribe(&self, destination: &str, number: usize, durable: bool) -> Vec<u8> {
        match self.dialect {
            Dialect::Stomp => stomp::subscribe(&self.target, destination, number, durable),
            Dialect::Nats => nats::subscribe(destination),
        }
    }

    /// A message of `body` bytes, at least [`MARKER_BYTES`].
    pub(super) fn letter(&self, destination: &str, body: usize, persistent: bool, receipt: bool) -> Letter {
        let mut text = "Is 91 prime? ".repeat(body / 13 + 1).into_bytes();
        text.truncate(body.saturating_sub(MARKER_BYTES));
        text.extend_from_slice(&[b'0'; MARKER_BYTES]);
        match self.dialect {
            Dialect::Stomp => stomp::letter(destination, &text, persistent, receipt),
            Dialect::Nats => nats::letter(destination, &text),
        }
    }

    /// The last words, if this dialect has any.
    pub(super) fn disconnect(&self) -> Option<Vec<u8>> {
        (self.dialect == Dialect::Stomp).then(stomp::disconnect)
    }

    /// The answer to [`Said::Ping`].
    pub(super) fn pong(&self) -> Vec<u8> {
        nats::pong()
    }

    /// How often a sign of life is due, for a broker that wants one so often.
    pub(super) fn beat_every(&self, wanted_millis: u64) -> Option<Duration> {
        let (offered, _) = self.target.heart_beat.split_once(',').unwrap_or(("0", "0"));
        let offered: u64 = offered.parse().unwrap_or(0);
        // A little early, so that it is never late.
        (offered > 0 && wanted_millis > 0).then(|| Duration::from_millis(offered.max(wanted_millis)) * 3 / 4)
    }

    /// A sign of life.
    pub(super) fn beat(&self) -> Vec<u8> {
        stomp::beat()
    }

    /// Takes one WebSocket message apart. `carry` keeps what goes on in the next one.
    pub(super) fn hear(&self, carry: &mut Vec<u8>, payload: &[u8], on: impl FnMut(Said<'_>)) {
        match self.dialect {
            Dialect::Stomp => stomp::hear(payload, on),
            Dialect::Nats => nats::hear(carry, payload, on),
        }
    }
}

/// Any key will do: it keeps caches from answering, and there is none.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

impl Letter {
    /// Appends the letter with this number to `out`.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, number: u64) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for &place in &self.places {
            for (index, byte) in self.bytes[place..place + MARKER_BYTES].iter_mut().enumerate() {
                *byte = DIGITS[(number >> (60 - 4 * index)) as usize & 15];
            }
        }
        out.extend_from_slice(&self.bytes);
    }
}

/// The number that a message ends with, if it is one of ours.
pub(super) fn marker(message: &[u8]) -> Option<u64> {
    let end = message.iter().rposition(|byte| !matches!(byte, 0 | b'\n' | b'\r'))? + 1;
    number(message.get(end.checked_sub(MARKER_BYTES)?..end)?)
}

/// [`MARKER_BYTES`] hexadecimal digits.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    let digits: &[u8; MARKER_BYTES] = digits.try_into().ok()?;
    digits.iter().try_fold(0, |number, byte| Some(number << 4 | u64::from(char::from(*byte).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speech(url: &str) -> Result<Speech, Failure> {
        Speech::new(&Target { url: url.to_owned(), ..Target::default() })
    }

    #[test]
    fn a_letter_carries_its_number_to_the_end_of_the_message() {
        for url in ["ws://127.0.0.1:8080/ws", "nats+ws://127.0.0.1:8090"] {
            let mut letter = speech(url).unwrap().letter("/topic/a", 200, true, true);
            let mut out = Vec::new();
            letter.write(&mut out, 0xfeed_0000_0000_0042);
            assert_eq!(marker(&out), Some(0xfeed_0000_0000_0042));
        }
    }

    #[test]
    fn what_is_not_ours_has_no_number() {
        for message in [&b""[..], b"\0", b"short\0", b"MESSAGE\n\nnot a hex number at all\0"] {
            assert_eq!(marker(message), None);
        }
        assert_eq!(marker(b"000000000000002a\0\n"), Some(42));
    }

    #[test]
    fn only_a_websocket_address_is_taken() {
        for url in ["", "127.0.0.1:8080", "http://127.0.0.1/ws", "wss://school.example/ws", "ws://"] {
            assert!(speech(url).is_err(), "{url}");
        }
        assert_eq!(speech("ws://[::1]/ws").unwrap().authority(), "[::1]:80");
        assert_eq!(speech("nats+ws://localhost:8090").unwrap().authority(), "localhost:8090");
    }
}
