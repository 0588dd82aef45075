//! TLS 1.2 and 1.3, on every listener that is to have it.
//!
//! ```text
//!  files ─► pair ─► reload ─► Current ─► each handshake      (a pair is whole and right, or it is not used)
//!  socket ─► accept ─► Socket ─► hyper, or Sealed in a Link
//! ```
//!
//! Links under TLS are written to by their own task alone: each of them has keys of its own, so there are no bytes
//! that a class could share.
//!
//! Never here: HTTP, STOMP, who may do what. Key material is in no log and no error.

pub mod accept;
mod misdirected;
pub mod pair;
mod places;
pub mod reload;
mod sealed;

pub use accept::Acceptor;
pub use misdirected::{is_hello, log_misdirected};
pub use pair::{Fault, Files, Pair};
pub use reload::Current;
pub(super) use sealed::Sealed;
