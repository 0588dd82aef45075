//! Publishers.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use homeroom_storage::{Append, LogName, Message, Retention, Store};

/// Publishes as fast as answers come, `limit` of them waiting at a time; answers per second.
pub(crate) async fn in_flight<A: Future>(limit: usize, lasting: Duration, mut publish: impl FnMut(u64) -> A) -> f64 {
    let begun = Instant::now();
    let mut waiting = FuturesUnordered::new();
    let mut confirmed = 0_u64;
    let mut sent = 0;
    while begun.elapsed() < lasting {
        while waiting.len() < limit {
            waiting.push(publish(sent));
            sent += 1;
        }
        waiting.next().await.expect("some are waiting");
        confirmed += 1;
    }
    let rate = confirmed as f64 / begun.elapsed().as_secs_f64();
    while waiting.next().await.is_some() {}
    rate
}

/// Stores `messages` in `logs`, in turn, and keeps all of them.
pub(crate) async fn fill(store: &Store, messages: u64, logs: u64) {
    let everything = Retention { bytes: u64::MAX, ..Retention::default() };
    for log in 0..logs {
        drop(store.open(&name(log), everything).await.expect("a log opens"));
    }
    let mut waiting = FuturesUnordered::new();
    for n in 0..messages {
        waiting.push(store.append(append(n % logs, n)));
        while waiting.len() > 5_000 {
            waiting.next().await.expect("some are waiting").expect("it is stored");
        }
    }
    while let Some(stored) = waiting.next().await {
        stored.expect("it is stored");
    }
}

/// The `n`th message, for a log.
pub(crate) fn append(log: u64, n: u64) -> Append {
    let message = Message {
        destination: "/topic/7b/quiz".into(),
        headers: Box::new([("content-type".into(), "application/json".into())]),
        body: body(n),
        publisher: Some("quiz".into()),
    };
    let messages = vec![message];
    Append {
        log: name(log),
        messages,
        also: Vec::new(),
        settlements: Vec::new(),
        key: None,
        deadline: None,
        lane: None,
    }
}

/// 200 bytes, half of them random. Made before: making them is not what is measured.
pub(crate) fn body(n: u64) -> Bytes {
    static BODIES: OnceLock<Vec<Bytes>> = OnceLock::new();
    let bodies = BODIES.get_or_init(|| (0..4096).map(|_| make_body()).collect());
    bodies[n as usize % bodies.len()].clone()
}

fn make_body() -> Bytes {
    let mut body =
        br#"{"event":"answer","question":17,"choice":"b","student":"4711","comment":"as we said last week"}"#.to_vec();
    let mut random = [0; 52];
    getrandom::fill(&mut random).expect("the system has random numbers");
    body.extend(random.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
    body.truncate(200);
    body.into()
}

pub(crate) fn name(log: u64) -> LogName {
    LogName::new(format!("topic/{log}"))
}
