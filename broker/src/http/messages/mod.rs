//! `/v1/messages`: what STOMP's SEND does, for those who speak HTTP.
//!
//! Never here: how a destination is read or a message is stored; STOMP.

mod asked;
mod batch;
mod publish;
mod store;

pub(super) use self::publish::publish;
