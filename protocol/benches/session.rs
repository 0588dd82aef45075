//! What a SEND with a receipt costs a session, whole and cut into single bytes.
//!
//! `cargo bench -p homeroom-protocol --bench session`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use homeroom_protocol::{Accepted, Event, Output, Session, Settings};

fn sending(criterion: &mut Criterion) {
    let body = r#"{"question":7,"answer":"7 x 13"}"#.repeat(6);
    let frame = format!(
        "SEND\ndestination:/topic/7b/quiz\ncontent-type:application/json\nidempotency-key:8f3a1c\nreceipt:7\ncontent-length:{}\n\n{body}\0",
        body.len()
    );
    let mut group = criterion.benchmark_group("a SEND with a receipt");
    group.throughput(Throughput::Bytes(frame.len() as u64));
    for (name, piece) in [("whole", frame.len()), ("byte by byte", 1)] {
        group.bench_function(name, |bencher| {
            let (mut session, now) = connected();
            bencher.iter(|| {
                for piece in black_box(frame.as_bytes()).chunks(piece) {
                    session.receive(piece, now);
                    if let Output::Event(Event::Send(send)) = session.poll() {
                        session.confirm(send.ticket.expect("a receipt was asked for"), &[("position", "8f3a1c:7")]);
                        let Output::Transmit(receipt) = session.poll() else { panic!("RECEIPT") };
                        black_box((send, receipt));
                    }
                }
            });
        });
    }
    group.finish();
}

#[expect(clippy::disallowed_methods, reason = "a benchmark needs some moment to count from")]
fn connected() -> (Session, Instant) {
    let now = Instant::now();
    let mut session = Session::new(Arc::new(Settings::default()), now);
    session.receive(b"CONNECT\naccept-version:1.2\nheart-beat:10000,10000\n\n\0", now);
    assert!(matches!(session.poll(), Output::Event(Event::Connect(_))));
    session.accept(Accepted::default(), now);
    assert!(matches!(session.poll(), Output::Transmit(_)));
    (session, now)
}

criterion_group!(benches, sending);
criterion_main!(benches);
