//! Tokens (JWT, RFC 7519): signed by the school's own server, and believed
//! without asking it.
//!
//! | File | Holds |
//! | --- | --- |
//! | `strict` | JSON in which no name stands twice |
//! | `parsed` | a token's three parts, and its header |
//! | `key` | a key bound to its one algorithm |
//! | `claims` | what a token says, as a [`Principal`](super::Principal) |
//! | `jwks` | keys from an address, kept through its outages |
//! | `verifier` | all of it together |
//! | `sign` | new tokens, for `homeroom token` |
//!
//! The clock is always an argument.
//!
//! # Why is a token read here and not by the library?
//!
//! The library checks signatures. What it forgives when it reads claims (names
//! that stand twice, times that are no whole numbers) is refused here, and the
//! header says which key to look for, never how to check with it.

mod claims;
mod invalid;
mod jwks;
mod key;
mod parsed;
mod sign;
mod strict;
mod verifier;

pub use self::invalid::Invalid;
pub use self::jwks::Jwks;
pub use self::parsed::looks_like_one;
pub use self::sign::{SignError, Signer, Statement};
pub use self::verifier::{Verifier, secret_of};

/// A token may have so many bytes.
pub const BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod jwks_tests;
#[cfg(test)]
mod testing;
