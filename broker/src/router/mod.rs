//! Where a destination leads, and whether a person may go there.
//!
//! Names are normalised here, once, before anything is decided by them. Never
//! here: frames, sockets, records.

pub mod destination;
pub mod pattern;

pub use destination::{Destination, DestinationError, Rules, Topic};
pub use pattern::{Coverage, Pattern};
