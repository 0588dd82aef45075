//! The engines do the same: random calls to both, and the same answers.

use std::time::SystemTime;

use super::*;
use crate::{AppendError, Cursor, Part, Refusal, Seek};

const LOGS: [&str; 3] = ["topic/7a", "topic/7b", "topic/7c"];

/// One call, by numbers that each engine reads in the same way.
#[derive(Clone, Copy, Debug)]
enum Call {
    Append { log: usize, also: usize, size: usize, key: Option<u64> },
    Trim { log: usize, up_to: u64 },
    Delete { log: usize },
    Save { log: usize, owner: u64, offset: u64, above: u64 },
    Forget { log: usize, owner: u64 },
    Reopen,
}

/// What can be seen of a store, without what differs by right: epochs and times.
#[derive(Debug, PartialEq, Eq)]
struct View(Vec<String>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sled_answers_as_memory_does() {
    for seed in 1..=12 {
        let mut random = Random(seed);
        let memory = Site::new(EngineKind::Memory);
        let mut sled = Site::new(EngineKind::Sled);
        let mut calls = Vec::new();
        for _ in 0..60 {
            let call = random.call();
            calls.push(call);
            if matches!(call, Call::Reopen) {
                sled.reopen().await;
            } else {
                let expected = make(&memory.store(), call).await;
                assert_eq!(make(&sled.store(), call).await, expected, "seed {seed}: {calls:?}");
            }
            let expected = view(&memory.store()).await;
            assert_eq!(view(&sled.store()).await, expected, "seed {seed}: {calls:?}");
        }
        assert_eq!(sled.store().damaged(), []);
    }
}

async fn make(store: &Store, call: Call) -> String {
    match call {
        Call::Append { log, also, size, key } => {
            let body = vec![b'x'; size];
            let part = |n| Part { log: name(n % 3), messages: vec![message(body.clone())], lane: None };
            let also = (log + 1..=log + also).map(part).collect();
            let append =
                Append { also, key: key.map(|key| key.to_string().into()), ..append(&name(log), body.clone()) };
            match store.append(append).await {
                Ok(Appended { position, also, duplicate, .. }) => {
                    let also: Vec<_> = also.iter().map(|position| position.offset).collect();
                    format!("{} {also:?} {duplicate}", position.offset)
                }
                Err(AppendError::Refused(Refusal::KeyConflict { first })) => format!("conflicts with {}", first.offset),
                Err(error) => error.to_string(),
            }
        }
        Call::Trim { log, up_to } => format!("{:?}", store.trim(&name(log), Offset(up_to)).await),
        Call::Delete { log } => format!("{:?}", store.delete(&name(log)).await),
        Call::Save { log, owner, offset, above } => {
            if let Some(bounds) = store.bounds(&name(log)).await.unwrap() {
                let used = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
                let above = vec![offset + 2..=offset + 2 + above];
                let cursor =
                    Cursor { epoch: bounds.epoch, offset: Offset(offset), above, delivered: Offset(offset), used };
                store.save(&cursor_key(&name(log), &owner.to_string()), cursor);
            }
            String::new()
        }
        Call::Forget { log, owner } => {
            format!("{:?}", store.forget(&cursor_key(&name(log), &owner.to_string())).await)
        }
        Call::Reopen => String::new(),
    }
}

async fn view(store: &Store) -> View {
    let mut seen = Vec::new();
    let mut names = store.logs();
    names.sort();
    seen.push(format!("{names:?}"));
    for log in names {
        let bounds = store.bounds(&log).await.unwrap().unwrap();
        let (head, trimmed) = (bounds.head, bounds.trimmed);
        seen.push(format!("{log} {trimmed}-{head}: {} records, {} bytes", bounds.records, bounds.bytes));
        for (after, records) in [(0, usize::MAX), (head.0 / 2, 3), (trimmed.0, 1)] {
            let budget = Budget { records, bytes: 100_000 };
            let page = store.read(&log, Offset(after), Offset(head.0.saturating_sub(1)), budget).await.unwrap();
            let read: Vec<_> = page.records.iter().map(|record| (record.offset.0, record.cost())).collect();
            seen.push(format!("after {after}: {read:?} through {} without {:?}", page.through, page.missing));
        }
        seen.push(format!("{:?}", store.seek(&log, Seek::Last(2)).await));
        let mut cursors: Vec<_> = store.on_log(&log).into_iter().collect();
        cursors.sort_by(|(one, _), (other, _)| one.cmp(other));
        seen.extend(cursors.iter().map(|(key, cursor)| format!("{key:?} {} {:?}", cursor.offset, cursor.above)));
    }
    View(seen)
}

fn name(log: usize) -> LogName {
    LogName::new(LOGS[log])
}

/// Numbers that a seed gives again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn call(&mut self) -> Call {
        let log = self.below(3) as usize;
        match self.below(20) {
            0..10 => {
                let size = [0, 100, 3_000, 6_000, 7_000, 30_000][self.below(6) as usize];
                let key = (self.below(3) == 0).then(|| self.below(5));
                // Three parts more: the first log is named twice.
                let also = self.below(8).saturating_sub(4) as usize;
                Call::Append { log, also, size, key }
            }
            10..12 => Call::Trim { log, up_to: self.below(12) },
            12 => Call::Delete { log },
            13..17 => Call::Save { log, owner: self.below(4), offset: self.below(10), above: self.below(4) },
            17 => Call::Forget { log, owner: self.below(4) },
            _ => Call::Reopen,
        }
    }
}
