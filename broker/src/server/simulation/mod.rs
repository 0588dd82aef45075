//! A school in a world that a seed makes up: everybody's deeds go to the judge of histories.
//!
//! ```text
//!   publishers ─┐                        ┌─ the broker's real doors, sessions, classrooms
//!   readers ────┼── network: delays, ────┤        │
//!   auditor ────┘   splits, loses, cuts  └─ disk: slow, full, broken, forgets at a crash
//!        └──────────────── history ──► homeroom-checker
//! ```
//!
//! Time stands still unless everybody waits for it, on one thread, and all that is random comes from the seed: the
//! same seed gives the same history, byte for byte. First everything goes wrong, then nothing does any more, and then
//! everything has to be there in time.

mod auditor;
mod history;
mod house;
mod line;
mod nemesis;
mod network;
mod options;
mod publisher;
mod random;
mod reader;
mod web;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use homeroom_checker::{Entry, Verdict, judge};
use homeroom_storage::simulated::Defect;

use self::options::Options;
use self::world::{Outcome, live};

/// In each run of the tests.
const SEEDS: u64 = 8;
/// A planted defect is found within so many.
const SEEDS_TO_FIND: u64 = 20;

fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a whole number, not {text:?}")))
}

fn lines(history: &[Entry]) -> String {
    history.iter().map(|entry| serde_json::to_string(entry).unwrap() + "\n").collect()
}

/// The verdict on a seed; the options and how to have them again are told when a promise was broken.
fn lived(seed: u64) -> (Outcome, Verdict) {
    let options = Options::of(seed);
    let outcome = std::panic::catch_unwind(|| live(&options, None))
        .unwrap_or_else(|_| panic!("repeat with HOMEROOM_SEED={seed}: {options:?}"));
    let verdict = judge(&outcome.history);
    if let Some(path) = std::env::var_os("HOMEROOM_HISTORY") {
        std::fs::write(path, lines(&outcome.history)).unwrap();
    }
    let verdict = verdict.expect_clean(&format!("HOMEROOM_SEED={seed} ({options:?})"));
    (outcome, verdict)
}

#[test]
fn every_promise_is_kept_whatever_befalls_a_school() {
    let (first, count) = match (number_of("HOMEROOM_SEED"), number_of("HOMEROOM_SEEDS")) {
        (Some(seed), count) => (seed, count.unwrap_or(1)),
        (None, count) => (1, count.unwrap_or(SEEDS)),
    };
    let (next, began) = (AtomicU64::new(first), Instant::now());
    let sums = [(); 4].map(|()| AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let (outcome, verdict) = lived(seed);
                    let counted =
                        [outcome.simulated.as_millis() as usize, verdict.events, verdict.confirmed, verdict.received];
                    for (sum, number) in sums.iter().zip(counted) {
                        sum.fetch_add(number as u64, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let [millis, events, confirmed, received] = sums.map(AtomicU64::into_inner);
    println!(
        "{count} seeds, {:.1} simulated hours in {:.0} s: {events} events, {confirmed} messages confirmed, {received} \
         received, every promise kept",
        millis as f64 / 3_600_000.0,
        began.elapsed().as_secs_f64(),
    );
}

#[test]
fn a_seed_gives_the_same_history_again() {
    let seed = 3;
    let [first, again] = [(); 2].map(|()| lines(&live(&Options::of(seed), None).history));
    if let Some(line) = first.lines().zip(again.lines()).position(|(first, again)| first != again) {
        let shown = |text: &str| text.lines().skip(line.saturating_sub(3)).take(8).collect::<Vec<_>>().join("\n");
        panic!("seed {seed}, line {line}:\n{}\n---\n{}", shown(&first), shown(&again));
    }
    assert_eq!(first.len(), again.len(), "seed {seed}");
    assert!(first.lines().count() > 100, "seed {seed} says something");
}

fn is_found(defect: Defect) {
    let found = (1..=SEEDS_TO_FIND).find(|seed| {
        let outcome = live(&Options::of(*seed), Some(defect));
        !judge(&outcome.history).violations.is_empty()
    });
    let seed = found.unwrap_or_else(|| panic!("{defect:?} is not found within {SEEDS_TO_FIND} seeds"));
    lived(seed);
    println!("{defect:?} is found by seed {seed}, which is clean without it");
}

#[test]
fn a_disk_that_confirms_too_early_is_found() {
    is_found(Defect::ConfirmsTooEarly);
}

#[test]
fn a_disk_that_forgets_cursors_is_found() {
    is_found(Defect::ForgetsCursors);
}

#[test]
fn a_disk_that_skips_records_is_found() {
    is_found(Defect::SkipsInReads);
}
