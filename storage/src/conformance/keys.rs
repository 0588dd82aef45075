//! Idempotency keys: a retry is not a second message.

use super::*;
use crate::Refusal;

pub(super) async fn a_repeat_gets_the_first_position(site: Site) {
    let store = site.store();
    let first = store.append(keyed(&quiz(), "k1", "a")).await.unwrap();
    store_one(&store, &quiz(), "between").await;
    let again = store.append(keyed(&quiz(), "k1", "a")).await.unwrap();
    assert_eq!(again, Appended { duplicate: true, ..first });
    assert_eq!(bodies(&read_all(&store, &quiz()).await), ["a", "between"]);
}

pub(super) async fn a_repeat_in_flight_waits_for_the_first(site: Site) {
    let store = site.store();
    let pending: Vec<_> = (0..20).map(|_| store.append(keyed(&quiz(), "k1", "a"))).collect();
    let answers = futures_util::future::try_join_all(pending).await.unwrap();
    assert!(!answers[0].duplicate && answers[1..].iter().all(|answer| answer.duplicate));
    assert!(answers.iter().all(|answer| answer.position == answers[0].position));
    assert_eq!(bodies(&read_all(&store, &quiz()).await), ["a"]);
}

pub(super) async fn a_key_with_other_content_conflicts(site: Site) {
    let store = site.store();
    let first = store.append(keyed(&quiz(), "k1", "a")).await.unwrap().position;
    let other = store.append(keyed(&quiz(), "k1", "b")).await;
    assert_eq!(other, Err(AppendError::Refused(Refusal::KeyConflict { first })));
    let mut other_headers = keyed(&quiz(), "k1", "a");
    other_headers.messages[0].headers = Box::default();
    assert!(store.append(other_headers).await.unwrap().duplicate, "a retry may carry other headers");
}

pub(super) async fn keys_belong_to_publisher_and_log(site: Site) {
    let store = site.store();
    let mut other_publisher = keyed(&quiz(), "k1", "a");
    other_publisher.messages[0].publisher = Some("assistant".into());
    let mut nobody = keyed(&quiz(), "k1", "a");
    nobody.messages[0].publisher = None;
    for append in [keyed(&quiz(), "k1", "a"), keyed(&log("other"), "k1", "a"), other_publisher, nobody] {
        assert!(!store.append(append).await.unwrap().duplicate);
    }
}

pub(super) async fn keys_are_remembered_when_the_store_opens_again(mut site: Site) {
    if !site.survives() {
        return a_repeat_gets_the_first_position(site).await;
    }
    let store = site.store();
    let mut first = Vec::new();
    for n in 0..300 {
        first.push(store.append(keyed(&quiz(), &format!("k{n}"), "a")).await.unwrap());
        if n % 3 == 0 {
            store_one(&store, &quiz(), "without").await;
        }
    }
    drop(store);
    for _ in 0..2 {
        let store = site.reopen().await;
        for (n, first) in first.iter().enumerate() {
            let again = store.append(keyed(&quiz(), &format!("k{n}"), "a")).await.unwrap();
            assert_eq!(again, Appended { duplicate: true, ..first.clone() }, "k{n}");
        }
        assert!(store.append(keyed(&quiz(), "k7", "other")).await.is_err());
    }
}

pub(super) async fn keys_outlive_their_records(mut site: Site) {
    let store = site.store();
    let pending: Vec<_> = (0..500).map(|n| store.append(keyed(&quiz(), &format!("k{n}"), "a"))).collect();
    let first = futures_util::future::try_join_all(pending).await.unwrap();
    store.trim(&quiz(), first[300].position.offset).await.unwrap();
    store.trim(&quiz(), first[450].position.offset).await.unwrap();
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    for (n, first) in first.iter().enumerate() {
        let again = store.append(keyed(&quiz(), &format!("k{n}"), "a")).await.unwrap();
        assert_eq!(again, Appended { duplicate: true, ..first.clone() }, "k{n}");
    }
    assert_eq!(store.bounds(&quiz()).await.unwrap().unwrap().records, 49);
}
