//! Writing a history down.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Entry, Event};

/// A history that many actors of one process write, in memory or into files as well.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Recorded>>);

#[derive(Debug, Default)]
struct Recorded {
    entries: Vec<Entry>,
    steps: HashMap<Arc<str>, u64>,
    file: Option<BufWriter<File>>,
}

impl Recorder {
    /// What is noted is written to this file too, line by line.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn into_file(path: &Path) -> std::io::Result<Recorder> {
        let file = Some(BufWriter::new(File::create(path)?));
        Ok(Recorder(Arc::new(Mutex::new(Recorded { file, ..Recorded::default() }))))
    }

    /// Writes down what an actor did or saw, now.
    ///
    /// # Panics
    /// The file cannot be written: a history with holes proves nothing.
    pub fn note(&self, actor: &str, did: Event) {
        let mut recorded = self.recorded();
        // Under the lock, so that the order of the clock is that of the list.
        recorded.note(clock(), actor, did);
    }

    /// The same at another moment: for those who have a clock of their own.
    ///
    /// # Panics
    /// As [`Recorder::note`].
    pub fn note_at(&self, at: u64, actor: &str, did: Event) {
        self.recorded().note(at, actor, did);
    }

    /// All so far, in order.
    pub fn entries(&self) -> Vec<Entry> {
        let recorded = self.recorded();
        let mut entries = recorded.entries.clone();
        drop(recorded);
        entries.sort_by_key(|entry| entry.at);
        entries
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorded {
    fn note(&mut self, at: u64, actor: &str, did: Event) {
        let actor = match self.steps.get_key_value(actor) {
            Some((known, _)) => known.clone(),
            None => Arc::from(actor),
        };
        let next = self.steps.entry(actor.clone()).or_default();
        let entry = Entry { at, actor, step: *next, did };
        *next += 1;
        if let Some(file) = &mut self.file {
            let line = serde_json::to_string(&entry).expect("every event can be written as JSON");
            writeln!(file, "{line}").and_then(|()| file.flush()).expect("the history can be written");
        }
        self.entries.push(entry);
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`: as `process.hrtime.bigint()` of Node and `time.monotonic_ns()` of Python.
pub fn clock() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or_default() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or_default()
}
