//! A program that ran under strace, and the disk as a crash at any moment of it leaves it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use homeroom_storage::{Settings, Store, open};

use crate::trace::{self, Act, Event};

/// What a crash leaves of writes that no sync covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// Nothing: the worst that a power cut may do.
    Synced,
    /// Any of them, whole or in part: a power cut.
    SomeMore,
    /// All that had returned, and any part of those that had not: the process is killed.
    Written,
}

/// A moment at which it ends.
pub(crate) struct Cut {
    pub number: u64,
    pub moment: usize,
    pub random: Random,
}

/// A number from the environment, for longer runs.
pub(crate) fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A store's example that ran under strace.
pub(crate) struct Recording {
    pub dir: tempfile::TempDir,
    pub events: Vec<Event>,
    /// What an earlier run said, whose store this one began with.
    pub said_before: String,
}

impl Recording {
    /// Runs `EXAMPLE STORE ARGUMENTS…` under strace; before it the same untraced with `history` as arguments, if there are any.
    pub(crate) fn of(example: &str, history: Option<&[String]>, arguments: &[String]) -> Recording {
        let dir = tempfile::tempdir().unwrap();
        let program = build(example);
        let (store, trace, before) = (dir.path().join("store"), dir.path().join("trace"), dir.path().join("before"));
        fs::create_dir(&before).unwrap();
        let mut said_before = String::new();
        if let Some(history) = history {
            let first = Command::new(&program).arg(&store).args(history).output().unwrap();
            assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
            copy(&store, &before);
            said_before = String::from_utf8(first.stdout).unwrap();
        }
        let second = Command::new("strace")
            .args(["-f", "-y", "-xx", "-s", "2000000", "-o"])
            .arg(&trace)
            .args(["-e", CALLS])
            .arg(&program)
            .arg(&store)
            .args(arguments)
            .output()
            .expect("strace is installed: apt-get install strace");
        assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
        let events = trace::read(&fs::read_to_string(&trace).unwrap(), &store);
        Recording { dir, events, said_before }
    }

    /// What it said, each line with its moment.
    pub(crate) fn said(&self) -> impl Iterator<Item = (usize, &str)> {
        self.events.iter().filter_map(|event| match &event.act {
            Act::Say(line) => Some((event.begun, line.as_str())),
            _ => None,
        })
    }

    /// Moments at random, from the first call to the last.
    pub(crate) fn cuts(&self, count: u64) -> impl Iterator<Item = Cut> {
        let end = self.events.iter().map(|event| event.ended).max().unwrap() as u64;
        (0..count).map(move |number| {
            let mut random = Random(number);
            Cut { number, moment: (random.next() % end) as usize, random }
        })
    }

    /// The store that a cut leaves, open, and where it lies.
    pub(crate) async fn open_after(&self, cut: &Cut, keeps: Keeps, is_sync: impl Fn(bool) -> bool) -> (Store, PathBuf) {
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
        (tokio::task::spawn_blocking(move || open(&settings)).await.unwrap().unwrap(), path)
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
            let is_kept = |file: &Path| is_synced(file) || keeps == Keeps::Written && event.ended < cut.moment;
            match &event.act {
                Act::Create(file) => drop(contents(&mut files, path, file)),
                Act::Write { file, at, bytes } => {
                    let kept = if is_kept(file) { bytes.len() } else { random.share(keeps, bytes.len()) };
                    write_at(contents(&mut files, path, file), *at, &bytes[..kept]);
                }
                Act::Truncate { file, len } if is_kept(file) || random.share(keeps, 1) == 1 => {
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
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// How much of a write that no sync covered is there: all, nothing, or some sectors.
    fn share(&mut self, keeps: Keeps, len: usize) -> usize {
        match (keeps, self.next() % 5) {
            (Keeps::Synced, _) | (_, 0 | 1) => 0,
            (_, 2 | 3) => len,
            _ => len.min((self.next() as usize % (len / 512 + 1)) * 512),
        }
    }
}

const CALLS: &str = "trace=openat,rename,renameat,renameat2,unlink,unlinkat,ftruncate,fallocate,write,writev,\
pwrite64,pwritev,pwritev2,fsync,fdatasync,sync_file_range,msync";

fn build(example: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package", "homeroom-storage", "--example", example])
        .args(["--message-format", "json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_load = message["target"]["name"] == example;
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
