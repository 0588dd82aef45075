//! What is erased is gone, and everything else is as it was.

use std::sync::Arc;

use super::*;
use crate::erase::Erasure;
use crate::{Cursor, Health};

fn by(publisher: &'static str) -> Erasure {
    Erasure { messages: Arc::new(move |message| message.publisher.as_deref() == Some(publisher)), ..Erasure::nothing() }
}

fn whole(gone: &LogName) -> Erasure {
    let gone = gone.clone();
    Erasure { logs: Arc::new(move |log| *log == gone), ..Erasure::nothing() }
}

fn said_by(publisher: &str, body: &str) -> Append {
    let message = Message { publisher: Some(publisher.into()), ..message(body.to_owned()) };
    Append { messages: vec![message], ..append(&quiz(), "") }
}

pub(super) async fn an_erased_log_ends_and_begins_anew(site: Site) {
    let (store, other) = (site.store(), log("topic/8a"));
    let first = store_one(&store, &quiz(), "a").await;
    store_one(&store, &other, "b").await;
    let (mut opened, mut stays) = (open_log(&store, &quiz()).await, open_log(&store, &other).await);
    let key = cursor_key(&quiz(), "user:alice");
    let epoch = first.position.epoch;
    store.save(&key, Cursor { epoch, offset: Offset(1), above: vec![], delivered: Offset(1), used: first.time });
    let erased = store.erase(whole(&quiz())).await.unwrap();
    assert_eq!((erased.logs, erased.records, erased.messages, erased.cursors), (1, 1, 1, 1));
    assert_eq!(opened.tail.next().await, None);
    assert_eq!(store.load(&key).await, Ok(None));
    assert_eq!(store.bounds(&quiz()).await, Ok(None));
    let anew = store_one(&store, &quiz(), "c").await;
    assert_ne!(anew.position.epoch, epoch);
    store_one(&store, &other, "d").await;
    assert_eq!(stays.tail.next().await.map(|record| record.offset), Some(Offset(2)), "others go on");
    assert_eq!(
        (bodies(&read_all(&store, &quiz()).await), bodies(&read_all(&store, &other).await)),
        (vec!["c".to_owned()], vec!["b".to_owned(), "d".to_owned()])
    );
}

pub(super) async fn erased_records_are_passed_over_and_their_offsets_stay_taken(mut site: Site) {
    let store = site.store();
    for n in 0..300 {
        let publisher = if (100..120).contains(&n) || !(3..=296).contains(&n) { "alice" } else { "bob" };
        store.append(said_by(publisher, &n.to_string())).await.unwrap();
    }
    let before = store.bounds(&quiz()).await.unwrap().unwrap();
    let erased = store.erase(by("alice")).await.unwrap();
    assert_eq!((erased.logs, erased.records, erased.messages), (0, 26, 26));
    for reopened in [false, site.survives()] {
        let store = if reopened { site.reopen().await } else { site.store() };
        let page = read_all(&store, &quiz()).await;
        let expected: Vec<_> = (3..297).filter(|n| !(100..120).contains(n)).collect();
        let read: Vec<u64> = bodies(&page).iter().map(|body| body.parse().unwrap()).collect();
        assert_eq!((read, &page.missing), (expected, &vec![]), "and nothing is reported missing");
        assert!(page.records.iter().all(|record| record.messages[0].body == (record.offset.0 - 1).to_string()));
        let after = store.bounds(&quiz()).await.unwrap().unwrap();
        let bytes = page.records.iter().map(|record| record.cost() as u64).sum();
        let expected = crate::Bounds { bytes, records: 300, head: Offset(300), ..before };
        assert_eq!(after, expected, "records that are empty count until retention passes them");
        assert_eq!(store.damaged(), []);
    }
    assert_eq!(store_one(&site.store(), &quiz(), "next").await.position.offset, Offset(301));
}

pub(super) async fn a_record_goes_whole(site: Site) {
    let store = site.store();
    let of = |publisher: &str| Message { publisher: Some(publisher.into()), ..message("x") };
    store.append(Append { messages: vec![of("alice"), of("alice")], ..append(&quiz(), "") }).await.unwrap();
    let erased = store.erase(by("alice")).await.unwrap();
    assert_eq!((erased.records, erased.messages), (1, 2));
    assert_eq!(read_all(&store, &quiz()).await.records.len(), 0);
}

pub(super) async fn idempotency_keys_go_with_their_records(site: Site) {
    let store = site.store();
    let keyed = |publisher, key: &str| Append { key: Some(key.into()), ..said_by(publisher, "x") };
    store.append(keyed("alice", "k")).await.unwrap();
    store.append(keyed("bob", "k")).await.unwrap();
    assert_eq!(store.erase(by("alice")).await.unwrap().keys, 1);
    assert!(!store.append(keyed("alice", "k")).await.unwrap().duplicate, "nobody knows it any more");
    assert!(store.append(keyed("bob", "k")).await.unwrap().duplicate, "the others are known");
}

pub(super) async fn cursors_of_one_owner_go_everywhere(mut site: Site) {
    let store = site.store();
    let epoch = store_one(&store, &quiz(), "a").await.position.epoch;
    let keys = ["user:alice", "user:bob"].map(|owner| cursor_key(&quiz(), owner));
    for key in &keys {
        let used = u64::MAX >> 12;
        store.save(key, Cursor { epoch, offset: Offset(1), above: vec![], delivered: Offset(1), used });
    }
    store.sync().await.unwrap();
    let what = Erasure { cursors: Arc::new(|key| &*key.owner == "user:alice"), ..Erasure::nothing() };
    assert_eq!(store.erase(what).await.unwrap().cursors, 1);
    for reopened in [false, site.survives()] {
        let store = if reopened { site.reopen().await } else { site.store() };
        let left: Vec<_> = store.on_log(&quiz()).into_iter().map(|(key, _)| key).collect();
        assert_eq!(left, keys[1..]);
    }
}

pub(super) async fn what_is_not_there_is_erased_all_the_same(site: Site) {
    let store = site.store();
    for _ in 0..2 {
        let erased = store.erase(whole(&quiz())).await.unwrap();
        assert_eq!((erased.logs, erased.records, erased.cursors, erased.keys), (0, 0, 0, 0));
    }
    assert_eq!(*store.health().borrow(), Health::Ready);
}

pub(super) async fn an_erasure_nobody_waits_for_is_done(site: Site) {
    let store = site.store();
    store.append(said_by("alice", "x")).await.unwrap();
    drop(store.erase(by("alice")));
    store.sync().await.unwrap();
    until("the record is gone", async || read_all(&store, &quiz()).await.records.is_empty()).await;
}

pub(super) async fn whoever_reads_and_appends_meanwhile_loses_nothing(site: Site) {
    let store = site.store();
    store_many(&store, &quiz(), 200).await;
    let erasing = tokio::spawn(store.erase(by("nobody")));
    let mut confirmed: Vec<String> = (1..=200).map(|n| n.to_string()).collect();
    let mut n = 1000;
    while !erasing.is_finished() {
        tokio::task::yield_now().await;
        n += 1;
        if store.append(append(&quiz(), n.to_string())).await.is_ok() {
            confirmed.push(n.to_string());
        }
        let page = read_all(&store, &quiz()).await;
        assert_eq!((bodies(&page), page.missing), (confirmed.clone(), vec![]));
    }
    erasing.await.unwrap().unwrap();
    store_one(&store, &quiz(), "after").await;
    assert_eq!(read_all(&store, &quiz()).await.records.len(), confirmed.len() + 1);
}

pub(super) async fn a_closed_store_erases_nothing(site: Site) {
    let store = site.store();
    store.close().await;
    assert!(store.erase(by("alice")).await.is_err());
}
