//! Where a destination leads, and whether a person may go there.
//!
//! Names are normalised here, once, before anything is decided by them. Never
//! here: frames, sockets, records.

pub mod destination;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod pattern;
mod policy;
pub mod rights;
pub mod rules;
mod spelling;

pub use destination::{Destination, DestinationError, Kind, Place, REPLY_QUEUE, classroom_of, reply_queue, temp_queue};
pub use pattern::Pattern;
pub use policy::policy;
pub use rights::{Action, Grants, Rights, Rule, Template, TemplateError};
pub use rules::Rules;
pub use spelling::segment_of;
