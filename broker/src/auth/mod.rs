//! Who is at the other end, and what they may do.
//!
//! Where nothing says who may come in, the login a client gives is taken at its
//! word and everybody may do everything: the broker listens on loopback alone
//! unless it was told to be open to anyone.

mod identity;
mod principal;

pub use self::identity::Identity;
pub use self::principal::Principal;
