//! Links: connections that move bytes, close with a reason and describe themselves.
//!
//! Never here: STOMP frames and what they mean, people, classrooms.

pub mod admission;
pub mod kind;
pub mod link;
pub mod listener;
#[cfg(test)]
pub mod memory;
pub mod pipe;
pub mod proxy_protocol;
mod socket;
pub mod sockjs;
pub mod tls;
pub mod websocket;

pub use kind::{Carriage, Kind};
pub use link::{Inbound, Link, Received, Wire};
pub use socket::Socket;
