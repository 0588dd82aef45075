//! Says whether a history keeps the promises.
//!
//! A message's name is unique by construction, so judging is sorting and
//! merging; nothing is searched. A violation names the events that prove it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::history::{Event, MessageName, Seen};

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A confirmed message is in the log in the end, where its RECEIPT said.
    ConfirmedIsKept,
    /// What a reader saw is in the log in the end.
    SeenIsKept,
    /// Nothing comes that nobody sent, nothing comes changed, nothing comes that was refused.
    NothingInvented,
    /// A place in the log holds one message for ever, and a message has one place.
    OnePlaceEach,
    /// In a session offsets grow, unless a repeat is announced.
    InOrder,
    /// In a session nothing of the log is left out, unless a gap is announced.
    NothingLeftOut,
    /// A reader that comes back begins no later than behind what it saw.
    ResumesWhereItWas,
    /// What was acknowledged with a RECEIPT does not come again.
    NothingBelowTheCursor,
    /// What was confirmed before another was sent lies before it; one publisher's messages lie in its order.
    RealTimeOrder,
}

/// A broken promise.
#[derive(Debug)]
pub struct Violation {
    /// Which promise.
    pub rule: Rule,
    /// The few events that prove it, with their places in the history.
    pub evidence: Vec<(usize, Event)>,
}

/// What a history amounts to.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Messages sent.
    pub asked: usize,
    /// Messages confirmed.
    pub confirmed: usize,
    /// Messages delivered, all readers together.
    pub received: usize,
    /// Messages in the log in the end.
    pub kept: usize,
    /// The broken promises, a few proofs of each.
    pub violations: Vec<Violation>,
}

/// More proofs of one broken promise say nothing new.
const REPORTED: usize = 4;

impl Verdict {
    /// The verdict, when nothing was broken.
    ///
    /// # Panics
    /// With the proofs, when something was.
    pub fn expect_clean(self, what: &str) -> Self {
        let proofs = self.violations.iter().map(|violation| {
            let events = violation.evidence.iter().map(|(place, event)| format!("\n    {place}: {event:?}"));
            format!("\n  {:?}{}", violation.rule, events.collect::<String>())
        });
        let proofs: String = proofs.collect();
        assert!(self.violations.is_empty(), "{what} broke promises:{proofs}");
        self
    }
}

/// Judges a whole history. It must hold [`Event::Kept`] for all the log in the end, in the log's order.
pub fn judge(events: &[Event]) -> Verdict {
    let mut case = Case { events, verdict: Verdict::default() };
    case.count();
    case.places();
    case.kept();
    case.invented();
    case.sessions();
    case.resumption();
    case.cursors();
    case.real_time();
    case.verdict
}

type Place = (Arc<str>, u64);

struct Case<'a> {
    events: &'a [Event],
    verdict: Verdict,
}

impl Case<'_> {
    fn accuse(&mut self, rule: Rule, proof: &[usize]) {
        let known = self.verdict.violations.iter().filter(|violation| violation.rule == rule).count();
        if known < REPORTED {
            let evidence = proof.iter().map(|&place| (place, self.events[place].clone())).collect();
            self.verdict.violations.push(Violation { rule, evidence });
        }
    }

    fn count(&mut self) {
        for event in self.events {
            match event {
                Event::Asked { .. } => self.verdict.asked += 1,
                Event::Confirmed { .. } => self.verdict.confirmed += 1,
                Event::Received { .. } => self.verdict.received += 1,
                Event::Kept { .. } => self.verdict.kept += 1,
                _ => {}
            }
        }
    }

    /// Position and message are a bijection across all readers, RECEIPTs, restarts and the log itself.
    fn places(&mut self) {
        let mut by_place: HashMap<Place, (MessageName, usize)> = HashMap::new();
        let mut by_name: HashMap<MessageName, (Place, usize)> = HashMap::new();
        for (index, event) in self.events.iter().enumerate() {
            let Some((place, name)) = placed(event) else { continue };
            let (known_name, first) = by_place.entry(place.clone()).or_insert_with(|| (name.clone(), index)).clone();
            if known_name != name {
                self.accuse(Rule::OnePlaceEach, &[first, index]);
                continue;
            }
            let (known_place, first) = by_name.entry(name).or_insert_with(|| (place.clone(), index)).clone();
            if known_place != place {
                self.accuse(Rule::OnePlaceEach, &[first, index]);
            }
        }
    }

    fn kept(&mut self) {
        let kept: HashSet<Place> = self.kept_records().map(|(_, seen)| place_of(seen)).collect();
        let mut told = HashSet::new();
        for (index, event) in self.events.iter().enumerate() {
            match event {
                Event::Confirmed { epoch, offset, .. } if !kept.contains(&(epoch.clone(), *offset)) => {
                    self.accuse(Rule::ConfirmedIsKept, &[index]);
                }
                Event::Received { seen, .. } if !kept.contains(&place_of(seen)) && told.insert(place_of(seen)) => {
                    self.accuse(Rule::SeenIsKept, &[index]);
                }
                _ => {}
            }
        }
    }

    fn invented(&mut self) {
        let mut asked: HashMap<&MessageName, (u64, usize)> = HashMap::new();
        let mut refused: HashMap<&MessageName, usize> = HashMap::new();
        let mut found = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            match event {
                Event::Asked { name, digest } => {
                    asked.entry(name).or_insert((*digest, index));
                }
                Event::Refused { name } => {
                    refused.insert(name, index);
                }
                Event::Received { seen, .. } | Event::Kept { seen } => match asked.get(&seen.name) {
                    None => found.push(vec![index]),
                    Some((digest, first)) if *digest != seen.digest => found.push(vec![*first, index]),
                    Some(_) => {
                        if let Some(&refusal) = refused.get(&seen.name) {
                            found.push(vec![refusal, index]);
                        }
                    }
                },
                _ => {}
            }
        }
        for proof in found {
            self.accuse(Rule::NothingInvented, &proof);
        }
    }

    /// Order and completeness of what each session of each reader saw.
    fn sessions(&mut self) {
        let kept: Vec<(usize, Place)> = self.kept_records().map(|(index, seen)| (index, place_of(seen))).collect();
        let rank: HashMap<Place, usize> =
            kept.iter().enumerate().map(|(rank, (_, place))| (place.clone(), rank)).collect();
        // The rank that each session expects next, and the event that says why.
        let mut sessions: BTreeMap<(Arc<str>, u64), (Option<usize>, usize)> = BTreeMap::new();
        let mut found = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            match event {
                Event::Began { reader, session, after } => {
                    let next = after.map(|after| kept.iter().filter(|(_, (_, offset))| *offset <= after).count());
                    sessions.insert((reader.clone(), *session), (next, index));
                }
                Event::Received { reader, session, seen } => {
                    let Some(&here) = rank.get(&place_of(seen)) else { continue };
                    let state = sessions.entry((reader.clone(), *session)).or_insert((None, index));
                    match state.0 {
                        Some(next) if here < next && seen.redelivered => continue,
                        Some(next) if here < next => found.push((Rule::InOrder, vec![state.1, index])),
                        Some(next) if here > next && !seen.gap => {
                            found.push((Rule::NothingLeftOut, vec![state.1, kept[next].0, index]));
                        }
                        _ => {}
                    }
                    *state = (Some(here + 1), index);
                }
                Event::Finished { reader, session } => {
                    if let Some(&(Some(next), last)) = sessions.get(&(reader.clone(), *session))
                        && let Some((missing, _)) = kept.get(next)
                    {
                        found.push((Rule::NothingLeftOut, vec![last, *missing, index]));
                    }
                }
                _ => {}
            }
        }
        for (rule, proof) in found {
            self.accuse(rule, &proof);
        }
    }

    fn resumption(&mut self) {
        let mut highest: HashMap<&str, (u64, usize)> = HashMap::new();
        let mut found = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            let (reader, offset) = match event {
                Event::Began { reader, session: 0, after } => (reader, after.unwrap_or_default()),
                Event::Began { reader, after: Some(after), .. } => {
                    if let Some(&(seen, cause)) = highest.get(&**reader)
                        && *after > seen
                    {
                        found.push(vec![cause, index]);
                    }
                    continue;
                }
                Event::Received { reader, seen, .. } => (reader, seen.offset),
                _ => continue,
            };
            let known = highest.entry(reader).or_insert((offset, index));
            *known = if offset > known.0 { (offset, index) } else { *known };
        }
        for proof in found {
            self.accuse(Rule::ResumesWhereItWas, &proof);
        }
    }

    fn cursors(&mut self) {
        let mut cursors: HashMap<&str, (u64, usize)> = HashMap::new();
        let mut acknowledged_in: HashMap<&str, HashSet<u64>> = HashMap::new();
        let mut found = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            match event {
                Event::Acknowledged { reader, offset } => {
                    let cursor = cursors.entry(reader).or_insert((*offset, index));
                    *cursor = if *offset > cursor.0 { (*offset, index) } else { *cursor };
                }
                Event::Received { reader, session, seen } => {
                    // In the session itself messages below may still be under way when the RECEIPT comes.
                    let later = acknowledged_in.entry(reader).or_default().insert(*session);
                    let Some(&(offset, cause)) = cursors.get(&**reader) else { continue };
                    if later && seen.offset <= offset {
                        found.push(vec![cause, index]);
                    }
                }
                _ => {}
            }
        }
        for proof in found {
            self.accuse(Rule::NothingBelowTheCursor, &proof);
        }
    }

    /// What was confirmed before another was sent lies before it.
    fn real_time(&mut self) {
        let mut highest: Option<(u64, usize)> = None;
        let mut floor: HashMap<&MessageName, (u64, usize)> = HashMap::new();
        let mut of_publisher: HashMap<&str, (u64, u64, usize)> = HashMap::new();
        let mut found = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            match event {
                Event::Asked { name, .. } => {
                    if let Some(highest) = highest {
                        floor.entry(name).or_insert(highest);
                    }
                }
                Event::Confirmed { name, offset, .. } => {
                    if let Some(&(below, cause)) = floor.get(name)
                        && *offset <= below
                    {
                        found.push(vec![cause, index]);
                    }
                    highest = highest.filter(|(known, _)| known > offset).or(Some((*offset, index)));
                }
                Event::Kept { seen } => {
                    let known = of_publisher.insert(&seen.name.publisher, (seen.name.number, seen.offset, index));
                    if let Some((number, offset, first)) = known
                        && (number < seen.name.number) != (offset < seen.offset)
                    {
                        found.push(vec![first, index]);
                    }
                }
                _ => {}
            }
        }
        for proof in found {
            self.accuse(Rule::RealTimeOrder, &proof);
        }
    }

    fn kept_records(&self) -> impl Iterator<Item = (usize, &Seen)> {
        self.events.iter().enumerate().filter_map(|(index, event)| match event {
            Event::Kept { seen } => Some((index, seen)),
            _ => None,
        })
    }
}

fn place_of(seen: &Seen) -> Place {
    (seen.epoch.clone(), seen.offset)
}

fn placed(event: &Event) -> Option<(Place, MessageName)> {
    match event {
        Event::Confirmed { name, epoch, offset } => Some(((epoch.clone(), *offset), name.clone())),
        Event::Received { seen, .. } | Event::Kept { seen } => Some((place_of(seen), seen.name.clone())),
        _ => None,
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
