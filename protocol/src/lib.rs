//! STOMP 1.0, 1.1 and 1.2 as a function of bytes and time.
//!
//! | | |
//! | --- | --- |
//! | [`Frame`], [`Headers`], [`Command`], [`Version`], [`Limits`] | values |
//! | [`Decoder`] | bytes in any pieces → frames, with limits while they grow |
//! | [`encode`], [`encode_message`] | frames → bytes |
//! | [`Session`] | one conversation: what is legal when, receipts, transactions, heart-beats |
//! | [`Event`], [`Output`] | the words a session and its driver exchange |
//! | [`DecodeError`], [`Fault`] | every way a peer can be wrong |
//!
//! Never here: sockets, files, a clock, a runtime, and what a destination means.
//!
//! # One conversation
//!
//! ```
//! use std::{sync::Arc, time::{Duration, Instant}};
//! use homeroom_protocol::{Accepted, Ending, Event, Output, Session, Settings};
//!
//! let now = Instant::now();
//! let mut session = Session::new(Arc::new(Settings::default()), now);
//!
//! session.receive(b"CONNECT\naccept-version:1.2\nheart-beat:10000,0\n\n\0", now);
//! let Output::Event(Event::Connect(_)) = session.poll() else { panic!("it asks who this is") };
//! session.accept(Accepted { session: "1".into(), server: "homeroom".into(), user_name: None }, now);
//! let Output::Transmit(connected) = session.poll() else { panic!("it says CONNECTED") };
//! assert!(connected.starts_with(b"CONNECTED\nversion:1.2\n"));
//! assert!(matches!(session.poll(), Output::Wait(Some(_))));
//!
//! session.receive(b"SEND\ndestination:/topic/7b/quiz\nreceipt:1\n\nIs 91 prime?\0", now);
//! let Output::Event(Event::Send(send)) = session.poll() else { panic!("it passes the message on") };
//! assert_eq!((send.destination.as_str(), &send.body[..]), ("/topic/7b/quiz", b"Is 91 prime?".as_slice()));
//! session.confirm(send.ticket.expect("a receipt was asked for"), &[("position", "a:1")]);
//! let Output::Transmit(receipt) = session.poll() else { panic!("it says RECEIPT") };
//! assert_eq!(receipt, "RECEIPT\nreceipt-id:1\nposition\\c".replace("\\c", ":a\\c1\n\n\0"));
//!
//! session.timeout(now + Duration::from_secs(25));
//! assert!(matches!(session.poll(), Output::Closed(Ending::Silent)));
//! ```
//!
//! # Why is there no socket and no clock?
//!
//! Because whatever depends only on its arguments can be tested at every split
//! of the bytes and at every moment, without waiting, and can be fuzzed. TCP,
//! WebSocket and whatever comes later drive the same session.
//!
//! # Why are frames found first and parsed afterwards?
//!
//! A parser that starts again with every byte costs quadratic time when bytes
//! come one by one. The framer remembers where it looked last, enforces the
//! limits while a frame grows, and hands whole frames to a grammar that can be
//! as plain as the specification. A body is never read as a command.
//!
//! # Why are frames taken up one by one?
//!
//! So that a driver that cannot keep up stops paying: bytes stay bytes until
//! [`Session::poll`] asks. Frames wait as well while too many receipts are
//! pending, so the session needs no queue of its own.
//!
//! # Why do receipts wait for each other?
//!
//! A client that has the receipt of its tenth SEND may take the nine before as
//! done, whatever the order in which the driver finished them.
//!
//! # Why does the session know subscriptions only by their ids?
//!
//! What is delivered, acknowledged and remembered is the classroom's business.
//! The session knows what STOMP itself forbids: the same id twice.

mod decode;
mod encode;
mod error;
mod escape;
mod frame;
mod headers;
mod heartbeat;
mod limits;
mod session;
mod version;

pub use decode::{Decoded, Decoder};
pub use encode::{MessageHead, encode, encode_message, encode_message_head};
pub use error::{DecodeError, Fault};
pub use frame::{Command, Frame};
pub use headers::{Headers, Iter};
pub use limits::{Limit, Limits};
pub use session::{
    Accepted, AckMode, Acknowledge, Commit, Connect, Disconnect, Ending, Event, MessageReference, Operation, Output,
    Refusal, Send, Session, Settings, Subscribe, Ticket, Unsubscribe,
};
pub use version::Version;
