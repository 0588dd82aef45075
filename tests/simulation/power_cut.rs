//! The power fails: what was confirmed is there afterwards.
//!
//! A kill loses nothing that a process has written; a power cut loses whatever
//! no sync has covered. So a load runs under strace, and for each of many
//! moments the disk is rebuilt as it may be found after a cut: every write that
//! a finished sync covers, and of the others none, or any, or parts of them.
//! The store opens on that, and everything confirmed before the moment must be
//! there, at its position.
//!
//! The test is tested: with our own `fdatasync` overlooked it must find losses,
//! since sled's flush alone reaches no disk.
//!
//! More cuts and another load: `POWER_CUTS=1000 POWER_CUT_SEED=7 cargo nextest run -p homeroom-tests power_cut`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use homeroom_storage::{Budget, LogName, Offset, Settings, Store, inspect, open};

use crate::trace::{self, Act, Event};

/// How many moments the ordinary run looks at.
const CUTS: u64 = 200;
/// The log whose records retention takes all the time.
const FORGETFUL: &str = "topic/3";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_nothing_that_was_confirmed() {
    let cuts = asked("POWER_CUTS", CUTS);
    let load = Load::record(asked("POWER_CUT_SEED", 1), Begins::WithAHistory);
    let mut confirmed = 0;
    for cut in load.cuts(cuts) {
        // Every other cut is the worst one allowed; the others keep some of what no sync covered.
        let keeps = if cut.number % 2 == 0 { Keeps::Synced } else { Keeps::SomeMore };
        let losses = load.losses(&cut, keeps, |_| true).await;
        assert!(losses.is_empty(), "cut {} ({keeps:?}) lost {}: {:?}", cut.number, losses.len(), &losses[..1]);
        confirmed += load.confirmed(cut.moment).len();
    }
    println!("{cuts} cuts, {confirmed} confirmations looked up, 0 lost");
    assert!(confirmed > 10_000, "the cuts came too early to show anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_while_a_store_is_new_loses_nothing_that_was_confirmed() {
    let load = Load::record(3, Begins::Empty);
    for mut cut in load.cuts(40) {
        // Half of them while the first files are made.
        cut.moment /= if cut.number < 20 { 100 } else { 1 };
        let losses = load.losses(&cut, Keeps::SomeMore, |_| true).await;
        assert!(losses.is_empty(), "cut {} lost {}: {:?}", cut.number, losses.len(), &losses[..1]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_our_own_sync_a_power_cut_loses_what_was_confirmed() {
    let load = Load::record(2, Begins::WithAHistory);
    let mut lossy = 0;
    for cut in load.cuts(20) {
        let losses = load.losses(&cut, Keeps::Synced, |data_only| !data_only).await;
        lossy += u64::from(!losses.is_empty());
    }
    println!("without fdatasync {lossy} of 20 cuts lost confirmed messages");
    assert!(lossy >= 10, "the test would not notice a missing sync: only {lossy} of 20 cuts lost something");
}

fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What a cut leaves of writes that no sync covered.
#[derive(Clone, Copy, Debug)]
enum Keeps {
    /// Nothing.
    Synced,
    /// Any of them, whole or in part.
    SomeMore,
}

/// What the traced load begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// No directory.
    Empty,
    /// A store that an earlier load filled, so that sled makes its snapshot and uses segments again.
    WithAHistory,
}

/// A confirmed append.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Confirmed {
    log: LogName,
    epoch: u64,
    offset: u64,
    hash: u32,
}

/// A moment at which the power fails.
struct Cut {
    number: u64,
    moment: usize,
    random: Random,
}

/// A load that ran under strace.
struct Load {
    dir: tempfile::TempDir,
    events: Vec<Event>,
    confirmed: Vec<(usize, Confirmed)>,
}

impl Load {
    /// Runs the load under strace.
    fn record(seed: u64, begins: Begins) -> Load {
        let dir = tempfile::tempdir().unwrap();
        let program = build_load();
        let (store, trace, before) = (dir.path().join("store"), dir.path().join("trace"), dir.path().join("before"));
        let arguments = |seed: u64| [seed.to_string(), "3000".to_owned()];
        let mut confirmed = Vec::new();
        fs::create_dir(&before).unwrap();
        if begins == Begins::WithAHistory {
            let first = Command::new(&program).arg(&store).args(arguments(seed * 2)).output().unwrap();
            assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
            copy(&store, &before);
            confirmed.extend(parse(&String::from_utf8(first.stdout).unwrap()).map(|it| (0, it)));
        }
        let second = Command::new("strace")
            .args(["-f", "-y", "-xx", "-s", "2000000", "-o"])
            .arg(&trace)
            .args(["-e", CALLS])
            .arg(&program)
            .arg(&store)
            .args(arguments(seed * 2 + 1))
            .output()
            .expect("strace is installed: apt-get install strace");
        assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
        let events = trace::read(&fs::read_to_string(&trace).unwrap(), &store);
        for event in &events {
            if let Act::Say(line) = &event.act {
                confirmed.extend(parse(line).map(|it| (event.begun, it)));
            }
        }
        assert!(confirmed.len() >= 3000, "{} confirmations", confirmed.len());
        Load { dir, events, confirmed }
    }

    /// Moments at random, from the first call to the last.
    fn cuts(&self, count: u64) -> impl Iterator<Item = Cut> {
        let end = self.events.iter().map(|event| event.ended).max().unwrap() as u64;
        (0..count).map(move |number| {
            let mut random = Random(number);
            Cut { number, moment: (random.next() % end) as usize, random }
        })
    }

    /// What had been confirmed when the power failed.
    fn confirmed(&self, moment: usize) -> Vec<&Confirmed> {
        self.confirmed.iter().filter(|(at, _)| *at < moment || *at == 0).map(|(_, it)| it).collect()
    }

    /// Opens what a cut leaves, and names what is lost.
    async fn losses(&self, cut: &Cut, keeps: Keeps, is_sync: impl Fn(bool) -> bool) -> Vec<String> {
        let path = self.dir.path().join("after");
        drop(fs::remove_dir_all(&path));
        self.rebuild(&path, cut, keeps, is_sync);
        let settings = Settings {
            path: path.clone(),
            free_space_min: 1 << 20,
            ballast_bytes: 0,
            cache_bytes: 8 << 20,
            ..Settings::default()
        };
        let store = tokio::task::spawn_blocking(move || open(&settings)).await.unwrap().unwrap();
        let mut losses = self.missing(&store, cut.moment).await;
        losses.extend(store.damaged().iter().map(|(log, reason)| format!("{log} is named as damaged: {reason}")));
        store.close().await;
        drop(store);
        if losses.is_empty() {
            let report = inspect::verify(&path, &mut |_, _| {}).unwrap();
            assert!(report.is_clean(), "cut {}: {report:?}", cut.number);
        }
        losses
    }

    async fn missing(&self, store: &Store, moment: usize) -> Vec<String> {
        let mut found = BTreeMap::new();
        let mut trimmed = BTreeMap::new();
        for log in store.logs() {
            let bounds = store.bounds(&log).await.unwrap().unwrap();
            let budget = Budget { records: usize::MAX, bytes: usize::MAX };
            let page = store.read(&log, Offset::ZERO, Offset(u64::MAX), budget).await.unwrap();
            for record in page.records {
                let hash = crc32fast::hash(&record.messages[0].body);
                found.insert((log.clone(), record.offset.0), (record.epoch.0, hash));
            }
            if log.as_str() == FORGETFUL {
                trimmed.insert(log, bounds.trimmed.0);
            }
        }
        let is_trimmed = |it: &Confirmed| trimmed.get(&it.log).is_some_and(|trimmed| it.offset <= *trimmed);
        let is_there = |it: &Confirmed| found.get(&(it.log.clone(), it.offset)) == Some(&(it.epoch, it.hash));
        let lost = self.confirmed(moment).into_iter().filter(|it| !is_trimmed(it) && !is_there(it));
        lost.map(|it| format!("{it:?}, found {:?}", found.get(&(it.log.clone(), it.offset)))).collect()
    }

    /// The directory as the cut leaves it.
    fn rebuild(&self, path: &Path, cut: &Cut, keeps: Keeps, is_sync: impl Fn(bool) -> bool) {
        copy(&self.dir.path().join("before"), path);
        let mut random = cut.random;
        let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
        // Names first: a journalled file system keeps their order.
        let synced = synced_until(&self.events, cut.moment, is_sync);
        for event in self.events.iter().filter(|event| event.begun < cut.moment) {
            let is_synced = |file: &Path| synced.get(file).is_some_and(|until| event.ended < *until);
            match &event.act {
                Act::Create(file) => drop(contents(&mut files, path, file)),
                Act::Write { file, at, bytes } => {
                    let kept = if is_synced(file) { bytes.len() } else { random.share(keeps, bytes.len()) };
                    write_at(contents(&mut files, path, file), *at, &bytes[..kept]);
                }
                Act::Truncate { file, len } if is_synced(file) || random.share(keeps, 1) == 1 => {
                    contents(&mut files, path, file).resize(*len as usize, 0);
                }
                Act::Rename { from, to } => {
                    let moved = std::mem::take(contents(&mut files, path, from));
                    files.remove(from);
                    drop(fs::remove_file(path.join(from)));
                    files.insert(to.clone(), moved);
                }
                Act::Remove(file) => {
                    files.remove(file);
                    drop(fs::remove_file(path.join(file)));
                }
                Act::Truncate { .. } | Act::Sync { .. } | Act::Say(_) => {}
            }
        }
        for (file, bytes) in files {
            fs::create_dir_all(path.join(&file).parent().unwrap()).unwrap();
            fs::write(path.join(file), bytes).unwrap();
        }
    }
}

/// For each file the begin of its last sync that was over at the cut: writes that had ended before are durable.
fn synced_until(events: &[Event], moment: usize, is_sync: impl Fn(bool) -> bool) -> BTreeMap<&Path, usize> {
    let mut synced = BTreeMap::new();
    for event in events.iter().filter(|event| event.ended < moment) {
        if let Act::Sync { file, data_only } = &event.act
            && is_sync(*data_only)
        {
            let until = synced.entry(file.as_path()).or_insert(0);
            *until = event.begun.max(*until);
        }
    }
    synced
}

fn contents<'a>(files: &'a mut BTreeMap<PathBuf, Vec<u8>>, path: &Path, file: &Path) -> &'a mut Vec<u8> {
    files.entry(file.to_owned()).or_insert_with(|| fs::read(path.join(file)).unwrap_or_default())
}

fn write_at(contents: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let (begin, end) = (at as usize, at as usize + bytes.len());
    if bytes.is_empty() {
        return;
    }
    if contents.len() < end {
        contents.resize(end, 0);
    }
    contents[begin..end].copy_from_slice(bytes);
}

/// Numbers that a seed gives again.
#[derive(Clone, Copy)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// How much of a write that no sync covered is there: all, nothing, or some sectors.
    fn share(&mut self, keeps: Keeps, len: usize) -> usize {
        match (keeps, self.next() % 5) {
            (Keeps::Synced, _) | (Keeps::SomeMore, 0 | 1) => 0,
            (Keeps::SomeMore, 2 | 3) => len,
            (Keeps::SomeMore, _) => len.min((self.next() as usize % (len / 512 + 1)) * 512),
        }
    }
}

const CALLS: &str = "trace=openat,rename,renameat,renameat2,unlink,unlinkat,ftruncate,fallocate,write,writev,\
pwrite64,pwritev,pwritev2,fsync,fdatasync,sync_file_range,msync";

fn parse(lines: &str) -> impl Iterator<Item = Confirmed> {
    lines.lines().map(|line| {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap();
        Confirmed {
            log: LogName::new(word()),
            epoch: word().parse().unwrap(),
            offset: word().parse().unwrap(),
            hash: word().parse().unwrap(),
        }
    })
}

fn build_load() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package", "homeroom-storage", "--example", "power_cut_load"])
        .args(["--message-format", "json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_load = message["target"]["name"] == "power_cut_load";
        message["executable"].as_str().filter(|_| is_load).map(PathBuf::from)
    };
    messages.lines().find_map(executable).expect("cargo names what it built")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
