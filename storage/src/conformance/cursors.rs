//! Cursors: only forward, all of them, as long as they are used.

use std::ops::RangeInclusive;
use std::time::SystemTime;

use super::*;
use crate::{Cursor, Epoch, Refusal, Settlement};

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
}

fn cursor(epoch: Epoch, offset: u64, above: &[RangeInclusive<u64>]) -> Cursor {
    Cursor { epoch, offset: Offset(offset), above: above.to_vec(), delivered: Offset(offset), used: now() }
}

async fn epoch_of(store: &Store, log: &LogName) -> Epoch {
    open_log(store, log).await.bounds.epoch
}

async fn place(store: &Store, owner: &str) -> Option<(u64, Vec<RangeInclusive<u64>>)> {
    let cursor = store.load(&cursor_key(&quiz(), owner)).await.unwrap();
    cursor.map(|cursor| (cursor.offset.0, cursor.above))
}

pub(super) async fn a_cursor_comes_back(mut site: Site) {
    let store = site.store();
    let epoch = epoch_of(&store, &quiz()).await;
    let saved = cursor(epoch, 5, &[7..=9]);
    let key = cursor_key(&quiz(), "user:alice");
    assert_eq!(store.load(&key).await, Ok(None));
    store.save(&key, saved.clone());
    assert_eq!(store.load(&key).await, Ok(Some(saved.clone())));
    store.sync().await.unwrap();
    assert_eq!(store.on_log(&quiz()), [(key.clone(), saved.clone())]);
    assert_eq!(store.on_log(&log("other")), []);
    if site.survives() {
        drop(store);
        assert_eq!(site.reopen().await.load(&key).await, Ok(Some(saved)));
    }
}

pub(super) async fn a_cursor_moves_only_forward(site: Site) {
    let store = site.store();
    let epoch = epoch_of(&store, &quiz()).await;
    let key = cursor_key(&quiz(), "user:alice");
    for (offset, above) in [(5, vec![9..=9]), (3, vec![4..=4, 7..=7]), (1, vec![]), (5, vec![12..=12])] {
        store.save(&key, cursor(epoch, offset, &above));
    }
    assert_eq!(place(&store, "user:alice").await, Some((5, vec![7..=7, 9..=9, 12..=12])));
    store.save(&key, cursor(epoch, 9, &[]));
    assert_eq!(place(&store, "user:alice").await, Some((9, vec![12..=12])));
}

pub(super) async fn what_was_delivered_is_what_was_said_last(mut site: Site) {
    let store = site.store();
    let epoch = epoch_of(&store, &quiz()).await;
    let key = cursor_key(&quiz(), "user:alice");
    for delivered in [1024, 7] {
        store.save(&key, Cursor { delivered: Offset(delivered), ..cursor(epoch, 5, &[]) });
    }
    store.sync().await.unwrap();
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    let kept = store.load(&key).await.unwrap();
    assert_eq!(kept.map(|cursor| cursor.delivered), Some(Offset(7)));
}

pub(super) async fn a_cursor_of_another_epoch_is_ignored(site: Site) {
    let store = site.store();
    let key = cursor_key(&quiz(), "user:alice");
    store.save(&key, cursor(Epoch(5), 5, &[]));
    let Epoch(epoch) = epoch_of(&store, &quiz()).await;
    store.save(&key, cursor(Epoch(epoch + 1), 5, &[]));
    assert_eq!(place(&store, "user:alice").await, None);
}

pub(super) async fn a_cursor_survives_with_all_its_ranges(mut site: Site) {
    let store = site.store();
    let epoch = epoch_of(&store, &quiz()).await;
    let many: Vec<_> = (1..=1024).map(|n| n * 1_000_000..=n * 1_000_000 + 900_000).collect();
    for owner in 0..150 {
        store.save(&cursor_key(&quiz(), &owner.to_string()), cursor(epoch, 7, &many[..owner]));
    }
    store.save(&cursor_key(&quiz(), "3"), cursor(epoch, 7, &many));
    store.save(&cursor_key(&quiz(), "80"), cursor(epoch, 7, &many));
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    for owner in 0..150 {
        let ranges = if [3, 80].contains(&owner) { many.clone() } else { many[..owner].to_vec() };
        assert_eq!(place(&store, &owner.to_string()).await, Some((7, ranges)), "owner {owner}");
    }
}

pub(super) async fn many_cursors_survive(mut site: Site) {
    let mut store = site.store();
    let epoch = epoch_of(&store, &quiz()).await;
    for round in 1..=3 {
        for n in 0..1_000 {
            let offset = if n % 7 == 0 { round * 100 + n } else { n };
            store.save(&cursor_key(&quiz(), &format!("user:student-{n}")), cursor(epoch, offset, &[]));
        }
        store.sync().await.unwrap();
        if site.survives() {
            drop(store);
            store = site.reopen().await;
        }
    }
    assert_eq!(store.on_log(&quiz()).len(), 1_000);
    for n in 0..1_000 {
        let offset = if n % 7 == 0 { 300 + n } else { n };
        assert_eq!(place(&store, &format!("user:student-{n}")).await, Some((offset, vec![])));
    }
}

pub(super) async fn a_forgotten_cursor_stays_forgotten(mut site: Site) {
    let store = site.store();
    let epoch = epoch_of(&store, &quiz()).await;
    for owner in ["alice", "bob"] {
        store.save(&cursor_key(&quiz(), owner), cursor(epoch, 5, &[]));
    }
    store.sync().await.unwrap();
    store.forget(&cursor_key(&quiz(), "alice")).await.unwrap();
    store.forget(&cursor_key(&quiz(), "nobody")).await.unwrap();
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    assert_eq!(place(&store, "alice").await, None);
    assert_eq!(place(&store, "bob").await, Some((5, vec![])));
    store.save(&cursor_key(&quiz(), "alice"), cursor(epoch, 2, &[]));
    assert_eq!(place(&store, "alice").await, Some((2, vec![])), "it begins anew");
}

pub(super) async fn cursors_go_with_their_log(mut site: Site) {
    let store = site.store();
    let epoch = epoch_of(&store, &quiz()).await;
    let other = epoch_of(&store, &log("other")).await;
    store.save(&cursor_key(&quiz(), "alice"), cursor(epoch, 5, &[]));
    store.save(&cursor_key(&log("other"), "alice"), cursor(other, 6, &[]));
    store.sync().await.unwrap();
    store.delete(&quiz()).await.unwrap();
    open_log(&store, &quiz()).await;
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    assert_eq!(place(&store, "alice").await, None);
    assert_eq!(store.on_log(&log("other")).len(), 1);
}

pub(super) async fn a_settlement_comes_with_its_record(mut site: Site) {
    let store = site.store();
    if !store.caps().atomic_across_logs {
        return;
    }
    let here = epoch_of(&store, &quiz()).await;
    let there = epoch_of(&store, &log("other")).await;
    let settle = |log: &LogName, cursor| Settlement { key: cursor_key(log, "alice"), cursor };
    let settlements = vec![
        settle(&quiz(), cursor(here, 3, &[])),
        settle(&log("other"), cursor(there, 4, &[])),
        settle(&log("unknown"), cursor(there, 4, &[])),
    ];
    let before = store.append(append(&quiz(), "before"));
    let settling = store.append(Append { settlements, ..append(&quiz(), vec![b'x'; 20_000]) });
    let after = store.append(append(&quiz(), "after"));
    for pending in [before, settling, after] {
        pending.await.unwrap();
    }
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    assert_eq!(place(&store, "alice").await, Some((3, vec![])));
    assert_eq!(store.on_log(&log("other"))[0].1.offset, Offset(4));
    assert_eq!(read_all(&store, &quiz()).await.records.len(), 3);
}

pub(super) async fn a_settlement_takes_nothing_back_of_what_was_delivered_since(site: Site) {
    let store = site.store();
    let epoch = epoch_of(&store, &quiz()).await;
    let key = cursor_key(&quiz(), "alice");
    let earlier = Cursor { delivered: Offset(10), ..cursor(epoch, 3, &[]) };
    store.save(&key, Cursor { delivered: Offset(20), ..cursor(epoch, 2, &[]) });
    let settlements = vec![Settlement { key: key.clone(), cursor: earlier.clone() }];
    store.append(Append { settlements, ..append(&quiz(), "with it") }).await.unwrap();
    assert_eq!(
        store.load(&key).await.unwrap().map(|kept| (kept.offset, kept.delivered)),
        Some((Offset(3), Offset(20)))
    );
    store.save(&key, earlier);
    assert_eq!(store.load(&key).await.unwrap().map(|kept| kept.delivered), Some(Offset(10)));
}

pub(super) async fn a_settlement_of_a_refused_append_moves_nothing(site: Site) {
    let store = site.store();
    let epoch = epoch_of(&store, &quiz()).await;
    let settlements = vec![Settlement { key: cursor_key(&quiz(), "alice"), cursor: cursor(epoch, 3, &[]) }];
    let deadline = Instant::now().checked_sub(Duration::from_millis(1));
    let refused = store.append(Append { settlements, deadline, ..append(&quiz(), "late") }).await;
    assert_eq!(refused, Err(AppendError::Refused(Refusal::Expired)));
    assert_eq!(place(&store, "alice").await, None);
}

pub(super) async fn cursors_unused_for_long_are_forgotten(site: Site) {
    let store = site.store();
    let epoch = epoch_of(&store, &quiz()).await;
    let day = 24 * 3600 * 1000;
    let used = |days: u64| Cursor { used: now() - days * day, ..cursor(epoch, 5, &[]) };
    store.save(&cursor_key(&quiz(), "last term"), used(91));
    store.save(&cursor_key(&quiz(), "last week"), used(89));
    assert_eq!(place(&store, "last term").await, None);
    assert_eq!(place(&store, "last week").await, Some((5, vec![])));
}

pub(super) async fn cursors_settle_together(mut site: Site) {
    let store = site.store();
    let (epoch, other) = (epoch_of(&store, &quiz()).await, epoch_of(&store, &log("other")).await);
    let settlement = |log: &LogName, epoch, offset| Settlement {
        key: cursor_key(log, "user:alice"),
        cursor: cursor(epoch, offset, &[]),
    };
    store.save(&cursor_key(&quiz(), "user:alice"), cursor(epoch, 7, &[]));
    let settled = vec![settlement(&quiz(), epoch, 5), settlement(&log("other"), other, 3)];
    store.settle(settled).await.unwrap();
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    assert_eq!(place(&store, "user:alice").await, Some((7, vec![])), "only forward");
    let moved = store.load(&cursor_key(&log("other"), "user:alice")).await.unwrap().unwrap();
    assert_eq!(moved.offset, Offset(3));
}
