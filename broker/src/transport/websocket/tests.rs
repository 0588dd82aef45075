//! Whatever a peer sends, and however it is cut, comes out as one tungstenite
//! socket of its own would hand it out.

use std::io::{self, Read, Write};

use proptest::collection::vec;
use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket};

use super::{CLOSE, FINAL, Framing, PING, TEXT, close_code};
use crate::transport::Inbound;

const LIMIT: usize = 5_000;

/// What came of some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    inbound: Vec<String>,
    answers: Vec<u8>,
    fault: Option<(u16, String)>,
}

impl Seen {
    fn take(&mut self, inbound: &Inbound<'_>) {
        self.inbound.push(format!("{inbound:?}"));
    }

    fn fail(&mut self, error: &Error) {
        self.fault = Some((close_code(error), error.to_string()));
    }
}

/// One tungstenite socket for one connection.
struct Reference(WebSocket<Feed>);

#[derive(Default)]
struct Feed {
    inbound: Vec<u8>,
    outbound: Vec<u8>,
}

impl Reference {
    fn new(limit: usize) -> Reference {
        let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        let mut reference = Reference(WebSocket::from_raw_socket(Feed::default(), Role::Server, Some(config)));
        reference.raise_limit(limit);
        reference
    }

    fn raise_limit(&mut self, limit: usize) {
        self.0.set_config(|config| (config.max_message_size, config.max_frame_size) = (Some(limit), Some(limit)));
    }

    fn receive(&mut self, bytes: &[u8], seen: &mut Seen) {
        self.0.get_mut().inbound.extend_from_slice(bytes);
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => seen.take(&Inbound::Bytes(text.as_bytes())),
                Ok(Message::Binary(bytes)) => seen.take(&Inbound::Bytes(&bytes)),
                Ok(Message::Pong(payload)) => seen.take(&Inbound::Pong(&payload)),
                Ok(Message::Close(frame)) => seen.take(&Inbound::Closed(frame.map(|frame| frame.code.into()))),
                Ok(_) => {}
                Err(Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed) => break,
                Err(error) => {
                    seen.fail(&error);
                    break;
                }
            }
        }
        let _ = self.0.flush();
        seen.answers.append(&mut self.0.get_mut().outbound);
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.inbound.len());
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..count].copy_from_slice(&self.inbound[..count]);
        self.inbound.drain(..count);
        Ok(count)
    }
}

impl Write for Feed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbound.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn receive(framing: &mut Framing, bytes: &[u8], seen: &mut Seen) {
    let mut answers = std::mem::take(&mut seen.answers);
    if let Err(error) = framing.receive(bytes, &mut answers, |inbound| seen.take(&inbound)) {
        seen.fail(&error);
    }
    seen.answers = answers;
}

/// A client's frame.
fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        short @ ..126 => frame.push(masked | short as u8),
        long => {
            frame.push(masked | 126);
            frame.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask.unwrap_or_default()[..if mask.is_some() { 4 } else { 0 }]);
    let mask = mask.unwrap_or_default();
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Masked with zeros, so that the payload stays readable.
fn from_client(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(FINAL | opcode, Some([0; 4]), payload)
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        5 => "[a-zä€𝄞]{0,40}".prop_map(String::into_bytes),
        // Letters that are cut, which fragments may join.
        2 => "[ä€𝄞]{1,10}".prop_flat_map(|text| (0..text.len()).prop_map(move |at| text.as_bytes()[at..].to_vec())),
        2 => vec(any::<u8>(), 0..20),
        1 => (0..LIMIT + 2).prop_map(|length| vec![b'x'; length]),
    ]
}

/// Mostly what a client may send, sometimes what it may not.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x81, 0x82, 0x89, 0x8a]),
        8 => prop::sample::select(vec![0x01, 0x02, 0x00, 0x80]),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let mask = prop_oneof![20 => any::<[u8; 4]>().prop_map(Some), 1 => Just(None)];
    let one = (first, mask, payload()).prop_map(|(first, mask, payload)| frame(first, mask, &payload));
    let fragmented = (prop::bool::ANY, "[a-zä€𝄞]{0,60}", vec(0..60_usize, 0..4), any::<[u8; 4]>()).prop_map(
        |(text, letters, cuts, mask)| {
            let (letters, mut wire, mut at) = (letters.as_bytes(), Vec::new(), 0);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(letters.len())).collect();
            cuts.sort_unstable();
            let kind = |at_start: bool| if at_start { 1 + u8::from(!text) } else { 0 };
            for (index, cut) in cuts.iter().enumerate() {
                wire.extend(frame(kind(index == 0), Some(mask), &letters[at..*cut]));
                wire.extend(frame(0x89, Some(mask), b"between"));
                at = *cut;
            }
            wire.extend(frame(FINAL | kind(cuts.is_empty()), Some(mask), &letters[at..]));
            wire
        },
    );
    vec(prop_oneof![3 => one, 2 => fragmented], 0..12).prop_map(|frames| frames.concat())
}

/// A control frame that is too long is refused by its header, where the reference waits for all of it.
fn is_ahead(seen: &Seen, expected: &Seen) -> bool {
    let is_early = seen.fault.as_ref().is_some_and(|(_, reason)| reason.contains("Control frame too big"));
    is_early && expected.fault.is_none() && seen.inbound == expected.inbound && seen.answers == expected.answers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_split_of_any_frames_gives_what_a_socket_of_its_own_gives(
        wire in frames(),
        cuts in vec(any::<prop::sample::Index>(), 0..30),
        behind_handshake in prop::bool::ANY,
        raise in 0..30_usize,
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        let mut pieces = cuts.windows(2).map(|cut| &wire[cut[0]..cut[1]]);
        let already_read = if behind_handshake { pieces.next().unwrap_or_default() } else { &[] };

        let (mut framing, mut reference) = (Framing::new(already_read, LIMIT / 2), Reference::new(LIMIT / 2));
        let (mut seen, mut expected) = (Seen::default(), Seen::default());
        prop_assert_eq!(framing.has_input(), !already_read.is_empty());
        reference.receive(already_read, &mut expected);
        receive(&mut framing, &[], &mut seen);
        for (index, piece) in pieces.enumerate() {
            if is_ahead(&seen, &expected) {
                return Ok(());
            }
            prop_assert_eq!(&seen, &expected);
            prop_assert!(!framing.has_input());
            if expected.fault.is_some() {
                break;
            }
            if index == raise {
                framing.raise_limit(LIMIT);
                reference.raise_limit(LIMIT);
            }
            reference.receive(piece, &mut expected);
            receive(&mut framing, piece, &mut seen);
        }
        prop_assert_eq!(&seen, &expected);
    }
}

#[test]
fn messages_come_out_whole_however_they_came_in() {
    let mut framing = Framing::new(&[], 1024);
    let mut seen = Seen::default();
    for byte in [from_client(TEXT, b"hello"), from_client(0xA, b"pong")].concat() {
        receive(&mut framing, &[byte], &mut seen);
    }
    let inbound = [Inbound::Bytes(b"hello"), Inbound::Pong(b"pong")].map(|inbound| format!("{inbound:?}"));
    assert_eq!(seen, Seen { inbound: inbound.to_vec(), ..Seen::default() });
}

#[test]
fn a_ping_is_answered_into_the_ordered_stream() {
    let mut framing = Framing::new(&from_client(PING, b"abc"), 1024);
    let mut seen = Seen::default();
    receive(&mut framing, &[], &mut seen);
    assert_eq!(seen.answers, [0x8A, 3, b'a', b'b', b'c']);
}

#[test]
fn what_follows_a_close_is_not_looked_at() {
    let close = from_client(CLOSE, &1000u16.to_be_bytes());
    let mut framing = Framing::new(&[close.clone(), close.clone(), from_client(TEXT, b"late")].concat(), 1024);
    let mut seen = Seen::default();
    receive(&mut framing, &[], &mut seen);
    receive(&mut framing, &close, &mut seen);
    assert_eq!(seen.inbound, [format!("{:?}", Inbound::Closed(Some(1000)))]);
    assert_eq!((&seen.answers[..], &seen.fault), (&[0x88, 2, 0x03, 0xE8][..], &None), "one Close, once");
    assert!(framing.is_closed_by_peer() && !framing.has_input());
}

#[test]
fn what_follows_a_fault_is_not_looked_at() {
    let unmasked = frame(FINAL | TEXT, None, b"hello");
    let mut framing = Framing::new(&[], 1024);
    let mut seen = Seen::default();
    receive(&mut framing, &[unmasked, from_client(PING, b"late")].concat(), &mut seen);
    assert_eq!(seen.fault.take().map(|(code, _)| code), Some(1002));
    receive(&mut framing, &from_client(PING, b"later"), &mut seen);
    assert_eq!(seen, Seen::default());
    assert!(!framing.is_closed_by_peer() && !framing.has_input());
}

#[test]
fn a_message_over_the_limit_is_refused_before_it_arrives() {
    let mut seen = Seen::default();
    let header = [FINAL | TEXT, 0xFF, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    receive(&mut Framing::new(&[], 1024), &header, &mut seen);
    assert_eq!(seen.fault.map(|(code, _)| code), Some(1009));
}

#[test]
fn a_fault_of_one_connection_is_none_of_another() {
    let (mut faulty, mut sound) = (Framing::new(&[], 1024), Framing::new(&[], 1024));
    let (mut seen, mut expected) = (Seen::default(), Seen::default());
    let begun = frame(TEXT, Some([0; 4]), b"hel");
    receive(&mut sound, &begun, &mut seen);
    receive(&mut faulty, &frame(FINAL, Some([0; 4]), b"no beginning"), &mut expected);
    assert!(expected.fault.is_some());
    receive(&mut sound, &from_client(0, b"lo"), &mut seen);
    let inbound = vec![format!("{:?}", Inbound::Bytes(b"hello"))];
    assert_eq!(seen, Seen { inbound, ..Seen::default() });
}
