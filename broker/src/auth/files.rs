//! Files that say who may come in: read whole, bounded, and only if nobody else could have written them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::Secret;

/// Larger files are refused. Ten thousand users take about two megabytes.
const BYTES_MAX: u64 = 64 << 20;

/// Something of the settings that cannot be used: the key, its value, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value:?}: {remedy}")]
pub struct Fault {
    /// The key of the setting.
    pub key: &'static str,
    /// Its value; never a secret.
    pub value: String,
    /// What is wrong and what to do.
    pub remedy: String,
}

impl Fault {
    pub(crate) fn of_file(key: &'static str, path: &Path, remedy: impl Into<String>) -> Fault {
        Fault { key, value: path.display().to_string(), remedy: remedy.into() }
    }
}

/// What a file was when it was read: when this changes it is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: (u64, u64),
    changed: (i64, i64),
    modified: (i64, i64),
    bytes: u64,
}

impl Stamp {
    /// Of the file as it is now; follows symbolic links, as orchestrators replace those.
    pub(super) fn of(path: &Path) -> Option<Stamp> {
        std::fs::metadata(path).ok().map(|meta| Stamp::from(&meta))
    }
}

impl From<&std::fs::Metadata> for Stamp {
    fn from(meta: &std::fs::Metadata) -> Stamp {
        Stamp {
            inode: (meta.dev(), meta.ino()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            modified: (meta.mtime(), meta.mtime_nsec()),
            bytes: meta.len(),
        }
    }
}

/// A file's text, and whether others on this machine can read it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) text: Zeroizing<String>,
    pub(super) stamp: Stamp,
    pub(super) readable_by_others: bool,
}

/// Reads a file that only its owner may write.
///
/// # Errors
/// What is wrong with it, for the operator.
pub(super) fn read(path: &Path) -> Result<Kept, String> {
    let unread = |error: std::io::Error| format!("The file cannot be read: {error}.");
    let file = File::open(path).map_err(unread)?;
    let meta = file.metadata().map_err(unread)?;
    if !meta.is_file() {
        return Err("This is no file: name one.".to_owned());
    }
    if meta.len() > BYTES_MAX {
        return Err(format!("The file is larger than {} MiB: name another.", BYTES_MAX >> 20));
    }
    if meta.mode() & 0o022 != 0 {
        let path = path.display();
        return Err(format!("Others than its owner can write this file, and so let anybody in: chmod go-w {path}."));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(unread)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "The file is no text (UTF-8): name another.".to_owned())?;
    let text = Zeroizing::new(text.to_owned());
    Ok(Kept { text, stamp: Stamp::from(&meta), readable_by_others: meta.mode() & 0o004 != 0 })
}

/// What is only for the broker's eyes should be readable by nobody else. In containers it often is, so it is a warning.
pub(super) fn warn_if_readable(key: &'static str, path: &Path, kept: &Kept) {
    if kept.readable_by_others {
        let path = path.display();
        tracing::warn!(key, "everybody on this machine can read {path}, which is secret: chmod o-r {path}");
    }
}

/// The text of a file that holds a secret.
///
/// # Errors
/// What is wrong with the file, for whoever named it.
pub fn private_text(path: &Path) -> Result<Secret, String> {
    read(path).map(|kept| Secret::from(kept.text.as_str()))
}

/// The secret in a file, without the end of its line. A warning if others can read it.
///
/// # Errors
/// What is wrong with the file.
pub fn secret_in(key: &'static str, path: &Path) -> Result<Secret, Fault> {
    let kept = read(path).map_err(|remedy| Fault::of_file(key, path, remedy))?;
    warn_if_readable(key, path, &kept);
    Ok(Secret::from(kept.text.trim_end_matches(['\r', '\n'])))
}
