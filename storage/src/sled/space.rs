//! Room on the file system: how much is left, and a file to give up when there is none.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Bytes free to us where `path` is.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let system = statvfs(path)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Bytes of all files below `path`.
pub(crate) fn used_bytes(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => used_bytes(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

/// How many files lie in a directory.
pub(crate) fn count_files(path: &Path) -> u64 {
    fs::read_dir(path).map_or(0, |entries| entries.count() as u64)
}

/// Occupies `bytes` under `path`, if they leave `spare` free. An existing file stays as it is.
pub(crate) fn lay_ballast(path: &Path, bytes: u64, spare: u64) -> io::Result<()> {
    let there = fs::metadata(path).map_or(0, |found| found.len());
    let Some(dir) = path.parent() else { return Ok(()) };
    if bytes == 0 || there >= bytes || free_bytes(dir)? < bytes.saturating_add(spare) {
        return Ok(());
    }
    let file = File::create(path)?;
    fallocate(&file, FallocateFlags::empty(), 0, bytes)?;
    file.sync_all()
}

/// Gives the room back.
pub(crate) fn drop_ballast(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
