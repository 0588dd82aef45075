//! The judge is judged first: planted defects are found, clean histories are left alone.

use std::collections::BTreeSet;

use super::*;
use crate::history::History;
use crate::random::Random;

const READERS: u64 = 4;

/// A run in which everything is as promised: two publishers, four durable readers, kills in between.
fn clean(seed: u64) -> Vec<Event> {
    let mut random = Random::seeded(seed);
    let history = History::default();
    let mut offset = 0;
    let mut kept: Vec<Seen> = Vec::new();
    let mut sessions: Vec<(u64, usize, usize)> = vec![(0, 0, 0); READERS as usize];
    let mut numbers = [0_u64; 2];
    for reader in 0..READERS {
        history.note(Event::Began { reader: name(reader), session: 0, after: Some(0) });
    }
    for _ in 0..300 {
        match random.below(10) {
            0..4 => {
                let publisher = random.below(2);
                let message =
                    MessageName { publisher: format!("p{publisher}").into(), number: numbers[publisher as usize] };
                numbers[publisher as usize] += 1;
                let body = message.body(40);
                history.asked(&message, &body);
                match random.below(10) {
                    0 => history.note(Event::Refused { name: message }),
                    fate => {
                        // An engine may leave gaps; a connection may die before the RECEIPT.
                        offset += random.between(1, 3);
                        if fate > 1 {
                            history.confirmed(&message, &format!("e1:{offset}"));
                        }
                        kept.push(Seen {
                            epoch: "e1".into(),
                            offset,
                            digest: crate::history::digest(&body),
                            name: message,
                            redelivered: false,
                            gap: false,
                        });
                    }
                }
            }
            4..8 => {
                let reader = random.below(READERS);
                let (session, next, _) = &mut sessions[reader as usize];
                if let Some(seen) = kept.get(*next) {
                    history.note(Event::Received { reader: name(reader), session: *session, seen: seen.clone() });
                    *next += 1;
                }
            }
            8 => {
                let reader = random.below(READERS);
                let (_, next, acknowledged) = &mut sessions[reader as usize];
                if *next > 0 {
                    *acknowledged = *next;
                    history.note(Event::Acknowledged { reader: name(reader), offset: kept[*next - 1].offset });
                }
            }
            _ => {
                if random.below(3) == 0 {
                    history.note(Event::Down);
                    history.note(Event::Up);
                }
                let reader = random.below(READERS);
                let (session, next, acknowledged) = &mut sessions[reader as usize];
                *session += 1;
                *next = *acknowledged;
                let after = next.checked_sub(1).map_or(0, |last| kept[last].offset);
                history.note(Event::Began { reader: name(reader), session: *session, after: Some(after) });
            }
        }
    }
    for reader in 0..READERS {
        let (session, next, _) = sessions[reader as usize];
        for seen in &kept[next..] {
            history.note(Event::Received { reader: name(reader), session, seen: seen.clone() });
        }
        history.note(Event::Finished { reader: name(reader), session });
    }
    for seen in kept {
        history.note(Event::Kept { seen });
    }
    history.events()
}

fn name(reader: u64) -> Arc<str> {
    format!("student-{reader}").into()
}

/// Plants a defect in clean histories until one can hold it, and says which promises the judge finds broken.
fn broken_by(plant: impl Fn(&mut Vec<Event>) -> bool) -> BTreeSet<Rule> {
    let mut planted = 0;
    let mut common: Option<BTreeSet<Rule>> = None;
    for seed in 0..50 {
        let mut events = clean(seed);
        if plant(&mut events) {
            planted += 1;
            let rules: BTreeSet<Rule> = judge(&events).violations.iter().map(|violation| violation.rule).collect();
            common = Some(common.map_or(rules.clone(), |known| known.intersection(&rules).copied().collect()));
        }
    }
    assert!(planted > 10, "the defect fits into only {planted} of 50 histories");
    common.expect("planted")
}

fn position(events: &[Event], wanted: impl Fn(&Event) -> bool) -> Option<usize> {
    let places: Vec<usize> = (0..events.len()).filter(|&place| wanted(&events[place])).collect();
    places.get(places.len() / 2).copied()
}

fn is_received(event: &Event) -> bool {
    matches!(event, Event::Received { .. })
}

#[test]
fn clean_histories_are_left_alone() {
    for seed in 0..1_000 {
        judge(&clean(seed)).expect_clean(&format!("seed {seed}"));
    }
}

#[test]
fn a_confirmed_message_that_is_gone_is_found() {
    let rules = broken_by(|events| {
        let Some(place) = position(events, |event| matches!(event, Event::Confirmed { .. })) else { return false };
        let Event::Confirmed { offset: lost, .. } = events[place] else { return false };
        events.retain(|event| match event {
            Event::Received { seen, .. } | Event::Kept { seen } => seen.offset != lost,
            _ => true,
        });
        true
    });
    assert_eq!(rules, BTreeSet::from([Rule::ConfirmedIsKept]));
}

#[test]
fn a_message_confirmed_before_it_was_stored_is_found() {
    // The kill came between RECEIPT and disk: a student saw it, the log does not have it.
    let rules = broken_by(|events| {
        let Some(place) = position(events, is_received) else { return false };
        let Event::Received { seen: Seen { offset: lost, .. }, .. } = events[place] else { return false };
        if !events.iter().any(|event| matches!(event, Event::Confirmed { offset, .. } if *offset == lost)) {
            return false;
        }
        events.retain(|event| !matches!(event, Event::Kept { seen } if seen.offset == lost));
        true
    });
    assert_eq!(rules, BTreeSet::from([Rule::ConfirmedIsKept, Rule::SeenIsKept]));
}

#[test]
fn a_delivery_left_out_is_found() {
    let rules = broken_by(|events| {
        let Some(place) = position(events, is_received) else { return false };
        events.remove(place);
        true
    });
    assert_eq!(rules, BTreeSet::from([Rule::NothingLeftOut]));
}

#[test]
fn a_message_left_out_at_the_end_is_found() {
    let rules = broken_by(|events| {
        let Some(end) = events.iter().position(|event| matches!(event, Event::Finished { .. })) else { return false };
        if !is_received(&events[end - 1]) {
            return false;
        }
        events.remove(end - 1);
        true
    });
    assert!(rules.contains(&Rule::NothingLeftOut), "{rules:?}");
}

#[test]
fn swapped_neighbours_are_found() {
    let rules = broken_by(|events| {
        let Some(end) = events.iter().position(|event| matches!(event, Event::Finished { .. })) else { return false };
        if end < 2 || !is_received(&events[end - 1]) || !is_received(&events[end - 2]) {
            return false;
        }
        events.swap(end - 1, end - 2);
        true
    });
    assert_eq!(rules, BTreeSet::from([Rule::InOrder, Rule::NothingLeftOut]));
}

#[test]
fn a_repeat_in_a_session_is_found() {
    let rules = broken_by(|events| {
        let Some(place) = position(events, is_received) else { return false };
        let again = events[place].clone();
        events.insert(place + 1, again);
        true
    });
    assert!(rules.contains(&Rule::InOrder), "{rules:?}");
}

#[test]
fn a_repeat_below_the_cursor_is_found() {
    let rules = broken_by(|events| {
        let Some(place) = position(events, |event| matches!(event, Event::Acknowledged { .. })) else { return false };
        let Event::Acknowledged { reader, offset } = events[place].clone() else { return false };
        let old = events.iter().find_map(|event| match event {
            Event::Received { reader: by, seen, .. } if *by == reader && seen.offset == offset => Some(seen.clone()),
            _ => None,
        });
        let Some(seen) = old else { return false };
        let seen = Seen { redelivered: true, ..seen };
        events.insert(place + 1, Event::Received { reader, session: 99, seen });
        true
    });
    assert_eq!(rules, BTreeSet::from([Rule::NothingBelowTheCursor]));
}

#[test]
fn an_offset_used_again_after_a_restart_is_found() {
    let rules = broken_by(|events| {
        let Some(last) = events.iter().rposition(|event| matches!(event, Event::Kept { .. })) else { return false };
        let Event::Kept { seen } = events[last].clone() else { return false };
        // Before the kill the same place held a message whose RECEIPT was on its way.
        let lost = MessageName { publisher: "p9".into(), number: 0 };
        events.insert(0, Event::Asked { name: lost.clone(), digest: 1 });
        events.insert(1, Event::Confirmed { name: lost, epoch: seen.epoch, offset: seen.offset });
        events.insert(2, Event::Down);
        true
    });
    assert!(rules.contains(&Rule::OnePlaceEach), "{rules:?}");
}

#[test]
fn a_message_renumbered_after_a_crash_is_found() {
    let rules = broken_by(|events| {
        let moved = events.iter().rposition(|event| matches!(event, Event::Kept { .. }));
        let Some(Event::Kept { seen }) = moved.map(|place| &mut events[place]) else { return false };
        seen.offset += 10;
        true
    });
    assert!(rules.contains(&Rule::OnePlaceEach), "{rules:?}");
}

#[test]
fn a_cursor_that_ran_ahead_of_its_reader_is_found() {
    let rules = broken_by(|events| {
        let last = events.iter().rev().find_map(|event| match event {
            Event::Kept { seen } => Some(seen.offset),
            _ => None,
        });
        let again = events.iter().position(|event| matches!(event, Event::Began { session: 1, .. }));
        let (Some(last), Some(again)) = (last, again) else { return false };
        let Event::Began { reader, after, .. } = &mut events[again] else { return false };
        *after = Some(last + 1);
        let reader = reader.clone();
        events.retain(
            |event| !matches!(event, Event::Received { reader: by, session, .. } if *by == reader && *session > 0),
        );
        true
    });
    assert!(rules.contains(&Rule::ResumesWhereItWas), "{rules:?}");
}

#[test]
fn one_changed_byte_is_found() {
    let rules = broken_by(|events| {
        let Some(place) = position(events, is_received) else { return false };
        let Event::Received { seen, .. } = &mut events[place] else { return false };
        seen.digest ^= 1;
        true
    });
    assert_eq!(rules, BTreeSet::from([Rule::NothingInvented]));
}

#[test]
fn a_refused_message_that_comes_all_the_same_is_found() {
    let rules = broken_by(|events| {
        let Some(place) = position(events, is_received) else { return false };
        let Event::Received { seen, .. } = &events[place] else { return false };
        let name = seen.name.clone();
        let Some(asked) =
            events.iter().position(|event| matches!(event, Event::Asked { name: known, .. } if *known == name))
        else {
            return false;
        };
        events.insert(asked + 1, Event::Refused { name });
        true
    });
    assert_eq!(rules, BTreeSet::from([Rule::NothingInvented]));
}

#[test]
fn a_message_of_another_log_is_found() {
    let rules = broken_by(|events| {
        let Some(place) = position(events, is_received) else { return false };
        let Event::Received { seen, .. } = &mut events[place] else { return false };
        seen.name = MessageName { publisher: "stranger".into(), number: 7 };
        seen.offset += 1_000_000;
        true
    });
    assert!(rules.contains(&Rule::NothingInvented) && rules.contains(&Rule::SeenIsKept), "{rules:?}");
}

#[test]
fn an_order_against_real_time_is_found() {
    let rules = broken_by(|events| {
        let confirmed: Vec<usize> =
            (0..events.len()).filter(|&place| matches!(events[place], Event::Confirmed { .. })).collect();
        let (Some(&first), Some(&last)) = (confirmed.first(), confirmed.last()) else { return false };
        // The first is confirmed long before the last is sent, yet the RECEIPTs say the other way round.
        let (Event::Confirmed { offset: low, .. }, Event::Confirmed { offset: high, .. }) =
            (events[first].clone(), events[last].clone())
        else {
            return false;
        };
        if let Event::Confirmed { offset, .. } = &mut events[first] {
            *offset = high;
        }
        if let Event::Confirmed { offset, .. } = &mut events[last] {
            *offset = low;
        }
        low != high
    });
    assert!(rules.contains(&Rule::RealTimeOrder), "{rules:?}");
}

#[test]
fn a_hundred_thousand_deliveries_are_judged_in_seconds() {
    let mut events = Vec::new();
    let history = History::default();
    let messages: Vec<MessageName> = (0..1_000).map(|number| MessageName { publisher: "p".into(), number }).collect();
    let seen = |(index, name): (usize, &MessageName)| Seen {
        epoch: "e".into(),
        offset: index as u64 + 1,
        digest: crate::history::digest(&name.body(0)),
        name: name.clone(),
        redelivered: false,
        gap: false,
    };
    for (index, name) in messages.iter().enumerate() {
        history.asked(name, &name.body(0));
        history.confirmed(name, &format!("e:{}", index + 1));
    }
    events.extend(history.events());
    for reader in 0..100 {
        events.push(Event::Began { reader: name(reader), session: 0, after: Some(0) });
        events.extend(messages.iter().enumerate().map(seen).map(|seen| Event::Received {
            reader: name(reader),
            session: 0,
            seen,
        }));
        events.push(Event::Finished { reader: name(reader), session: 0 });
    }
    events.extend(messages.iter().enumerate().map(seen).map(|seen| Event::Kept { seen }));
    let start = std::time::Instant::now();
    let verdict = judge(&events).expect_clean("a large history");
    assert_eq!(verdict.received, 100_000);
    assert!(start.elapsed().as_secs() < 20, "took {:?}", start.elapsed());
}
