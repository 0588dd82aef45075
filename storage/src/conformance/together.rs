//! One append over several logs: all of it or nothing, in each log's order.

use super::*;
use crate::{Cursor, Lane, Part, Refusal, Settlement, TAIL_BYTES_MAX};

fn name(n: u64) -> LogName {
    log(&format!("topic/{n}"))
}

fn part(log: &LogName, body: impl Into<Bytes>) -> Part {
    Part { log: log.clone(), messages: vec![message(body)], lane: None }
}

/// The same body to `topic/1`, `topic/2` and `topic/3`.
fn to_three(body: &'static str) -> Append {
    Append { also: vec![part(&name(2), body), part(&name(3), body)], ..append(&name(1), body) }
}

async fn bodies_of(store: &Store, n: u64) -> Vec<String> {
    bodies(&read_all(store, &name(n)).await)
}

pub(super) async fn all_logs_of_one_append_have_it(mut site: Site) {
    let store = site.store();
    if !store.caps().atomic_across_logs {
        return;
    }
    store_one(&store, &name(2), "alone").await;
    let long = vec![b'x'; 50_000];
    let appended =
        store.append(Append { also: vec![part(&name(2), long), part(&name(3), "c")], ..append(&name(1), "a") });
    let appended = appended.await.unwrap();
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    let mut positions = vec![appended.position];
    positions.extend(&appended.also);
    for (n, position) in (1..).zip(positions) {
        let last = read_all(&store, &name(n)).await.records.pop().unwrap();
        assert_eq!((last.epoch, last.offset), (position.epoch, position.offset), "log {n}");
    }
    assert_eq!((bodies_of(&store, 1).await, bodies_of(&store, 3).await), (vec!["a".into()], vec!["c".into()]));
    assert_eq!(read_all(&store, &name(2)).await.records[1].messages[0].body.len(), 50_000);
    assert_eq!(store.damaged(), []);
}

pub(super) async fn records_of_the_largest_size_go_together(site: Site) {
    let store = site.store();
    let body = vec![b'x'; store.caps().record_bytes_max - message("").cost()];
    let also = vec![part(&name(2), body.clone()), part(&name(3), body.clone())];
    store.append(Append { also, ..append(&name(1), body.clone()) }).await.unwrap();
    for log in 1..=3 {
        assert!(read_all(&store, &name(log)).await.records[0].messages[0].body == body, "log {log}");
    }
}

pub(super) async fn each_log_orders_it_among_its_others(mut site: Site) {
    let store = site.store();
    let mut pending = Vec::new();
    for n in 0..40 {
        for log in 1..=3 {
            pending.push(store.append(append(&name(log), format!("before {n}"))));
        }
        let also = vec![part(&name(3), format!("all {n}")), part(&name(2), format!("all {n}"))];
        pending.push(store.append(Append { also, ..append(&name(1), format!("all {n}")) }));
    }
    futures_util::future::try_join_all(pending).await.unwrap();
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    let expected: Vec<_> = (0..40).flat_map(|n| [format!("before {n}"), format!("all {n}")]).collect();
    for log in 1..=3 {
        assert_eq!(bodies_of(&store, log).await, expected, "log {log}");
        let page = read_all(&store, &name(log)).await;
        assert!(page.missing.is_empty() && page.records.is_sorted_by_key(|record| record.offset));
    }
}

pub(super) async fn a_log_named_twice_has_two_records(site: Site) {
    let store = site.store();
    let twice = Append { also: vec![part(&name(1), "b"), part(&name(2), "c")], ..append(&name(1), "a") };
    let appended = store.append(twice).await.unwrap();
    assert!(appended.position.offset < appended.also[0].offset);
    assert_eq!(
        (bodies_of(&store, 1).await, bodies_of(&store, 2).await),
        (vec!["a".into(), "b".into()], vec!["c".into()])
    );
}

pub(super) async fn what_one_log_refuses_no_log_has(site: Site) {
    let store = site.store();
    let max = store.caps().record_bytes_max;
    let mut opened = open_log(&store, &name(3)).await;
    for _ in 0..=TAIL_BYTES_MAX >> 20 {
        drop(store.append(append(&name(3), vec![0; 1 << 20])).await);
    }
    let before = store.bounds(&name(3)).await.unwrap().unwrap();
    let (first, second) = (Lane::default(), Lane::default());
    let full = Append {
        lane: Some(first.clone()),
        also: vec![Part { lane: Some(second.clone()), ..part(&name(2), "x") }, part(&name(3), "x")],
        ..append(&name(1), "x")
    };
    let refused = store.append(full).await;
    assert!(matches!(refused, Err(AppendError::Unavailable { full: false, .. })), "{refused:?}");
    assert!(first.is_broken() && second.is_broken());
    let too_large = Append { also: vec![part(&name(2), vec![0; max])], ..append(&name(1), "x") };
    let bytes = max + message("").cost();
    assert_eq!(store.append(too_large).await, Err(AppendError::Refused(Refusal::TooLarge { bytes, max })));
    let late = Append { deadline: Instant::now().checked_sub(Duration::from_millis(1)), ..to_three("x") };
    assert_eq!(store.append(late).await, Err(AppendError::Refused(Refusal::Expired)));
    assert_eq!(store.logs(), [name(3)], "a refused append makes no logs");
    assert_eq!(store.bounds(&name(3)).await.unwrap().unwrap(), before);
    while opened.tail.try_next().is_some() {}
    let appended = store.append(to_three("x")).await.unwrap();
    assert_eq!((appended.position.offset, appended.also[0].offset), (Offset(1), Offset(1)), "nothing was numbered");
    assert_eq!(appended.also[1].offset, Offset(before.head.0 + 1));
}

pub(super) async fn one_broken_lane_refuses_all_and_all_lanes_break_with_it(site: Site) {
    let store = site.store();
    let lanes: [Lane; 3] = Default::default();
    let lane = |n: usize| Some(lanes[n].clone());
    let failing = Append {
        lane: lane(1),
        deadline: Instant::now().checked_sub(Duration::from_millis(1)),
        ..append(&name(2), "failing")
    };
    let also = vec![Part { lane: lane(1), ..part(&name(2), "x") }, Part { lane: lane(2), ..part(&name(3), "x") }];
    let joint = Append { lane: lane(0), also, ..append(&name(1), "x") };
    let before = store.append(Append { lane: lane(2), ..append(&name(3), "before") });
    let pending = [failing, joint, Append { lane: lane(2), ..append(&name(3), "behind") }];
    let [failing, joint, behind] = pending.map(|append| store.append(append));
    before.await.unwrap();
    assert_eq!(failing.await, Err(AppendError::Refused(Refusal::Expired)));
    assert_eq!(joint.await, Err(AppendError::Refused(Refusal::Predecessor)));
    assert_eq!(behind.await, Err(AppendError::Refused(Refusal::Predecessor)));
    assert!(lanes.iter().all(Lane::is_broken));
    assert_eq!(bodies_of(&store, 3).await, ["before"]);
    assert_eq!(store.bounds(&name(1)).await, Ok(None));
}

pub(super) async fn cursors_of_a_third_log_move_with_it(mut site: Site) {
    let store = site.store();
    let epoch = open_log(&store, &quiz()).await.bounds.epoch;
    let settle = |owner: &str, offset| Settlement {
        key: cursor_key(&quiz(), owner),
        cursor: Cursor { epoch, offset: Offset(offset), above: vec![], delivered: Offset(offset), used: u64::MAX },
    };
    let late = Instant::now().checked_sub(Duration::from_millis(1));
    let refused = Append { settlements: vec![settle("alice", 3)], deadline: late, ..to_three("x") };
    assert!(store.append(refused).await.is_err());
    assert_eq!(store.load(&cursor_key(&quiz(), "alice")).await, Ok(None));
    let stored = [("alice", 4, "a"), ("bob", 5, "b")].map(|(owner, offset, body)| {
        store.append(Append { settlements: vec![settle(owner, offset)], ..to_three(body) })
    });
    for pending in stored {
        pending.await.unwrap();
    }
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    for (owner, offset) in [("alice", 4), ("bob", 5)] {
        let cursor = store.load(&cursor_key(&quiz(), owner)).await.unwrap();
        assert_eq!(cursor.map(|cursor| cursor.offset), Some(Offset(offset)), "{owner}");
    }
    for log in 1..=3 {
        assert_eq!(bodies_of(&store, log).await, ["a", "b"]);
    }
}

pub(super) async fn a_key_stands_for_what_all_logs_were_told(mut site: Site) {
    let store = site.store();
    let keyed = |append: Append| Append { key: Some("k".into()), ..append };
    let first = store.append(keyed(to_three("a"))).await.unwrap();
    let told = Appended { also: Box::default(), duplicate: true, ..first.clone() };
    let otherwise = Append { also: vec![part(&name(2), "a"), part(&name(3), "other")], ..append(&name(1), "a") };
    for reopens in [false, true] {
        let store = if reopens && site.survives() { site.reopen().await } else { site.store() };
        assert_eq!(store.append(keyed(to_three("a"))).await, Ok(told.clone()));
        for conflicting in [otherwise.clone(), append(&name(1), "a")] {
            let refused = store.append(keyed(conflicting)).await;
            assert_eq!(refused, Err(AppendError::Refused(Refusal::KeyConflict { first: first.position })));
        }
        for log in 1..=3 {
            assert_eq!(bodies_of(&store, log).await, ["a"]);
        }
        drop(store);
    }
    let store = site.store();
    assert!(!store.append(keyed(append(&name(2), "a"))).await.unwrap().duplicate, "the key is the first log's alone");
}

pub(super) async fn a_tail_has_it_when_all_logs_have_it(site: Site) {
    let store = site.store();
    let mut tails = Vec::new();
    for log in 1..=3 {
        tails.push(open_log(&store, &name(log)).await.tail);
    }
    for n in 0..50 {
        let body = n.to_string();
        let also = vec![part(&name(1), body.clone()), part(&name(2), body.clone())];
        let appended = store.append(Append { also, ..append(&name(3), body.clone()) });
        assert_eq!(tails[0].next().await.unwrap().messages[0].body, body);
        // No answer was waited for: what one log shows, every log has.
        for log in 2..=3 {
            until("every log shows it", async || read_all(&store, &name(log)).await.records.len() == n + 1).await;
        }
        appended.await.unwrap();
        for tail in &mut tails[1..] {
            assert_eq!(tail.try_next().unwrap().messages[0].body, body);
        }
    }
}
