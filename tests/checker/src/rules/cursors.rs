//! Readers that come back.

use std::collections::{HashMap, HashSet};

use super::case::{Case, Found};
use crate::{Event, Rule, Stream};

/// A reader and a log, over all its connections.
type Place<'a> = (&'a str, &'a str);

fn place(stream: &Stream) -> Place<'_> {
    (&stream.reader, &stream.log)
}

/// A durable reader that comes back begins no later than behind what it saw, or was told to have at first.
pub(super) fn resumes(case: &Case<'_>, found: &mut Found) {
    // The rank that comes next for each reader, and the event that says so.
    let mut reached: HashMap<Place<'_>, (usize, usize)> = HashMap::new();
    for (index, event) in case.events() {
        match event {
            Event::Subscribed { stream, after: Some(after), durable: true } => {
                let Some(log) = case.logs.get(&*stream.log) else { continue };
                let next = log.behind(*after);
                let (known, because) = *reached.entry(place(stream)).or_insert((next, index));
                if next > known && !log.all_may_be_gone(known, next) {
                    let what = format!("{} comes back to {} behind what it has seen", stream.reader, stream.log);
                    found.accuse(Rule::ResumesWhereItWas, what, &[because, index]);
                }
            }
            Event::Message { stream, seen, .. } => {
                let Some(rank) = case.logs.get(&*stream.log).and_then(|log| log.rank(seen.at)) else { continue };
                if let Some(known) = reached.get_mut(&place(stream))
                    && rank >= known.0
                {
                    *known = (rank + 1, index);
                }
            }
            _ => {}
        }
    }
}

/// What was acknowledged with a RECEIPT does not come to a later connection.
pub(super) fn nothing_below(case: &Case<'_>, found: &mut Found) {
    let mut cursors: HashMap<Place<'_>, (usize, usize)> = HashMap::new();
    // In the session itself messages below may still be under way when the RECEIPT comes.
    let mut bound: HashMap<&Stream, (usize, usize)> = HashMap::new();
    for (index, event) in case.events() {
        match event {
            Event::Acked { stream, through } => {
                let Some(log) = case.logs.get(&*stream.log) else { continue };
                let cursor = cursors.entry(place(stream)).or_default();
                *cursor = (*cursor).max((log.behind(*through), index));
            }
            Event::Subscribed { stream, durable: true, .. } => {
                if let Some(cursor) = cursors.get(&place(stream)) {
                    bound.insert(stream, *cursor);
                }
            }
            Event::Message { stream, seen, .. } => {
                let Some(rank) = case.logs.get(&*stream.log).and_then(|log| log.rank(seen.at)) else { continue };
                if let Some((below, because)) = bound.get(stream).filter(|(below, _)| rank < *below) {
                    let what = format!("{} had acknowledged {below} messages of {}", stream.reader, stream.log);
                    found.accuse(Rule::NothingBelowTheCursor, what, &[*because, index]);
                }
            }
            _ => {}
        }
    }
}

/// What a durable reader was given on an earlier connection is announced as a repeat.
pub(super) fn repeats_are_marked(case: &Case<'_>, found: &mut Found) {
    let mut given: HashMap<Place<'_>, HashMap<usize, usize>> = HashMap::new();
    let mut durable: HashSet<&Stream> = HashSet::new();
    for (index, event) in case.events() {
        match event {
            Event::Subscribed { stream, durable: true, .. } => drop(durable.insert(stream)),
            Event::Message { stream, seen, redelivered, .. } if durable.contains(stream) => {
                let Some(rank) = case.logs.get(&*stream.log).and_then(|log| log.rank(seen.at)) else { continue };
                let before = given.entry(place(stream)).or_default().insert(rank, index);
                if let Some(before) = before.filter(|_| !redelivered) {
                    let what = format!("{} got {} {} before", stream.reader, stream.log, seen.at);
                    found.accuse(Rule::RepeatsAreMarked, what, &[before, index]);
                }
            }
            _ => {}
        }
    }
}
