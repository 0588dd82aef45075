//! Records at positions: ordered, durable logs and the cursors on them.
//!
//! ```text
//!  append ──►  log   1 2 3 4 5 6 7 8 9 ──► head ──► tail (live)
//!                        ▲     ▲       ▲
//!            cursor ─────┘     │       └── cursor
//!            cursor ───────────┘
//! ```
//!
//! A log is appended to, read, followed, trimmed; a cursor says how far
//! somebody has come. [`Log`] and [`Cursors`] are the contract, [`Engine`] is
//! both and its own state, [`open`] gives one by its [`Settings`]:
//!
//! | Engine | Survives | For |
//! | --- | --- | --- |
//! | `memory` | nothing | tests, trying out; the contract in its plainest form |
//! | `sled` | power loss | one machine |
//!
//! # What is promised
//!
//! - What was confirmed survives a power cut, and nothing is visible before it is durable.
//! - A position names one record for ever; what is missing is named, never hidden.
//! - Following a log and reading it meet at a fence, without gap and without repeat.
//! - A damaged log is named and fenced off; the others go on. A store that
//!   cannot be opened is set aside, and an empty one begins.
//! - A full disk refuses, loses nothing, and is well again by itself.
//! - Every queue is bounded in bytes; beyond, the answer is [`AppendError::Unavailable`].
//!
//! ```
//! # use homeroom_storage::*;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = open(&Settings { engine: EngineKind::Memory, ..Settings::default() })?;
//! let class = LogName::new("topic/7b");
//! let mut live = store.open(&class, Retention::default()).await?;
//!
//! let quiz = Message {
//!     destination: "/topic/7b/quiz".into(),
//!     headers: Box::default(),
//!     body: "question 1".into(),
//!     publisher: Some("teacher".into()),
//! };
//! let append = Append {
//!     log: class.clone(),
//!     messages: vec![quiz],
//!     also: vec![],
//!     settlements: vec![],
//!     key: None,
//!     deadline: None,
//!     lane: None,
//! };
//! let position = store.append(append).await?.position;
//!
//! assert_eq!(live.tail.next().await.map(|record| record.offset), Some(position.offset));
//! let page = store.read(&class, Offset::ZERO, position.offset, Budget { records: 100, bytes: 65536 }).await?;
//! assert_eq!(page.records.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! `log.rs` and `cursors.rs` are the contract, `conformance.rs` is the same as
//! tests: a new engine begins there. `answers.rs` is where a publisher hears
//! what became of its appends. `sled/appender.rs` is where a record becomes
//! durable, `sled/layout.rs` what the bytes mean, `sled/open.rs` what happens to
//! a store that sled cannot open.
//!
//! Never here: STOMP, sockets, students.
//!
//! # Why does sled not do this by itself?
//!
//! Its `flush` hands the bytes to the kernel and does not wait for the disk; its
//! answer to damage is a panic or silence; a full disk poisons it until it is
//! opened again; a value of its pages over 128 KiB goes to a file that is never
//! synced. So there is a sync of our own after each flush, a checksum and the
//! offset before it in each block, a ballast file, and no value over 6 KiB.
//!
//! # Why are records kept in blocks?
//!
//! sled's leaves split at sixteen items and each page costs memory for ever. One
//! value for all records of a log in one commit makes few keys, few pages, and
//! one insert where there were many.
//!
//! # Why are the high-water marks in a file beside sled?
//!
//! When sled loses the end of its own log, a mark inside it is lost with it. The
//! file is written after each commit and never waited for: after a power cut it
//! may say less than is there, never more.
//!
//! # Why is one damaged block enough to fence a log off?
//!
//! Appending after a hole would make a log that looks whole from its end. A
//! teacher who is told can delete the log and begin again, under another epoch;
//! one who is not told believes that everybody saw the question.
//!
//! # Why does a reader that is far behind stop a log?
//!
//! It does not: readers read. A [`Tail`] is for the one task in front of a log
//! that takes records as they come, and 16 MiB there mean that it hangs.

mod answers;
mod append;
#[cfg(test)]
mod conformance;
mod cursors;
mod engine;
pub mod erase;
pub mod inspect;
mod keys;
mod log;
mod mailbox;
#[cfg(test)]
mod mailbox_tests;
mod memory;
mod position;
mod record;
mod retention;
#[cfg(feature = "simulated")]
pub mod simulated;
mod sled;
mod tail;

/// What the live end of a log shares between threads, by names under which a model checker has its own.
mod sync {
    pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
    pub(crate) use std::sync::{Arc, Mutex, MutexGuard};
}

pub use answers::{Answer, Answers, Slot, Submission};
pub use append::{Append, AppendError, Appended, Lane, Part, Refusal, Settlement};
pub use cursors::{CURSOR_RANGES_MAX, Cursor, CursorKey, Cursors, CursorsError};
pub use engine::{COMMIT_BUCKETS_MICROS, Caps, Counters, Engine, EngineKind, Health, OpenError, Settings, Store, open};
pub use log::{Bounds, Budget, Log, LogError, LogName, Opened, Page, Pending, Seek};
pub use position::{Epoch, Offset, OffsetRange, ParsePositionError, Position};
pub use record::{Message, Record};
pub use retention::Retention;
pub use tail::{TAIL_BYTES_MAX, Tail};
