//! Looking at a store that no engine has open.

use std::path::Path;
use std::time::Instant;

use super::disk::{Disk, Fault};
use super::layout::blocks;
use super::layout::page::cursor_shares;
use super::layout::{CURSOR_PAGES, cursor_page_number};
use super::open::{Home, attempt};
use super::recover::{Recovered, RecoveredLog, Unusable};
use super::rewrite::swap::{self, AtStage};
use super::rewrite::{Old, Source, close, failed};
use super::space::used_bytes;
use super::walk::{Step, Walk};
use crate::erase::{EraseError, Erased, Erasure, Progress};
use crate::inspect::{DamagedRange, LogStats, Stats, VerifyReport};
use crate::{OpenError, Settings};

fn open(path: &Path) -> Result<(Home, Disk, Recovered), OpenError> {
    let home = Home::claim_existing(path)?;
    let broken = |reason| OpenError::Broken { path: path.to_owned(), reason };
    match attempt(path, &Settings::default(), false, None) {
        Ok((disk, recovered)) => Ok((home, disk, recovered)),
        Err(Unusable::Newer(found)) => {
            Err(OpenError::Newer { path: path.to_owned(), found, known: super::layout::FORMAT })
        }
        Err(Unusable::Fault(Fault::Full)) => Err(OpenError::Full(path.to_owned())),
        Err(Unusable::Fault(fault)) => Err(broken(fault.to_string())),
    }
}

pub(crate) fn verify(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport, OpenError> {
    let (_home, disk, recovered) = open(path)?;
    let total = recovered.logs.iter().map(kept).sum();
    let mut report = VerifyReport::default();
    for log in &recovered.logs {
        report.logs += 1;
        if let Some(reason) = &log.damage {
            report.damaged.push(DamagedRange { log: log.entry.name.clone(), range: None, reason: reason.clone() });
        }
        let done = report.records;
        if let Err(fault) = verify_log(&disk, log, &mut report, &mut |records| progress(done + records, total)) {
            report.damaged.push(DamagedRange { log: log.entry.name.clone(), range: None, reason: fault.to_string() });
        }
    }
    verify_cursors(&disk, &mut report)
        .map_err(|fault| OpenError::Broken { path: path.to_owned(), reason: fault.to_string() })?;
    progress(total, total);
    Ok(report)
}

fn kept(log: &RecoveredLog) -> u64 {
    log.head().records.saturating_sub(log.entry.trimmed.records)
}

pub(super) fn verify_log(
    disk: &Disk,
    log: &RecoveredLog,
    report: &mut VerifyReport,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    let (first, last) = (log.entry.trimmed.offset + 1, log.head().offset);
    let begun = report.records;
    let mut walk = Walk::new(disk, log.id, log.entry.epoch, first, last)?;
    while let Some(step) = walk.step()? {
        match step {
            Step::Records(found) => {
                let kept = found.records.iter().filter(|stored| stored.record.offset.0 >= first);
                kept.for_each(|stored| {
                    report.records += 1;
                    report.bytes += stored.record.cost() as u64;
                });
                progress(report.records - begun);
            }
            Step::Hole(range) => report.damaged.push(DamagedRange {
                log: log.entry.name.clone(),
                range: Some(range),
                reason: "these records cannot be read".into(),
            }),
        }
    }
    Ok(())
}

fn verify_cursors(disk: &Disk, report: &mut VerifyReport) -> Result<(), Fault> {
    for pair in disk.under(&CURSOR_PAGES) {
        let (key, value) = pair?;
        match (cursor_shares(&key, &value), cursor_page_number(&key)) {
            (Ok(shares), _) => report.cursors += shares.len() as u64,
            (Err(_), page) => report.damaged_cursor_pages.push(page.unwrap_or_default()),
        }
    }
    Ok(())
}

pub(crate) fn erase(path: &Path, what: &Erasure, progress: Progress<'_>) -> Result<Erased, EraseError> {
    erase_in_stages(path, what, progress, &mut |_| {})
}

/// The same, and a test looks at the directory in between.
pub(crate) fn erase_in_stages(
    path: &Path,
    what: &Erasure,
    progress: Progress<'_>,
    at: AtStage<'_>,
) -> Result<Erased, EraseError> {
    let begun = Instant::now();
    let (home, disk, recovered) = open(path)?;
    let disk_bytes_before = used_bytes(path);
    let logs = recovered.logs.iter().map(source).collect();
    let settings = Settings::default();
    let old =
        Old { home: path, disk: &disk, settings: &settings, logs, book: recovered.book, next_id: recovered.next_id };
    let tally = old.write_anew(what, progress, at)?;
    close(disk, path).map_err(|fault| failed(&fault))?;
    swap::decide(path, at).map_err(|error| failed(&error))?;
    swap::settle(path, at).map_err(|error| EraseError::Unfinished(error.to_string()))?;
    drop(home);
    Ok(Erased { disk_bytes_before, disk_bytes_after: used_bytes(path), took: begun.elapsed(), ..tally.erased })
}

pub(crate) fn set_aside(path: &Path) -> Result<Vec<String>, OpenError> {
    swap::set_aside(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })
}

fn source(log: &RecoveredLog) -> Source {
    let head = log.head();
    let bytes = head.bytes.saturating_sub(log.entry.trimmed.bytes);
    Source { id: log.id, name: log.entry.name.clone(), epoch: log.entry.epoch, head: head.offset, bytes }
}

pub(crate) fn stats(path: &Path) -> Result<Stats, OpenError> {
    let (_home, disk, recovered) = open(path)?;
    let broken = |fault: Fault| OpenError::Broken { path: path.to_owned(), reason: fault.to_string() };
    let logs = recovered.logs.iter().map(|log| log_stats(&disk, &recovered, log)).collect::<Result<_, _>>();
    Ok(Stats { logs: logs.map_err(broken)?, disk_bytes: used_bytes(path) })
}

fn log_stats(disk: &Disk, recovered: &Recovered, log: &RecoveredLog) -> Result<LogStats, Fault> {
    let blocks = disk.range(blocks(log.id, 0, u64::MAX)).count() as u64;
    Ok(LogStats {
        name: log.entry.name.clone(),
        epoch: log.entry.epoch,
        head: crate::Offset(log.head().offset),
        trimmed: crate::Offset(log.entry.trimmed.offset),
        records: kept(log),
        bytes: log.head().bytes.saturating_sub(log.entry.trimmed.bytes),
        blocks,
        oldest: log.oldest,
        newest: log.time,
        cursors: recovered.book.on_log(&log.entry.name).len() as u64,
        damage: log.damage.clone(),
    })
}
