//! What holds for all frames and all bytes: cuts change nothing, decoding undoes
//! encoding, nothing panics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use homeroom_protocol::{
    Accepted, Command, DecodeError, Decoded, Decoder, Ending, Event, Frame, Limits, Output, Session, Settings, Ticket,
    Version, encode,
};
use proptest::prelude::*;

/// Frames as they come, good and bad, heart-beats aside.
fn decoded(version: Version, limits: &Limits, pieces: &[&[u8]]) -> Vec<Result<Frame, DecodeError>> {
    let mut decoder = Decoder::new(version, limits);
    let mut found = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        while let Some(next) = decoder.next() {
            match next {
                Ok(Decoded::Frame(frame)) => found.push(Ok(frame)),
                Ok(Decoded::HeartBeat) => {}
                Err(error) => found.push(Err(error)),
            }
        }
    }
    found
}

const FRAMES: [&[u8]; 33] = [
    b"CONNECT\naccept-version:1.2\nhost:school\n\n\0",
    b"CONNECT\r\naccept-version:1.2\r\npasscode:a\\tb:c\r\n\r\n\0",
    b"STOMP\n\n\0\n\n\n",
    b"CONNECTED\nversion:1.2\nserver:a\\q\n\n\0",
    b"SEND\ndestination:/topic/a\n\nhello\0",
    b"SEND\ndestination:/topic/a\ncontent-length:5\n\nhe\0lo\0",
    b"SEND\ndestination:/topic/a\ncontent-length:0\n\n\0",
    b"SEND\r\ndestination:/topic/a\r\ncontent-length: 2 \r\n\r\n\0\0\0\r\n",
    b"SEND\ncontent-length:1\ncontent-length:3\n\nx\0",
    b"SEND\nx:\\n\\c\\\\\n\n\0",
    b"SEND\nx:\\r\n\n\0",
    b"SEND\nx:a\xc3\xa4\xf0\x9f\x98\x80\n\n\xff\xfe\0",
    b"SEND\na:b:c:d\ne:\nf: g \n\n\0",
    b"SEND\nx:\n\n\n\n\0\r\n\nACK\nid:1\n\n\0",
    b"ACK\nid:1\n\n\0NACK\nid:2\n\n\0",
    b"\n\r\n\nBEGIN\ntransaction:t\n\n\0COMMIT\ntransaction:t\n\n\0ABORT\ntransaction:t\n\n\0",
    b"SUBSCRIBE\nid:0\ndestination:/a\n\n\0UNSUBSCRIBE\nid:0\n\n\0DISCONNECT\n\n\0",
    b"MESSAGE\nsubscription:0\nmessage-id:1\n\n{}\0",
    b"RECEIPT\nreceipt-id:1\n\n\0ERROR\nmessage:m\n\nbody\0",
    b"SEND\nx:\\t\n\n\0",
    b"SEND\nx:\\\n\n\0",
    b"SEND\nx:a\rb\n\n\0",
    b"SEND\n:x\n\n\0",
    b"SEND\nx\n\n\0",
    b"SEND\nx:\xff\n\n\0",
    b"SEND\nx:\0",
    b"SEND\0",
    b"\0",
    b"send\n\n\0",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\0",
    b"SEND\ncontent-length:99999999999999999999\n\n\0",
    b"SEND\ncontent-length:-5\n\n\0",
    b"SEND\ncontent-length:2\n\nabc\0",
];

#[test]
fn no_cut_changes_what_is_decoded() {
    let limits = Limits { header_bytes_max: 64, headers_max: 3, body_bytes_max: 32, ..Limits::default() };
    for version in Version::ALL {
        for frame in FRAMES {
            let whole = decoded(version, &limits, &[frame]);
            assert!(!whole.is_empty(), "{:?} is a frame or a flaw", String::from_utf8_lossy(frame));
            let bytes: Vec<&[u8]> = frame.chunks(1).collect();
            assert_eq!(decoded(version, &limits, &bytes), whole, "{:?}", String::from_utf8_lossy(frame));
            for first in 0..=frame.len() {
                let (left, right) = frame.split_at(first);
                assert_eq!(decoded(version, &limits, &[left, right]), whole, "{:?}", String::from_utf8_lossy(frame));
                for second in 0..=right.len() {
                    let (middle, right) = right.split_at(second);
                    assert_eq!(decoded(version, &limits, &[left, middle, right]), whole);
                }
            }
        }
    }
}

#[test]
fn after_a_flaw_nothing_is_decoded() {
    let mut decoder = Decoder::new(Version::V1_2, &Limits::default());
    decoder.push(b"\nSEND\nflaw\n");
    decoder.push(b"\n\0SEND\n\n\0");
    assert_eq!(decoder.next(), Some(Ok(Decoded::HeartBeat)));
    assert_eq!(decoder.next(), Some(Err(DecodeError::HeaderWithoutColon)));
    decoder.push(b"SEND\n\n\0\n\n");
    assert_eq!((decoder.next(), decoder.buffered()), (None, 0));
}

#[test]
fn a_body_is_kept_without_what_came_beside_it() {
    let mut decoder = Decoder::new(Version::V1_2, &Limits::default());
    let large = format!("SEND\n\n{}\0", "x".repeat(10_000));
    for bytes in [large.clone(), format!("{large}{large}"), format!("{large}\n\n")] {
        decoder.push(bytes.as_bytes());
        while let Some(Ok(next)) = decoder.next() {
            let Decoded::Frame(frame) = next else { continue };
            assert_eq!(frame.body.len(), 10_000);
            let kept = frame.body.try_into_mut().expect("nobody else holds the body").capacity();
            assert!(kept <= 10_000 * 4 / 3, "{kept} bytes are kept for 10000");
        }
    }
}

/// Text with everything that needs spelling.
fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a-z:\\\\\n\r ä😀]{0,12}").expect("a good expression")
}

fn frame() -> impl Strategy<Value = Frame> {
    let body = prop_oneof![proptest::collection::vec(any::<u8>(), 0..40), Just(vec![b'x'; 3000])];
    let headers = proptest::collection::vec((text().prop_filter("a name", |name| !name.is_empty()), text()), 0..6);
    (0..Command::ALL.len(), headers, body).prop_map(|(command, headers, body)| {
        let mut frame = Frame::new(Command::ALL[command]).with_body(body);
        for (name, value) in &headers {
            frame.headers.push(name, value);
        }
        frame
    })
}

fn cut<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Without `content-length`, which the encoder sees to.
fn essence(frame: &Frame) -> Frame {
    let mut frame = frame.clone();
    frame.headers.remove("content-length");
    frame
}

/// Bytes that look like frames often enough.
fn almost_stomp() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => proptest::sample::select(FRAMES.to_vec()).prop_map(<[u8]>::to_vec),
        2 => proptest::collection::vec(any::<u8>(), 0..8),
        2 => proptest::collection::vec(proptest::sample::select(b"\n\r\0:\\ncSEND".to_vec()), 0..8),
        1 => Just(b"CONNECT\naccept-version:1.1\nheart-beat:1,18446744073709551615\n\n\0".to_vec()),
        1 => Just(b"SEND\ndestination:a\ntransaction:t\nreceipt:r\n\nx\0".to_vec()),
        1 => Just(b"SEND\ndestination:a\nreceipt:r\n\nx\0".to_vec()),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_undoes_encoding(frame in frame(), cuts in proptest::collection::vec(any::<usize>(), 0..5)) {
        for version in Version::ALL {
            let mut first = Vec::new();
            encode(&mut first, version, &frame);
            let limits = Limits::default();
            let once = decoded(version, &limits, &cut(&first, &cuts));
            prop_assert_eq!(once.len(), 1);
            let once = once[0].clone().expect("what we write can be read");
            // 1.2 spells all but NUL; 1.1 and 1.0 settle after one round.
            if version == Version::V1_2 && !matches!(frame.command, Command::Connect | Command::Stomp | Command::Connected) {
                prop_assert_eq!(essence(&once), essence(&frame));
            }
            let mut second = Vec::new();
            encode(&mut second, version, &once);
            prop_assert_eq!(decoded(version, &limits, &[&second]), vec![Ok(once)]);
        }
    }

    #[test]
    fn no_cut_changes_what_is_decoded_from_anything(
        bytes in almost_stomp(),
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let limits = Limits { header_bytes_max: 64, headers_max: 3, body_bytes_max: 32, ..Limits::default() };
        for version in Version::ALL {
            prop_assert_eq!(decoded(version, &limits, &cut(&bytes, &cuts)), decoded(version, &limits, &[&bytes]));
        }
    }

    #[test]
    fn a_session_survives_anything(
        steps in proptest::collection::vec((almost_stomp(), any::<u16>(), 0_u8..8), 1..12),
        connected in any::<bool>(),
    ) {
        survives(connected, &steps);
    }
}

/// A driver that answers at random, and a session that must end in order.
#[expect(clippy::disallowed_methods, reason = "a test needs some moment to count from")]
fn survives(connected: bool, steps: &[(Vec<u8>, u16, u8)]) {
    let mut now = Instant::now();
    let settings = Settings {
        limits: Limits { receipts_pending_max: 4, transactions_max: 2, ..Limits::default() },
        ..Settings::default()
    };
    let mut session = Session::new(Arc::new(settings), now);
    if connected {
        session.receive(b"CONNECT\naccept-version:1.2,1.1\nheart-beat:1000,1000\n\n\0", now);
        assert!(matches!(session.poll(), Output::Event(Event::Connect(_))));
        session.accept(Accepted::default(), now);
    }
    let mut tickets: Vec<Ticket> = Vec::new();
    let mut closed = false;
    for (bytes, milliseconds, whim) in steps {
        now += Duration::from_millis(u64::from(*milliseconds));
        session.receive(bytes, now);
        if whim & 1 == 1 {
            session.timeout(now);
        }
        loop {
            match session.poll() {
                Output::Wait(_) => break,
                Output::Closed(ending) => {
                    if let Ending::Refused { error, .. } = ending {
                        assert!(error.starts_with(b"ERROR\n"), "a refusal carries its ERROR");
                    }
                    closed = true;
                    break;
                }
                Output::Transmit(bytes) => {
                    assert!(!closed && !bytes.starts_with(b"ERROR\n"), "ERROR comes with the end, nothing behind it");
                    session.sent(now);
                }
                Output::Event(event) => {
                    assert!(!closed, "nothing is asked behind the end");
                    match event {
                        Event::Connect(_) => session.accept(Accepted::default(), now),
                        Event::Send(send) => tickets.extend(send.ticket),
                        Event::Subscribe(subscribe) => tickets.extend(subscribe.ticket),
                        Event::Commit(commit) => tickets.extend(commit.ticket),
                        Event::Disconnect(disconnect) => tickets.extend(disconnect.ticket),
                        Event::Unsubscribe(_) | Event::Acknowledge(_) => {}
                    }
                }
            }
        }
        if whim & 2 == 2 {
            tickets.drain(..).rev().for_each(|ticket| session.confirm(ticket, &[("position", "a:1")]));
        }
        assert!(session.backlog() <= 4);
    }
}
