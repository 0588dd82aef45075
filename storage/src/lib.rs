//! Records at positions: ordered, durable logs and the cursors on them.
//!
//! ```text
//!  append ──►  log   1 2 3 4 5 6 7 8 9 ──► head ──► tail (live)
//!                        ▲     ▲       ▲
//!            cursor ─────┘     │       └── cursor
//!            cursor ───────────┘
//! ```
//!
//! Never here: STOMP, sockets, students.

#[cfg(test)]
mod conformance;
mod cursors;
mod engine;
pub mod inspect;
mod keys;
mod log;
mod memory;
mod position;
mod record;
mod retention;
mod sled;
mod tail;

pub use cursors::{CURSOR_RANGES_MAX, Cursor, CursorKey, Cursors, CursorsError};
pub use engine::{COMMIT_BUCKETS_MICROS, Caps, Counters, Engine, EngineKind, Health, OpenError, Settings, Store, open};
pub use log::{
    Append, AppendError, Appended, Bounds, Budget, Lane, Log, LogError, LogName, Opened, Page, Pending, Refusal, Seek,
    Settlement,
};
pub use position::{Epoch, Offset, OffsetRange, ParsePositionError, Position};
pub use record::{Message, Record};
pub use retention::Retention;
pub use tail::{TAIL_BYTES_MAX, Tail};
