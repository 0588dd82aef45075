//! Appending: order, identity, refusal.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::{Epoch, Health, Lane, LogError, Position, Refusal};

pub(super) async fn offsets_grow_and_times_never_fall(site: Site) {
    let store = site.store();
    let mut before = (Offset::ZERO, 0);
    for n in 0..50 {
        let Appended { position, also, time, duplicate } = store_one(&store, &quiz(), n.to_string()).await;
        assert!(
            position.offset > before.0 && time >= before.1 && !duplicate && position.part.is_none() && also.is_empty()
        );
        before = (position.offset, time);
    }
    let bounds = store.bounds(&quiz()).await.unwrap().unwrap();
    assert_eq!((bounds.head, bounds.records, bounds.trimmed), (before.0, 50, Offset::ZERO));
}

pub(super) async fn what_was_appended_is_read_back_to_the_byte(site: Site) {
    let store = site.store();
    let strange = Message {
        destination: "/topic/7b/ü/\u{0}".into(),
        headers: Box::new([("".into(), "\n:\\".into()), ("a".into(), "1".into()), ("a".into(), "2".into())]),
        body: Bytes::from((0..=255).collect::<Vec<u8>>()),
        publisher: None,
    };
    let bare =
        Message { destination: "".into(), headers: Box::default(), body: Bytes::new(), publisher: Some("".into()) };
    for message in [strange, bare] {
        let appended = store.append(Append { messages: vec![message.clone()], ..append(&quiz(), "") }).await.unwrap();
        let page = read_all(&store, &quiz()).await;
        let record = page.records.last().unwrap();
        assert_eq!(record.messages[..], [message]);
        let position = Position::new(record.epoch, record.offset);
        assert_eq!((position, record.time), (appended.position, appended.time));
    }
}

pub(super) async fn the_messages_of_one_append_are_one_record(site: Site) {
    let store = site.store();
    let messages = vec![message("a"), message("b"), message("c")];
    let appended = store.append(Append { messages: messages.clone(), ..append(&quiz(), "") }).await.unwrap();
    let page = read_all(&store, &quiz()).await;
    assert_eq!(page.records.len(), 1);
    assert_eq!(page.records[0].messages[..], messages);
    assert_eq!(page.through, appended.position.offset);
}

pub(super) async fn a_record_of_a_mebibyte_comes_back(site: Site) {
    let store = site.store();
    let body: Vec<u8> = (0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    store_one(&store, &quiz(), "before").await;
    store_one(&store, &quiz(), body.clone()).await;
    store_one(&store, &quiz(), "after").await;
    let page = read_all(&store, &quiz()).await;
    assert_eq!(page.records.len(), 3);
    assert!(page.records[1].messages[0].body == body, "the body differs");
    assert_eq!(page.missing, []);
}

pub(super) async fn a_record_beyond_the_limit_is_refused(site: Site) {
    let store = site.store();
    let max = store.caps().record_bytes_max;
    let overhead = message("").cost();
    let too_long = store.append(append(&quiz(), vec![0; max - overhead + 1])).await;
    assert_eq!(too_long, Err(AppendError::Refused(Refusal::TooLarge { bytes: max + 1, max })));
    store_one(&store, &quiz(), vec![0; max - overhead]).await;
    assert_eq!(read_all(&store, &quiz()).await.records[0].cost(), max);
}

pub(super) async fn an_append_is_queued_before_it_is_polled(site: Site) {
    let store = site.store();
    let first = store.append(append(&quiz(), "first"));
    let second = store.append(append(&quiz(), "second"));
    // Waited for in the other order, stored in this one.
    second.await.unwrap();
    first.await.unwrap();
    assert_eq!(bodies(&read_all(&store, &quiz()).await), ["first", "second"]);
}

pub(super) async fn an_append_nobody_waits_for_is_stored(site: Site) {
    let store = site.store();
    drop(store.append(append(&quiz(), "dropped")));
    store_one(&store, &quiz(), "kept").await;
    assert_eq!(bodies(&read_all(&store, &quiz()).await), ["dropped", "kept"]);
}

pub(super) async fn what_is_late_is_not_stored(site: Site) {
    let store = site.store();
    let late = Append { deadline: Instant::now().checked_sub(Duration::from_millis(1)), ..append(&quiz(), "late") };
    assert_eq!(store.append(late).await, Err(AppendError::Refused(Refusal::Expired)));
    let early = Append { deadline: Some(Instant::now() + Duration::from_secs(3600)), ..append(&quiz(), "early") };
    store.append(early).await.unwrap();
    assert_eq!(bodies(&read_all(&store, &quiz()).await), ["early"]);
}

pub(super) async fn after_a_failure_its_lane_fails_and_no_other(site: Site) {
    let store = site.store();
    let (lane, other) = (Lane::default(), Lane::default());
    let on = |lane: &Lane, body: &'static str| Append { lane: Some(lane.clone()), ..append(&quiz(), body) };
    let long_ago = Instant::now().checked_sub(Duration::from_millis(1));
    let before = store.append(on(&lane, "before"));
    let failing = store.append(Append { deadline: long_ago, ..on(&lane, "failing") });
    let behind = store.append(on(&lane, "behind"));
    let beside = store.append(on(&other, "beside"));
    before.await.unwrap();
    assert_eq!(failing.await, Err(AppendError::Refused(Refusal::Expired)));
    assert_eq!(behind.await, Err(AppendError::Refused(Refusal::Predecessor)));
    beside.await.unwrap();
    assert!(lane.is_broken() && !other.is_broken());
    store.append(on(&Lane::default(), "again")).await.unwrap();
    assert_eq!(bodies(&read_all(&store, &quiz()).await), ["before", "beside", "again"]);
}

pub(super) async fn a_deleted_log_begins_again_under_another_epoch(site: Site) {
    let store = site.store();
    let first = store_one(&store, &quiz(), "old").await.position;
    store_one(&store, &log("other"), "stays").await;
    store.delete(&quiz()).await.unwrap();
    store.delete(&log("never was")).await.unwrap();
    assert_eq!(store.bounds(&quiz()).await, Ok(None));
    assert_eq!(store.logs(), [log("other")]);
    let second = store_one(&store, &quiz(), "new").await.position;
    assert_ne!(first.epoch, second.epoch);
    assert_eq!(bodies(&read_all(&store, &quiz()).await), ["new"]);
    assert_eq!(bodies(&read_all(&store, &log("other")).await), ["stays"]);
}

pub(super) async fn epochs_are_unlike_and_safe_for_javascript(site: Site) {
    let store = site.store();
    let mut epochs = std::collections::HashSet::new();
    for n in 0..100 {
        let Epoch(epoch) = open_log(&store, &log(&format!("log/{n}"))).await.bounds.epoch;
        assert!(epoch > 0 && epoch < 1 << 53);
        assert!(epochs.insert(epoch));
    }
    assert_eq!(store.logs().len(), 100);
}

pub(super) async fn an_opened_store_continues_where_it_ended(mut site: Site) {
    if !site.survives() {
        return a_store_that_forgot_begins_another_epoch(site).await;
    }
    store_many(&site.store(), &quiz(), 300).await;
    let before = read_all(&site.store(), &quiz()).await;
    let store = site.reopen().await;
    assert_eq!(read_all(&store, &quiz()).await, before);
    let next = store_one(&store, &quiz(), "301").await;
    assert!(next.position.offset > before.through && next.time >= before.records[299].time);
    assert_eq!(next.position.epoch, before.records[0].epoch);
    assert_eq!(store.bounds(&quiz()).await.unwrap().unwrap().records, 301);
    assert_eq!(store.damaged(), []);
}

pub(super) async fn a_store_that_forgot_begins_another_epoch(mut site: Site) {
    let first = store_one(&site.store(), &quiz(), "1").await.position;
    let survives = site.survives();
    let store = site.reopen().await;
    let second = store_one(&store, &quiz(), "2").await.position;
    assert_eq!(first.epoch == second.epoch, survives, "{first} and {second}");
}

pub(super) async fn a_closed_store_refuses(site: Site) {
    let store = site.store();
    store_one(&store, &quiz(), "1").await;
    assert_eq!(*store.health().borrow(), Health::Ready);
    store.close().await;
    store.close().await;
    let refused = store.append(append(&quiz(), "2")).await;
    assert!(matches!(refused, Err(AppendError::Unavailable { full: false, .. })), "{refused:?}");
    for name in [quiz(), log("new")] {
        let opened = store.open(&name, Retention::default()).await;
        assert!(matches!(opened, Err(LogError::Unavailable(_))), "{opened:?}");
    }
}

pub(super) async fn counters_count(site: Site) {
    let store = site.store();
    store_many(&store, &quiz(), 100).await;
    let counters = store.counters();
    assert_eq!((counters.appended_records, counters.queued_bytes, counters.blobs), (100, 0, 0));
    assert_eq!(counters.appended_bytes, store.bounds(&quiz()).await.unwrap().unwrap().bytes);
}
