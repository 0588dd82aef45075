//! The audit log: who came in, was refused, published, was removed, as lines of JSON in a file.
//!
//! ```text
//!  doors ─► a bounded queue ─► one thread ─► file       nobody waits: what finds no room is counted, and said
//! ```
//!
//! A line says who did what and where it is, never what was said: no body, no
//! header of a client's own, no password and no token.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;

use crate::auth::Identity;
use crate::classroom::now_millis;

/// Lines that wait for the disk.
const WAITING_MAX: usize = 16 * 1024;
/// What was written is at the system after this time at the latest.
const FLUSHED_EVERY: Duration = Duration::from_secs(1);

/// One thing that happened. `None` is not written.
#[derive(Debug, Default, Serialize)]
pub struct Line {
    /// Milliseconds since 1970.
    time: u64,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    door: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl Line {
    /// Somebody was let in.
    pub fn connected(person: &Identity, address: IpAddr, door: &'static str) -> Line {
        Line { door: Some(door), address: Some(address), ..Line::of("connected", person) }
    }

    /// Something was refused: its number and its short words.
    pub fn refused(person: &Identity, address: IpAddr, door: &'static str, code: u16, message: &str) -> Line {
        let what = Some(message.into());
        Line { door: Some(door), address: Some(address), code: Some(code), what, ..Line::of("refused", person) }
    }

    /// Messages were stored: where, and at which position.
    pub fn published(person: &Identity, room: &str, position: String) -> Line {
        let (what, position) = (Some(format!("/{room}").into()), Some(position.into()));
        Line { what, position, ..Line::of("published", person) }
    }

    /// Rights were taken from somebody, or given back.
    pub fn revoked(by: &Identity, is_revoked: bool, what: String) -> Line {
        Line { what: Some(what.into()), ..Line::of(if is_revoked { "revoked" } else { "restored" }, by) }
    }

    /// What somebody or a classroom left was erased.
    pub fn erased(by: &Identity, what: String) -> Line {
        Line { what: Some(what.into()), ..Line::of("erased", by) }
    }

    fn of(event: &'static str, person: &Identity) -> Line {
        Line { time: now_millis(), event, user: person.user.clone(), client: person.client.clone(), ..Line::default() }
    }
}

/// Writes lines.
#[derive(Debug)]
pub struct Audit {
    lines: Option<SyncSender<Line>>,
    lost: Arc<AtomicU64>,
    writer: Option<JoinHandle<()>>,
}

impl Audit {
    /// Appends to a file, which is made if it is not there, for the broker's user alone.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> io::Result<Audit> {
        let file = append_to(path)?;
        let (lines, waiting) = sync_channel(WAITING_MAX);
        let lost = Arc::<AtomicU64>::default();
        let writer = Writer { path: path.to_owned(), file, lost: lost.clone(), fails: false };
        let writer = thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&waiting))?;
        Ok(Audit { lines: Some(lines), lost, writer: Some(writer) })
    }

    /// Has a line written soon. Nobody waits for the disk: what finds no room is counted.
    pub fn note(&self, line: Line) {
        if self.lines.as_ref().is_some_and(|lines| lines.try_send(line).is_err()) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Audit {
    /// What was noted is written.
    fn drop(&mut self) {
        self.lines = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    lost: Arc<AtomicU64>,
    fails: bool,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Line>) {
        loop {
            let first = match waiting.recv_timeout(FLUSHED_EVERY) {
                Ok(line) => Some(line),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            };
            self.follow_the_name();
            first.into_iter().chain(waiting.try_iter()).for_each(|line| self.write(&line));
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                tracing::warn!(lost, "lines of the audit log found no room: the disk is slower than what happens");
                self.write(&Line { time: now_millis(), event: "lost", count: Some(lost), ..Line::default() });
            }
            self.flush();
        }
    }

    fn write(&mut self, line: &Line) {
        let written = serde_json::to_writer(&mut self.file, line).map_err(io::Error::from);
        let ended = written.and_then(|()| self.file.write_all(b"\n"));
        self.look(&ended);
    }

    fn flush(&mut self) {
        let flushed = self.file.flush();
        self.look(&flushed);
    }

    /// Whoever rotates logs gives the file another name: what comes next goes to a new one.
    fn follow_the_name(&mut self) {
        let of = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let named = std::fs::metadata(&self.path).map(of).ok();
        if named.is_some() && named == self.file.get_ref().metadata().map(of).ok() {
            return;
        }
        self.flush();
        match append_to(&self.path) {
            Ok(file) => self.file = file,
            Err(error) => self.look(&Err(error)),
        }
    }

    /// A disk that fails costs lines, and nobody a lesson. It is said once.
    fn look(&mut self, result: &io::Result<()>) {
        if let Err(error) = result
            && !self.fails
        {
            tracing::error!(%error, path = %self.path.display(), "the audit log cannot be written; lessons go on");
        }
        self.fails = result.is_err();
    }
}

fn append_to(path: &Path) -> io::Result<BufWriter<File>> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(BufWriter::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).expect("a file");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    #[test]
    fn what_happened_is_in_the_file_line_by_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        let alice = Identity::new(Some("ali\"ce\n"), Some("tablet"));
        let here = IpAddr::from([192, 0, 2, 7]);
        let audit = Audit::open(&path).expect("room on the disk");
        audit.note(Line::connected(&alice, here, "websocket"));
        audit.note(Line::refused(&Identity::default(), here, "http", 101, "unauthorized"));
        audit.note(Line::published(&alice, "topic/7b", "81234:2".to_owned()));
        drop(audit);
        let found = lines(&path);
        assert_eq!(
            (found.len(), &found[0]["user"], &found[0]["address"]),
            (3, &"ali\"ce\n".into(), &"192.0.2.7".into())
        );
        assert_eq!((&found[1]["code"], found[1].get("user")), (&101.into(), None));
        assert_eq!((&found[2]["what"], &found[2]["position"]), (&"/topic/7b".into(), &"81234:2".into()));
        let mode = std::fs::metadata(&path).expect("a file").mode() & 0o777;
        assert_eq!(mode, 0o600, "it is for the broker's user alone");
    }

    #[test]
    fn after_a_rotation_a_new_file_goes_on() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, old) = (directory.path().join("audit.jsonl"), directory.path().join("audit.1"));
        let audit = Audit::open(&path).expect("room on the disk");
        let nobody = Identity::default();
        audit.note(Line::published(&nobody, "topic/a", "1:1".to_owned()));
        while std::fs::metadata(&path).expect("a file").len() == 0 {
            thread::yield_now();
        }
        std::fs::rename(&path, &old).expect("a new name");
        audit.note(Line::published(&nobody, "topic/b", "1:2".to_owned()));
        drop(audit);
        assert_eq!((lines(&old).len(), lines(&path).len()), (1, 1));
    }

    #[test]
    fn what_finds_no_room_is_counted_and_nobody_waits() {
        let (lines, waiting) = sync_channel(1);
        let audit = Audit { lines: Some(lines), lost: Arc::default(), writer: None };
        for _ in 0..4 {
            audit.note(Line::published(&Identity::default(), "topic/a", "1:1".to_owned()));
        }
        assert_eq!((waiting.try_iter().count(), audit.lost.load(Ordering::Relaxed)), (1, 3));
    }
}
