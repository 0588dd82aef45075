//! Transactions over three logs, and what was confirmed of them: the witness of the crash test.
//!
//! `transaction_load DIRECTORY SEED TRANSACTIONS together|apart` runs a few clients at once. Each stores its
//! transactions one after the other, each in two or three logs, and moves its cursor on a further log to the
//! transaction's number with them. One line `client number` for each that was confirmed. `apart` stores them
//! as a broker would that knows no better: one append for each log. Other records are appended meanwhile, and
//! retention takes those of one log.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use homeroom_storage::{
    Append, Cursor, CursorKey, Epoch, LogName, Message, Offset, Part, Retention, Settings, Settlement, Store, open,
};

const CLIENTS: u64 = 3;
const LOGS: u64 = 3;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(load());
}

async fn load() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, seed, transactions, way] = &arguments[..] else {
        panic!("DIRECTORY SEED TRANSACTIONS together|apart");
    };
    let settings = Settings {
        path: path.into(),
        free_space_min: 1 << 20,
        ballast_bytes: 0,
        cache_bytes: 8 << 20,
        ..Settings::default()
    };
    let store = open(&settings).unwrap_or_else(|error| panic!("{error}"));
    let acknowledged = store.open(&LogName::new("topic/acknowledged"), Retention::default()).await;
    let epoch = acknowledged.expect("a log opens").bounds.epoch;
    let (transactions, is_together): (u64, _) = (transactions.parse().expect("a number"), way == "together");
    let stop = Arc::new(AtomicBool::new(false));
    let others = tokio::spawn(others(store.clone(), Arc::clone(&stop)));
    let clients = (0..CLIENTS).map(|n| {
        let client = Client { name: format!("{seed}-{n}"), store: store.clone(), epoch, is_together };
        tokio::spawn(async move { client.run(transactions / CLIENTS).await })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("a client ends");
    }
    stop.store(true, Ordering::Release);
    others.await.expect("the others end");
    store.close().await;
}

struct Client {
    name: String,
    store: Store,
    epoch: Epoch,
    is_together: bool,
}

impl Client {
    async fn run(&self, transactions: u64) {
        for number in 1..=transactions {
            let logs: Vec<_> = (0..LOGS).filter(|log| number % 4 != 0 || number / 4 % LOGS != *log).collect();
            let names: Vec<_> = logs.iter().map(u64::to_string).collect();
            let parts = logs.iter().map(|log| {
                // Some are longer than a block, a few longer than a segment of the store.
                let filled = match (number + log) % 40 {
                    0 => 600_000,
                    n if n % 10 == 0 => 20_000,
                    n => n as usize * 9,
                };
                let body = format!("{} {number} {} {}", self.name, names.join(","), "x".repeat(filled));
                Part { log: name(*log), messages: vec![message(body)], lane: None }
            });
            self.store(parts.collect(), self.settlement(number)).await;
            say(&format!("{} {number}\n", self.name));
        }
    }

    async fn store(&self, mut parts: Vec<Part>, settlement: Settlement) {
        if self.is_together {
            let first = parts.remove(0);
            let append = Append { also: parts, settlements: vec![settlement], ..append(first) };
            self.store.append(append).await.unwrap_or_else(|error| panic!("{error}"));
            return;
        }
        for part in parts {
            self.store.append(append(part)).await.unwrap_or_else(|error| panic!("{error}"));
        }
        self.store.save(&settlement.key, settlement.cursor);
        self.store.sync().await.expect("cursors are stored");
    }

    fn settlement(&self, number: u64) -> Settlement {
        let offset = Offset(number);
        let cursor = Cursor { epoch: self.epoch, offset, above: vec![], delivered: offset, used: u64::MAX };
        let log = LogName::new("topic/acknowledged");
        Settlement { key: CursorKey { log, owner: self.name.as_str().into(), name: "load".into() }, cursor }
    }
}

async fn others(store: Store, stop: Arc<AtomicBool>) {
    let forgetful = LogName::new("topic/forgetful");
    drop(store.open(&forgetful, Retention { bytes: 50_000, ..Retention::default() }).await.expect("a log opens"));
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let body = format!("other {number}");
        let messages = || vec![message(body.clone() + &"x".repeat(2_000 * usize::from(number % 5 == 0)))];
        for log in [name(number % LOGS), forgetful.clone()] {
            let part = Part { log, messages: messages(), lane: None };
            store.append(append(part)).await.unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

fn name(log: u64) -> LogName {
    LogName::new(format!("topic/{log}"))
}

fn message(body: String) -> Message {
    Message { destination: "/topic/7b".into(), headers: Box::default(), body: body.into(), publisher: None }
}

fn append(part: Part) -> Append {
    let Part { log, messages, lane } = part;
    Append { log, messages, also: Vec::new(), settlements: Vec::new(), key: None, deadline: None, lane }
}

/// One system call for one line, so that its place among the others is known.
fn say(line: &str) {
    std::io::stdout().write_all(line.as_bytes()).expect("somebody listens");
}
