//! What goes, when it goes, and what readers are told.

use super::*;
use crate::OffsetRange;

const FOR_EVER: Retention = Retention { age: Duration::MAX, bytes: u64::MAX, records: u64::MAX };

async fn until_kept(store: &Store, records: u64) {
    let kept = async || store.bounds(&quiz()).await.unwrap().unwrap().records;
    until(&format!("{records} records are kept"), async || kept().await == records).await;
}

/// What is missing is what is trimmed, and the rest is all there.
async fn is_whole_above_the_trim(store: &Store) {
    let bounds = store.bounds(&quiz()).await.unwrap().unwrap();
    let page = read_all(store, &quiz()).await;
    let lost = OffsetRange { first: Offset(1), last: bounds.trimmed };
    assert_eq!(page.missing, if bounds.trimmed == Offset::ZERO { vec![] } else { vec![lost] });
    assert_eq!(page.records.len() as u64, bounds.records);
    assert_eq!(page.records.iter().map(|record| record.cost() as u64).sum::<u64>(), bounds.bytes);
    assert!(page.records.iter().all(|record| record.offset > bounds.trimmed && record.offset <= bounds.head));
    assert_eq!(store.damaged(), []);
}

pub(super) async fn the_count_limits_what_is_kept(site: Site) {
    let store = site.store();
    drop(store.open(&quiz(), Retention { records: 10, ..FOR_EVER }).await.unwrap());
    store_many(&store, &quiz(), 95).await;
    until_kept(&store, 10).await;
    is_whole_above_the_trim(&store).await;
    assert_eq!(bodies(&read_all(&store, &quiz()).await)[0], "86");
    assert_eq!(store.counters().trimmed_records, 85);
}

pub(super) async fn the_bytes_limit_what_is_kept(site: Site) {
    let store = site.store();
    let cost = message("10").cost() as u64;
    drop(store.open(&quiz(), Retention { bytes: 20 * cost, ..FOR_EVER }).await.unwrap());
    store_many(&store, &quiz(), 99).await;
    until_kept(&store, 20).await;
    is_whole_above_the_trim(&store).await;
}

pub(super) async fn the_age_limits_what_is_kept(site: Site) {
    let store = site.store();
    store_many(&store, &quiz(), 50).await;
    drop(store.open(&quiz(), Retention { age: Duration::from_millis(30), ..FOR_EVER }).await.unwrap());
    until_kept(&store, 0).await;
    is_whole_above_the_trim(&store).await;
    let next = store_one(&store, &quiz(), "next").await;
    assert_eq!(next.position.offset, Offset(51));
}

pub(super) async fn trimming_forgets_up_to_and_including(site: Site) {
    let store = site.store();
    let mut opened = open_log(&store, &quiz()).await;
    let offsets = store_many(&store, &quiz(), 100).await;
    store.trim(&quiz(), offsets[29]).await.unwrap();
    store.trim(&quiz(), offsets[9]).await.unwrap();
    store.trim(&log("unknown"), offsets[9]).await.unwrap();
    let bounds = store.bounds(&quiz()).await.unwrap().unwrap();
    assert_eq!((bounds.trimmed, bounds.records), (offsets[29], 70));
    is_whole_above_the_trim(&store).await;
    let all = Budget { records: usize::MAX, bytes: usize::MAX };
    let page = store.read(&quiz(), offsets[9], Offset(u64::MAX), all).await.unwrap();
    assert_eq!(page.missing, [OffsetRange { first: Offset(11), last: Offset(30) }]);
    assert_eq!(store.seek(&quiz(), crate::Seek::Last(1000)).await, Ok(offsets[29]));
    assert_eq!(opened.tail.next().await.unwrap().offset, offsets[0], "what was on its way still arrives");
}

pub(super) async fn trimming_inside_a_block_keeps_the_rest_of_it(mut site: Site) {
    let offsets = store_many(&site.store(), &quiz(), 40).await;
    for cut in 1..40 {
        let store = site.store();
        store.trim(&quiz(), offsets[cut - 1]).await.unwrap();
        is_whole_above_the_trim(&store).await;
        assert_eq!(bodies(&read_all(&store, &quiz()).await)[0], (cut + 1).to_string());
        if site.survives() && cut % 8 == 0 {
            drop(store);
            is_whole_above_the_trim(&site.reopen().await).await;
        }
    }
}

pub(super) async fn trimming_everything_keeps_the_place(mut site: Site) {
    let store = site.store();
    store_many(&store, &quiz(), 30).await;
    store.trim(&quiz(), Offset(u64::MAX)).await.unwrap();
    let bounds = store.bounds(&quiz()).await.unwrap().unwrap();
    assert_eq!((bounds.trimmed, bounds.head, bounds.records, bounds.bytes), (Offset(30), Offset(30), 0, 0));
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    assert_eq!(store.bounds(&quiz()).await.unwrap(), Some(bounds));
    assert_eq!(store_one(&store, &quiz(), "next").await.position.offset, Offset(31));
    is_whole_above_the_trim(&store).await;
}

pub(super) async fn what_is_trimmed_stays_trimmed(mut site: Site) {
    let store = site.store();
    store_many(&store, &quiz(), 200).await;
    store.trim(&quiz(), Offset(123)).await.unwrap();
    let before = store.bounds(&quiz()).await.unwrap();
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    assert_eq!(store.bounds(&quiz()).await.unwrap(), before);
    is_whole_above_the_trim(&store).await;
}

pub(super) async fn retention_is_remembered(mut site: Site) {
    let store = site.store();
    drop(store.open(&quiz(), Retention { records: 5, ..FOR_EVER }).await.unwrap());
    store_many(&store, &quiz(), 30).await;
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    until_kept(&store, 5).await;
    is_whole_above_the_trim(&store).await;
}
