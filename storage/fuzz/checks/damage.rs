//! A data directory in which anything was changed, and all that is in it read: nothing comes that was never stored,
//! and a class can go on.
//!
//! The input is a row of edits, of eight bytes each: which file, what is done to it, where, how far, with what.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use homeroom_storage::{
    Append, Budget, Cursor, CursorKey, EngineKind, LogName, Message, Offset, OpenError, Page, Record, Settings, Store,
    open,
};
use tokio::runtime::Runtime;

/// Beyond, a directory is rubble, and each edit more only takes time.
const EDITS_MAX: usize = 16;
/// Opening, reading and closing; far more than it needs on a busy machine, far less than a hang.
const TIME_MAX: Duration = Duration::from_secs(20);
const LOGS: [&str; 3] = ["topic/7a", "topic/7b", "queue/grading"];
const EVERYTHING: Budget = Budget { records: usize::MAX, bytes: usize::MAX };

static ORIGINAL: LazyLock<Original> = LazyLock::new(Original::make);

/// A closed store: its files, and what it holds.
struct Original {
    runtime: Runtime,
    files: Vec<(PathBuf, Vec<u8>)>,
    records: Vec<(LogName, Vec<Arc<Record>>)>,
}

/// The whole of it.
pub(crate) fn damage(input: &[u8]) {
    let original = &*ORIGINAL;
    let begun = Instant::now();
    let home = directory();
    let mut files = original.files.clone();
    let edits: Vec<&[u8]> = input.chunks_exact(8).take(EDITS_MAX).collect();
    let outside = edits.iter().filter(|edit| !apply(edit, &mut files)).count();
    for (name, bytes) in &files {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("it can be made");
        fs::write(path, bytes).expect("a file can be written");
    }
    original.runtime.block_on(async {
        match open(&settings(home.path())) {
            Ok(store) => judge(&store, original, outside == 0).await,
            // A later version's, or nobody's of ours, as far as can be told: the operator hears it, nothing is touched.
            Err(OpenError::Newer { .. } | OpenError::Foreign(_)) => assert!(!edits.is_empty()),
            Err(error) => panic!("a class cannot start: {error}"),
        }
    });
    assert!(begun.elapsed() < TIME_MAX, "it took {:?}", begun.elapsed());
}

/// Nothing altered; where the database alone was changed, nothing missing that is not said to be.
async fn judge(store: &Store, original: &Original, in_database: bool) {
    for (log, records) in &original.records {
        let is_named = || store.damaged().iter().any(|(name, _)| name == log);
        let Ok(page) = store.read(log, Offset::ZERO, Offset(u64::MAX), EVERYTHING).await else {
            assert!(is_named(), "{log} cannot be read and is not named");
            continue;
        };
        assert!(page.records.is_sorted_by_key(|record| record.offset), "{log} is out of order");
        for record in &page.records {
            assert!(records.contains(record), "{log} has a record that was never stored: {record:?}");
        }
        let silent = records.iter().filter(|record| !is_told(&page, record)).count();
        assert!(!in_database || silent == 0 || is_named(), "{log} lost {silent} records in silence");
    }
    store.append(append(&LogName::new("topic/next"), "go on".to_owned())).await.expect("a class can go on");
    store.close().await;
}

/// Whether a record is there, or is said to be missing.
fn is_told(page: &Page, record: &Arc<Record>) -> bool {
    page.records.contains(record)
        || page.missing.iter().any(|range| (range.first..=range.last).contains(&record.offset))
}

/// Says whether it was a change inside the database.
fn apply(edit: &[u8], files: &mut Vec<(PathBuf, Vec<u8>)>) -> bool {
    let &[file, what, at_high, at, at_low, far_high, far_low, with] = edit else { return true };
    // Most of what can be damaged is in one file; the others get their share.
    let file = match file {
        0..=199 => files.iter().position(|(name, _)| name == Path::new("sled/db")).unwrap_or(0),
        _ => usize::from(file) % files.len().max(1),
    };
    let Some((name, bytes)) = files.get_mut(file).filter(|(_, bytes)| !bytes.is_empty()) else { return true };
    let in_database = name == Path::new("sled/db");
    let at = u32::from_be_bytes([0, at_high, at, at_low]) as usize % bytes.len();
    let far = usize::from(u16::from_be_bytes([far_high, far_low]));
    let end = (at + far).min(bytes.len());
    match what % 8 {
        0 => bytes[at] ^= 1 << (with % 8),
        1 => bytes[at] = with,
        2 => bytes[at..end].fill(with),
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..end)),
        5 => bytes.splice(at..at, std::iter::repeat_n(with, far)).for_each(drop),
        // As when blocks of a disk change places.
        6 => {
            let to = far.min(bytes.len() - (end - at));
            bytes.copy_within(at..end, to);
        }
        _ if in_database || with < 128 => bytes[at..end].reverse(),
        _ => drop(files.remove(file)),
    }
    in_database
}

impl Original {
    fn make() -> Original {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime starts");
        let home = directory();
        let records = runtime.block_on(filled(home.path()));
        // sled makes its snapshot when it opens what is there.
        runtime.block_on(async { open(&settings(home.path())).expect("it opens").close().await });
        let mut files = Vec::new();
        read_files(home.path(), home.path(), &mut files);
        files.sort();
        Original { runtime, files, records }
    }
}

async fn filled(path: &Path) -> Vec<(LogName, Vec<Arc<Record>>)> {
    let store = open(&settings(path)).expect("a new store opens");
    for round in 0..8 {
        for log in LOGS.map(LogName::new) {
            let bodies = (0..6).map(|nth| format!("{log} {round} {nth} {}", "x".repeat(20 * nth)));
            let appends = bodies.map(|body| store.append(append(&log, body)));
            futures_util::future::try_join_all(appends).await.expect("it is stored");
        }
    }
    // One that continues in further blocks.
    store.append(append(&LogName::new(LOGS[1]), "L".repeat(20_000))).await.expect("it is stored");
    let mut records = Vec::new();
    for log in LOGS.map(LogName::new) {
        let page = store.read(&log, Offset::ZERO, Offset(u64::MAX), EVERYTHING).await.expect("it can be read");
        let key = CursorKey { log: log.clone(), owner: "user:alice".into(), name: "quiz".into() };
        let (epoch, used) = (page.records[0].epoch, page.records[0].time);
        store.save(&key, Cursor { epoch, offset: Offset(9), above: vec![], delivered: Offset(9), used });
        records.push((log, page.records));
    }
    store.close().await;
    records
}

fn append(log: &LogName, body: String) -> Append {
    let message = Message {
        destination: "/topic/7b/quiz".into(),
        headers: Box::default(),
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

fn settings(path: &Path) -> Settings {
    Settings {
        engine: EngineKind::Sled,
        path: path.to_owned(),
        free_space_min: 1 << 20,
        ballast_bytes: 0,
        cache_bytes: 8 << 20,
        open_timeout: Duration::from_secs(5),
        ..Settings::default()
    }
}

/// In memory where there is such a place: thousands of directories come and go.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a directory can be made")
}

fn read_files(home: &Path, directory: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(directory).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        match path.is_dir() {
            true => read_files(home, &path, files),
            false => {
                let name = path.strip_prefix(home).expect("it is below").to_owned();
                files.push((name, fs::read(&path).expect("it can be read")));
            }
        }
    }
}
