//! Homeroom: the central broker of live lessons.
//!
//! | Room | Holds | Knows |
//! | --- | --- | --- |
//! | [`commands`] | what the program does when told on the command line | server, settings |
//! | [`server`] | the one place that builds every part | all |
//! | [`settings`] [`telemetry`] [`metrics`] [`patience`] [`shutdown`] | one idea each | none of the rooms |
//! | [`transport`] | links: TCP, WebSocket, SockJS | none of the rooms |
//! | [`connection`] | one STOMP conversation | transport, access, router, classroom |
//! | [`http`] | the way to a WebSocket, the lesson page, and messages over HTTP | connection, router, classroom |
//! | [`publication`] | what a publisher asks for, by whichever door | auth, router |
//! | [`rate`] | how often something may happen, how fast somebody may publish | auth's principal, metrics |
//! | `other_server` | connections to servers that we ask: for keys, for decisions | none of the rooms |
//! | [`refusals`] | what is said when something cannot be had, with its number | router's errors |
//! | `erasure` | what a person or a classroom left, and which of it the store erases | router's names |
//! | [`audit`] | what happened, for those who have to answer for it | auth's identity |
//! | [`access`] | who may be here, what they may do, for how long | auth, router, classroom's bell |
//! | [`auth`] | who is at the other end | none of the rooms |
//! | [`router`] | destinations: where, and by which rules somebody may go there | auth's principal |
//! | [`replies`] | reply queues: from whoever was asked to the session that asked | classroom's bell |
//! | [`classroom`] | one log and the people around it | storage, router's names |
//! | [`admin`] | health and metrics | reads only |
//!
//! Arrows only go down. STOMP stops at `connection/envelope.rs`: behind it
//! there are only records and positions.
//!
//! # Why is the log between publisher and subscriber?
//!
//! Because then there is no hand-over in which a message can fall through:
//! late, live and slow students make the same read at different positions, and
//! publishing never waits for a reader.
//!
//! # Why is a message visible only when it is durable?
//!
//! What a student has seen is never lost, what is replayed equals what was
//! live, and no position is ever seen twice with different content.

pub mod access;
pub mod admin;
pub mod audit;
pub mod auth;
pub mod classroom;
pub mod commands;
pub mod connection;
mod entrance;
mod erasure;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod metrics;
mod other_server;
pub mod outside;
pub mod patience;
mod publication;
pub mod rate;
pub mod refusals;
pub mod replies;
pub mod router;
pub mod server;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod transport;
