//! Places and messages: none lost, none invented, one of each.

use std::collections::{HashMap, HashSet};

use super::case::{Case, Found};
use crate::{Event, Position, Rule};

/// Position and message are a bijection across all readers, RECEIPTs, restarts and the log itself.
pub(super) fn one_place_each(case: &Case<'_>, found: &mut Found) {
    let mut by_place: HashMap<(&str, Position), (&str, usize)> = HashMap::new();
    let mut by_name: HashMap<&str, ((&str, Position), usize)> = HashMap::new();
    for (index, event) in case.events() {
        let (log, at, id) = match event {
            Event::Stored { id, at } => match case.sent.get(&**id) {
                Some(sent) => (sent.log, *at, &**id),
                None => continue,
            },
            Event::Message { stream, seen, .. } => (&*stream.log, seen.at, &*seen.id),
            Event::Kept { log, seen } => (&**log, seen.at, &*seen.id),
            _ => continue,
        };
        let (known, first) = *by_place.entry((log, at)).or_insert((id, index));
        if known != id {
            found.accuse(Rule::OnePlaceEach, format!("{log} {at} is {known} and {id}"), &[first, index]);
            continue;
        }
        let (known, first) = *by_name.entry(id).or_insert(((log, at), index));
        if known != (log, at) {
            let what = format!("{id} is at {} {} and at {log} {at}", known.0, known.1);
            found.accuse(Rule::OnePlaceEach, what, &[first, index]);
        }
    }
}

/// What was confirmed, or seen, is there in the end.
pub(super) fn kept(case: &Case<'_>, found: &mut Found) {
    let mut told = HashSet::new();
    for (index, event) in case.events() {
        let (rule, log, at, id) = match event {
            Event::Stored { id, at } => match case.sent.get(&**id) {
                Some(sent) => (Rule::ConfirmedIsKept, sent.log, *at, id),
                None => {
                    found.accuse(Rule::NothingInvented, format!("{id} was confirmed and never sent"), &[index]);
                    continue;
                }
            },
            Event::Message { stream, seen, .. } => (Rule::SeenIsKept, &*stream.log, seen.at, &seen.id),
            _ => continue,
        };
        let is_kept = case.logs.get(log).is_some_and(|log| log.kept(at).is_some() || log.may_be_gone(at));
        if !is_kept && told.insert((rule, log, at)) {
            found.accuse(rule, format!("{id} at {log} {at} is not in the log in the end"), &[index]);
        }
    }
}

/// Whatever comes was sent, to this log, like this, and was not refused.
pub(super) fn nothing_invented(case: &Case<'_>, found: &mut Found) {
    for (index, log, seen) in case.seen() {
        let Some(sent) = case.sent.get(&*seen.id) else {
            found.accuse(Rule::NothingInvented, format!("{} was never sent", seen.id), &[index]);
            continue;
        };
        let what = if sent.first > index {
            "came before it was sent"
        } else if sent.digest != seen.digest {
            "was changed"
        } else if sent.log != log {
            "belongs to another log"
        } else if sent.refusals.0 == sent.tries {
            found.accuse(
                Rule::NothingInvented,
                format!("{} was refused each time", seen.id),
                &[sent.refusals.1, index],
            );
            continue;
        } else {
            continue;
        };
        found.accuse(Rule::NothingInvented, format!("{} {what}", seen.id), &[sent.first, index]);
    }
}
