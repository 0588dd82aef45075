//! The order of a log beside the order in which things were done.

use std::collections::HashMap;

use super::case::{Case, Found};
use crate::{Event, Rule};

/// What was confirmed before another was sent lies before it.
pub(super) fn real_time(case: &Case<'_>, found: &mut Found) {
    type Rank = (usize, u64, u16);
    let mut highest: HashMap<&str, (Rank, usize)> = HashMap::new();
    let mut floors: HashMap<&str, (Rank, usize)> = HashMap::new();
    for (index, event) in case.events() {
        match event {
            Event::Send { id, log, .. } => {
                // Sent again it may have been stored at the first time.
                if let Some(highest) = highest.get(&**log)
                    && case.sent.get(&**id).is_some_and(|sent| sent.first == index)
                {
                    floors.insert(id, *highest);
                }
            }
            Event::Stored { id, at } => {
                let Some(sent) = case.sent.get(&**id) else { continue };
                let Some(log) = case.logs.get(sent.log) else { continue };
                let key = log.key(*at);
                // Told once more where it is.
                if let Some(&(below, because)) = floors.get(&**id)
                    && key <= below
                {
                    let what = format!("{id} at {at} was sent when a later place was confirmed");
                    found.accuse(Rule::RealTimeOrder, what, &[because, sent.first, index]);
                }
                let known = highest.entry(sent.log).or_insert((key, index));
                if key > known.0 {
                    *known = (key, index);
                }
            }
            _ => {}
        }
    }
}

/// One publisher's messages lie in the order in which it sent them, unless it had to send them again.
pub(super) fn of_publishers(case: &Case<'_>, found: &mut Found) {
    let mut last: HashMap<(&str, &str), (usize, usize)> = HashMap::new();
    for (name, log) in &case.logs {
        for rank in 0.. {
            let Some((_, shown)) = log.at(rank) else { break };
            let id = match &case.entries[shown].did {
                Event::Kept { seen, .. } | Event::Message { seen, .. } => &*seen.id,
                Event::Stored { id, .. } => &**id,
                _ => continue,
            };
            let Some(sent) = case.sent.get(id).filter(|sent| sent.tries == 1) else { continue };
            let publisher = id.rsplit_once('#').map_or(id, |(publisher, _)| publisher);
            let before = last.insert((name, publisher), (sent.first, shown));
            if let Some((first, shown_before)) = before.filter(|(first, _)| *first > sent.first) {
                let what = format!("{id} was sent first and lies behind");
                found.accuse(Rule::PublisherOrder, what, &[sent.first, first, shown_before, shown]);
            }
        }
    }
}
