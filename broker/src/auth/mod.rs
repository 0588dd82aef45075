//! Who is at the other end, and what they may do.
//!
//! | Room | Holds |
//! | --- | --- |
//! | `credentials` | what somebody brings along |
//! | `authenticator` | all that can be said of it, in one place |
//! | `users` `keys` `token` `tickets` | the four ways to show who one is |
//! | `principal` | who has shown that, and what it rests on |
//! | `clock` | what time it is for all of them |
//! | `denied` | why not |
//! | `files` `register` `watched` | files: read safely, changed in one step, read again |
//! | `identity` | whom a connection names |
//!
//! Where nothing says who may come in, the login a client gives is taken at its
//! word and everybody may do everything: the broker listens on loopback alone
//! unless it was told to be open to anyone.
//!
//! Never here: frames, requests, destinations.

mod authenticator;
mod clock;
mod credentials;
mod denied;
mod files;
mod identity;
pub mod keys;
pub mod names;
mod principal;
pub mod register;
mod secret;
mod tally;
mod tickets;
pub mod token;
pub mod users;
mod watched;

pub use self::authenticator::{Authenticator, Unusable};
pub use self::clock::Clock;
pub use self::credentials::Credentials;
pub use self::denied::Denied;
pub use self::files::{Fault, private_text, secret_in};
pub use self::identity::Identity;
pub use self::principal::{Basis, Principal, Source};
pub use self::secret::Secret;
pub use self::tally::{Proof, Tally};
pub use self::tickets::{LASTS as TICKET_LASTS, TicketError, Tickets};
