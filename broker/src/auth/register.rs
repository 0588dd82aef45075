//! A list of people or services in a file of TOML, replaced in one step at each change.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::files;

/// The only format there is. It stands in the file so that a file that lost its content is told from an empty list.
const VERSION: u8 = 1;
/// More of them belong into a directory of the school's own, which gives out tokens.
const ENTRIES_MAX: usize = 100_000;

/// A file's content: a version and a list.
pub trait Register: Serialize + DeserializeOwned {
    /// What the list holds.
    type Entry;
    /// The first lines of the file.
    const HEADING: &'static str;

    /// With no entries.
    fn empty(version: u8) -> Self;
    /// The version that the file has.
    fn version(&self) -> u8;
    /// The list.
    fn entries(&mut self) -> &mut Vec<Self::Entry>;
    /// The name of an entry: each has its own.
    fn name_of(entry: &Self::Entry) -> &str;
    /// Whether all of the entry can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check(entry: &Self::Entry) -> Result<(), String>;
}

/// The list in a text.
///
/// # Errors
/// The first thing that is wrong, with its line where that is known.
pub fn parse<R: Register>(text: &str) -> Result<Vec<R::Entry>, String> {
    if text.trim().is_empty() {
        return Err(
            "The file is empty, so it may have lost its content: restore it, or remove it and begin anew.".into()
        );
    }
    let mut read: R = toml::from_str(text).map_err(|error| {
        let line =
            error.span().map_or(0, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
        format!("Line {line}: {}.", error.message().replace('\n', "; "))
    })?;
    if read.version() != VERSION {
        return Err(format!("The file has version {}, and this program reads version {VERSION}.", read.version()));
    }
    let entries = std::mem::take(read.entries());
    if entries.len() > ENTRIES_MAX {
        return Err(format!("The file has more than {ENTRIES_MAX} entries."));
    }
    let mut seen = std::collections::HashSet::new();
    for entry in &entries {
        let name = R::name_of(entry);
        R::check(entry).map_err(|what| format!("The entry {name:?} cannot be used: {what}."))?;
        if !seen.insert(name) {
            return Err(format!("The name {name:?} stands twice."));
        }
    }
    drop(seen);
    Ok(entries)
}

/// Changes the list in a file, which is made if it is not there. Whoever reads meanwhile sees the list before or
/// after; whoever changes it at the same time waits.
///
/// # Errors
/// What is wrong with the file, what the change says, or what the system does.
pub fn change<R: Register, T>(
    path: &Path,
    change: impl FnOnce(&mut Vec<R::Entry>) -> Result<T, String>,
) -> Result<T, String> {
    // Links are followed, or the file would take the place of the link.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let failed = |error: std::io::Error| format!("{} cannot be changed: {error}.", path.display());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let lock = File::open(directory).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut register = R::empty(VERSION);
    let before = path.metadata().ok();
    if before.is_some() {
        let kept = files::read(path).map_err(|what| format!("{}: {what}", path.display()))?;
        *register.entries() = parse::<R>(&kept.text).map_err(|what| format!("{}: {what}", path.display()))?;
    }
    let changed = change(register.entries())?;
    let text = zeroize::Zeroizing::new(format!(
        "{}\n{}",
        R::HEADING,
        toml::to_string(&register).map_err(|error| error.to_string())?
    ));
    // Made with the permissions 0600.
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    // The broker must still be able to read what root has changed for it.
    let (owner, mode) = match &before {
        Some(meta) => (meta.clone(), meta.mode() & 0o750),
        None => (lock.metadata().map_err(failed)?, 0o600),
    };
    let own = file.as_file().metadata().map_err(failed)?;
    if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) && own.uid() == 0 {
        fchown(file.as_file(), Some(owner.uid()), Some(owner.gid())).map_err(failed)?;
    }
    file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    lock.sync_all().map_err(failed)?;
    Ok(changed)
}
