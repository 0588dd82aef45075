//! Reading: budgets, bounds, places.

use super::*;
use crate::Seek;

const ALL: Budget = Budget { records: usize::MAX, bytes: usize::MAX };

pub(super) async fn an_empty_or_unknown_log_reads_as_nothing(site: Site) {
    let store = site.store();
    open_log(&store, &quiz()).await;
    for name in [quiz(), log("unknown")] {
        let page = store.read(&name, Offset::ZERO, Offset(100), ALL).await.unwrap();
        assert_eq!((page.records, page.missing, page.through), (vec![], vec![], Offset::ZERO));
        assert_eq!(store.seek(&name, Seek::Last(5)).await, Ok(Offset::ZERO));
        assert_eq!(store.seek(&name, Seek::Time(0)).await, Ok(Offset::ZERO));
    }
    assert_eq!(store.bounds(&log("unknown")).await, Ok(None));
    assert_eq!(store.logs(), [quiz()], "reading makes no log");
}

pub(super) async fn a_read_ends_at_the_budget_and_goes_on_from_there(site: Site) {
    let store = site.store();
    store_many(&store, &quiz(), 250).await;
    let cost = message("100").cost();
    for budget in [Budget { records: 7, bytes: usize::MAX }, Budget { records: usize::MAX, bytes: cost * 9 }] {
        let (mut after, mut seen) = (Offset::ZERO, Vec::new());
        loop {
            let page = store.read(&quiz(), after, Offset(u64::MAX), budget).await.unwrap();
            assert!(page.records.len() <= 10 && page.missing.is_empty());
            if page.records.is_empty() {
                break;
            }
            seen.extend(bodies(&page));
            after = page.through;
        }
        assert_eq!(seen, (1..=250).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

pub(super) async fn a_budget_of_nothing_reads_one_record(site: Site) {
    let store = site.store();
    store_many(&store, &quiz(), 5).await;
    let nothing = Budget { records: 0, bytes: 0 };
    let page = store.read(&quiz(), Offset(2), Offset(5), nothing).await.unwrap();
    assert_eq!((bodies(&page), page.through), (vec!["3".to_owned()], Offset(3)));
}

pub(super) async fn a_read_stops_where_it_is_told(site: Site) {
    let store = site.store();
    let offsets = store_many(&store, &quiz(), 100).await;
    let page = store.read(&quiz(), offsets[9], offsets[19], ALL).await.unwrap();
    assert_eq!(bodies(&page), (11..=20).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(page.through, offsets[19]);
    let beyond = store.read(&quiz(), offsets[99], Offset(u64::MAX), ALL).await.unwrap();
    assert_eq!((beyond.records.len(), beyond.through), (0, offsets[99]));
}

pub(super) async fn every_pair_of_bounds_reads_what_lies_between(site: Site) {
    let store = site.store();
    // Several commits, so that there are several blocks.
    for _ in 0..6 {
        store_many(&store, &quiz(), 5).await;
    }
    let all = read_all(&store, &quiz()).await;
    for after in 0..=30 {
        for up_to in 0..=32 {
            let page = store.read(&quiz(), Offset(after), Offset(up_to), ALL).await.unwrap();
            let between = all.records.iter().filter(|record| record.offset.0 > after && record.offset.0 <= up_to);
            assert!(page.records.iter().eq(between), "after {after} up to {up_to}");
            assert!(page.missing.is_empty() && page.through.0 >= up_to.min(30));
        }
    }
}

pub(super) async fn seeking_finds_the_newest_and_the_time(site: Site) {
    let store = site.store();
    for _ in 0..20 {
        store_many(&store, &quiz(), 10).await;
    }
    let all = read_all(&store, &quiz()).await.records;
    for n in [0, 1, 7, 100, 199, 200, 201, u64::MAX] {
        let before = store.seek(&quiz(), Seek::Last(n)).await.unwrap();
        let kept = all.iter().filter(|record| record.offset > before).count() as u64;
        assert_eq!(kept, n.min(200), "the newest {n}");
    }
    for time in all.iter().map(|record| record.time).chain([0, u64::MAX]) {
        let before = store.seek(&quiz(), Seek::Time(time)).await.unwrap();
        assert!(all.iter().all(|record| (record.time >= time) == (record.offset > before)), "from {time}");
    }
}

pub(super) async fn long_and_short_records_mix(mut site: Site) {
    let sizes: Vec<usize> =
        (0..60).map(|n| [0, 10, 5_000, 6_000, 6_100, 6_144, 7_000, 20_000, 12_288][n % 9]).collect();
    let store = site.store();
    let pending: Vec<_> = sizes.iter().map(|&size| store.append(append(&quiz(), vec![b'x'; size]))).collect();
    futures_util::future::try_join_all(pending).await.unwrap();
    let store = if site.survives() {
        drop(store);
        site.reopen().await
    } else {
        store
    };
    let page = read_all(&store, &quiz()).await;
    let read: Vec<_> = page.records.iter().map(|record| record.messages[0].body.len()).collect();
    assert_eq!((read, page.missing), (sizes, vec![]));
    for after in 0..60 {
        let page = store.read(&quiz(), Offset(after), Offset(after + 1), ALL).await.unwrap();
        assert_eq!(page.records.iter().map(|record| record.offset.0).collect::<Vec<_>>(), [after + 1]);
    }
}
