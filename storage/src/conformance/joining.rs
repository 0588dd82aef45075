//! Joining what is stored to what comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::TAIL_BYTES_MAX;

pub(super) async fn what_is_before_the_fence_is_read_and_what_is_after_arrives(site: Site) {
    let store = site.store();
    let offsets = store_many(&store, &quiz(), 10).await;
    let mut opened = open_log(&store, &quiz()).await;
    assert_eq!((opened.bounds.head, opened.bounds.records), (offsets[9], 10));
    assert!(opened.tail.try_next().is_none());
    store_many(&store, &quiz(), 10).await;
    for n in 1..=10 {
        let record = opened.tail.next().await.unwrap();
        assert!(record.offset > offsets[9]);
        assert_eq!(record.messages[0].body, n.to_string());
    }
    assert!(opened.tail.try_next().is_none());
}

pub(super) async fn a_tail_sees_what_a_reader_sees(site: Site) {
    let store = site.store();
    let mut opened = open_log(&store, &quiz()).await;
    store_many(&store, &quiz(), 50).await;
    store_one(&store, &quiz(), vec![7; 50_000]).await;
    for record in read_all(&store, &quiz()).await.records {
        assert_eq!(opened.tail.next().await.unwrap(), record);
    }
}

pub(super) async fn joins_at_random_moments_have_no_seam(site: Site) {
    const JOINS: usize = 3000;
    let store = site.store();
    let stop = Arc::new(AtomicBool::new(false));
    let publishers: Vec<_> = (0..4).map(|_| tokio::spawn(publish_until(store.clone(), Arc::clone(&stop)))).collect();
    until("something is stored", async || store.bounds(&quiz()).await.unwrap().is_some()).await;
    for _ in 0..JOINS {
        let mut opened = open_log(&store, &quiz()).await;
        let fence = opened.bounds.head;
        let from = Offset(fence.0.saturating_sub(3));
        let page = store.read(&quiz(), from, fence, Budget { records: 100, bytes: 1 << 20 }).await.unwrap();
        let mut seen: Vec<_> = page.records.iter().map(|record| record.offset.0).collect();
        for _ in 0..2 {
            seen.push(opened.tail.next().await.unwrap().offset.0);
        }
        // Neither engine leaves gaps, so that a seam would show as one.
        assert_eq!(seen, (from.0 + 1..=fence.0 + 2).collect::<Vec<_>>(), "joined at {fence}");
    }
    stop.store(true, Ordering::Release);
    for publisher in publishers {
        publisher.await.unwrap();
    }
}

async fn publish_until(store: Store, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Acquire) {
        store_one(&store, &quiz(), "x").await;
        tokio::task::yield_now().await;
    }
}

pub(super) async fn a_tail_nobody_reads_stops_the_log_until_it_is_read(site: Site) {
    let store = site.store();
    let mut opened = open_log(&store, &quiz()).await;
    let mut stored = 0;
    let refused = loop {
        match store.append(append(&quiz(), vec![0; 1 << 20])).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::Unavailable { full: false, .. }), "{refused}");
    assert_eq!(stored, TAIL_BYTES_MAX >> 20);
    store_one(&store, &log("other"), "goes on").await;
    opened.tail.next().await.unwrap();
    store_one(&store, &quiz(), "again").await;
}

pub(super) async fn a_dropped_tail_costs_nothing(site: Site) {
    let store = site.store();
    drop(open_log(&store, &quiz()).await);
    for _ in 0..20 {
        store_one(&store, &quiz(), vec![0; 1 << 20]).await;
    }
}

pub(super) async fn a_tail_ends_with_its_log(site: Site) {
    let store = site.store();
    let mut opened = open_log(&store, &quiz()).await;
    store_one(&store, &quiz(), "last").await;
    store.delete(&quiz()).await.unwrap();
    assert!(opened.tail.next().await.is_some());
    assert!(opened.tail.next().await.is_none());
}

pub(super) async fn a_tail_ends_with_the_store(site: Site) {
    let store = site.store();
    let mut opened = open_log(&store, &quiz()).await;
    store_one(&store, &quiz(), "last").await;
    store.close().await;
    assert!(opened.tail.next().await.is_some());
    assert!(opened.tail.next().await.is_none());
}
