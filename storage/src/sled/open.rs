//! Opening a store: who may, and the ladder down when sled cannot.
//!
//! As it is; without its snapshot, which sled can do without; without its
//! configuration, which it writes again; and if nothing helps, the directory is
//! set aside and an empty store begins: a class must start, history or not.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tracing::{error, warn};

use super::disk::{Disk, Fault};
use super::layout::FORMAT;
use super::marks::Marks;
use super::recover::{Recovered, Unusable, cut_back, recover};
use super::rewrite::swap;
use super::space::{drop_ballast, lay_ballast, used_bytes};
use crate::{LogName, OpenError, Settings};

const LOCK: &str = "homeroom.lock";

/// A store directory that is ours alone.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    _lock: File,
}

impl Home {
    /// Makes and locks the directory.
    pub(crate) fn claim(path: &Path) -> Result<Home, OpenError> {
        let denied = |source| OpenError::NotWritable { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(denied)?;
        if is_foreign(path).map_err(denied)? {
            return Err(OpenError::Foreign(path.to_owned()));
        }
        let lock = File::options().write(true).create(true).truncate(false).open(path.join(LOCK)).map_err(denied)?;
        match lock.try_lock() {
            Ok(()) => settled(Home { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Held(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(OpenError::Io { path: path.to_owned(), source }),
        }
    }

    /// Locks a directory that must hold a store already.
    pub(crate) fn claim_existing(path: &Path) -> Result<Home, OpenError> {
        let absent = || OpenError::Absent(path.to_owned());
        // Nothing is made where nothing is.
        let home = if path.join(LOCK).is_file() { Home::claim(path)? } else { return Err(absent()) };
        if database(path).join("db").is_file() { Ok(home) } else { Err(absent()) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Finishes or undoes what a process did not come to the end of that wrote the store anew.
fn settled(home: Home) -> Result<Home, OpenError> {
    if swap::is_unsettled(&home.path) {
        warn!(path = %home.path.display(), "an erasure or compaction was cut short; it is finished or undone now");
        swap::settle(&home.path, &mut |_| {}).map_err(|source| io_error(&home, source))?;
    }
    Ok(home)
}

fn is_foreign(path: &Path) -> io::Result<bool> {
    let mut names =
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>()?;
    names.retain(|name| name != "lost+found");
    Ok(!names.is_empty() && !names.iter().any(|name| name == LOCK))
}

/// Where sled lives.
pub(crate) fn database(path: &Path) -> PathBuf {
    path.join("sled")
}

/// Where the high-water marks are.
pub(crate) fn marks_file(path: &Path) -> PathBuf {
    path.join("marks")
}

/// Where the ballast lies.
pub(crate) fn ballast_file(path: &Path) -> PathBuf {
    path.join("ballast")
}

/// An open database and what was lost on the way to it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) disk: Disk,
    pub(crate) recovered: Recovered,
    /// Logs whose history went with a directory set aside.
    pub(crate) lost: Vec<(LogName, String)>,
}

/// Opens the database of a home, whatever it takes.
pub(crate) fn open(home: &Home, settings: &Settings) -> Result<Opened, OpenError> {
    let spare = settings.free_space_min;
    if let Err(error) = lay_ballast(&ballast_file(home.path()), settings.ballast_bytes, spare) {
        warn!(%error, "no ballast was laid: opening again on a full disk may fail");
    }
    let mut lost = Vec::new();
    let mut rung = Rung::AsItIs;
    loop {
        match attempt(home.path(), settings, true, None) {
            Ok((disk, recovered)) => return Ok(Opened { disk, recovered, lost }),
            Err(Unusable::Newer(found)) => {
                return Err(OpenError::Newer { path: home.path().to_owned(), found, known: FORMAT });
            }
            Err(Unusable::Fault(Fault::Full)) if ballast_file(home.path()).exists() => {
                drop_ballast(&ballast_file(home.path())).map_err(|source| io_error(home, source))?;
            }
            Err(Unusable::Fault(Fault::Full)) => return Err(OpenError::Full(home.path().to_owned())),
            Err(Unusable::Fault(Fault::Io(reason))) => {
                return Err(OpenError::Io { path: home.path().to_owned(), source: io::Error::other(reason) });
            }
            // On a lower rung it is our own last try that panicked and still holds the files.
            Err(Unusable::Fault(Fault::Held(_))) if matches!(rung, Rung::AsItIs) => {
                return Err(OpenError::Held(home.path().to_owned()));
            }
            Err(Unusable::Fault(Fault::Damaged(reason) | Fault::Held(reason))) => {
                error!(path = %home.path().display(), reason, "the store cannot be opened as it is");
                rung = rung.next(home.path(), &reason, &mut lost).map_err(|source| io_error(home, source))?;
            }
        }
    }
}

fn io_error(home: &Home, source: io::Error) -> OpenError {
    OpenError::Io { path: home.path().to_owned(), source }
}

/// How far down the ladder we are.
#[derive(Clone, Copy, Debug)]
enum Rung {
    AsItIs,
    WithoutSnapshot,
    WithoutConfiguration,
    Empty,
}

impl Rung {
    fn next(self, path: &Path, reason: &str, lost: &mut Vec<(LogName, String)>) -> io::Result<Rung> {
        match self {
            Rung::AsItIs => set_aside(path, "snap.").map(|()| Rung::WithoutSnapshot),
            Rung::WithoutSnapshot => set_aside(path, "conf").map(|()| Rung::WithoutConfiguration),
            Rung::WithoutConfiguration => quarantine(path, reason, lost).map(|()| Rung::Empty),
            Rung::Empty => Err(io::Error::other(format!("an empty store cannot be opened either: {reason}"))),
        }
    }
}

/// Renames sled's files of that name out of its way.
fn set_aside(path: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(database(path))? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(prefix) {
            let mut aside = std::ffi::OsString::from("aside-");
            aside.push(&name);
            warn!(file = %entry.path().display(), "set aside, and trying again without it");
            fs::rename(entry.path(), database(path).join(aside))?;
        }
    }
    Ok(())
}

/// Renames the whole database, and says whose history went with it.
fn quarantine(path: &Path, reason: &str, lost: &mut Vec<(LogName, String)>) -> io::Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let aside = path.join(format!("quarantine-{now}"));
    fs::rename(database(path), &aside)?;
    let told = format!("its history is in {}, which sled cannot open: {reason}", aside.display());
    lost.extend(Marks::read(&marks_file(path))?.into_iter().map(|mark| (mark.name, told.clone())));
    if marks_file(path).exists() {
        fs::rename(marks_file(path), aside.join("marks"))?;
    }
    error!(quarantine = %aside.display(), logs = lost.len(), reason, "the store was set aside; an EMPTY one begins");
    Ok(())
}

/// Up to where records were confirmed, by log id.
pub(crate) type Confirmed = HashMap<u32, u64>;

/// One try, on a thread that may panic or hang without harm to ours. Given what
/// was `confirmed`, everything beyond is removed: its publishers were told that it is not stored.
pub(crate) fn attempt(
    path: &Path,
    settings: &Settings,
    writes: bool,
    confirmed: Option<Confirmed>,
) -> Result<(Disk, Recovered), Unusable> {
    let (told, answer) = mpsc::channel();
    let (path, settings) = (path.to_owned(), settings.clone());
    let limit = settings.open_timeout + Duration::from_secs(10 * used_bytes(&database(&path)) / 1_000_000_000);
    let opening = move || {
        let panicked = |_| Unusable::Fault(Fault::Damaged("sled panics over it".into()));
        let opened = catch_unwind(AssertUnwindSafe(|| open_and_recover(&path, &settings, writes, confirmed)));
        // Nobody listens any more if it took too long; then it is closed again.
        let _ = told.send(opened.map_err(panicked).flatten());
    };
    thread::Builder::new().name("store-open".into()).spawn(opening).map_err(Fault::from)?;
    let hung = |_| Unusable::Fault(Fault::Damaged(format!("opening took more than {} s", limit.as_secs())));
    answer.recv_timeout(limit).map_err(hung)?
}

fn open_and_recover(
    path: &Path,
    settings: &Settings,
    writes: bool,
    confirmed: Option<Confirmed>,
) -> Result<(Disk, Recovered), Unusable> {
    let marks = Marks::read(&marks_file(path)).map_err(Fault::from)?;
    let disk = open_patiently(&database(path), settings)?;
    if let Some(confirmed) = confirmed {
        cut_back(&disk, &confirmed)?;
    }
    let recovered = recover(&disk, &marks, writes)?;
    disk.sync()?;
    Ok((disk, recovered))
}

/// The file lock of a database that was just closed may take a moment to go.
fn open_patiently(dir: &Path, settings: &Settings) -> Result<Disk, Fault> {
    let begun = Instant::now();
    loop {
        match Disk::open(dir, settings) {
            Err(Fault::Held(_)) if begun.elapsed() < Duration::from_secs(2) => {
                thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}
