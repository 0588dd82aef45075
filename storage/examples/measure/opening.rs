//! How long a store takes to open, and what it holds in memory then.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use homeroom_storage::open;

use crate::load::fill;
use crate::settings;

pub(crate) async fn measure(directory: &Path, messages: u64, logs: &[u64]) {
    for &logs in logs {
        let dir = tempfile::tempdir_in(directory).expect("a directory can be made");
        let path = dir.path().join("store");
        let store = open(&settings(path.clone())).expect("the store opens");
        let begun = Instant::now();
        fill(&store, messages, logs).await;
        let took = begun.elapsed().as_secs_f64();
        store.close().await;
        drop(store);
        let database = File::open(path.join("sled/db")).expect("the store has a database");
        let bytes = database.metadata().map_or(0, |found| found.len());
        rustix::fs::fadvise(&database, 0, None, rustix::fs::Advice::DontNeed).expect("the system can forget a file");
        println!(
            "{messages} messages of 200 bytes in {logs} logs, stored in {took:.1} s: {:.0} bytes on disk each",
            bytes as f64 / messages as f64
        );
        // Only the first reads the whole file: it leaves a snapshot behind for the next.
        for which in ["first opening, from the disk", "second opening"] {
            let program = std::env::current_exe().expect("this program has a file");
            let opened = Command::new(program).arg("open-one").arg(&path).output().expect("this program runs");
            assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
            println!("  {which}: {}", String::from_utf8_lossy(&opened.stdout).trim());
        }
    }
}

/// Opens a store and says what that took.
pub(crate) async fn open_one(path: PathBuf) {
    let begun = Instant::now();
    let store = open(&settings(path)).expect("the store opens");
    let took = begun.elapsed().as_secs_f64();
    println!("{took:.3} s, {:.0} MiB resident", resident_bytes() as f64 / f64::from(1 << 20));
    store.close().await;
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("Linux tells in pages");
    pages * 4096
}
