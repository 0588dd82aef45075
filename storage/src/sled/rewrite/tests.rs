//! A process that ends anywhere in an erasure leaves the old store or the new one, whole, and nothing beside it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::swap::Stage;
use crate::erase::{Erased, Erasure};
use crate::sled::offline::erase_in_stages;
use crate::*;

/// Sixteen random bytes as text: whatever of it is found was written here.
fn canary() -> String {
    (0..2).map(|_| format!("{:016x}", getrandom::u64().unwrap())).collect()
}

fn settings(path: &Path) -> Settings {
    Settings { path: path.to_owned(), free_space_min: 1 << 20, ballast_bytes: 1 << 20, ..Settings::default() }
}

fn append(log: &LogName, publisher: &str, body: &str) -> Append {
    let message = Message {
        destination: format!("/{log}/quiz").into(),
        headers: Box::new([("said-by".into(), publisher.into())]),
        body: bytes::Bytes::from(body.to_owned()),
        publisher: Some(publisher.into()),
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

/// A class that goes, one that stays, and one person who wrote in both.
struct School {
    dir: TempDir,
    alice: String,
    gone: LogName,
    stays: LogName,
    /// What nobody may find afterwards.
    canaries: Vec<String>,
    /// What stays, in its order: offsets and bodies.
    kept: Vec<(Offset, String)>,
    position: Position,
}

impl School {
    async fn new() -> School {
        let dir = tempfile::tempdir().unwrap();
        let (alice, class) = (canary(), canary());
        let (gone, stays) = (LogName::new(format!("topic/{class}")), LogName::new("topic/8a"));
        let mut canaries = vec![alice.clone(), class];
        let store = open(&settings(&dir.path().join("store"))).unwrap();
        let mut kept = Vec::new();
        let mut position = None;
        for n in 0..400 {
            let body = canary();
            let publisher = if n % 3 == 0 { &alice } else { "bob" };
            let key = canary();
            let appended = store.append(Append { key: Some(key.clone().into()), ..append(&stays, publisher, &body) });
            let appended = appended.await.unwrap();
            if n % 3 == 0 {
                canaries.extend([body, key]);
            } else {
                kept.push((appended.position.offset, body));
            }
            position = Some(appended.position);
            if n % 40 == 0 {
                let body = canary();
                store.append(append(&gone, "bob", &body)).await.unwrap();
                canaries.push(body);
            }
        }
        let position = position.unwrap();
        let long = canary().repeat(1000);
        canaries.push(long[..32].to_owned());
        store.append(append(&gone, "bob", &long)).await.unwrap();
        for (log, owner) in [(&gone, "user:bob"), (&stays, alice.as_str()), (&stays, "user:bob")] {
            let name = if owner == "user:bob" && *log == stays { "quiz".to_owned() } else { canary() };
            canaries.extend((name != "quiz").then(|| name.clone()));
            let key = CursorKey { log: log.clone(), owner: owner.into(), name: name.into() };
            let epoch = store.bounds(log).await.unwrap().unwrap().epoch;
            store.save(&key, Cursor { epoch, offset: Offset(5), above: vec![], delivered: Offset(5), used: 1 << 52 });
        }
        // Bytes of what retention took lie about in the database.
        store.trim(&stays, Offset(50)).await.unwrap();
        kept.retain(|(offset, _)| offset.0 > 50);
        store.close().await;
        drop(store);
        let aside = dir.path().join("store/quarantine-1790000000000");
        fs::create_dir(&aside).unwrap();
        fs::write(aside.join("db"), &canaries[0]).unwrap();
        School { dir, alice, gone, stays, canaries, kept, position }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn erasure(&self) -> Erasure {
        let (gone, alice, owner) = (self.gone.clone(), self.alice.clone(), self.alice.clone());
        Erasure {
            logs: std::sync::Arc::new(move |log| *log == gone),
            messages: std::sync::Arc::new(move |message| message.publisher.as_deref() == Some(&alice)),
            cursors: std::sync::Arc::new(move |key| *key.owner == *owner),
            set_aside: true,
        }
    }

    /// Which canaries some file holds, whatever it is.
    fn found(&self, path: &Path) -> usize {
        let bytes = all_bytes(path);
        let wanted: HashSet<&[u8]> = self.canaries.iter().map(String::as_bytes).collect();
        // They are hexadecimal: only where a run of digits is long enough something may be.
        let runs = bytes.split(|byte| !byte.is_ascii_hexdigit()).filter(|run| run.len() >= 32);
        let found: HashSet<&[u8]> = runs.flat_map(|run| run.windows(32)).filter(|run| wanted.contains(run)).collect();
        found.len()
    }

    /// The store is opened and is the old one or the new one.
    async fn judge(&self, path: &Path, is_new: bool) {
        let store = open(&settings(path)).unwrap();
        assert_eq!(store.damaged(), []);
        let budget = Budget { records: usize::MAX, bytes: usize::MAX };
        let page = store.read(&self.stays, Offset(50), Offset(u64::MAX), budget).await.unwrap();
        assert_eq!(page.missing, [], "erased records are no gap");
        let read = page.records.iter().map(|record| (record.offset, text(record)));
        // An earlier look left a record.
        let read: Vec<_> = read.filter(|(_, text)| text != "next").collect();
        let kept: Vec<_> = read.iter().filter(|read| self.kept.contains(read)).cloned().collect();
        assert_eq!(kept, self.kept, "what stays, stays");
        assert_eq!(read.len() == kept.len(), is_new, "all of it went, or nothing");
        assert_eq!(store.logs().contains(&self.gone), !is_new);
        assert_eq!(store.on_log(&self.stays).len(), if is_new { 1 } else { 2 });
        let bounds = store.bounds(&self.stays).await.unwrap().unwrap();
        assert_eq!(bounds.epoch, self.position.epoch);
        assert!(bounds.head >= self.position.offset);
        let next = store.append(append(&self.stays, "bob", "next")).await.unwrap();
        assert_eq!(next.position.offset.0, bounds.head.0 + 1, "no offset is given again");
        store.close().await;
        drop(store);
        let report = inspect::verify(path, &mut |_, _| {}).unwrap();
        assert!(report.is_clean(), "{report:?}");
        let known = ["sled", "marks", "ballast", "homeroom.lock"];
        let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let left: Vec<_> = names.filter(|name| !known.contains(&name.as_str())).collect();
        assert_eq!(left, if is_new { vec![] } else { vec!["quarantine-1790000000000"] });
        if is_new {
            assert_eq!(self.found(path), 0);
        }
    }
}

fn text(record: &Record) -> String {
    String::from_utf8_lossy(&record.messages[0].body).into_owned()
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn all_bytes(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        bytes.extend_from_slice(entry.file_name().as_encoded_bytes());
        bytes.push(0);
        let is_dir = entry.file_type().unwrap().is_dir();
        bytes.extend(if is_dir { all_bytes(&entry.path()) } else { fs::read(entry.path()).unwrap() });
    }
    bytes
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.as_ref().unwrap(), to.join(entry.as_ref().unwrap().file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_it_is_cut_short_the_old_store_or_the_new_one_is_there() {
    let school = School::new().await;
    assert_eq!(school.found(&school.path()), school.canaries.len(), "the canaries are there to be found");
    let mut seen = Vec::new();
    let erased = erase_in_stages(&school.path(), &school.erasure(), &mut |_, _| {}, &mut |stage| {
        let to = school.dir.path().join(format!("cut-{}-{stage:?}", seen.len()));
        copy(&school.path(), &to);
        seen.push((stage, to));
    });
    let erased = erased.unwrap();
    let stages: Vec<_> = seen.iter().map(|(stage, _)| *stage).collect();
    use Stage::*;
    let all = [Copied, Copied, Verified, Decided, OldAway, NewThere, MarksThere, Moved, Removed];
    assert_eq!(stages, all);
    for (stage, path) in seen {
        let is_new = !matches!(stage, Copied | Verified);
        school.judge(&path, is_new).await;
    }
    school.judge(&school.path(), true).await;
    let went = school.canaries.len() as u64;
    let Erased { logs, records, messages, cursors, keys, unreadable, .. } = erased;
    // Of 134 records of hers retention had taken 17; ten and a long one were in the class.
    assert_eq!((logs, records, messages, cursors, keys, unreadable), (1, 117 + 11, 117 + 11, 2, 117, 0), "{went}");
    assert_eq!(erased.set_aside, ["quarantine-1790000000000"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasing_again_finds_nothing_and_does_no_harm() {
    let school = School::new().await;
    for expected in [128, 0] {
        let erased = crate::erase::erase(&school.path(), &school.erasure(), &mut |_, _| {}).unwrap();
        assert_eq!(erased.records, expected);
        school.judge(&school.path(), true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_which_nothing_is_left_goes_on_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let (trimmed, emptied) = (LogName::new("topic/1"), LogName::new("topic/2"));
    let store = open(&settings(&path)).unwrap();
    for _ in 0..30 {
        store.append(append(&trimmed, "bob", &canary())).await.unwrap();
        store.append(append(&emptied, "alice", &canary())).await.unwrap();
    }
    store.trim(&trimmed, Offset(30)).await.unwrap();
    store.close().await;
    drop(store);
    let alice: crate::erase::Which<Message> =
        std::sync::Arc::new(|message| message.publisher.as_deref() == Some("alice"));
    let what = Erasure { messages: alice, ..Erasure::nothing() };
    for _ in 0..2 {
        crate::erase::erase(&path, &what, &mut |_, _| {}).unwrap();
        assert!(!holds(&all_bytes(&path), b"said-by"), "what was trimmed is gone as well");
        assert!(inspect::verify(&path, &mut |_, _| {}).unwrap().is_clean());
    }
    let store = open(&settings(&path)).unwrap();
    assert_eq!(store.damaged(), []);
    for log in [&trimmed, &emptied] {
        let appended = store.append(append(log, "bob", "next")).await.unwrap();
        assert_eq!(appended.position.offset, Offset(31));
        let page = store.read(log, Offset(30), Offset(u64::MAX), Budget { records: 9, bytes: 999 }).await.unwrap();
        assert_eq!((page.records.len(), page.missing.len()), (1, 0));
    }
    let page = store.read(&emptied, Offset::ZERO, Offset(u64::MAX), Budget { records: 9, bytes: 999 }).await.unwrap();
    assert_eq!((page.records.len(), page.missing), (1, vec![]));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_damaged_is_named_as_damaged_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let (damaged, well) = (LogName::new("topic/1"), LogName::new("topic/2"));
    let store = open(&settings(&path)).unwrap();
    for _ in 0..10 {
        store.append(append(&damaged, "bob", &canary())).await.unwrap();
        store.append(append(&well, "bob", &canary())).await.unwrap();
    }
    store.close().await;
    drop(store);
    // Each append had a commit, and so a block, of its own.
    let database = ::sled::open(path.join("sled")).unwrap();
    for offset in [5u64, 6, 10] {
        let key = [&b"b"[..], &1u32.to_be_bytes(), &offset.to_be_bytes()].concat();
        assert!(database.remove(key).unwrap().is_some());
    }
    database.flush().unwrap();
    drop(database);
    let before = inspect::verify(&path, &mut |_, _| {}).unwrap();
    assert_eq!(before.damaged.len(), 3, "{before:?}");
    for _ in 0..2 {
        let erased = crate::erase::compact(&path, &mut |_, _| {}).unwrap();
        assert_eq!((erased.unreadable, erased.records), (2, 0));
        assert_eq!(inspect::verify(&path, &mut |_, _| {}).unwrap(), before);
    }
    let store = open(&settings(&path)).unwrap();
    assert_eq!(store.damaged().len(), 1);
    assert!(store.append(append(&damaged, "bob", "x")).await.is_err(), "it stays fenced off");
    store.append(append(&well, "bob", "x")).await.unwrap();
    store.close().await;
}
