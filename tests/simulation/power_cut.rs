//! The power fails: what was confirmed is there afterwards.
//!
//! A kill loses nothing that a process has written; a power cut loses whatever
//! no sync has covered. So a load runs under strace, and for each of many
//! moments the disk is rebuilt as it may be found after a cut: every write that
//! a finished sync covers, and of the others none, or any, or parts of them.
//! The store opens on that, and everything confirmed before the moment must be
//! there, at its position.
//!
//! The test is tested: with our own `fdatasync` overlooked it must find losses,
//! since sled's flush alone reaches no disk.
//!
//! More cuts and another load: `POWER_CUTS=1000 POWER_CUT_SEED=7 cargo nextest run -p homeroom-tests power_cut`.

use std::collections::BTreeMap;

use homeroom_storage::{Budget, LogName, Offset, Store, inspect};

use crate::recording::{Cut, Keeps, Recording, asked};

/// How many moments the ordinary run looks at.
const CUTS: u64 = 200;
/// The log whose records retention takes all the time.
const FORGETFUL: &str = "topic/3";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_nothing_that_was_confirmed() {
    let cuts = asked("POWER_CUTS", CUTS);
    let load = Load::record(asked("POWER_CUT_SEED", 1), Begins::WithAHistory);
    let mut confirmed = 0;
    for cut in load.recording.cuts(cuts) {
        // Every other cut is the worst one allowed; the others keep some of what no sync covered.
        let keeps = if cut.number % 2 == 0 { Keeps::Synced } else { Keeps::SomeMore };
        let losses = load.losses(&cut, keeps, |_| true).await;
        assert!(losses.is_empty(), "cut {} ({keeps:?}) lost {}: {:?}", cut.number, losses.len(), &losses[..1]);
        confirmed += load.confirmed(cut.moment).len();
    }
    println!("{cuts} cuts, {confirmed} confirmations looked up, 0 lost");
    assert!(confirmed > 10_000, "the cuts came too early to show anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_while_a_store_is_new_loses_nothing_that_was_confirmed() {
    let load = Load::record(3, Begins::Empty);
    for mut cut in load.recording.cuts(40) {
        // Half of them while the first files are made.
        cut.moment /= if cut.number < 20 { 100 } else { 1 };
        let losses = load.losses(&cut, Keeps::SomeMore, |_| true).await;
        assert!(losses.is_empty(), "cut {} lost {}: {:?}", cut.number, losses.len(), &losses[..1]);
    }
}

/// A tear that sled overlooks costs the whole store: what it reads behind it refers to what is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_in_a_long_commit_loses_nothing_that_was_confirmed() {
    let load = Load::record(5, Begins::WithLongCommits);
    for cut in load.recording.cuts(asked("POWER_CUTS", CUTS) / 4) {
        let losses = load.losses(&cut, Keeps::SomeMore, |_| true).await;
        assert!(losses.is_empty(), "cut {} lost {}: {:?}", cut.number, losses.len(), &losses[..1]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_our_own_sync_a_power_cut_loses_what_was_confirmed() {
    let load = Load::record(2, Begins::WithAHistory);
    let mut lossy = 0;
    for cut in load.recording.cuts(20) {
        let losses = load.losses(&cut, Keeps::Synced, |data_only| !data_only).await;
        lossy += u64::from(!losses.is_empty());
    }
    println!("without fdatasync {lossy} of 20 cuts lost confirmed messages");
    assert!(lossy >= 10, "the test would not notice a missing sync: only {lossy} of 20 cuts lost something");
}

/// What the traced load begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// No directory.
    Empty,
    /// A store that an earlier load filled, so that sled makes its snapshot and uses segments again.
    WithAHistory,
    /// The same, of commits that reach over several of sled's segments, and so does what follows.
    WithLongCommits,
}

/// A confirmed append.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Confirmed {
    log: LogName,
    epoch: u64,
    offset: u64,
    hash: u32,
}

/// A load that ran under strace.
struct Load {
    recording: Recording,
    confirmed: Vec<(usize, Confirmed)>,
}

impl Load {
    /// Runs the load under strace.
    fn record(seed: u64, begins: Begins) -> Load {
        let (records, load) = if begins == Begins::WithLongCommits { (720, "long") } else { (3000, "short") };
        let arguments = |seed: u64| [seed.to_string(), records.to_string(), load.to_owned()];
        let history = (begins != Begins::Empty).then(|| arguments(seed * 2));
        let history = history.as_ref().map(<[String; 3]>::as_slice);
        let recording = Recording::of("power_cut_load", history, &arguments(seed * 2 + 1));
        let mut confirmed: Vec<_> = parse(&recording.said_before).map(|it| (0, it)).collect();
        confirmed.extend(recording.said().flat_map(|(moment, line)| parse(line).map(move |it| (moment, it))));
        assert!(confirmed.len() >= records, "{} confirmations", confirmed.len());
        Load { recording, confirmed }
    }

    /// What had been confirmed when the power failed.
    fn confirmed(&self, moment: usize) -> Vec<&Confirmed> {
        self.confirmed.iter().filter(|(at, _)| *at < moment || *at == 0).map(|(_, it)| it).collect()
    }

    /// Opens what a cut leaves, and names what is lost.
    async fn losses(&self, cut: &Cut, keeps: Keeps, is_sync: impl Fn(bool) -> bool) -> Vec<String> {
        let (store, path) = self.recording.open_after(cut, keeps, is_sync).await;
        let mut losses = self.missing(&store, cut.moment).await;
        losses.extend(store.damaged().iter().map(|(log, reason)| format!("{log} is named as damaged: {reason}")));
        store.close().await;
        drop(store);
        if losses.is_empty() {
            let report = inspect::verify(&path, &mut |_, _| {}).unwrap();
            assert!(report.is_clean(), "cut {}: {report:?}", cut.number);
        }
        losses
    }

    async fn missing(&self, store: &Store, moment: usize) -> Vec<String> {
        let mut found = BTreeMap::new();
        let mut trimmed = BTreeMap::new();
        for log in store.logs() {
            let bounds = store.bounds(&log).await.unwrap().unwrap();
            let budget = Budget { records: usize::MAX, bytes: usize::MAX };
            let page = store.read(&log, Offset::ZERO, Offset(u64::MAX), budget).await.unwrap();
            for record in page.records {
                let hash = crc32fast::hash(&record.messages[0].body);
                found.insert((log.clone(), record.offset.0), (record.epoch.0, hash));
            }
            if log.as_str() == FORGETFUL {
                trimmed.insert(log, bounds.trimmed.0);
            }
        }
        let is_trimmed = |it: &Confirmed| trimmed.get(&it.log).is_some_and(|trimmed| it.offset <= *trimmed);
        let is_there = |it: &Confirmed| found.get(&(it.log.clone(), it.offset)) == Some(&(it.epoch, it.hash));
        let lost = self.confirmed(moment).into_iter().filter(|it| !is_trimmed(it) && !is_there(it));
        lost.map(|it| format!("{it:?}, found {:?}", found.get(&(it.log.clone(), it.offset)))).collect()
    }
}

fn parse(lines: &str) -> impl Iterator<Item = Confirmed> {
    lines.lines().map(|line| {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap();
        Confirmed {
            log: LogName::new(word()),
            epoch: word().parse().unwrap(),
            offset: word().parse().unwrap(),
            hash: word().parse().unwrap(),
        }
    })
}
