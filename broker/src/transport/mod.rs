//! Links: connections that move bytes, close with a reason and describe themselves.
//!
//! Never here: STOMP frames and what they mean, people, classrooms.

pub mod link;
pub mod listener;
pub mod websocket;

pub use link::{Inbound, Kind, Link, Received, Wire};
