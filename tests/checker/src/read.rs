//! Histories on the disk: one file for each actor, one JSON object in a line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Entry;

/// A history that cannot be judged, because some of it is missing or unreadable.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A file could not be read.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line is no entry.
    #[error("{path}:{line}: {reason}; each line is one JSON object with at, actor, step and did")]
    Line {
        /// Where.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// An actor's steps are not 0, 1, 2, …
    #[error(
        "{actor}: step {found} where {expected} should be; lines of this actor are missing, doubled or out of order"
    )]
    Step {
        /// Whose.
        actor: Arc<str>,
        /// What should be next.
        expected: u64,
        /// What is.
        found: u64,
    },
    /// An actor's clock went back.
    #[error("{actor}: step {step} lies before the one before it; `at` is a clock that nobody sets (CLOCK_MONOTONIC)")]
    Clock {
        /// Whose.
        actor: Arc<str>,
        /// Where.
        step: u64,
    },
}

/// Reads a history: files, and all `*.jsonl` of folders. Lines are in the order of the clock then.
///
/// An actor that was killed may have left half a line at the end of its file: it is passed over.
///
/// # Errors
/// Something cannot be read, or an actor's lines are not all there.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Entry>, HistoryError> {
    let mut entries = Vec::new();
    for path in paths {
        let at_fault = |error| HistoryError::File { path: path.clone(), error };
        if !path.is_dir() {
            read_file(path, &mut entries)?;
            continue;
        }
        let listed = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(at_fault)?;
        let mut files: Vec<PathBuf> = listed.into_iter().map(|file| file.path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
        files.sort();
        for file in files {
            read_file(&file, &mut entries)?;
        }
    }
    merge(entries)
}

fn read_file(path: &Path, entries: &mut Vec<Entry>) -> Result<(), HistoryError> {
    let at_fault = |error| HistoryError::File { path: path.to_owned(), error };
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(at_fault)?);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        if file.read_until(b'\n', &mut text).map_err(at_fault)? == 0 {
            break;
        }
        let is_whole = text.ends_with(b"\n");
        match serde_json::from_slice(&text) {
            Ok(entry) => entries.push(entry),
            Err(_) if !is_whole => break,
            Err(error) => {
                return Err(HistoryError::Line { path: path.to_owned(), line, reason: error.to_string() });
            }
        }
    }
    Ok(())
}

/// Puts what several actors wrote into one order, that of the clock.
///
/// # Errors
/// An actor's lines are not all there, or its clock went back.
pub fn merge(mut entries: Vec<Entry>) -> Result<Vec<Entry>, HistoryError> {
    let mut actors: BTreeMap<Arc<str>, (u64, u64)> = BTreeMap::new();
    for entry in &entries {
        let Entry { actor, step, at, .. } = entry;
        let (next, last) = match actors.get_mut(actor) {
            Some(known) => known,
            None => actors.entry(actor.clone()).or_default(),
        };
        if step != next {
            return Err(HistoryError::Step { actor: actor.clone(), expected: *next, found: *step });
        }
        if at < last {
            return Err(HistoryError::Clock { actor: actor.clone(), step: *step });
        }
        (*next, *last) = (step + 1, *at);
    }
    // Stable, so that what one actor did at one moment stays in its order.
    entries.sort_by_key(|entry| entry.at);
    Ok(entries)
}
