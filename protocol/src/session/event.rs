//! The words a session and its driver exchange. The session knows frames and
//! what is legal when; the driver knows people, logs and disks.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::{Headers, Limit, Version};

/// What [`crate::Session::poll`] asks of its driver.
#[derive(Debug)]
pub enum Output {
    /// The peer wants something.
    Event(Event),
    /// Bytes for the peer, whole frames or a heart-beat, in this order among themselves.
    Transmit(Bytes),
    /// Nothing to do before this moment (never, if `None`), unless bytes or answers come.
    Wait(Option<std::time::Instant>),
    /// The conversation is over. All that was to be said has been given out as [`Output::Transmit`], but for
    /// the ERROR that [`Ending::Refused`] carries.
    Closed(Ending),
}

/// Why a conversation is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// DISCONNECT was answered.
    Disconnected,
    /// The driver or the session refused something.
    Refused {
        /// What ERROR says.
        refusal: Refusal,
        /// The ERROR itself, the last thing the peer is told. The driver decides when: a peer that is refused
        /// again and again and comes back at once may have to wait for it.
        error: Bytes,
        /// Which limit of the session was hit, if it was one.
        limit: Option<Limit>,
    },
    /// Nothing was heard for too long.
    Silent,
}

/// Names a frame that asked for a receipt. The session answers receipts in the
/// order in which they were asked for, whatever the order of the confirmations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub(crate) u64);

/// What a peer wants.
#[derive(Debug)]
pub enum Event {
    /// CONNECT or STOMP: answered by `accept` or `refuse`.
    Connect(Connect),
    /// SEND outside a transaction.
    Send(Send),
    /// SUBSCRIBE. Its id is free; it is taken from here on.
    Subscribe(Subscribe),
    /// UNSUBSCRIBE of a known id.
    Unsubscribe(Unsubscribe),
    /// ACK or NACK outside a transaction.
    Acknowledge(Acknowledge),
    /// COMMIT: all of the transaction, in order. BEGIN and ABORT stay inside the session.
    Commit(Commit),
    /// DISCONNECT: to be confirmed by its ticket (the session then sends the RECEIPT and closes).
    Disconnect(Disconnect),
}

impl Event {
    /// The same, with the ticket of its frame.
    pub(crate) fn with_ticket(mut self, own: Option<Ticket>) -> Event {
        match &mut self {
            Event::Connect(_) => {}
            Event::Send(Send { ticket, .. })
            | Event::Subscribe(Subscribe { ticket, .. })
            | Event::Unsubscribe(Unsubscribe { ticket, .. })
            | Event::Acknowledge(Acknowledge { ticket, .. })
            | Event::Commit(Commit { ticket, .. })
            | Event::Disconnect(Disconnect { ticket }) => *ticket = own,
        }
        self
    }
}

/// CONNECT.
#[derive(Clone, Default)]
pub struct Connect {
    /// `login`.
    pub login: Option<String>,
    /// `passcode`: a password or a token. Never logged.
    pub passcode: Option<String>,
    /// `client-id`.
    pub client_id: Option<String>,
    /// `host`.
    pub host: Option<String>,
    /// `errors:soft` was asked for.
    pub errors_soft: bool,
    /// All headers, for those who know more.
    pub headers: Headers,
}

/// The passcode is not shown.
impl fmt::Debug for Connect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connect")
            .field("errors_soft", &self.errors_soft)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// SEND.
#[derive(Clone)]
pub struct Send {
    /// As written.
    pub destination: String,
    /// All headers but `destination`, `receipt`, `transaction` and `content-length`.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Bytes,
    /// To confirm when it has its effect.
    pub ticket: Option<Ticket>,
}

/// The body is counted, not shown.
impl fmt::Debug for Send {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Send")
            .field("destination", &self.destination)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .field("ticket", &self.ticket)
            .finish()
    }
}

/// How messages of a subscription are acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AckMode {
    /// By themselves.
    #[default]
    Auto,
    /// Each ACK covers all before it.
    Client,
    /// Each ACK covers one.
    ClientIndividual,
}

/// SUBSCRIBE.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The `id`; in STOMP 1.0 without one, the destination.
    pub id: String,
    /// Whether the peer gave the id: a 1.0 MESSAGE to one without carries no `subscription`.
    pub id_given: bool,
    /// As written.
    pub destination: String,
    /// `ack`.
    pub ack: AckMode,
    /// All headers but `id`, `destination`, `ack` and `receipt`.
    pub headers: Headers,
    /// To confirm when the position is fixed.
    pub ticket: Option<Ticket>,
}

/// UNSUBSCRIBE. Its id is free again.
#[derive(Clone, Debug)]
pub struct Unsubscribe {
    /// The subscription's id.
    pub id: String,
    /// All headers but `id` and `receipt`.
    pub headers: Headers,
    /// To confirm when it has its effect.
    pub ticket: Option<Ticket>,
}

/// ACK or NACK.
#[derive(Clone, Debug)]
pub struct Acknowledge {
    /// NACK.
    pub negative: bool,
    /// Which message.
    pub message: MessageReference,
    /// All headers but those that make up the reference, `receipt` and `transaction`.
    pub headers: Headers,
    /// To confirm when it has its effect.
    pub ticket: Option<Ticket>,
}

/// How an ACK names its message, by version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageReference {
    /// STOMP 1.2: the value of the MESSAGE's `ack` header.
    Ack(String),
    /// STOMP 1.0 and 1.1: the `message-id` and, where given, the subscription's id.
    MessageId {
        /// `message-id`.
        message_id: String,
        /// `subscription`; required by 1.1, absent in 1.0.
        subscription: Option<String>,
    },
}

impl MessageReference {
    /// What it keeps on the heap, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            MessageReference::Ack(id) => id.len(),
            MessageReference::MessageId { message_id, subscription } => {
                message_id.len() + subscription.as_ref().map_or(0, String::len)
            }
        }
    }
}

/// COMMIT.
#[derive(Debug)]
pub struct Commit {
    /// The transaction's name.
    pub transaction: String,
    /// What it holds, in order; the tickets of its parts are already confirmed or none.
    pub operations: Vec<Operation>,
    /// To confirm when all of it has its effect.
    pub ticket: Option<Ticket>,
}

/// One step of a transaction.
#[derive(Debug)]
pub enum Operation {
    /// A SEND.
    Send(Send),
    /// An ACK or NACK.
    Acknowledge(Acknowledge),
}

impl From<Operation> for Event {
    fn from(operation: Operation) -> Event {
        match operation {
            Operation::Send(send) => Event::Send(send),
            Operation::Acknowledge(acknowledge) => Event::Acknowledge(acknowledge),
        }
    }
}

/// DISCONNECT.
#[derive(Clone, Debug)]
pub struct Disconnect {
    /// To confirm when everything before it has its effect. Where there is none, the
    /// session closes by itself once the receipts before it were sent.
    pub ticket: Option<Ticket>,
}

/// A connection as the driver accepted it: what CONNECTED says.
#[derive(Clone, Debug, Default)]
pub struct Accepted {
    /// `session`.
    pub session: String,
    /// `server`, for example `homeroom/0.1.0`.
    pub server: String,
    /// `user-name`, where there is one.
    pub user_name: Option<String>,
}

/// Something refused: what ERROR says. `message` is short and stable; `reason`
/// says what was wrong here; `remedy` says what to do and becomes the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The number, as in the table of errors.
    pub code: u16,
    /// The `message` header.
    pub message: String,
    /// The `reason` header.
    pub reason: String,
    /// Whether the same may succeed later.
    pub retryable: bool,
    /// The body: what to do.
    pub remedy: String,
}

/// What a session is told about itself when it is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sizes and counts.
    pub limits: crate::Limits,
    /// The heart-beat we offer to send, and the one we ask for. Zero is none.
    pub heart_beat_send: Duration,
    /// See `heart_beat_send`.
    pub heart_beat_receive: Duration,
    /// A peer is silent after this many of its intervals.
    pub heart_beat_tolerance: f32,
    /// From the first moment to CONNECTED. Zero is for ever.
    pub connect_within: Duration,
    /// Versions a WebSocket subprotocol allows, highest first; all if empty.
    pub versions: Vec<Version>,
}

/// Heart-beats of 10 s both ways, 10 s to connect, every version.
impl Default for Settings {
    fn default() -> Self {
        Settings {
            limits: crate::Limits::default(),
            heart_beat_send: Duration::from_secs(10),
            heart_beat_receive: Duration::from_secs(10),
            heart_beat_tolerance: 2.5,
            connect_within: Duration::from_secs(10),
            versions: Vec::new(),
        }
    }
}
