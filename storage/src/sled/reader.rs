//! Reading pages and finding places, on at most two blocking threads.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::disk::{Disk, Fault};
use super::layout::entry::Totals;
use super::state::{LogState, Shared};
use super::walk::{Found, Step, Walk, block_of, head_of};
use crate::{Budget, LogError, Offset, OffsetRange, Page, Seek};

/// Runs a read on a blocking thread, when one of the two is free.
pub(crate) async fn blocking<T: Send + 'static>(
    shared: Arc<Shared>,
    log: Arc<LogState>,
    read: impl FnOnce(&Disk, &LogState) -> Result<T, Fault> + Send + 'static,
) -> Result<T, LogError> {
    let turn = Arc::clone(&shared.readers).acquire_owned().await;
    let turn = turn.map_err(|_| LogError::Unavailable("the store is closed".into()))?;
    let Some(disk) = shared.disk_in_time().await else {
        return Err(LogError::Unavailable("the store is closed".into()));
    };
    let state = Arc::clone(&log);
    let reading = spawn_blocking(move || {
        let found = read(&disk, &state);
        drop((disk, turn));
        found
    });
    match reading.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(Fault::Damaged(reason))) => Err(damaged(&log, reason)),
        Ok(Err(fault)) => Err(LogError::Unavailable(fault.to_string())),
        Err(panic) if panic.is_panic() => Err(damaged(&log, "sled panics when it is read".into())),
        Err(_) => Err(LogError::Unavailable("the process is stopping".into())),
    }
}

fn damaged(log: &LogState, reason: String) -> LogError {
    log.fence_off(&reason);
    LogError::Damaged(reason)
}

/// Records after `after`, and proof of what is missing among them.
pub(crate) fn read(disk: &Disk, log: &LogState, after: Offset, up_to: Offset, budget: Budget) -> Result<Page, Fault> {
    let (head, begin) = extent(log);
    let up_to = up_to.0.min(head.offset);
    let mut reading = Reading::new(after, up_to, budget);
    let from = after.0.max(begin.offset.min(up_to));
    if from < up_to {
        let mut walk = Walk::new(disk, log.id, log.epoch, from + 1, up_to)?;
        while let Some(step) = walk.step()? {
            match step {
                Step::Hole(range) => reading.missing.push(range),
                Step::Records(found) if reading.take(&found, from) => {}
                Step::Records(_) => break,
            }
        }
    }
    // Retention may have taken from the beginning meanwhile.
    let (_, begin) = extent(log);
    Ok(reading.finish(log, begin.offset))
}

fn extent(log: &LogState) -> (Totals, Totals) {
    let inner = log.lock();
    (inner.head, inner.trimmed)
}

/// A page that grows.
struct Reading {
    after: Offset,
    up_to: u64,
    budget: Budget,
    bytes: usize,
    page: Page,
    missing: Vec<OffsetRange>,
}

impl Reading {
    fn new(after: Offset, up_to: u64, budget: Budget) -> Reading {
        let page = Page { records: Vec::new(), through: after.max(Offset(up_to)), missing: Vec::new() };
        Reading { after, up_to, budget, bytes: 0, page, missing: Vec::new() }
    }

    /// Takes what is wanted of a block; whether the budget lets the walk go on.
    fn take(&mut self, found: &Found, from: u64) -> bool {
        for stored in &found.records {
            let record = &stored.record;
            // One without messages was erased.
            if record.offset.0 <= from || record.offset.0 > self.up_to || record.messages.is_empty() {
                continue;
            }
            let spent = self.page.records.len() >= self.budget.records || self.bytes >= self.budget.bytes;
            if spent && let Some(last) = self.page.records.last() {
                self.page.through = last.offset;
                return false;
            }
            self.bytes += record.cost();
            self.page.records.push(Arc::clone(record));
        }
        true
    }

    /// The page, honest about what is gone; damage beyond retention fences the log off.
    fn finish(mut self, log: &LogState, trimmed: u64) -> Page {
        let through = self.page.through.0;
        self.page.records.retain(|record| record.offset.0 > trimmed);
        let lost = trimmed.min(through);
        if self.after.0 < lost {
            self.page.missing.push(OffsetRange { first: Offset(self.after.0 + 1), last: Offset(lost) });
        }
        for hole in self.missing.into_iter().filter(|hole| hole.last.0 > lost && hole.first.0 <= through) {
            let hole = OffsetRange { first: hole.first.max(Offset(lost + 1)), last: hole.last.min(Offset(through)) };
            log.fence_off(&format!("records {hole} cannot be read"));
            match self.page.missing.last_mut() {
                Some(before) if before.last.0 + 1 == hole.first.0 => before.last = hole.last,
                _ => self.page.missing.push(hole),
            }
        }
        self.page
    }
}

/// The offset after which a read from `seek` begins.
pub(crate) fn seek(disk: &Disk, log: &LogState, seek: Seek) -> Result<Offset, Fault> {
    let (head, trimmed) = extent(log);
    let before = match seek {
        Seek::Last(n) => {
            let target = head.records.saturating_sub(n);
            find(disk, log, trimmed, head, |records, _| records < target)?
        }
        Seek::Time(time) => find(disk, log, trimmed, head, |_, stored| stored < time)?,
    };
    Ok(Offset(before))
}

/// The last offset that lies before: `is_before` is told how many records came
/// before one, and its time, and is true for a first part of the log.
fn find(
    disk: &Disk,
    log: &LogState,
    trimmed: Totals,
    head: Totals,
    is_before: impl Fn(u64, u64) -> bool,
) -> Result<u64, Fault> {
    let (mut low, mut high) = (trimmed.offset + 1, head.offset);
    // The last block that begins before: everything further back lies before too.
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        match head_of(disk, log.id, middle)? {
            Some((key, found)) if !is_before(found.records_before, found.time) => high = key.first.max(low + 1) - 1,
            _ => low = middle,
        }
    }
    let begin = block_of(disk, log.id, low)?.map_or(low, |key| key.first);
    let mut before = trimmed.offset;
    let mut walk = Walk::new(disk, log.id, log.epoch, begin.max(1), head.offset)?;
    while let Some(step) = walk.step()? {
        let Step::Records(found) = step else { continue };
        for (n, stored) in (found.head.records_before..).zip(&found.records) {
            if !is_before(n, stored.record.time) {
                return Ok(before);
            }
            before = before.max(stored.record.offset.0);
        }
    }
    Ok(before)
}
