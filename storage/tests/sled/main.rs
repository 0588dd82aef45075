//! What only the sled engine can do wrong: damage, full disks, directories, growth.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod damage;
mod directories;
mod full;
mod growth;

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use homeroom_storage::{Append, Appended, Budget, EngineKind, LogName, Message, Offset, Page, Settings, Store, open};

fn settings(path: &Path) -> Settings {
    Settings {
        engine: EngineKind::Sled,
        path: path.to_owned(),
        free_space_min: 1 << 20,
        ballast_bytes: 1 << 20,
        cache_bytes: 8 << 20,
        open_timeout: Duration::from_secs(20),
        ..Settings::default()
    }
}

fn append(log: &LogName, body: impl Into<Bytes>) -> Append {
    let message = Message {
        destination: "/topic/7b/quiz".into(),
        headers: Box::new([("content-type".into(), "text/plain".into())]),
        body: body.into(),
        publisher: Some("teacher".into()),
    };
    Append {
        log: log.clone(),
        messages: vec![message],
        also: Vec::new(),
        settlements: Vec::new(),
        key: None,
        deadline: None,
        lane: None,
    }
}

/// Appends that share commits, and what they were answered.
async fn store_all(store: &Store, log: &LogName, bodies: impl Iterator<Item = Vec<u8>>) -> Vec<Appended> {
    let pending: Vec<_> = bodies.map(|body| store.append(append(log, body))).collect();
    futures_util::future::try_join_all(pending).await.unwrap()
}

async fn read_all(store: &Store, log: &LogName) -> Page {
    let budget = Budget { records: usize::MAX, bytes: usize::MAX };
    store.read(log, Offset::ZERO, Offset(u64::MAX), budget).await.unwrap()
}

/// Closes a store, so that its directory is free.
async fn shut(store: Store) {
    store.close().await;
    drop(store);
}

/// Asks again until it holds; what never holds fails the test.
async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < limit, "it did not come to this within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

fn reopen(path: &Path) -> Store {
    open(&settings(path)).unwrap()
}
