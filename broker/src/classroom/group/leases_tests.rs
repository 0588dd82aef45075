//! The table of leases, alone and against what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use homeroom_storage::{Epoch, Message, Record};
use proptest::prelude::*;

use super::leases::Leases;
use super::words::{Delivery, Reason, Verdict, Which, place};
use super::*;
use crate::classroom::entry::Entry;

const EVERYTHING: u64 = u64::MAX;

fn entry(offset: u64) -> Arc<Entry> {
    let message = Message { destination: "/queue/a".into(), headers: [].into(), body: Bytes::new(), publisher: None };
    let record = Record { epoch: Epoch(1), offset: Offset(offset), time: 0, messages: [message].into() };
    Arc::new(Entry::new(Arc::new(record), 0, "queue/a".into(), 0, true))
}

fn which(offset: u64, cumulative: bool) -> Which {
    Which { position: homeroom_storage::Position::new(Epoch(1), Offset(offset)), cumulative }
}

/// Leases with so many messages admitted.
fn leases(messages: u64, deliveries_max: u32) -> Leases {
    let mut leases = Leases::new(Mark::after(Offset(0)), 0, deliveries_max);
    (1..=messages).for_each(|offset| leases.admit(entry(offset), 0));
    leases.pass(Mark::after(Offset(messages)));
    leases
}

fn join(leases: &mut Leases, window: Option<usize>) -> u64 {
    leases.join(Arc::default(), window)
}

/// Everything a consumer is given, as offsets and counts.
fn take(leases: &mut Leases, id: u64) -> Vec<(u64, u32)> {
    leases.assign(EVERYTHING);
    // What is read again is found.
    for place in leases.unread(100) {
        leases.found(place, Some(entry(place.0)));
    }
    leases.assign(EVERYTHING);
    let taken = std::iter::from_fn(|| leases.take(id));
    taken.map(|Delivery { entry, count, .. }| (entry.offset().0, count)).collect()
}

fn settled(leases: &Leases) -> (u64, Vec<std::ops::RangeInclusive<u64>>) {
    let Progress { settled, above } = leases.progress();
    (settled.0, above)
}

#[test]
fn consumers_are_served_in_turn_and_no_further_than_their_windows() {
    let mut leases = leases(7, 5);
    let (first, second) = (join(&mut leases, Some(2)), join(&mut leases, Some(3)));
    assert_eq!(take(&mut leases, first), [(1, 1), (3, 1)]);
    assert_eq!(take(&mut leases, second), [(2, 1), (4, 1), (5, 1)]);
    leases.judge(first, which(3, false), Verdict::Done);
    assert_eq!(take(&mut leases, first), [(6, 1)]);
    assert_eq!(settled(&leases), (0, vec![3..=3]));
}

#[test]
fn the_log_is_often_read_no_further() {
    let mut leases = leases(2, 5);
    leases.pass(Mark::after(Offset(2)));
    leases.pass(Mark::after(Offset(1)));
    let consumer = join(&mut leases, Some(2));
    assert_eq!(take(&mut leases, consumer).len(), 2);
    assert_eq!(settled(&leases), (0, vec![]));
}

#[test]
fn what_a_consumer_held_comes_back_in_order_before_what_is_new() {
    let mut leases = leases(6, 5);
    let gone = join(&mut leases, Some(3));
    assert_eq!(take(&mut leases, gone), [(1, 1), (2, 1), (3, 1)]);
    leases.judge(gone, which(2, false), Verdict::Done);
    leases.leave(gone);
    let next = join(&mut leases, Some(10));
    assert_eq!(take(&mut leases, next), [(1, 2), (3, 2), (4, 1), (5, 1), (6, 1)]);
}

#[test]
fn what_was_assigned_and_not_taken_was_not_delivered() {
    let mut leases = leases(2, 5);
    let gone = join(&mut leases, Some(2));
    leases.assign(EVERYTHING);
    leases.leave(gone);
    let next = join(&mut leases, Some(2));
    assert_eq!(take(&mut leases, next), [(1, 1), (2, 1)]);
}

#[test]
fn an_ack_is_for_all_before_it_or_for_one_and_never_for_anothers() {
    let mut leases = leases(6, 5);
    let (one, other) = (join(&mut leases, Some(3)), join(&mut leases, Some(3)));
    assert_eq!((take(&mut leases, one).len(), take(&mut leases, other).len()), (3, 3));
    leases.judge(other, which(5, false), Verdict::Done);
    assert_eq!(settled(&leases), (0, vec![]), "5 is the first one's");
    leases.judge(one, which(3, true), Verdict::Done);
    assert_eq!(settled(&leases), (1, vec![3..=3]));
    leases.settle(other, 2);
    assert_eq!(settled(&leases), (4, vec![]));
}

#[test]
fn what_was_delivered_too_often_dies_and_what_is_rejected_dies_at_once() {
    let mut leases = leases(2, 2);
    for count in 1..=2 {
        let consumer = join(&mut leases, Some(1));
        assert_eq!(take(&mut leases, consumer), [(1, count)]);
        leases.leave(consumer);
    }
    let consumer = join(&mut leases, Some(1));
    assert_eq!(take(&mut leases, consumer), [(2, 1)]);
    leases.judge(consumer, which(2, false), Verdict::Rejected);
    let dead: Vec<_> = leases.dead(10).into_iter().map(|(entry, count, why)| (entry.offset().0, count, why)).collect();
    assert_eq!(dead, [(1, 2, Reason::MaxDeliveries)], "the other was not read again yet");
    for place in leases.unread(10) {
        leases.found(place, Some(entry(place.0)));
    }
    assert_eq!(leases.dead(10).len(), 2);
    assert_eq!(settled(&leases), (0, vec![]), "the dead are open until they are buried");
    leases.finish((1, 0));
    leases.finish((2, 0));
    assert_eq!(settled(&leases), (2, vec![]));
}

#[test]
fn a_refused_message_comes_again_when_its_delay_is_over() {
    let mut leases = leases(2, 5);
    let consumer = join(&mut leases, Some(1));
    assert_eq!(take(&mut leases, consumer), [(1, 1)]);
    let now = Instant::now();
    leases.judge(consumer, which(1, false), Verdict::Again(now + Duration::from_secs(5)));
    assert_eq!(take(&mut leases, consumer), [(2, 1)]);
    leases.judge(consumer, which(2, false), Verdict::Done);
    leases.wake(now + Duration::from_secs(4));
    assert_eq!(take(&mut leases, consumer), []);
    leases.wake(leases.wakes_at().expect("it waits"));
    assert_eq!(take(&mut leases, consumer), [(1, 2)]);
}

#[test]
fn what_a_transaction_acknowledges_is_decided_by_the_store() {
    let mut leases = leases(3, 5);
    let consumer = join(&mut leases, Some(3));
    take(&mut leases, consumer);
    leases.begin_settling(consumer, which(2, true), Verdict::Done);
    assert_eq!(settled(&leases).0, 0, "nobody else's cursor says so");
    assert_eq!(leases.progress_settling(consumer).settled, Offset(2));
    leases.settled(consumer);
    assert_eq!(settled(&leases).0, 2);

    leases.begin_settling(consumer, which(3, false), Verdict::Done);
    leases.leave(consumer);
    assert_eq!(leases.unsure(), [(3, 0)]);
    let next = join(&mut leases, Some(3));
    assert_eq!(take(&mut leases, next), [], "it may be done");
    leases.resolve((3, 0), false);
    assert_eq!(take(&mut leases, next), [(3, 2)]);
}

#[test]
fn what_comes_after_a_message_that_may_be_done_waits_until_that_is_known() {
    let mut leases = leases(3, 5);
    let consumer = join(&mut leases, Some(3));
    let waits = join(&mut leases, Some(3));
    assert_eq!(take(&mut leases, waits), [(2, 1)]);
    leases.judge(waits, which(2, false), Verdict::Done);
    assert_eq!(take(&mut leases, consumer), [(1, 1), (3, 1)]);
    leases.begin_settling(consumer, which(1, false), Verdict::Done);
    leases.leave(consumer);
    assert_eq!(take(&mut leases, waits), [], "the first may still come again, and then it is the first");
    leases.resolve((1, 0), false);
    assert_eq!(take(&mut leases, waits), [(1, 2), (3, 2)]);
}

#[derive(Clone, Debug)]
enum Step {
    Join(Option<usize>),
    Leave(usize),
    Take(usize),
    Acknowledge(usize, usize, bool),
    Refuse(usize, usize, bool, bool),
    Settle(usize, u64),
    /// Two verdicts of a transaction: which message, all up to it, and what becomes of it. It is stored, or its
    /// consumer goes and the store knows better.
    Commit(usize, [(usize, bool, u8); 2], bool),
    Admit,
    Assign(u64),
    Wake,
    Bury,
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0usize..8;
    prop_oneof![
        2 => prop_oneof![Just(None), (1usize..6).prop_map(Some)].prop_map(Step::Join),
        1 => number.clone().prop_map(Step::Leave),
        6 => number.clone().prop_map(Step::Take),
        4 => (number.clone(), 0usize..30, any::<bool>()).prop_map(|(who, nth, all)| Step::Acknowledge(who, nth, all)),
        2 => (number.clone(), 0usize..30, any::<bool>(), any::<bool>()).prop_map(|(who, nth, all, again)| Step::Refuse(who, nth, all, again)),
        1 => (number.clone(), 0u64..30).prop_map(|(who, nth)| Step::Settle(who, nth)),
        2 => (number.clone(), [(0usize..30, any::<bool>(), 0u8..3), (0usize..30, any::<bool>(), 0u8..3)], any::<bool>())
            .prop_map(|(who, verdicts, stored)| Step::Commit(who, verdicts, stored)),
        6 => Just(Step::Admit),
        6 => (0u64..60).prop_map(Step::Assign),
        1 => Just(Step::Wake),
        1 => Just(Step::Bury),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Each message is with one consumer at most, is never delivered again once it is done, and the cursor
    /// covers exactly what is done.
    #[test]
    fn whatever_happens_no_message_is_lost_or_with_two(steps in prop::collection::vec(step(), 0..120)) {
        let now = Instant::now();
        let mut leases = Leases::new(Mark::after(Offset(0)), 0, 3);
        let (mut consumers, mut head) = (Vec::<u64>::new(), 0);
        let mut holder: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let mut counts: BTreeMap<u64, u32> = BTreeMap::new();
        let mut done = BTreeSet::new();
        for step in steps {
            let who = |nth: usize| (!consumers.is_empty()).then(|| consumers[nth % consumers.len()]);
            let held_by = |holder: &BTreeMap<u64, (u64, u64)>, id: u64, nth: usize, all: bool| -> (u64, Vec<u64>) {
                let mut mine: Vec<(u64, u64)> = holder.iter().filter(|(_, held)| held.0 == id).map(|(offset, held)| (held.1, *offset)).collect();
                mine.sort_unstable();
                let Some((_, offset)) = mine.get(nth).copied() else { return (EVERYTHING, Vec::new()) };
                (offset, mine[if all { 0 } else { nth }..=nth].iter().map(|(_, offset)| *offset).collect())
            };
            match step {
                Step::Join(window) => consumers.push(join(&mut leases, window)),
                Step::Leave(nth) => if let Some(id) = who(nth) {
                    leases.leave(id);
                    consumers.retain(|known| *known != id);
                    holder.retain(|_, held| held.0 != id);
                },
                Step::Take(nth) => if let Some(id) = who(nth) && let Some(delivery) = leases.take(id) {
                    let offset = delivery.entry.offset().0;
                    prop_assert!(!done.contains(&offset), "{offset} came again although it is done");
                    prop_assert!(holder.insert(offset, (id, delivery.nth)).is_none(), "{offset} is with two");
                    let count = counts.entry(offset).or_default();
                    *count += 1;
                    prop_assert_eq!(delivery.count, *count);
                    prop_assert!(*count <= 3);
                },
                Step::Acknowledge(nth, which_one, all) => if let Some(id) = who(nth) {
                    let (offset, all_of_them) = held_by(&holder, id, which_one, all);
                    leases.judge(id, which(offset, all), Verdict::Done);
                    for offset in all_of_them {
                        holder.remove(&offset);
                        done.insert(offset);
                    }
                },
                Step::Refuse(nth, which_one, all, again) => if let Some(id) = who(nth) {
                    let (offset, all_of_them) = held_by(&holder, id, which_one, all);
                    leases.judge(id, which(offset, all), if again { Verdict::Again(now) } else { Verdict::Rejected });
                    holder.retain(|offset, _| !all_of_them.contains(offset));
                },
                Step::Settle(nth, up_to) => if let Some(id) = who(nth) {
                    leases.settle(id, up_to);
                    let mine: Vec<u64> = holder.iter().filter(|(_, held)| held.0 == id && held.1 <= up_to).map(|(offset, _)| *offset).collect();
                    for offset in mine {
                        holder.remove(&offset);
                        done.insert(offset);
                    }
                },
                Step::Commit(nth, verdicts, is_stored) => if let Some(id) = who(nth) {
                    let mut decided = BTreeMap::new();
                    for (nth, all, verdict) in verdicts {
                        let (offset, all_of_them) = held_by(&holder, id, nth, all);
                        let verdict = [Verdict::Done, Verdict::Again(now), Verdict::Rejected][usize::from(verdict)];
                        leases.begin_settling(id, which(offset, all), verdict);
                        for offset in all_of_them {
                            decided.entry(offset).or_insert(verdict);
                        }
                    }
                    let acknowledged: BTreeSet<u64> =
                        decided.iter().filter(|(_, verdict)| **verdict == Verdict::Done).map(|(offset, _)| *offset).collect();
                    let Progress { settled, above } = leases.progress_settling(id);
                    for offset in 1..=head {
                        let covered = offset <= settled.0 || above.iter().any(|range| range.contains(&offset));
                        prop_assert_eq!(covered, done.contains(&offset) || acknowledged.contains(&offset));
                    }
                    if is_stored {
                        leases.settled(id);
                        holder.retain(|offset, _| !decided.contains_key(offset));
                        done.extend(acknowledged);
                    } else {
                        leases.leave(id);
                        consumers.retain(|known| *known != id);
                        holder.retain(|_, held| held.0 != id);
                        let unsure: BTreeSet<u64> = leases.unsure().iter().map(|(offset, _)| *offset).collect();
                        prop_assert_eq!(&unsure, &acknowledged);
                        for offset in unsure {
                            leases.resolve((offset, 0), offset % 2 == 0);
                        }
                        done.extend(acknowledged.iter().filter(|offset| **offset % 2 == 0));
                    }
                },
                Step::Admit => {
                    head += 1;
                    leases.admit(entry(head), 0);
                    leases.pass(Mark::after(Offset(head)));
                }
                Step::Assign(up_to) => {
                    for place in leases.unread(100) {
                        leases.found(place, Some(entry(place.0)));
                    }
                    leases.assign(up_to);
                }
                Step::Wake => leases.wake(now),
                Step::Bury => {
                    for place in leases.unread(100) {
                        leases.found(place, Some(entry(place.0)));
                    }
                    for (entry, ..) in leases.dead(10) {
                        prop_assert!(!holder.contains_key(&entry.offset().0));
                        leases.finish(place(entry.position()));
                        done.insert(entry.offset().0);
                    }
                }
            }
            let Progress { settled, above } = leases.progress();
            for offset in 1..=head {
                let covered = offset <= settled.0 || above.iter().any(|range| range.contains(&offset));
                prop_assert_eq!(covered, done.contains(&offset), "{} of {}", offset, head);
            }
        }
        // Whoever stays gets all the rest.
        consumers.into_iter().for_each(|id| leases.leave(id));
        leases.wake(now);
        let last = join(&mut leases, Some(1000));
        for (offset, _) in take(&mut leases, last) {
            prop_assert!(done.insert(offset));
        }
        for place in leases.unread(1000) {
            leases.found(place, Some(entry(place.0)));
        }
        done.extend(leases.dead(1000).iter().map(|(entry, ..)| entry.offset().0));
        prop_assert_eq!(done.len() as u64, head);
    }
}
