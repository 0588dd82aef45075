//! What a log holds, in its order: the measure of everything that was seen of it.

use std::collections::{BTreeMap, HashMap};

use super::case::Sent;
use crate::event::Seen;
use crate::{Entry, Event, Position};

/// A log as it was found in the end, and what retention took from it before.
#[derive(Default)]
pub(super) struct Log {
    /// Every message with its place and an event that shows it, in the log's order.
    order: Vec<(Position, usize)>,
    /// Where in that order a place is.
    ranks: HashMap<Position, usize>,
    /// Epochs in the order in which they follow each other.
    epochs: Vec<u64>,
    /// What lies up to here may be gone.
    trimmed: Option<Position>,
    /// What was found in the end, with the event that says so.
    kept: HashMap<Position, usize>,
    /// What was confirmed, with the event that says so.
    confirmed: HashMap<Position, usize>,
    /// For each rank the message from there on that was confirmed first: its rank and that event.
    first_confirmed: Vec<Option<(usize, usize)>>,
}

impl Log {
    /// All logs of a history.
    pub(super) fn all<'a>(entries: &'a [Entry], sent: &HashMap<&str, Sent<'a>>) -> BTreeMap<&'a str, Log> {
        let mut logs: BTreeMap<&str, Log> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            match &entry.did {
                Event::Kept { log, seen } => {
                    let log = logs.entry(log).or_default();
                    log.know(seen.at.epoch);
                    log.kept.entry(seen.at).or_insert(index);
                    log.order.push((seen.at, index));
                }
                Event::Trimmed { log, through } => {
                    let log = logs.entry(log).or_default();
                    log.know(through.epoch);
                    log.trimmed = Some(*through);
                }
                Event::Send { log, .. } => drop(logs.entry(log).or_default()),
                _ => {}
            }
        }
        for (index, entry) in entries.iter().enumerate() {
            let (log, at) = match &entry.did {
                Event::Stored { id, at } => {
                    let Some(sent) = sent.get(&**id) else { continue };
                    if let Some(log) = logs.get_mut(sent.log) {
                        log.confirmed.entry(*at).or_insert(index);
                    }
                    (sent.log, *at)
                }
                Event::Message { stream, seen: Seen { at, .. }, .. } => (&*stream.log, *at),
                _ => continue,
            };
            if let Some(log) = logs.get_mut(log)
                && log.may_be_gone(at)
                && !log.kept.contains_key(&at)
            {
                log.order.push((at, index));
            }
        }
        logs.values_mut().for_each(Log::sort);
        logs
    }

    fn know(&mut self, epoch: u64) {
        if !self.epochs.contains(&epoch) {
            self.epochs.push(epoch);
        }
    }

    fn sort(&mut self) {
        let mut order = std::mem::take(&mut self.order);
        order.sort_by_key(|(at, index)| (self.key(*at), *index));
        order.dedup_by_key(|(at, _)| *at);
        self.ranks = order.iter().enumerate().map(|(rank, (at, _))| (*at, rank)).collect();
        self.order = order;
        self.first_confirmed = vec![None; self.order.len()];
        let mut first: Option<(usize, usize)> = None;
        for (rank, (at, _)) in self.order.iter().enumerate().rev() {
            if let Some(&confirmed) = self.confirmed.get(at)
                && first.is_none_or(|(_, known)| confirmed < known)
            {
                first = Some((rank, confirmed));
            }
            self.first_confirmed[rank] = first;
        }
    }

    /// Places of one log by this are in its order.
    pub(super) fn key(&self, at: Position) -> (usize, u64, u16) {
        let epoch = self.epochs.iter().position(|epoch| *epoch == at.epoch).unwrap_or(usize::MAX);
        (epoch, at.offset, at.part)
    }

    /// Whether retention may have taken it.
    pub(super) fn may_be_gone(&self, at: Position) -> bool {
        self.trimmed.is_some_and(|through| self.key(at) <= self.key(through))
    }

    /// The event that found it in the log in the end.
    pub(super) fn kept(&self, at: Position) -> Option<usize> {
        self.kept.get(&at).copied()
    }

    /// Where in the log's order a place is.
    pub(super) fn rank(&self, at: Position) -> Option<usize> {
        self.ranks.get(&at).copied()
    }

    /// The rank of the first message behind a place.
    pub(super) fn behind(&self, at: Position) -> usize {
        let key = self.key(at);
        self.order.partition_point(|(known, _)| self.key(*known) <= key)
    }

    /// The message of a rank: its place, and an event that shows it.
    pub(super) fn at(&self, rank: usize) -> Option<(Position, usize)> {
        self.order.get(rank).copied()
    }

    /// Of the messages from a rank on the one that was confirmed first: its rank, and the event that says so.
    pub(super) fn confirmed_behind(&self, rank: usize) -> Option<(usize, usize)> {
        self.first_confirmed.get(rank).copied().flatten()
    }

    /// Whether all messages between two ranks may have been taken by retention.
    pub(super) fn all_may_be_gone(&self, from: usize, to: usize) -> bool {
        from < to && to.checked_sub(1).and_then(|last| self.at(last)).is_some_and(|(at, _)| self.may_be_gone(at))
    }
}
