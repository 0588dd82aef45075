//! The history, indexed once for all rules.

use std::collections::{BTreeMap, HashMap};

use super::log::Log;
use crate::event::Seen;
use crate::{Digest, Entry, Event, Rule, Verdict, Violation};

/// More proofs of one broken promise say nothing new.
const REPORTED: usize = 4;

/// A history and where to find things in it.
pub(super) struct Case<'a> {
    /// All of it, in order.
    pub entries: &'a [Entry],
    /// What was sent, by name.
    pub sent: HashMap<&'a str, Sent<'a>>,
    /// What the logs hold.
    pub logs: BTreeMap<&'a str, Log>,
}

/// A message that was sent.
pub(super) struct Sent<'a> {
    /// Where in the history, for the first time.
    pub first: usize,
    /// Where it belongs.
    pub log: &'a str,
    /// Of its body.
    pub digest: Digest,
    /// How often.
    pub tries: usize,
    /// How often that was refused, and where last.
    pub refusals: (usize, usize),
}

/// Broken promises.
#[derive(Default)]
pub(super) struct Found(Vec<(Rule, String, Vec<usize>)>);

impl Found {
    /// A promise was broken, as these events prove.
    pub(super) fn accuse(&mut self, rule: Rule, what: impl Into<String>, proof: &[usize]) {
        if self.0.iter().filter(|(known, ..)| *known == rule).count() < REPORTED {
            self.0.push((rule, what.into(), proof.to_vec()));
        }
    }
}

impl<'a> Case<'a> {
    pub(super) fn of(entries: &'a [Entry]) -> Case<'a> {
        let mut sent: HashMap<&str, Sent<'_>> = HashMap::new();
        for (first, entry) in entries.iter().enumerate() {
            match &entry.did {
                Event::Send { id, log, digest } => {
                    let new = Sent { first, log, digest: *digest, tries: 0, refusals: (0, 0) };
                    sent.entry(id).or_insert(new).tries += 1;
                }
                Event::Refused { id } => {
                    if let Some(sent) = sent.get_mut(&**id) {
                        sent.refusals = (sent.refusals.0 + 1, first);
                    }
                }
                _ => {}
            }
        }
        let logs = Log::all(entries, &sent);
        Case { entries, sent, logs }
    }

    /// All events with their places.
    pub(super) fn events(&self) -> impl Iterator<Item = (usize, &'a Event)> + use<'a> {
        self.entries.iter().enumerate().map(|(index, entry)| (index, &entry.did))
    }

    /// Every message that somebody saw, or that a log holds.
    pub(super) fn seen(&self) -> impl Iterator<Item = (usize, &'a str, &'a Seen)> + use<'a> {
        let entries = self.entries;
        (0..entries.len()).filter_map(|index| seen(&entries[index]).map(|(log, seen)| (index, log, seen)))
    }

    /// The message that an event is about.
    pub(super) fn seen_in(&self, index: usize) -> Option<&'a Seen> {
        seen(&self.entries[index]).map(|(_, seen)| seen)
    }

    pub(super) fn verdict(&self, found: Found) -> Verdict {
        let mut verdict = Verdict { events: self.entries.len(), sent: self.sent.len(), ..Verdict::default() };
        for (_, event) in self.events() {
            match event {
                Event::Stored { .. } => verdict.confirmed += 1,
                Event::Message { .. } => verdict.received += 1,
                Event::Kept { .. } => verdict.kept += 1,
                _ => {}
            }
        }
        let violation = |(rule, what, proof): (Rule, String, Vec<usize>)| {
            let evidence = proof.into_iter().map(|place| (place, self.entries[place].clone())).collect();
            Violation { rule, what, evidence }
        };
        verdict.violations = found.0.into_iter().map(violation).collect();
        verdict
    }
}

fn seen(entry: &Entry) -> Option<(&str, &Seen)> {
    match &entry.did {
        Event::Message { stream, seen, .. } => Some((&stream.log, seen)),
        Event::Kept { log, seen } => Some((log, seen)),
        _ => None,
    }
}
