//! What becomes of each job of a batch: decided, numbered, staged; nothing is written yet.

use std::sync::Arc;

use super::appender::{Writer, now};
use super::batch::Batch;
use super::desk::{Desk, has_epoch, new_entry};
use super::disk::Fault;
use super::queue::Reply;
use super::state::{LogInner, LogState, Shared};
use crate::engine::{epoch_unlike, random};
use crate::keys::Known;
use crate::{
    Append, AppendError, Appended, CursorsError, LogError, LogName, Opened, Part, Position, Retention, Settlement,
};

impl Writer {
    /// Decides about one append, and stages its records if there are to be any. Nothing is numbered before
    /// every log has agreed.
    pub(super) fn stage(&mut self, append: Append, batch: &mut Batch) -> Result<Appended, AppendError> {
        let disk = self.writable()?;
        let now = now();
        for part in &append.also {
            self.desks.get(&part.log).map_or(Ok(()), Desk::admit)?;
        }
        let key = append.key();
        let desk = self.desk(append.log, batch);
        desk.admit()?;
        let known = key.as_ref().map(|key| Known::of(key, &append.messages));
        if let Some(repeat) = &known
            && let Some(first) = desk.keys(&disk, now).map_err(|fault| unreadable(&fault))?.find(&repeat.key, now)
        {
            first.answer(repeat, desk.log.epoch)?;
            return Ok(desk.appended(first.offset, first.time, true));
        }
        let stored = desk.number(append.messages, key, known, now);
        batch.stage(desk, &stored);
        let appended = desk.appended(stored.record.offset, stored.record.time, false);
        if append.also.is_empty() && append.settlements.is_empty() {
            return Ok(appended);
        }
        batch.keep_whole();
        settle(&self.shared, append.settlements, batch);
        let also = append.also.into_iter().map(|part| self.stage_part(part, now, batch)).collect();
        Ok(Appended { also, ..appended })
    }

    fn stage_part(&mut self, part: Part, now: u64, batch: &mut Batch) -> Position {
        let desk = self.desk(part.log, batch);
        let stored = desk.number(part.messages, None, None, now);
        batch.stage(desk, &stored);
        Position::new(desk.log.epoch, stored.record.offset)
    }

    /// The desk of a log, which is made if there is none.
    fn desk(&mut self, name: LogName, batch: &mut Batch) -> &mut Desk {
        if self.desks.contains_key(&name) {
            return self.desks.get_mut(&name).expect("it was there a line ago");
        }
        self.make_log(name, Retention::default(), batch)
    }

    pub(super) fn stage_open(
        &mut self,
        name: LogName,
        retention: Retention,
        reply: Reply<Opened, LogError>,
        batch: &mut Batch,
    ) {
        let desk = match self.desks.get_mut(&name) {
            Some(desk) => desk,
            None => match self.writable() {
                Ok(_) => self.make_log(name, retention, batch),
                Err(error) => {
                    // Nobody may be waiting any more.
                    let _ = reply.send(Err(LogError::Unavailable(error.to_string())));
                    return;
                }
            },
        };
        let is_news = std::mem::replace(&mut desk.log.lock().retention, retention) != retention;
        if is_news {
            let (key, value) = desk.entry().encode(desk.log.id);
            batch.write(key, value);
        }
        batch.wait_for_log(Arc::clone(&desk.log), reply);
    }

    /// Stages cursors that move together or not at all.
    pub(super) fn stage_settlements(
        &mut self,
        settlements: Vec<Settlement>,
        reply: Reply<(), CursorsError>,
        batch: &mut Batch,
    ) {
        batch.keep_whole();
        settle(&self.shared, settlements, batch);
        batch.wait_for_cursors(reply);
    }

    fn make_log(&mut self, name: LogName, retention: Retention, batch: &mut Batch) -> &mut Desk {
        let epoch = epoch_unlike(random, |epoch| has_epoch(self.desks.values(), epoch));
        let inner = LogInner { retention, ..LogInner::default() };
        let log = Arc::new(LogState::new(self.next_id, name.clone(), epoch, inner));
        self.next_id += 1;
        let (key, value) = new_entry(&log).encode(log.id);
        batch.write(key, value);
        batch.write_next_id(self.next_id);
        batch.created.push(Arc::clone(&log));
        self.desks.entry(name).or_insert_with(|| Desk::new(log))
    }
}

fn unreadable(fault: &Fault) -> AppendError {
    AppendError::Unavailable { reason: format!("idempotency keys cannot be read: {fault}"), full: false }
}

/// Moves cursors in the book, from where they go into the batch before it is written.
fn settle(shared: &Shared, settlements: Vec<Settlement>, batch: &mut Batch) {
    let mut book = shared.book();
    for Settlement { key, cursor } in settlements {
        let Some(log) = shared.log(&key.log).filter(|log| log.epoch == cursor.epoch) else { continue };
        let known = book.load(&key);
        book.save(&key, log.id, cursor.settle(known.as_ref()));
        batch.unsettled.push((key, log.id, known));
    }
}
