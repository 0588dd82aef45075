//! How many messages are confirmed in a second, and what stored cursors and many logs cost.

use std::path::Path;
use std::time::Duration;

use homeroom_storage::{Cursor, CursorKey, Offset, Retention, Store, open};

use crate::bare::Bare;
use crate::load::{append, body, in_flight, name};
use crate::{median, settings};

const ROUNDS: usize = 7;
const LASTING: Duration = Duration::from_millis(500);
const IN_FLIGHT: usize = 100;

/// A way of publishing, and how fast it was in each round.
struct Way {
    what: String,
    store: Option<Store>,
    logs: u64,
    in_flight: usize,
    rates: Vec<f64>,
}

pub(crate) async fn measure(directory: &Path, only: &str) {
    let dir = tempfile::tempdir_in(directory).expect("a directory can be made");
    let bare = Bare::open(&dir.path().join("bare"));
    let mut ways = vec![way("append and sync, nothing else", None, 1, IN_FLIGHT)];
    for cursors in [0, 1_000, 100_000] {
        let store = open(&settings(dir.path().join(format!("{cursors}-cursors")))).expect("the store opens");
        store_cursors(&store, cursors).await;
        let what = format!("one publisher, {IN_FLIGHT} in flight, {cursors} durable subscribers away");
        ways.push(way(&what, Some(store), 1, IN_FLIGHT));
    }
    for logs in [1, 1_000] {
        let store = open(&settings(dir.path().join(format!("{logs}-logs")))).expect("the store opens");
        let what = format!("{logs} logs in turn, 1000 in flight");
        ways.push(way(&what, Some(store), logs, 1_000));
    }
    ways.retain(|way| way.store.is_none() || way.what.contains(only));
    for _ in 0..ROUNDS {
        for way in &mut ways {
            let rate = match &way.store {
                None => in_flight(way.in_flight, LASTING, |n| bare.append(body(n))).await,
                Some(store) => {
                    let publish = |n| store.append(append(n % way.logs, n));
                    in_flight(way.in_flight, LASTING, publish).await
                }
            };
            way.rates.push(rate);
        }
    }
    println!("confirmed messages of 200 bytes, {ROUNDS} rounds in turns");
    let (bare, none_away) = (&ways[0].rates, &ways.get(1).unwrap_or(&ways[0]).rates);
    for way in &ways {
        let (of_bare, of_none) = (ratio(&way.rates, bare), ratio(&way.rates, none_away));
        println!(
            "  {:8.0}/s  {of_bare:5.2} of bare  {of_none:5.2} of none away  {}",
            median(way.rates.clone()),
            way.what
        );
        if let Some(store) = &way.store {
            let done = store.counters();
            println!(
                "              {:.0} us and {:.0} records for each commit",
                done.commit_micros as f64 / done.commits as f64,
                done.appended_records as f64 / done.commits as f64
            );
            store.close().await;
        }
    }
}

fn way(what: &str, store: Option<Store>, logs: u64, in_flight: usize) -> Way {
    Way { what: what.to_owned(), store, logs, in_flight, rates: Vec::new() }
}

/// The median of the rounds' own ratios: what disturbs a round disturbs both.
fn ratio(rates: &[f64], others: &[f64]) -> f64 {
    median(rates.iter().zip(others).map(|(rate, other)| rate / other).collect())
}

async fn store_cursors(store: &Store, count: u64) {
    let log = name(0);
    let opened = store.open(&log, Retention::default()).await.expect("the log opens");
    for n in 0..count {
        let key = CursorKey { log: log.clone(), owner: format!("user:{n}").into(), name: "lesson".into() };
        let (offset, used) = (Offset::ZERO, u64::MAX / 2);
        store.save(&key, Cursor { epoch: opened.bounds.epoch, offset, above: Vec::new(), delivered: offset, used });
    }
    store.sync().await.expect("cursors are stored");
}
