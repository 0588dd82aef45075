//! Appends under load and says what was confirmed: the witness of the power-cut test.
//!
//! `power_cut_load DIRECTORY SEED RECORDS short|long` appends from several threads to
//! several logs and writes one line for each confirmed append, as soon as it is
//! confirmed: `log epoch offset hash`. Retention and cursors are at work too, so
//! that sled moves and reuses its segments meanwhile. `long` makes commits of many
//! long records, each of which reaches over several of sled's segments.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use homeroom_storage::{Append, Cursor, CursorKey, LogName, Message, Offset, Retention, Settings, Store, open};

const PUBLISHERS: u64 = 6;
const LOGS: u64 = 4;
/// Long records that a publisher hands over at a time.
const GATHERED: u64 = 20;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("the first argument is a directory");
    let seed = number(arguments.next());
    let records = number(arguments.next());
    let is_long = arguments.next().is_some_and(|load| load == "long");
    let settings = Settings {
        path: path.into(),
        free_space_min: 1 << 20,
        ballast_bytes: 0,
        cache_bytes: 8 << 20,
        ..Settings::default()
    };
    let store = open(&settings).unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(load(store, seed, records, is_long));
}

fn number(argument: Option<String>) -> u64 {
    argument.and_then(|text| text.parse().ok()).expect("DIRECTORY SEED RECORDS")
}

async fn load(store: Store, seed: u64, records: u64, is_long: bool) {
    for log in 0..LOGS {
        // The last log forgets all the time; what it forgot is not missed.
        let bytes = if log == LOGS - 1 { 100_000 } else { u64::MAX };
        drop(store.open(&name(log), Retention { bytes, ..Retention::default() }).await.expect("a log opens"));
    }
    let publishers = (0..PUBLISHERS).map(|n| {
        let (store, seed) = (store.clone(), seed * PUBLISHERS + n);
        match is_long {
            true => tokio::spawn(publish_long(store, seed, records)),
            false => tokio::spawn(publish(store, seed, records)),
        }
    });
    for publisher in publishers.collect::<Vec<_>>() {
        publisher.await.expect("a publisher ends");
    }
    store.close().await;
}

async fn publish(store: Store, seed: u64, records: u64) {
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for n in 0..records / PUBLISHERS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let size = if random.is_multiple_of(50) { 20_000 } else { random as usize % 400 };
        let log = name((random >> 20) % LOGS);
        let mut body = format!("{seed} {n} ").into_bytes();
        body.extend((0..size).map(|n| (random >> (n % 50)) as u8));
        let hash = crc32fast::hash(&body);
        let appended = store.append(append(&log, body, random.is_multiple_of(5).then(|| format!("{seed}-{n}")))).await;
        let position = appended.unwrap_or_else(|error| panic!("{error}")).position;
        say(&format!("{log} {} {} {hash}\n", position.epoch, position.offset));
        let owner: Arc<str> = format!("user:{}", random % 30).into();
        let cursor = Cursor {
            epoch: position.epoch,
            offset: Offset(position.offset.0),
            above: vec![],
            delivered: position.offset,
            used: n,
        };
        store.save(&CursorKey { log, owner, name: "load".into() }, cursor);
        if random.is_multiple_of(200) {
            tokio::time::sleep(Duration::from_millis(random % 300)).await;
        }
    }
}

/// Many at a time.
async fn publish_long(store: Store, seed: u64, records: u64) {
    for n in 0..records / PUBLISHERS / GATHERED {
        let pending = (0..GATHERED).map(|m| {
            let log = name((seed + n + m) % (LOGS - 1));
            let mut body = format!("{seed} {n} {m} ").into_bytes();
            body.resize(20_000, (n + m) as u8);
            let hash = crc32fast::hash(&body);
            (log.clone(), hash, store.append(append(&log, body, None)))
        });
        for (log, hash, pending) in pending.collect::<Vec<_>>() {
            let position = pending.await.unwrap_or_else(|error| panic!("{error}")).position;
            say(&format!("{log} {} {} {hash}\n", position.epoch, position.offset));
        }
    }
}

fn name(log: u64) -> LogName {
    LogName::new(format!("topic/{log}"))
}

fn append(log: &LogName, body: Vec<u8>, key: Option<String>) -> Append {
    let message =
        Message { destination: "/topic/7b".into(), headers: Box::default(), body: body.into(), publisher: None };
    Append {
        log: log.clone(),
        messages: vec![message],
        also: Vec::new(),
        settlements: Vec::new(),
        key: key.map(Into::into),
        deadline: None,
        lane: None,
    }
}

/// One system call for one line, so that its place among the others is known.
fn say(line: &str) {
    std::io::stdout().write_all(line.as_bytes()).expect("somebody listens");
}
