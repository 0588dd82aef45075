//! What every engine must do. Plain functions that take a site with a store;
//! each engine lists them. A new engine begins here.

mod agreement;
mod appending;
mod cursors;
mod erasing;
mod joining;
mod keys;
mod reading;
mod retention;
mod together;

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;

use crate::{
    Append, AppendError, Appended, Budget, CursorKey, EngineKind, LogName, Message, Offset, Opened, Page, Retention,
    Settings, Store,
};

/// A place with a store that can be closed and opened again.
pub(crate) struct Site {
    settings: Settings,
    store: Option<Store>,
    _dir: TempDir,
}

impl Site {
    fn new(engine: EngineKind) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let settings =
            Settings { engine, path, free_space_min: 1 << 20, ballast_bytes: 1 << 20, ..Settings::default() };
        Site { store: Some(crate::open(&settings).unwrap()), settings, _dir: dir }
    }

    fn store(&self) -> Store {
        self.store.clone().unwrap()
    }

    /// Whether a store that is opened again still has what was appended.
    fn survives(&self) -> bool {
        self.store().caps().survives != "nothing"
    }

    async fn reopen(&mut self) -> Store {
        let store = self.store.take().unwrap();
        store.close().await;
        drop(store);
        self.store.insert(crate::open(&self.settings).unwrap()).clone()
    }
}

macro_rules! every_engine {
    ($($room:ident: $($behaviour:ident),+;)+) => {
        mod memory {
            $($(#[tokio::test] async fn $behaviour() {
                super::$room::$behaviour(super::Site::new(crate::EngineKind::Memory)).await;
            })+)+
        }
        mod sled {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $behaviour() {
                super::$room::$behaviour(super::Site::new(crate::EngineKind::Sled)).await;
            })+)+
        }
    };
}

every_engine! {
    appending:
        offsets_grow_and_times_never_fall,
        what_was_appended_is_read_back_to_the_byte,
        the_messages_of_one_append_are_one_record,
        a_record_of_a_mebibyte_comes_back,
        a_record_beyond_the_limit_is_refused,
        an_append_is_queued_before_it_is_polled,
        an_append_nobody_waits_for_is_stored,
        what_is_late_is_not_stored,
        after_a_failure_its_lane_fails_and_no_other,
        a_deleted_log_begins_again_under_another_epoch,
        epochs_are_unlike_and_safe_for_javascript,
        an_opened_store_continues_where_it_ended,
        a_store_that_forgot_begins_another_epoch,
        a_closed_store_refuses,
        counters_count;
    reading:
        an_empty_or_unknown_log_reads_as_nothing,
        a_read_ends_at_the_budget_and_goes_on_from_there,
        a_budget_of_nothing_reads_one_record,
        a_read_stops_where_it_is_told,
        every_pair_of_bounds_reads_what_lies_between,
        seeking_finds_the_newest_and_the_time,
        long_and_short_records_mix;
    joining:
        what_is_before_the_fence_is_read_and_what_is_after_arrives,
        a_tail_sees_what_a_reader_sees,
        joins_at_random_moments_have_no_seam,
        a_tail_nobody_reads_stops_the_log_until_it_is_read,
        a_dropped_tail_costs_nothing,
        a_tail_ends_with_its_log,
        a_tail_ends_with_the_store;
    keys:
        a_repeat_gets_the_first_position,
        a_repeat_in_flight_waits_for_the_first,
        a_key_with_other_content_conflicts,
        keys_belong_to_publisher_and_log,
        keys_are_remembered_when_the_store_opens_again,
        keys_outlive_their_records;
    retention:
        the_count_limits_what_is_kept,
        the_bytes_limit_what_is_kept,
        the_age_limits_what_is_kept,
        trimming_forgets_up_to_and_including,
        trimming_inside_a_block_keeps_the_rest_of_it,
        trimming_everything_keeps_the_place,
        what_is_trimmed_stays_trimmed,
        retention_is_remembered;
    cursors:
        a_cursor_comes_back,
        a_cursor_moves_only_forward,
        what_was_delivered_is_what_was_said_last,
        a_cursor_of_another_epoch_is_ignored,
        a_cursor_survives_with_all_its_ranges,
        many_cursors_survive,
        a_forgotten_cursor_stays_forgotten,
        cursors_go_with_their_log,
        a_settlement_comes_with_its_record,
        a_settlement_takes_nothing_back_of_what_was_delivered_since,
        a_settlement_of_a_refused_append_moves_nothing,
        cursors_settle_together,
        cursors_unused_for_long_are_forgotten;
    erasing:
        an_erased_log_ends_and_begins_anew,
        erased_records_are_passed_over_and_their_offsets_stay_taken,
        a_record_goes_whole,
        idempotency_keys_go_with_their_records,
        cursors_of_one_owner_go_everywhere,
        what_is_not_there_is_erased_all_the_same,
        an_erasure_nobody_waits_for_is_done,
        whoever_reads_and_appends_meanwhile_loses_nothing,
        a_closed_store_erases_nothing;
    together:
        all_logs_of_one_append_have_it,
        records_of_the_largest_size_go_together,
        each_log_orders_it_among_its_others,
        a_log_named_twice_has_two_records,
        what_one_log_refuses_no_log_has,
        one_broken_lane_refuses_all_and_all_lanes_break_with_it,
        cursors_of_a_third_log_move_with_it,
        a_key_stands_for_what_all_logs_were_told,
        a_tail_has_it_when_all_logs_have_it;
}

/// The name of a log.
fn log(name: &str) -> LogName {
    LogName::new(name)
}

/// The log most tests use.
fn quiz() -> LogName {
    log("topic/7b")
}

fn message(body: impl Into<Bytes>) -> Message {
    Message {
        destination: "/topic/7b/quiz".into(),
        headers: Box::new([("content-type".into(), "application/json".into())]),
        body: body.into(),
        publisher: Some("teacher".into()),
    }
}

fn append(log: &LogName, body: impl Into<Bytes>) -> Append {
    let messages = vec![message(body)];
    Append {
        log: log.clone(),
        messages,
        also: Vec::new(),
        settlements: Vec::new(),
        key: None,
        deadline: None,
        lane: None,
    }
}

fn keyed(log: &LogName, key: &str, body: &'static str) -> Append {
    Append { key: Some(key.into()), ..append(log, body) }
}

async fn store_one(store: &Store, log: &LogName, body: impl Into<Bytes>) -> Appended {
    store.append(append(log, body)).await.unwrap()
}

/// Appends `count` records whose bodies are their numbers, from 1.
async fn store_many(store: &Store, log: &LogName, count: u64) -> Vec<Offset> {
    let pending: Vec<_> = (1..=count).map(|n| store.append(append(log, n.to_string()))).collect();
    let stored: Result<Vec<Appended>, AppendError> = futures_util::future::try_join_all(pending).await;
    stored.unwrap().iter().map(|appended| appended.position.offset).collect()
}

async fn open_log(store: &Store, log: &LogName) -> Opened {
    store.open(log, Retention::default()).await.unwrap()
}

async fn read_all(store: &Store, log: &LogName) -> Page {
    store.read(log, Offset::ZERO, Offset(u64::MAX), Budget { records: usize::MAX, bytes: usize::MAX }).await.unwrap()
}

fn bodies(page: &Page) -> Vec<String> {
    page.records.iter().map(|record| String::from_utf8_lossy(&record.messages[0].body).into_owned()).collect()
}

fn cursor_key(log: &LogName, owner: &str) -> CursorKey {
    CursorKey { log: log.clone(), owner: owner.into(), name: "quiz".into() }
}

/// Asks again until it holds; what never holds fails the test.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never came to this: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
