//! Whose directory it is, and what it says when it cannot be used.

use std::fs;
use std::time::Instant;

use homeroom_storage::{Cursor, CursorKey, Health, OpenError, inspect};

use super::*;

fn refusal(path: &Path) -> (OpenError, String) {
    let begun = Instant::now();
    let error = open(&settings(path)).expect_err("it must be refused");
    assert!(begun.elapsed() < Duration::from_secs(1), "refused only after {:?}", begun.elapsed());
    let text = error.to_string();
    assert!(text.contains(&*path.to_string_lossy()), "{text}");
    (error, text)
}

#[tokio::test]
async fn a_second_open_is_refused_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = reopen(&path);
    let (error, text) = refusal(&path);
    assert!(matches!(error, OpenError::Held(_)));
    assert!(text.contains("another process holds the store"), "{text}");
    assert!(matches!(inspect::stats(&path), Err(OpenError::Held(_))));
    shut(store).await;
    shut(reopen(&path)).await;
}

#[tokio::test]
async fn a_dropped_store_frees_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let log = LogName::new("topic/7b");
    for _ in 0..3 {
        let store = reopen(&path);
        store.append(append(&log, "x")).await.unwrap();
        drop(store);
    }
    assert_eq!(read_all(&reopen(&path), &log).await.records.len(), 3);
}

#[tokio::test]
async fn a_store_whose_files_were_removed_says_so_and_stops_confirming() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = reopen(&path);
    store.append(append(&LogName::new("topic/7b"), "x")).await.unwrap();
    let mut health = store.health();
    fs::remove_file(path.join("sled/db")).unwrap();
    let failed = |health: &Health| matches!(health, Health::Failed { reason } if reason.contains("removed"));
    health.wait_for(failed).await.unwrap();
    assert!(store.append(append(&LogName::new("topic/7b"), "x")).await.is_err());
    shut(store).await;
}

#[test]
fn a_directory_that_holds_other_things_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "x").unwrap();
    assert!(matches!(refusal(dir.path()).0, OpenError::Foreign(_)));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was added");
}

#[test]
fn a_path_that_cannot_be_written_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(refusal(&file.join("store")).0, OpenError::NotWritable { .. }));
    // Nobody can write here, not even root.
    assert!(matches!(refusal(Path::new("/proc/store")).0, OpenError::NotWritable { .. }));
}

#[tokio::test]
async fn a_store_of_a_later_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    shut(reopen(&path)).await;
    let database = sled::open(path.join("sled")).unwrap();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(b"mformat");
    hasher.update(&2u32.to_be_bytes());
    let value = [hasher.finalize().to_be_bytes(), 2u32.to_be_bytes()].concat();
    database.insert(b"mformat", value).unwrap();
    database.flush().unwrap();
    drop(database);
    let (error, text) = refusal(&path);
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{text}");
    assert!(matches!(inspect::verify(&path, &mut |_, _| {}), Err(OpenError::Newer { .. })));
}

#[tokio::test]
async fn a_store_can_be_looked_into_when_it_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    assert!(matches!(inspect::verify(&path, &mut |_, _| {}), Err(OpenError::Absent(_))));
    let store = reopen(&path);
    let log = LogName::new("topic/7b");
    let appended = store_all(&store, &log, (0..100).map(|n| vec![n; 100])).await;
    let key = CursorKey { log: log.clone(), owner: "user:alice".into(), name: "quiz".into() };
    let cursor = Cursor {
        epoch: appended[0].position.epoch,
        offset: Offset(5),
        above: vec![],
        delivered: Offset(5),
        used: appended[0].time,
    };
    store.save(&key, cursor);
    store.trim(&log, Offset(10)).await.unwrap();
    let bounds = store.bounds(&log).await.unwrap().unwrap();
    shut(store).await;

    let stats = inspect::stats(&path).unwrap();
    let found = &stats.logs[0];
    assert_eq!((&found.name, found.epoch, found.head, found.trimmed), (&log, bounds.epoch, Offset(100), Offset(10)));
    assert_eq!((found.records, found.bytes, found.cursors, &found.damage), (90, bounds.bytes, 1, &None));
    assert!(found.oldest > 0 && found.newest >= found.oldest && found.blocks > 0 && stats.disk_bytes > 20_000);

    let mut seen = Vec::new();
    let report = inspect::verify(&path, &mut |done, total| seen.push((done, total))).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.logs, report.records, report.bytes, report.cursors), (1, 90, bounds.bytes, 1));
    assert_eq!(seen.last(), Some(&(90, 90)));
}
