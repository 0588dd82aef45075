//! What the writer does between commits: cursors, retention, leftovers, a look at the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, warn};

use super::appender::{Writer, now};
use super::batch::Batch;
use super::disk::Fault;
use super::open::{ballast_file, database};
use super::queue::Job;
use super::space::{count_files, free_bytes, lay_ballast, used_bytes};
use crate::engine::Health;
use crate::{LogError, LogName};

/// Cursors are written behind so often, and everything else is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// The same while something waits for it.
const SOON: Duration = Duration::from_millis(200);
/// Every so many turns what takes longer is done.
const RARELY: u64 = 60;

/// When the next turn is.
#[derive(Debug)]
pub(crate) struct House {
    next: Instant,
    turns: u64,
    /// When the store was opened, by both clocks.
    opened: (Instant, u64),
    pub(crate) has_more: bool,
    /// Bytes below which nothing at all is written.
    pub(crate) is_dry: bool,
}

impl House {
    pub(crate) fn new() -> House {
        House {
            next: Instant::now() + EVERY,
            turns: 0,
            opened: (Instant::now(), now()),
            has_more: false,
            is_dry: false,
        }
    }

    /// The time by which records and cursors age: a clock that jumps forward deletes nothing.
    pub(crate) fn aged_now(&self) -> u64 {
        let (since, day) = self.opened;
        now().min(day.saturating_add(since.elapsed().as_millis() as u64))
    }

    /// How long the writer may wait for work.
    pub(crate) fn patience(&self) -> Duration {
        if self.has_more { Duration::ZERO } else { self.next.saturating_duration_since(Instant::now()) }
    }
}

impl Writer {
    /// One turn, if it is time.
    pub(crate) fn keep_house(&mut self) {
        let due = Instant::now() >= self.house.next;
        if due {
            self.house.turns += 1;
            self.look_at_space();
            self.heal();
            let waits = *self.shared.health.borrow() != Health::Ready;
            self.house.next = Instant::now() + if waits { SOON } else { EVERY };
        }
        if self.disk.is_none() || self.house.is_dry || self.has_failed() {
            self.house.has_more = false;
            return;
        }
        if due {
            self.write_behind();
            self.look_around();
        }
        if due || self.house.has_more {
            let trimmed = self.trim_all().and_then(|more| Ok(self.remove_leftovers()? || more));
            self.house.has_more = self.or_fault(trimmed).unwrap_or(false);
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(*self.shared.health.borrow(), Health::Failed { .. })
    }

    pub(crate) fn or_fault<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.fault(&fault)).ok()
    }

    /// Refuses appends in time, and takes them again.
    pub(crate) fn look_at_space(&mut self) {
        if self.has_failed() || self.disk.is_none() {
            return;
        }
        let least = self.shared.settings.free_space_min;
        let free = match free_bytes(&self.shared.dir) {
            Ok(free) => free,
            Err(error) => return warn!(%error, "free space cannot be found out"),
        };
        self.shared.counters().free_bytes = free;
        self.house.is_dry = free < least / 4;
        let health = if free < least { full(free, least) } else { Health::Ready };
        self.shared.set_health(health);
    }

    fn write_behind(&mut self) {
        let mut batch = Batch::default();
        batch.cursors = self.shared.book().take_dirty();
        if !batch.cursors.is_empty() {
            self.finish(batch);
        }
    }

    fn look_around(&mut self) {
        let dir = self.shared.dir.clone();
        if let Some(Err(fault)) = self.disk.as_ref().map(|disk| disk.check_place(&database(&dir))) {
            self.fault(&fault);
        }
        let blobs = count_files(&database(&dir).join("blobs"));
        if blobs > 0 {
            error!(blobs, "sled made blob files, which are never synced: please report this");
        }
        self.shared.counters().blobs = blobs;
        if self.house.turns % RARELY == 1 {
            let ttl = self.shared.settings.cursor_ttl.as_millis() as u64;
            self.shared.book().forget_unused(self.house.aged_now().saturating_sub(ttl));
            self.shared.counters().disk_bytes = used_bytes(&dir);
            let settings = &self.shared.settings;
            if let Err(error) = lay_ballast(&ballast_file(&dir), settings.ballast_bytes, settings.free_space_min) {
                warn!(%error, "no ballast was laid");
            }
        }
    }

    /// A job that nothing shares a commit with.
    pub(crate) fn alone(&mut self, job: Job) {
        match job {
            Job::Trim { log, up_to, reply } => {
                let done = self.trim_now(&log, up_to.0);
                // Nobody may be waiting any more.
                let _ = reply.send(done);
            }
            Job::Delete { log, reply } => {
                let done = self.delete(&log);
                let _ = reply.send(done);
            }
            Job::Erase { what, reply } => {
                let done = self.erase(&what);
                let _ = reply.send(done);
            }
            others => self.shared.queue.push(others),
        }
    }

    fn trim_now(&mut self, log: &LogName, up_to: u64) -> Result<(), LogError> {
        if self.disk.is_none() || self.has_failed() {
            return Err(LogError::Unavailable("the store cannot be written now".into()));
        }
        let trimmed = self.trim_up_to(log, up_to);
        self.or_fault(trimmed).ok_or_else(|| LogError::Unavailable("the store failed while it trimmed".into()))
    }

    fn delete(&mut self, name: &LogName) -> Result<(), LogError> {
        let Some(disk) = self.disk.clone().filter(|_| !self.has_failed()) else {
            return Err(LogError::Unavailable("the store cannot be written now".into()));
        };
        let Some(desk) = self.desks.get(name) else { return Ok(()) };
        let log = Arc::clone(&desk.log);
        let mut entry = desk.entry();
        entry.deleted = true;
        let (key, value) = entry.encode(log.id);
        let written = disk.commit(vec![(key, Some(value))]);
        drop(disk);
        self.or_fault(written).ok_or_else(|| LogError::Unavailable("the store failed while it deleted".into()))?;
        self.desks.remove(name);
        self.shared.remove_log(name);
        self.shared.book().forget_log(name);
        self.shared.lost().retain(|(lost, _)| lost != name);
        log.end();
        self.leftovers.push(log.id);
        self.house.has_more = true;
        Ok(())
    }

    /// Before the end: cursors and marks.
    pub(crate) fn last_words(&mut self) {
        if self.disk.is_some() && !self.has_failed() {
            self.write_behind();
            if let Some(Err(fault)) = self.disk.as_ref().map(|disk| disk.sync()) {
                self.fault(&fault);
            }
            if let Err(error) = self.marks.sync() {
                warn!(%error, "the high-water marks could not be synced");
            }
        }
    }
}

/// What is said when there is too little room.
pub(crate) fn full(free: u64, least: u64) -> Health {
    Health::Full { reason: format!("the disk is full: {free} bytes are free, {least} are kept in reserve") }
}
