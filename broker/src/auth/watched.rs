//! What a file says, read again whenever the file changes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::files::{self, Fault, Kept, Stamp};

/// What a file says. A file that cannot be read any more leaves in force what it said before.
///
/// # Why is the file looked at again and again, where the system could tell?
///
/// Orchestrators swap links to directories, editors write beside and rename, and
/// network file systems tell nobody: looking finds them all, for one call of the
/// system.
#[derive(Debug)]
pub(super) struct Watched<T> {
    key: &'static str,
    path: PathBuf,
    read: fn(&str) -> Result<T, String>,
    now: ArcSwap<T>,
    stamp: Mutex<Option<Stamp>>,
}

impl<T> Watched<T> {
    /// A file of ours, read for the first time; `made_by` is the command that makes one.
    pub(super) fn register(
        key: &'static str,
        path: PathBuf,
        made_by: &str,
        read: fn(&str) -> Result<T, String>,
    ) -> Result<Watched<T>, Fault> {
        if !path.exists() {
            let remedy = format!("There is no such file: `{made_by}` makes it, or write \"off\".");
            return Err(Fault::of_file(key, &path, remedy));
        }
        Watched::secret(key, path, read)
    }

    /// A file that nobody else should read, read for the first time.
    pub(super) fn secret(
        key: &'static str,
        path: PathBuf,
        read: fn(&str) -> Result<T, String>,
    ) -> Result<Watched<T>, Fault> {
        let (watched, kept) = Watched::begin(key, path, read)?;
        files::warn_if_readable(key, &watched.path, &kept);
        Ok(watched)
    }

    /// A file that everybody may read, read for the first time.
    pub(super) fn public(
        key: &'static str,
        path: PathBuf,
        read: fn(&str) -> Result<T, String>,
    ) -> Result<Watched<T>, Fault> {
        Watched::begin(key, path, read).map(|(watched, _)| watched)
    }

    fn begin(
        key: &'static str,
        path: PathBuf,
        read: fn(&str) -> Result<T, String>,
    ) -> Result<(Watched<T>, Kept), Fault> {
        let fault = |remedy| Fault::of_file(key, &path, remedy);
        let kept = files::read(&path).map_err(fault)?;
        let first = read(&kept.text).map_err(fault)?;
        let stamp = Mutex::new(Some(kept.stamp.clone()));
        Ok((Watched { key, read, now: ArcSwap::from_pointee(first), stamp, path }, kept))
    }

    /// What holds now.
    pub(super) fn now(&self) -> Arc<T> {
        self.now.load_full()
    }

    /// Reads the file again if it is another one than before; says whether something new holds.
    pub(super) fn look(&self) -> bool {
        let seen = Stamp::of(&self.path);
        let mut stamp = self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
        if *stamp == seen {
            return false;
        }
        *stamp = seen;
        let read = files::read(&self.path).and_then(|kept| {
            let new = (self.read)(&kept.text)?;
            *stamp = Some(kept.stamp);
            Ok(new)
        });
        let (key, path) = (self.key, self.path.display());
        match read {
            Ok(new) => {
                self.now.store(Arc::new(new));
                tracing::info!(key, %path, "read again, since it changed");
                true
            }
            Err(what) => {
                tracing::error!(key, %path, "changed and cannot be used; what it said before stays in force: {what}");
                false
            }
        }
    }
}
