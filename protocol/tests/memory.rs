//! What a session and its decoder keep.

use std::sync::Arc;
use std::time::Instant;

use homeroom_protocol::{Accepted, Decoder, Limits, Output, Session, Settings, Version};

/// Measured on 64-bit Linux; a session that grows beyond is looked at twice.
const SESSION_BYTES_MAX: usize = 424;

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<Session>() <= SESSION_BYTES_MAX, "a session takes {} bytes", size_of::<Session>());
}

#[expect(clippy::disallowed_methods, reason = "a test needs some moment to count from")]
fn connected(settings: Settings) -> (Session, Instant) {
    let now = Instant::now();
    let mut session = Session::new(Arc::new(settings), now);
    session.receive(b"CONNECT\naccept-version:1.2\n\n\0", now);
    assert!(matches!(session.poll(), Output::Event(_)));
    session.accept(Accepted::default(), now);
    assert!(matches!(session.poll(), Output::Transmit(_)));
    (session, now)
}

#[test]
fn endless_ends_of_line_are_consumed_for_free() {
    let (mut session, now) = connected(Settings::default());
    for _ in 0..1000 {
        session.receive(&[b'\n'; 1000], now);
        assert_eq!(session.buffered(), 0);
        assert!(matches!(session.poll(), Output::Wait(_)));
    }
}

#[test]
fn who_does_not_poll_does_not_decode() {
    let (mut session, now) = connected(Settings::default());
    let send = b"SEND\ndestination:/topic/a\nreceipt:1\n\n\0";
    session.receive(&send.repeat(10), now);
    assert_eq!(session.buffered(), send.len() * 10);
    assert!(matches!(session.poll(), Output::Event(_)));
    assert_eq!((session.buffered(), session.backlog()), (send.len() * 9, 1));
}

#[test]
fn an_endless_frame_ends_at_its_limit() {
    let (mut session, now) = connected(Settings::default());
    session.receive(b"SEND\nx:", now);
    let mut received = 0;
    while matches!(session.poll(), Output::Wait(_)) {
        assert!(received <= Limits::default().header_bytes_max, "the limit holds while bytes arrive");
        session.receive(&[b'x'; 100], now);
        received += 100;
    }
    assert_eq!(session.buffered(), 0);
}

#[test]
fn frames_that_never_meet_the_end_of_the_buffer_do_not_grow_it() {
    let mut decoder = Decoder::new(Version::V1_2, &Limits::default());
    let frame = b"SEND\nx:y\n\nbody\0";
    decoder.push(&frame[..7]);
    for _ in 0..100_000 {
        for byte in frame[7..].iter().chain(&frame[..7]) {
            decoder.push(&[*byte]);
        }
        assert!(matches!(decoder.next(), Some(Ok(_))));
        assert_eq!(decoder.buffered(), 7);
    }
    assert!(decoder.capacity() <= 1024, "{} bytes for a frame of {}", decoder.capacity(), frame.len());
}
