//! A full disk: refused in time or in the act, never lost, and well again by itself.
//!
//! Each test runs itself again in a mount namespace of its own, with a small
//! tmpfs. Where neither root nor user namespaces are to be had it fails and says so.

use std::fs;
use std::process::Command;

use homeroom_storage::{AppendError, Health, Part};

use super::*;

const INSIDE: &str = "HOMEROOM_TEST_TMPFS";
const RECOVERY: Duration = Duration::from_secs(5);

/// The tmpfs, if this is the inner run; else runs the test there.
fn on_a_small_disk(test: &str) -> Option<std::path::PathBuf> {
    if let Ok(path) = std::env::var(INSIDE) {
        return Some(path.into());
    }
    let dir = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    let script = "mount -t tmpfs -o size=24m tmpfs \"$0\" && exec \"$@\"";
    let mut said = String::new();
    for namespace in ["-m", "-rm"] {
        let mut command = Command::new("unshare");
        command.args([namespace, "sh", "-c", script]).arg(dir.path()).arg(&exe);
        command.args(["--exact", test, "--nocapture"]).env(INSIDE, dir.path());
        let output = command.output().expect("the program unshare, of util-linux, runs");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        if stdout.contains("running 1 test") {
            assert!(output.status.success(), "on a small disk:\n{stdout}\n{stderr}");
            return None;
        }
        said.push_str(&stderr);
    }
    panic!("this test needs a tmpfs: run it as root or where `unshare -rm` may mount one. It said:\n{said}");
}

fn small(path: &Path) -> Settings {
    Settings { free_space_min: 3 << 20, ballast_bytes: 2 << 20, ..settings(&path.join("store")) }
}

async fn fill(store: &Store, log: &LogName) -> (Vec<Appended>, AppendError) {
    let mut stored = Vec::new();
    loop {
        match store.append(append(log, vec![b'x'; 10_000])).await {
            Ok(appended) => stored.push(appended),
            Err(error) => return (stored, error),
        }
    }
}

fn is_full(error: &AppendError) -> bool {
    matches!(error, AppendError::Unavailable { full: true, .. })
}

/// Every record that was confirmed is there, once, and the store takes more, within the promised time.
async fn is_well_again(store: &Store, log: &LogName, stored: &[Appended]) {
    let next = async || store.append(append(log, "room again")).await.is_ok();
    let took = until("it takes records again", RECOVERY, next).await;
    println!("{} records before, well again after {took:?}", stored.len());
    let page = read_all(store, log).await;
    let offsets: Vec<_> = page.records.iter().map(|record| record.offset).collect();
    let confirmed = stored.iter().map(|appended| appended.position.offset);
    assert!(confirmed.clone().all(|offset| offsets.contains(&offset)), "a confirmed record is lost");
    assert_eq!(offsets.len(), stored.len() + 1, "what was refused is not there");
    assert_eq!((page.missing, store.damaged()), (vec![], vec![]));
    assert_eq!(*store.health().borrow(), Health::Ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_refused_in_time_and_taken_again_when_there_is_room() {
    let Some(disk) = on_a_small_disk("full::records_are_refused_in_time_and_taken_again_when_there_is_room") else {
        return;
    };
    let other = disk.join("other");
    let store = open(&small(&disk)).unwrap();
    let log = LogName::new("topic/7b");
    let mut opened = store.open(&log, homeroom_storage::Retention::default()).await.unwrap();
    let before = store_all(&store, &log, (0..50).map(|_| vec![b'x'; 10_000])).await;
    fs::write(&other, vec![0; 17 << 20]).unwrap_or_else(|error| println!("the disk is full of other things: {error}"));
    let (more, error) = fill(&store, &log).await;
    assert!(is_full(&error), "{error}");
    assert!(matches!(*store.health().borrow(), Health::Full { .. }));
    assert_eq!(read_all(&store, &log).await.records.len(), before.len() + more.len(), "reads go on");
    fs::remove_file(other).unwrap();
    let stored = [before, more].concat();
    is_well_again(&store, &log, &stored).await;
    for appended in &stored {
        assert_eq!(opened.tail.next().await.unwrap().offset, appended.position.offset);
    }
    shut(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_under_the_store_loses_nothing() {
    let Some(disk) = on_a_small_disk("full::a_disk_that_fills_under_the_store_loses_nothing") else { return };
    // No reserve: sled itself runs into the wall, and is poisoned by it.
    let settings = Settings { free_space_min: 0, ..small(&disk) };
    let other = disk.join("other");
    fs::write(&other, vec![0; 8 << 20]).unwrap();
    let store = open(&settings).unwrap();
    let log = LogName::new("topic/7b");
    let mut opened = store.open(&log, homeroom_storage::Retention::default()).await.unwrap();
    let (stored, error) = fill(&store, &log).await;
    assert!(is_full(&error), "{error}");
    assert!(!stored.is_empty());
    fs::remove_file(other).unwrap();
    is_well_again(&store, &log, &stored).await;
    for appended in &stored {
        assert_eq!(opened.tail.next().await.unwrap().offset, appended.position.offset);
    }
    assert_eq!(opened.tail.next().await.unwrap().messages[0].body, "room again");
    shut(store).await;
    let store = open(&settings).unwrap();
    assert_eq!(read_all(&store, &log).await.records.len(), stored.len() + 1);
    shut(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_opens_on_a_full_disk() {
    let Some(disk) = on_a_small_disk("full::a_store_opens_on_a_full_disk") else { return };
    let store = open(&small(&disk)).unwrap();
    let log = LogName::new("topic/7b");
    let stored = store_all(&store, &log, (0..100).map(|_| vec![b'x'; 10_000])).await;
    shut(store).await;
    let other = disk.join("other");
    let filled = fs::write(&other, vec![0; 24 << 20]);
    assert!(filled.is_err(), "the disk is not full");
    let store = open(&small(&disk)).unwrap();
    assert_eq!(read_all(&store, &log).await.records.len(), stored.len());
    let refused = store.append(append(&log, "x")).await.unwrap_err();
    assert!(is_full(&refused), "{refused}");
    fs::remove_file(other).unwrap();
    is_well_again(&store, &log, &stored).await;
    shut(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_tears_no_append_over_several_logs() {
    let Some(disk) = on_a_small_disk("full::a_disk_that_fills_tears_no_append_over_several_logs") else { return };
    let logs = [1, 2, 3].map(|n| LogName::new(format!("topic/{n}")));
    let part =
        |log: &LogName, bytes| Part { log: log.clone(), messages: append(log, vec![b'x'; bytes]).messages, lane: None };
    // The disk fills at another place in each round; and the store comes back by itself, or is opened anew.
    for (round, bytes) in [7_000, 40_000, 130_000, 250_000, 600_000, 900_000].into_iter().enumerate() {
        for comes_back in [true, false] {
            let other = disk.join("other");
            fs::write(&other, vec![0; (8 << 20) + round * 50_000]).unwrap();
            let settings = Settings { free_space_min: 0, ..small(&disk) };
            let store = open(&settings).unwrap();
            let mut stored = 0;
            let error = loop {
                let also = vec![part(&logs[1], bytes), part(&logs[2], bytes)];
                match store.append(Append { also, ..append(&logs[0], vec![b'x'; bytes]) }).await {
                    Ok(_) => stored += 1,
                    Err(error) => break error,
                }
            };
            assert!(is_full(&error) && stored > 0, "{error} after {stored}");
            let store = if comes_back {
                fs::remove_file(&other).unwrap();
                let next = async || store.append(append(&LogName::new("topic/next"), "x")).await.is_ok();
                until("it takes records again", RECOVERY, next).await;
                store
            } else {
                shut(store).await;
                fs::remove_file(&other).unwrap();
                open(&settings).unwrap()
            };
            let mut counts = Vec::new();
            for log in &logs {
                counts.push(read_all(&store, log).await.records.len());
            }
            println!("{bytes} bytes, comes back: {comes_back}: {stored} confirmed, found {counts:?}");
            assert!(counts.iter().all(|count| *count == counts[0] && *count >= stored), "{counts:?} of {stored}");
            assert_eq!(store.damaged(), []);
            shut(store).await;
            fs::remove_dir_all(disk.join("store")).unwrap();
        }
    }
}
