//! Killed processes and failing disks, on a real process with a real load.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::*;

/// A confirmed append as the load says it: log, epoch, offset, hash of the body.
type Confirmed = BTreeMap<(String, u64), (u64, u32)>;

fn build_load() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--quiet", "--package", "homeroom-storage", "--example", "power_cut_load"];
    assert!(Command::new(cargo).args(arguments).status().unwrap().success());
    // This test is in `deps`, beside `examples`.
    let deps = std::env::current_exe().unwrap();
    deps.parent().and_then(Path::parent).unwrap().join("examples/power_cut_load")
}

fn note(confirmed: &mut Confirmed, line: &str) {
    let words: Vec<_> = line.split(' ').collect();
    let [log, epoch, offset, hash] = words[..] else { return };
    let place = (log.to_owned(), offset.parse().unwrap());
    let what = (epoch.parse().unwrap(), hash.parse().unwrap());
    let before = confirmed.insert(place, what);
    assert_eq!(before, None, "an offset was given out again: {line}");
}

/// Everything that was confirmed is there, except what retention took of the last log.
async fn judge(path: &Path, confirmed: &Confirmed) {
    let store = reopen(path);
    let mut found = Confirmed::new();
    for log in store.logs() {
        for record in read_all(&store, &log).await.records {
            let hash = crc32fast::hash(&record.messages[0].body);
            found.insert((log.to_string(), record.offset.0), (record.epoch.0, hash));
        }
    }
    let trimmed = store.bounds(&LogName::new("topic/3")).await.unwrap().map_or(0, |bounds| bounds.trimmed.0);
    let is_kept = |(log, offset): &(String, u64)| log != "topic/3" || *offset > trimmed;
    for (place, what) in confirmed.iter().filter(|(place, _)| is_kept(place)) {
        assert_eq!(found.get(place), Some(what), "{place:?}");
    }
    assert_eq!(store.damaged(), []);
    shut(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_and_gives_no_offset_again() {
    let program = build_load();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let mut confirmed = Confirmed::new();
    for cycle in 1..=15_usize {
        let mut load = Command::new(&program)
            .arg(&path)
            .args([&cycle.to_string(), "1000000"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(load.stdout.take().unwrap()).lines();
        lines.by_ref().take(cycle * 137).for_each(|line| note(&mut confirmed, &line.unwrap()));
        load.kill().unwrap();
        load.wait().unwrap();
        // What it had still said; the last line may be torn.
        let rest: Vec<_> = lines.map_while(Result::ok).collect();
        rest.iter().take(rest.len().saturating_sub(1)).for_each(|line| note(&mut confirmed, line));
        judge(&path, &confirmed).await;
    }
    println!("15 kills, {} confirmed, 0 lost", confirmed.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_confirms_nothing_and_is_not_tried_again() {
    let program = build_load();
    let dir = tempfile::tempdir().unwrap();
    let (path, trace) = (dir.path().join("store"), dir.path().join("trace"));
    let output = Command::new("strace")
        .args(["-f", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=200", "-o"])
        .arg(&trace)
        .arg(&program)
        .arg(&path)
        .args(["1", "100000"])
        .output()
        .expect("strace is installed: apt-get install strace");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it went on after a failed sync");
    assert!(said.contains("unknown whether it was stored"), "{said}");
    let trace = std::fs::read_to_string(trace).unwrap();
    let syncs: Vec<_> = trace.lines().filter(|line| line.contains("fdatasync") && line.contains('=')).collect();
    assert!(syncs.len() >= 200 && syncs[..syncs.len() - 1].iter().all(|line| !line.contains("EIO")));
    assert!(syncs[syncs.len() - 1].contains("EIO"), "another sync came after the failed one");
    let mut confirmed = Confirmed::new();
    String::from_utf8(output.stdout).unwrap().lines().for_each(|line| note(&mut confirmed, line));
    assert!(!confirmed.is_empty());
    judge(&path, &confirmed).await;
}
