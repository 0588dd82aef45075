//! Decides from what everybody did and saw whether a broker kept its promises.
//!
//! ```text
//!   publishers ─┐
//!   readers ────┼─► one file of JSON lines each ──► read ──► one history ──► rules ──► verdict
//!   killers ────┘                                 (merged by the clock)
//! ```
//!
//! It knows nothing of any broker's code: an actor may be a browser, a script or a
//! test. A message's name is unique by construction, so judging is sorting and
//! merging, O(N log N), and nothing is searched. A violation names the few events
//! that prove it.

mod event;
mod position;
mod read;
mod record;
mod rules;
mod verdict;

pub use self::event::{Digest, Entry, Event, Seen, Stream};
pub use self::position::{NoPosition, Position};
pub use self::read::{HistoryError, merge, read};
pub use self::record::{Recorder, clock};
pub use self::rules::judge;
pub use self::verdict::{Rule, Verdict, Violation};
