//! Nothing grows that should not: the disk under churn, the memory, the blob files.

use std::fs;

use homeroom_storage::Retention;

use super::*;

fn files_bytes(path: &Path) -> u64 {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let bytes = |entry: fs::DirEntry| match entry.metadata().unwrap() {
        found if found.is_dir() => files_bytes(&entry.path()),
        found => found.len(),
    };
    entries.map(bytes).sum()
}

/// Resident memory of this process, which nextest gives to one test alone.
fn resident_bytes() -> u64 {
    let pages: u64 = fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_records_and_load_make_no_blobs() {
    let dir = tempfile::tempdir().unwrap();
    let store = reopen(dir.path());
    for round in 0..6 {
        let long = LogName::new(format!("topic/{}", round % 3));
        let bodies = (0..4).map(|n| vec![n; 1 << 20]);
        let short = LogName::new(format!("topic/{round}/short"));
        let (long, short) = tokio::join!(
            store_all(&store, &long, bodies),
            store_all(&store, &short, (0..3000).map(|n: u32| n.to_string().repeat(40).into_bytes())),
        );
        assert_eq!(long.len() + short.len(), 3004);
    }
    assert_eq!(fs::read_dir(dir.path().join("sled/blobs")).unwrap().count(), 0);
    assert_eq!(store.counters().blobs, 0);
    shut(store).await;
    assert_eq!(fs::read_dir(dir.path().join("sled/blobs")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_keeps_the_disk_flat() {
    let dir = tempfile::tempdir().unwrap();
    let store = reopen(dir.path());
    let logs: Vec<_> = (0..10).map(|n| LogName::new(format!("topic/{n}"))).collect();
    let retention = Retention { bytes: 200_000, ..Retention::default() };
    for log in &logs {
        drop(store.open(log, retention).await.unwrap());
    }
    let mut sizes = Vec::new();
    for _ in 0..8 {
        for log in &logs {
            store_all(&store, log, (0..2000).map(|n: u32| n.to_string().repeat(50).into_bytes())).await;
        }
        let kept = async || {
            let mut bytes = 0;
            for log in &logs {
                bytes += store.bounds(log).await.unwrap().unwrap().bytes;
            }
            bytes
        };
        until("retention has done its work", Duration::from_secs(20), async || kept().await <= 2_000_000).await;
        sizes.push(files_bytes(dir.path()));
    }
    println!("bytes on disk after each 4 MB of appends: {sizes:?}");
    // 2 MB live; five times that and 64 MB are the budget.
    assert!(sizes.iter().all(|size| *size < 5 * 2_000_000 + (64 << 20)), "{sizes:?}");
    assert!(sizes[7] < sizes[3] + sizes[3] / 2, "it still grows: {sizes:?}");
    assert!(store.counters().trimmed_records > 100_000);
    shut(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_message_costs_little_memory() {
    const MESSAGES: u64 = 100_000;
    let dir = tempfile::tempdir().unwrap();
    let store = reopen(dir.path());
    let log = |n: u64| LogName::new(format!("topic/{}", n % 20));
    store_all(&store, &log(0), (0..1000).map(|_| vec![b'x'; 200])).await;
    let before = resident_bytes();
    for n in 0..MESSAGES / 1000 {
        store_all(&store, &log(n), (0..1000).map(|_| vec![b'x'; 200])).await;
    }
    let grown = resident_bytes().saturating_sub(before);
    println!("{MESSAGES} messages of 200 bytes: {grown} bytes more resident");
    // Three times the 8 MB cache, and what allocators keep.
    assert!(grown < 64 << 20, "{grown} bytes for {MESSAGES} messages");
    shut(store).await;
}
