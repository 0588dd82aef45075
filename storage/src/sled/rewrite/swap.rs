//! New files in the place of old ones: whenever the machine stops, one of the two is whole, and the next start knows which.
//!
//! ```text
//!   rewrite/     is being written          a start removes it: the old store holds
//!      │ rename: from here on the new store holds
//!      ▼
//!   rewritten/   is complete and synced    a start goes on below
//!      │ sled/ ──► replaced/, rewritten/sled ──► sled/, rewritten/marks ──► marks
//!      ▼
//!   replaced/    is not needed             a start removes it
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::super::open::{database, marks_file};

/// Where the new store grows.
pub(crate) fn unfinished(home: &Path) -> PathBuf {
    home.join("rewrite")
}

/// Where it waits to take its place.
fn finished(home: &Path) -> PathBuf {
    home.join("rewritten")
}

/// Where the old one waits for its end.
fn replaced(home: &Path) -> PathBuf {
    home.join("replaced")
}

/// Where a copy that was set aside waits for its end, once it is to go.
fn condemned(home: &Path) -> PathBuf {
    finished(home).join("set-aside")
}

/// After what a test looks at the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Some of the new store is there.
    Copied,
    /// All of it is on the disk, and was read back.
    Verified,
    /// It holds from here on.
    Decided,
    /// The old database has left its place.
    OldAway,
    /// The new one is there.
    NewThere,
    /// And its marks.
    MarksThere,
    /// Nothing is left to be moved.
    Moved,
    /// Nothing is left of the old one.
    Removed,
}

/// What is done at each stage; nothing but in tests.
pub(crate) type AtStage<'a> = &'a mut dyn FnMut(Stage);

/// Makes the new store hold. Everything in it is durable before.
pub(crate) fn decide(home: &Path, at: AtStage<'_>) -> io::Result<()> {
    sync_below(&unfinished(home))?;
    at(Stage::Verified);
    fs::rename(unfinished(home), finished(home))?;
    sync(home)?;
    at(Stage::Decided);
    Ok(())
}

/// Has copies that were set aside go with the old store, and names them.
pub(crate) fn condemn_set_aside(home: &Path) -> io::Result<Vec<String>> {
    let names = set_aside(home)?;
    if !names.is_empty() {
        fs::write(unfinished(home).join("set-aside"), names.join("\n"))?;
    }
    Ok(names)
}

/// Copies of the store that were set aside, by name.
pub(crate) fn set_aside(home: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(home)? {
        let name = entry?.file_name();
        names.extend(name.to_str().filter(|name| name.starts_with("quarantine-")).map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}

/// Finishes or undoes what an earlier process began; nothing to do for nearly everybody. No database is open.
pub(crate) fn settle(home: &Path, at: AtStage<'_>) -> io::Result<()> {
    remove(&unfinished(home))?;
    let (new, old) = (finished(home), replaced(home));
    if new.exists() {
        if new.join("sled").exists() {
            if database(home).exists() {
                remove(&old)?;
                fs::rename(database(home), &old)?;
                sync(home)?;
                at(Stage::OldAway);
            }
            fs::rename(new.join("sled"), database(home))?;
            sync(home)?;
            sync(&new)?;
            at(Stage::NewThere);
        }
        if new.join("marks").exists() {
            fs::rename(new.join("marks"), marks_file(home))?;
            sync(home)?;
            at(Stage::MarksThere);
        }
        if let Ok(names) = fs::read_to_string(condemned(home)) {
            names.lines().try_for_each(|name| remove(&home.join(name)))?;
            sync(home)?;
        }
        remove(&new)?;
        at(Stage::Moved);
    }
    remove(&old)?;
    sync(home)?;
    at(Stage::Removed);
    Ok(())
}

/// Whether an earlier process left anything to do.
pub(crate) fn is_unsettled(home: &Path) -> bool {
    [unfinished(home), finished(home), replaced(home)].iter().any(|left| left.exists())
}

/// Removes a directory with all that is in it, if it is there.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Every file below a directory, and every name.
fn sync_below(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { sync_below(&entry.path()) } else { sync(&entry.path()) }?;
    }
    sync(dir)
}
