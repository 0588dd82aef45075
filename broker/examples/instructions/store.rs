//! From an append to its answer, through the engine that people run.
//!
//! One publisher waits for each answer, so that every commit holds one record.
//! The engine's own writer runs on another thread: callgrind counts that one
//! from its beginning, warm-up included, which is one per cent of it. sled's
//! threads are not counted: what they do depends on the time.

use std::hint::black_box;

use homeroom_storage::{Append, LogName, Message, Retention, Settings, open};
use tokio::runtime::Builder;

use crate::measured::Row;

pub(crate) const ROWS: [Row; 1] = [Row { name: "append a message of 200 bytes", operations: 5_000, prepare: append }];

fn append(_: u32) -> Box<dyn FnMut()> {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let settings =
        Settings { path: dir.path().join("store"), ballast_bytes: 0, free_space_min: 0, ..Settings::default() };
    let store = open(&settings).expect("the store opens");
    let log = LogName::new("topic/7b");
    let runtime = Builder::new_current_thread().build().expect("a runtime can be made");
    let followed = runtime.block_on(store.open(&log, Retention::default())).expect("the log opens");
    Box::new(move || {
        // The directory is removed with this. The records stay in the tail: else it would be a race
        // between two threads which of them frees each.
        let _ = (&dir, &followed);
        black_box(runtime.block_on(store.append(one(&log))).expect("it is stored"));
    })
}

/// An append of one message.
pub(crate) fn one(log: &LogName) -> Append {
    let (log, messages) = (log.clone(), vec![message()]);
    Append { log, messages, also: Vec::new(), settlements: Vec::new(), key: None, deadline: None, lane: None }
}

/// A message of a quiz.
pub(crate) fn message() -> Message {
    Message {
        destination: "/topic/7b/quiz".into(),
        headers: [("content-type".into(), "application/json".into())].into(),
        body: body().into(),
        publisher: Some("teacher".into()),
    }
}

/// 200 bytes.
pub(crate) fn body() -> Vec<u8> {
    br#"{"question":7,"text":"Is 91 prime?"}"#.iter().copied().cycle().take(200).collect()
}
