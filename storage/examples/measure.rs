//! What the durable engine does on this machine.
//!
//! `cargo run --release -p homeroom-storage --example measure [DIRECTORY]`
//!
//! Confirmed appends with one publisher that keeps 100 in flight, and with 256
//! that each wait for their answer; then a million messages of 200 bytes in 100
//! logs, what they take on the disk, and how long the store takes to open.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use homeroom_storage::{Append, LogName, Message, Retention, Settings, Store, inspect, open};

const FOR: Duration = Duration::from_secs(4);
const MESSAGES: u64 = 1_000_000;
const LOGS: u64 = 100;

#[tokio::main]
async fn main() {
    let given = std::env::args().nth(1).map(PathBuf::from);
    let dir = tempfile::tempdir_in(given.unwrap_or_else(std::env::temp_dir)).expect("a directory can be made");
    let settings = Settings { path: dir.path().join("store"), ballast_bytes: 0, ..Settings::default() };

    let store = open(&settings).expect("the store opens");
    report("1 publisher, 100 in flight", &[in_flight(&store, 100).await], &store);
    let publishers: Vec<_> = (0..256).map(|n| tokio::spawn(one_by_one(store.clone(), n))).collect();
    let mut counts = Vec::new();
    for publisher in publishers {
        counts.push(publisher.await.expect("a publisher ends"));
    }
    report("256 publishers, one by one", &counts, &store);
    shut(store, &settings).await;

    let store = open(&settings).expect("the store opens");
    let begun = Instant::now();
    fill(&store).await;
    println!("{MESSAGES} messages stored in {:.1} s", begun.elapsed().as_secs_f64());
    store.close().await;
    drop(store);
    let used = database_bytes(&settings.path);
    println!("{} bytes on disk, {:.0} for each message of 200 bytes", used, used as f64 / MESSAGES as f64);
    for which in ["first", "second"] {
        let begun = Instant::now();
        let store = open(&settings).expect("the store opens");
        println!("{which} opening: {:.2} s", begun.elapsed().as_secs_f64());
        store.close().await;
    }
    let begun = Instant::now();
    let verified = inspect::verify(&settings.path, &mut |_, _| {}).expect("it can be verified");
    println!(
        "verified {} records in {:.1} s, clean: {}",
        verified.records,
        begun.elapsed().as_secs_f64(),
        verified.is_clean()
    );
}

async fn in_flight(store: &Store, limit: usize) -> u64 {
    let begun = Instant::now();
    let mut waiting = FuturesUnordered::new();
    let mut confirmed = 0;
    while begun.elapsed() < FOR {
        while waiting.len() < limit {
            waiting.push(store.append(message(0)));
        }
        waiting.next().await.expect("some are waiting").expect("it is stored");
        confirmed += 1;
    }
    while waiting.next().await.is_some() {}
    confirmed
}

async fn one_by_one(store: Store, publisher: u64) -> u64 {
    let begun = Instant::now();
    let mut confirmed = 0;
    while begun.elapsed() < FOR {
        store.append(message(publisher % 30)).await.expect("it is stored");
        confirmed += 1;
    }
    confirmed
}

async fn fill(store: &Store) {
    for log in 0..LOGS {
        let everything = Retention { bytes: u64::MAX, ..Retention::default() };
        drop(store.open(&name(log), everything).await.expect("a log opens"));
    }
    let mut waiting = FuturesUnordered::new();
    for n in 0..MESSAGES {
        waiting.push(store.append(message(n % LOGS)));
        while waiting.len() > 5_000 {
            waiting.next().await.expect("some are waiting").expect("it is stored");
        }
    }
    while let Some(stored) = waiting.next().await {
        stored.expect("it is stored");
    }
}

/// A message of 200 bytes, half of it random.
fn message(log: u64) -> Append {
    let mut body =
        br#"{"event":"answer","question":17,"choice":"b","student":"4711","comment":"as we said last week"}"#.to_vec();
    let mut random = [0; 52];
    getrandom::fill(&mut random).expect("the system has random numbers");
    body.extend(random.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
    body.truncate(200);
    let message = Message {
        destination: "/topic/7b/quiz".into(),
        headers: Box::new([("content-type".into(), "application/json".into())]),
        body: body.into(),
        publisher: Some("quiz".into()),
    };
    let messages = vec![message];
    Append { log: name(log), messages, settlements: Vec::new(), key: None, deadline: None, lane: None }
}

fn name(log: u64) -> LogName {
    LogName::new(format!("topic/{log}"))
}

fn report(what: &str, confirmed: &[u64], store: &Store) {
    let counters = store.counters();
    println!(
        "{what}: {:.0} confirmed/s; until now {} commits of {:.0} us on average, {:.1} records each",
        confirmed.iter().sum::<u64>() as f64 / FOR.as_secs_f64(),
        counters.commits,
        counters.commit_micros as f64 / counters.commits as f64,
        counters.appended_records as f64 / counters.commits as f64,
    );
}

async fn shut(store: Store, settings: &Settings) {
    store.close().await;
    drop(store);
    std::fs::remove_dir_all(&settings.path).expect("the directory can be removed");
}

fn database_bytes(path: &Path) -> u64 {
    std::fs::metadata(path.join("sled/db")).map_or(0, |found| found.len())
}
