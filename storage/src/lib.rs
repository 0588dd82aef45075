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

mod cursors;
mod engine;
mod log;
mod position;
mod record;
mod retention;

pub use cursors::{Cursor, CursorKey, Cursors, CursorsError};
pub use engine::{Caps, Engine, Health, Store};
pub use log::{
    Append, AppendError, Appended, Bounds, Budget, Lane, Log, LogError, LogName, Opened, Page, Pending, Refusal, Seek,
    Settlement, Tail,
};
pub use position::{Epoch, Offset, OffsetRange, ParsePositionError, Position};
pub use record::{Message, Record};
pub use retention::Retention;
