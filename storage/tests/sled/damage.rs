//! Flipped bits, cut files, lost snapshots: never a wrong message, never a silent loss.
//!
//! sled alone answers such damage with a panic or with silence.
//!
//! More: `HOMEROOM_FLIPS=1000 HOMEROOM_TRUNCATIONS=200 cargo nextest run -p homeroom-storage damage --success-output final`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use homeroom_storage::{Cursor, CursorKey, LogName, OffsetRange, Record, Store, inspect};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::*;

type Truth = BTreeMap<LogName, Vec<Arc<Record>>>;

/// A store with three logs, closed, and what it holds.
async fn original(path: &Path) -> Truth {
    let store = reopen(path);
    let mut truth = Truth::new();
    for round in 0..30 {
        for log in ["topic/7a", "topic/7b", "topic/7c"].map(LogName::new) {
            let bodies = (0..12).map(|n| format!("{log} {round} {n} {}", "x".repeat(200)).into_bytes());
            store_all(&store, &log, bodies).await;
        }
    }
    store_all(&store, &LogName::new("topic/7b"), std::iter::once(vec![b'L'; 40_000])).await;
    for log in store.logs() {
        let page = read_all(&store, &log).await;
        let key = CursorKey { log: log.clone(), owner: "user:alice".into(), name: "quiz".into() };
        let epoch = page.records[0].epoch;
        store.save(
            &key,
            Cursor { epoch, offset: Offset(100), above: vec![], delivered: Offset(100), used: page.records[0].time },
        );
        truth.insert(log, page.records);
    }
    shut(store).await;
    // sled makes its snapshot when it opens what is there.
    shut(reopen(path)).await;
    truth
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "ballast" {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a log came to.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Whole,
    Named,
}

/// Nothing altered, and nothing missing that is not said to be.
async fn judge(store: &Store, truth: &Truth, what: &str) -> Vec<Fate> {
    let mut fates = Vec::new();
    for (log, records) in truth {
        let page = match store.read(log, Offset::ZERO, Offset(u64::MAX), EVERYTHING).await {
            Ok(page) => page,
            Err(error) => {
                assert!(is_named(store, log), "{what}: {log} answers {error} and is not named as damaged");
                fates.push(Fate::Named);
                continue;
            }
        };
        for record in &page.records {
            assert!(records.contains(record), "{what}: {log} has a record that was never stored: {record:?}");
        }
        let is_there = |record: &Arc<Record>| page.records.contains(record);
        let is_missing = |record: &Arc<Record>| page.missing.iter().any(|range| holds(range, record));
        let silent: Vec<_> = records.iter().filter(|record| !is_there(record) && !is_missing(record)).collect();
        let is_named = is_named(store, log);
        assert!(silent.is_empty() || is_named, "{what}: {log} lost {} records in silence", silent.len());
        assert!(page.missing.is_empty() || is_named, "{what}: {log} has holes and is not named");
        fates.push(if is_named { Fate::Named } else { Fate::Whole });
    }
    fates
}

const EVERYTHING: Budget = Budget { records: usize::MAX, bytes: usize::MAX };

fn holds(range: &OffsetRange, record: &Record) -> bool {
    range.first <= record.offset && record.offset <= range.last
}

fn is_named(store: &Store, log: &LogName) -> bool {
    store.damaged().iter().any(|(name, _)| name == log)
}

/// Damages `count` copies of one store, each in its own way, and judges each.
async fn judge_copies(count: usize, mut damage: impl FnMut(&Path, &mut TestRng) -> String) -> (usize, usize) {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("original");
    let truth = original(&first).await;
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (mut whole, mut named) = (0, 0);
    for n in 0..count {
        let path = dir.path().join(format!("copy-{n}"));
        copy(&first, &path);
        let what = damage(&path, &mut rng);
        let opening = path.clone();
        let store = tokio::task::spawn_blocking(move || reopen(&opening)).await.unwrap();
        let fates = judge(&store, &truth, &what).await;
        let is_whole = fates.iter().all(|fate| *fate == Fate::Whole);
        *(if is_whole { &mut whole } else { &mut named }) += 1;
        // A class must start, whatever happened: there is always a log that takes records.
        store.append(append(&LogName::new("topic/next"), "go on")).await.unwrap();
        shut(store).await;
        fs::remove_dir_all(path).unwrap();
    }
    println!("{count} copies: {whole} whole, {named} with damage that was named");
    (whole, named)
}

/// A number from the environment, for longer runs.
fn asked(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn database(path: &Path) -> PathBuf {
    path.join("sled/db")
}

fn flip(file: &Path, rng: &mut TestRng) -> String {
    let mut bytes = fs::read(file).unwrap();
    // The end of the file may be room that was never written.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(bytes.len(), |last| last + 1);
    let bit = rng.next_u64() as usize % (used * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(file, bytes).unwrap();
    format!("bit {bit} of {used} bytes of {} flipped", file.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_never_a_wrong_message_nor_a_silent_loss() {
    let (whole, named) = judge_copies(asked("HOMEROOM_FLIPS", 120), |path, rng| flip(&database(path), rng)).await;
    assert!(whole > 0 && named > 0, "flips that hit nothing, or always, test nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_database_is_never_a_silent_loss() {
    let (_, named) = judge_copies(asked("HOMEROOM_TRUNCATIONS", 40), |path, rng| {
        let len = fs::metadata(database(path)).unwrap().len();
        let left = rng.next_u64() % len;
        fs::OpenOptions::new().write(true).open(database(path)).unwrap().set_len(left).unwrap();
        format!("cut to {left} of {len} bytes")
    })
    .await;
    assert!(named > 0, "cuts that lose nothing test nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_loses_nothing() {
    let (whole, _) = judge_copies(12, |path, rng| {
        let is_snapshot = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("snap.");
        let mut files = fs::read_dir(path.join("sled")).unwrap().map(|entry| entry.unwrap().path());
        let snapshot = files.find(is_snapshot).expect("sled keeps a snapshot");
        flip(&snapshot, rng)
    })
    .await;
    assert_eq!(whole, 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_configuration_of_sled_loses_nothing() {
    let (whole, _) = judge_copies(8, |path, rng| flip(&path.join("sled/conf"), rng)).await;
    assert_eq!(whole, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_marks_are_no_reason_to_refuse() {
    let (whole, _) = judge_copies(8, |path, rng| flip(&path.join("marks"), rng)).await;
    assert_eq!(whole, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_database_is_set_aside_and_an_empty_one_begins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let truth = original(&path).await;
    let len = fs::metadata(database(&path)).unwrap().len() as usize;
    fs::write(database(&path), vec![0xA5; len]).unwrap();
    let opening = path.clone();
    let store = tokio::task::spawn_blocking(move || reopen(&opening)).await.unwrap();
    for log in truth.keys() {
        assert!(is_named(&store, log), "{log} is not named: {:?}", store.damaged());
        let taken = store.append(append(log, "a class must start")).await.unwrap();
        assert_ne!(taken.position.epoch, truth[log][0].epoch);
    }
    shut(store).await;
    let is_aside = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("quarantine-");
    let aside: Vec<_> =
        fs::read_dir(&path).unwrap().filter(|entry| is_aside(&entry.as_ref().unwrap().file_name())).collect();
    assert_eq!(aside.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_is_fenced_off_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let truth = original(&path).await;
    // The marks say that more was confirmed than the database has: as after a lost suffix.
    let mut marks = fs::read(path.join("marks")).unwrap();
    let slot = marks.chunks_exact_mut(512).find(|slot| slot.ends_with(&[0]) && contains(slot, b"topic/7b")).unwrap();
    slot[16..24].copy_from_slice(&1000u64.to_be_bytes());
    let sum = crc32fast::hash(&slot[4..]);
    slot[..4].copy_from_slice(&sum.to_be_bytes());
    fs::write(path.join("marks"), marks).unwrap();

    let report = inspect::verify(&path, &mut |_, _| {}).unwrap();
    assert_eq!(report.damaged.len(), 2, "the log, and the range: {:?}", report.damaged);
    let store = reopen(&path);
    let (damaged, fine) = (LogName::new("topic/7b"), LogName::new("topic/7a"));
    let refused = store.append(append(&damaged, "more")).await.unwrap_err();
    assert!(matches!(&refused, homeroom_storage::AppendError::Refused(homeroom_storage::Refusal::Damaged(_))));
    store.append(append(&fine, "more")).await.unwrap();
    let page = read_all(&store, &damaged).await;
    assert_eq!(page.records, truth[&damaged]);
    assert_eq!(page.missing, [OffsetRange { first: Offset(362), last: Offset(1000) }]);
    // Deleting it is the way out.
    store.delete(&damaged).await.unwrap();
    store.append(append(&damaged, "anew")).await.unwrap();
    assert_eq!(store.damaged(), []);
    shut(store).await;
    assert!(inspect::verify(&path, &mut |_, _| {}).unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scrub_finds_damage_that_nobody_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let log = LogName::new("topic/7b");
    let store = reopen(&path);
    for round in 0..300 {
        store_all(&store, &log, (0..12).map(|n| format!("{round} {n} {}", "x".repeat(200)).into_bytes())).await;
    }
    shut(store).await;
    let scrubbed = async |store: &Store| {
        until("everything is read once", Duration::from_secs(20), async || store.counters().scrub_ended).await;
    };
    let at_once = Settings { scrub_after: Duration::ZERO, ..settings(&path) };
    let store = open(&at_once).unwrap();
    scrubbed(&store).await;
    assert_eq!((store.counters().scrubbed_records, store.damaged()), (3600, vec![]));
    shut(store).await;

    let mut bytes = fs::read(database(&path)).unwrap();
    // Far from both ends, which opening looks at.
    let body = b"150 3 xxx";
    let found = bytes.windows(body.len()).enumerate().filter(|(_, window)| window == body);
    let copies: Vec<_> = found.map(|(at, _)| at).collect();
    copies.iter().for_each(|at| bytes[at + body.len()] ^= 1);
    assert!(!copies.is_empty());
    fs::write(database(&path), bytes).unwrap();

    let store = reopen(&path);
    assert_eq!(store.damaged(), [], "opening finds it, so the scrub is not tried");
    shut(store).await;
    let store = open(&at_once).unwrap();
    scrubbed(&store).await;
    assert!(is_named(&store, &log), "{:?}", store.damaged());
    let refused = store.append(append(&log, "more")).await.unwrap_err();
    assert!(matches!(&refused, homeroom_storage::AppendError::Refused(homeroom_storage::Refusal::Damaged(_))));
    store.append(append(&LogName::new("topic/next"), "go on")).await.unwrap();
    shut(store).await;
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
