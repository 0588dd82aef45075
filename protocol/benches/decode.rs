//! Decoding, beside the crate `stomp-parser` and cut into single bytes. All of a
//! group runs on the same frames, so that one run compares.
//!
//! `cargo bench -p homeroom-protocol --bench decode`

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use homeroom_protocol::{Decoded, Decoder, Limits, MessageHead, Version, encode_message};
use stomp_parser::server::ServerFrame;

fn beside_stomp_parser(criterion: &mut Criterion) {
    let limits = Limits::default();
    for (name, body_bytes) in [("message 200 B", 200), ("message 4 KB", 4096)] {
        let frame = message(body_bytes);
        assert!(
            matches!(ServerFrame::try_from(frame.clone()), Ok(ServerFrame::Message(_))),
            "both read the same frame"
        );
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function("homeroom", |bencher| {
            let mut decoder = Decoder::new(Version::V1_2, &limits);
            bencher.iter(|| {
                decoder.push(black_box(&frame));
                decoded(&mut decoder)
            });
        });
        // It wants a buffer of its own for each frame: making that is not counted.
        group.bench_function("stomp-parser", |bencher| {
            let parse = |frame| ServerFrame::try_from(black_box(frame)).expect("a whole frame");
            bencher.iter_batched(|| frame.clone(), parse, BatchSize::SmallInput);
        });
        group.finish();
    }
}

fn cut_into_bytes(criterion: &mut Criterion) {
    let limits = Limits::default();
    for (name, body_bytes) in [("pieces of 200 B", 200), ("pieces of 4 KB", 4096)] {
        let frame = message(body_bytes);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(frame.len() as u64));
        for (name, piece) in [("whole", frame.len()), ("byte by byte", 1)] {
            group.bench_function(name, |bencher| {
                let mut decoder = Decoder::new(Version::V1_2, &limits);
                bencher.iter(|| {
                    let mut found = None;
                    for piece in black_box(&frame).chunks(piece) {
                        decoder.push(piece);
                        if let Some(decoded) = decoder.next() {
                            found = Some(decoded.expect("a whole frame"));
                        }
                    }
                    found.expect("a whole frame")
                });
            });
        }
        group.finish();
    }
}

fn decoded(decoder: &mut Decoder) -> Decoded {
    decoder.next().expect("a whole frame").expect("a good one")
}

/// A message of a quiz as the broker sends it.
fn message(body_bytes: usize) -> Vec<u8> {
    let head = MessageHead {
        subscription: Some("sub-0"),
        message_id: "7b@8f3a1c:1042",
        destination: "/topic/7b/quiz",
        ack: None,
        content_length: body_bytes,
    };
    let extra = [
        ("offset", "1042"),
        ("epoch", "8f3a1c"),
        ("timestamp", "1785312000000"),
        ("user-id", "teacher"),
        ("content-type", "application/json"),
    ];
    let body: Vec<u8> = br#"{"question":7,"text":"Is 91 prime?"}"#.iter().copied().cycle().take(body_bytes).collect();
    let mut out = Vec::new();
    encode_message(&mut out, Version::V1_2, &head, extra.into_iter(), &body);
    out
}

criterion_group!(benches, beside_stomp_parser, cut_into_bytes);
criterion_main!(benches);
