//! A transaction over several logs is all there or not at all, whatever step of it was the last.
//!
//! Clients store transactions in two or three logs, each with a move of the client's cursor on another log,
//! while strace looks on. Then the run ends again and again: before and after every write and every sync of a
//! stretch of commits, and at random moments of the rest; by a kill, and by a power cut that keeps what was
//! synced, or pieces of more. What the store then opens with is looked through: each transaction is in all of
//! its logs and under its cursor, or in none, and those that were confirmed are all there.
//!
//! The test is tested: transactions stored with one append for each log must be found torn.
//!
//! More: `TRANSACTION_CUTS=1000 TRANSACTION_COMMITS=200 TRANSACTION_SEED=7 cargo nextest run -p homeroom-tests transactions::`.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_storage::{Budget, LogName, Offset, Store, inspect};

use crate::recording::{Cut, Keeps, Random, Recording, asked};
use crate::trace::Act;

/// Random moments that the ordinary run looks at.
const CUTS: u64 = 40;
/// Commits of which it looks at every step.
const COMMITS: u64 = 8;
/// Transactions in the traced run.
const TRANSACTIONS: u64 = 240;
const LOGS: [&str; 3] = ["topic/0", "topic/1", "topic/2"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_step_leaves_all_of_a_transaction_or_none() {
    let load = Load::record(asked("TRANSACTION_SEED", 1), "together");
    let steps = load.steps(asked("TRANSACTION_COMMITS", COMMITS));
    let mut looked_at = 0;
    let at_random = load.recording.cuts(asked("TRANSACTION_CUTS", CUTS)).map(|cut| cut.moment);
    for moment in steps.iter().copied().chain(at_random) {
        for (keeps, seed) in [(Keeps::Written, 1), (Keeps::Synced, 1), (Keeps::SomeMore, 1), (Keeps::SomeMore, 2)] {
            let cut = Cut { number: looked_at, moment, random: Random(seed + looked_at) };
            let found = load.look(&cut, keeps).await;
            assert_eq!(found.torn, [""; 0], "cut {looked_at} at {moment} ({keeps:?})");
            looked_at += 1;
        }
    }
    println!("{looked_at} crashes, {} steps of commits among them, no transaction torn or lost", steps.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_stored_log_by_log_are_found_torn() {
    let load = Load::record(2, "apart");
    let mut torn = 0;
    for cut in load.recording.cuts(20) {
        torn += u64::from(!load.look(&cut, Keeps::Written).await.torn.is_empty());
    }
    println!("stored apart, 20 crashes tore transactions {torn} times");
    assert!(torn >= 5, "the test would not notice a torn transaction: it saw only {torn} in 20");
}

/// A load that ran under strace.
struct Load {
    recording: Recording,
    /// The last transaction that each client was told of, with its moment.
    confirmed: Vec<(usize, String, u64)>,
}

/// What a crash left.
struct Found {
    torn: Vec<String>,
}

impl Load {
    fn record(seed: u64, way: &str) -> Load {
        let arguments = |seed: u64, count: u64| [seed.to_string(), count.to_string(), way.to_owned()];
        let history = arguments(seed * 2, TRANSACTIONS / 4);
        let recording = Recording::of("transaction_load", Some(&history), &arguments(seed * 2 + 1, TRANSACTIONS));
        let before = recording.said_before.lines().map(|line| (0, line));
        let said = before.chain(recording.said()).map(|(moment, line)| {
            let (client, number) = line.trim_end().split_once(' ').unwrap();
            (moment, client.to_owned(), number.parse().unwrap())
        });
        let confirmed: Vec<_> = said.collect();
        assert!(confirmed.len() as u64 >= TRANSACTIONS, "{} confirmations", confirmed.len());
        Load { recording, confirmed }
    }

    /// Before and after each call of some commits in the middle of the run.
    fn steps(&self, commits: u64) -> BTreeSet<usize> {
        let events = &self.recording.events;
        let is_commit = |act: &Act| matches!(act, Act::Sync { data_only: true, .. });
        let syncs: Vec<_> = events.iter().filter(|event| is_commit(&event.act)).map(|event| event.ended).collect();
        let from = syncs.len() / 3;
        let until = (from + commits as usize).min(syncs.len() - 1);
        let (from, until) = (syncs[from], syncs[until]);
        let inside = events.iter().filter(|event| (from..=until).contains(&event.begun));
        inside.flat_map(|event| [event.begun, event.begun + 1, event.ended + 1]).collect()
    }

    /// Opens what a crash leaves, and looks through it.
    async fn look(&self, cut: &Cut, keeps: Keeps) -> Found {
        let (store, path) = self.recording.open_after(cut, keeps, |_| true).await;
        let mut torn: Vec<_> = store.damaged().iter().map(|(log, reason)| format!("{log}: {reason}")).collect();
        let cursors = cursors(&store).await;
        let transactions = transactions(&store).await;
        for (client, numbers) in &transactions {
            let settled = cursors.get(client).copied().unwrap_or(0);
            if numbers.keys().copied().ne(1..=settled) {
                torn.push(format!("{client} settled {settled} and stored {:?}", numbers.keys()));
            }
            let incomplete = numbers.iter().filter(|(_, transaction)| !transaction.is_whole());
            torn.extend(incomplete.map(|(number, transaction)| format!("{client} {number}: {transaction:?}")));
        }
        let unstored = cursors.keys().filter(|client| !transactions.contains_key(*client));
        torn.extend(unstored.map(|client| format!("{client} settled and stored nothing")));
        let is_past = |moment: usize| moment < cut.moment || moment == 0;
        let confirmed = self.confirmed.iter().filter(|(moment, ..)| is_past(*moment));
        let lost = confirmed.filter(|(_, client, number)| cursors.get(client) < Some(number));
        torn.extend(lost.map(|(_, client, number)| format!("{client} {number} was confirmed and is lost")));
        store.close().await;
        drop(store);
        if torn.is_empty() {
            let report = inspect::verify(&path, &mut |_, _| {}).unwrap();
            assert!(report.is_clean(), "cut {}: {report:?}", cut.number);
        }
        Found { torn }
    }
}

/// A transaction as it was found.
#[derive(Debug, Default)]
struct Transaction {
    /// The logs it was sent to, as each of its records says.
    sent_to: String,
    /// The logs it is in, as often as it is.
    found_in: Vec<String>,
}

impl Transaction {
    fn is_whole(&self) -> bool {
        self.sent_to.split(',').eq(self.found_in.iter().map(String::as_str))
    }
}

/// All transactions by client and number.
async fn transactions(store: &Store) -> BTreeMap<String, BTreeMap<u64, Transaction>> {
    let mut found: BTreeMap<String, BTreeMap<u64, Transaction>> = BTreeMap::new();
    for (n, log) in LOGS.iter().enumerate() {
        let budget = Budget { records: usize::MAX, bytes: usize::MAX };
        let page = store.read(&LogName::new(*log), Offset::ZERO, Offset(u64::MAX), budget).await.unwrap();
        for record in page.records {
            let body = String::from_utf8(record.messages[0].body.to_vec()).unwrap();
            let mut words = body.split(' ');
            let client = words.next().unwrap();
            if client == "other" {
                continue;
            }
            let number = words.next().unwrap().parse().unwrap();
            let transaction = found.entry(client.to_owned()).or_default().entry(number).or_default();
            words.next().unwrap().clone_into(&mut transaction.sent_to);
            transaction.found_in.push(n.to_string());
        }
    }
    found
}

/// The last transaction under each client's cursor.
async fn cursors(store: &Store) -> BTreeMap<String, u64> {
    let cursors = store.on_log(&LogName::new("topic/acknowledged"));
    cursors.into_iter().map(|(key, cursor)| (key.owner.to_string(), cursor.offset.0)).collect()
}
