//! When nothing disturbs, everything is answered and delivered soon.

use std::collections::{HashMap, HashSet};

use super::case::{Case, Found};
use crate::{Event, Position, Rule, Stream};

/// So long everything may take, in nanoseconds.
const WITHIN: u64 = 10_000_000_000;

/// After [`Event::Healed`] each question has an answer, and each stored message comes, within ten seconds.
pub(super) fn in_time(case: &Case<'_>, found: &mut Found) {
    let Some(healed) = case.events().find(|(_, event)| matches!(event, Event::Healed)).map(|(index, _)| index) else {
        return;
    };
    answers(case, healed, found);
    deliveries(case, healed, found);
}

fn answers(case: &Case<'_>, healed: usize, found: &mut Found) {
    let end = case.entries.last().map_or(0, |entry| entry.at);
    // By name or stream: the question without an answer.
    let mut sends: HashMap<&str, usize> = HashMap::new();
    let mut subscribes: HashMap<&Stream, usize> = HashMap::new();
    let late = |asked: usize, at: u64| at > case.entries[asked].at + WITHIN;
    for (index, entry) in case.entries.iter().enumerate().skip(healed) {
        let asked = match &entry.did {
            Event::Send { id, .. } => {
                sends.entry(id).or_insert(index);
                continue;
            }
            Event::Subscribe { stream, .. } => {
                subscribes.insert(stream, index);
                continue;
            }
            Event::Stored { id, .. } | Event::Refused { id } => sends.remove(&**id),
            Event::Subscribed { stream, .. } => subscribes.remove(stream),
            Event::Left { reader, session, .. } => {
                subscribes.retain(|stream, _| stream.reader != *reader || stream.session != *session);
                continue;
            }
            _ => continue,
        };
        if let Some(asked) = asked.filter(|asked| late(*asked, entry.at)) {
            found.accuse(Rule::InTime, "the answer came late", &[healed, asked, index]);
        }
    }
    let mut open: Vec<usize> = sends.into_values().chain(subscribes.into_values()).collect();
    open.sort_unstable();
    for asked in open.into_iter().filter(|asked| late(*asked, end)) {
        found.accuse(Rule::InTime, "there was no answer", &[healed, asked]);
    }
}

fn deliveries(case: &Case<'_>, healed: usize, found: &mut Found) {
    let end = case.entries.last().map_or(0, |entry| entry.at);
    // Each stream from its RECEIPT on, and when its connection ended.
    let mut open: HashMap<&str, Vec<(&Stream, usize)>> = HashMap::new();
    let mut ended: HashMap<(&str, u64), u64> = HashMap::new();
    for (index, entry) in case.entries.iter().enumerate() {
        match &entry.did {
            Event::Subscribed { stream, .. } => open.entry(&stream.log).or_default().push((stream, index)),
            Event::Left { reader, session, .. } => drop(ended.insert((reader, *session), entry.at)),
            _ => {}
        }
    }
    let until = |stream: &Stream| ended.get(&(&*stream.reader, stream.session)).copied().unwrap_or(end);
    for streams in open.values_mut() {
        streams.retain(|(stream, _)| until(stream) > case.entries[healed].at);
    }
    let mut told: HashSet<(&Stream, Position)> = HashSet::new();
    let times: HashMap<(&Stream, Position), u64> = case.entries[healed..]
        .iter()
        .filter_map(|entry| match &entry.did {
            Event::Message { stream, seen, .. } => Some(((stream, seen.at), entry.at)),
            _ => None,
        })
        .rev()
        .collect();
    for (index, entry) in case.entries.iter().enumerate().skip(healed) {
        let Event::Stored { id, at } = &entry.did else { continue };
        let Some(sent) = case.sent.get(&**id).filter(|sent| sent.first > healed) else { continue };
        let deadline = entry.at + WITHIN;
        for (stream, since) in open.get(sent.log).into_iter().flatten() {
            if *since > sent.first || until(stream) <= deadline {
                continue;
            }
            let is_late = times.get(&(*stream, *at)).is_none_or(|time| *time > deadline);
            if is_late && told.insert((*stream, *at)) {
                let what = format!("{} did not get {id} within ten seconds", stream.reader);
                found.accuse(Rule::InTime, what, &[healed, *since, index]);
            }
        }
    }
}
