//! Bytes to frames and back.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use homeroom_protocol::{
    Accepted, Decoder, Event, Limits, MessageHead, Output, Session, Settings, Version, encode_message,
};

use crate::measured::Row;
use crate::store::body;

pub(crate) const ROWS: [Row; 3] = [
    Row { name: "decode a SEND of 200 bytes", operations: 1_000, prepare: decode },
    Row { name: "encode a MESSAGE of 200 bytes", operations: 1_000, prepare: encode },
    Row { name: "a session's SEND with its RECEIPT", operations: 1_000, prepare: converse },
];

fn decode(_: u32) -> Box<dyn FnMut()> {
    let (frame, limits) = (send(), Limits::default());
    let mut decoder = Decoder::new(Version::V1_2, &limits);
    Box::new(move || {
        decoder.push(black_box(&frame));
        black_box(decoder.next().expect("a whole frame").expect("a good one"));
    })
}

fn encode(_: u32) -> Box<dyn FnMut()> {
    let head = MessageHead {
        subscription: Some("sub-0"),
        message_id: "topic/7b@8f3a1c:1042",
        destination: "/topic/7b/quiz",
        ack: None,
        content_length: 200,
    };
    let extra = [
        ("offset", "1042"),
        ("epoch", "8f3a1c"),
        ("timestamp", "1785312000000"),
        ("user-id", "teacher"),
        ("content-type", "application/json"),
    ];
    let body = body();
    Box::new(move || {
        let mut out = Vec::new();
        encode_message(&mut out, Version::V1_2, black_box(&head), extra.into_iter(), black_box(&body));
        black_box(out);
    })
}

fn converse(_: u32) -> Box<dyn FnMut()> {
    let (frame, now) = (send(), Instant::now());
    let mut session = Session::new(Arc::new(Settings::default()), now);
    session.receive(b"CONNECT\naccept-version:1.2\nheart-beat:10000,10000\n\n\0", now);
    assert!(matches!(session.poll(), Output::Event(Event::Connect(_))), "it asks who this is");
    session.accept(Accepted::default(), now);
    assert!(matches!(session.poll(), Output::Transmit(_)), "it says CONNECTED");
    Box::new(move || {
        session.receive(black_box(&frame), now);
        let Output::Event(Event::Send(send)) = session.poll() else { panic!("it passes the message on") };
        session.confirm(send.ticket.expect("a receipt was asked for"), &[("position", "8f3a1c:1042")]);
        let Output::Transmit(receipt) = session.poll() else { panic!("it says RECEIPT") };
        black_box((send, receipt));
    })
}

/// A SEND of a quiz as stompjs writes it.
fn send() -> Vec<u8> {
    let head = "SEND\ndestination:/topic/7b/quiz\ncontent-type:application/json\nidempotency-key:8f3a1c\nreceipt:7";
    [head.as_bytes(), b"\ncontent-length:200\n\n", &body(), b"\0"].concat()
}
