//! What messages cost on the disk that students miss.

use std::path::Path;

use homeroom_storage::{Cursor, CursorKey, Offset, Retention, Store, open};

use crate::load::{append, name};
use crate::settings;

const STUDENTS: u64 = 1_000;
const MESSAGES: u64 = 2_000;

pub(crate) async fn measure(directory: &Path) {
    let none = used(directory, 0).await;
    let many = used(directory, STUDENTS).await;
    let each = (many as f64 - none as f64) / (STUDENTS * MESSAGES) as f64;
    println!("{MESSAGES} messages: {none} bytes on disk with nobody away, {many} with {STUDENTS} students away");
    println!("  {each:.4} bytes for each missed message and absent student");
}

/// Bytes on the disk after students came to know the log, went, and missed messages.
async fn used(directory: &Path, students: u64) -> u64 {
    let dir = tempfile::tempdir_in(directory).expect("a directory can be made");
    let store = open(&settings(dir.path().join("store"))).expect("the store opens");
    let epoch = store.open(&name(0), Retention::default()).await.expect("the log opens").bounds.epoch;
    publish(&store, 1).await;
    for n in 0..students {
        let key = CursorKey { log: name(0), owner: format!("user:{n}").into(), name: "lesson".into() };
        let (offset, used) = (Offset(1), u64::MAX / 2);
        store.save(&key, Cursor { epoch, offset, above: Vec::new(), delivered: offset, used });
    }
    store.sync().await.expect("cursors are stored");
    publish(&store, MESSAGES).await;
    store.close().await;
    allocated(dir.path())
}

async fn publish(store: &Store, count: u64) {
    let stored: Vec<_> = (0..count).map(|n| store.append(append(0, n))).collect();
    for answer in stored {
        answer.await.expect("it is stored");
    }
}

/// As `du` counts.
fn allocated(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(path).expect("the directory can be read");
    let entries = entries.map(|entry| entry.expect("its entries can be read"));
    let bytes = |entry: std::fs::DirEntry| match entry.metadata().expect("a file is there") {
        found if found.is_dir() => allocated(&entry.path()),
        found => found.blocks() * 512,
    };
    entries.map(bytes).sum()
}
