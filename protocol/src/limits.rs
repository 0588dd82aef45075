//! How much of everything one peer may use.

use std::time::Duration;

/// Sizes and counts of one connection. Each is enforced while bytes arrive, so
/// that no more than this is ever kept for a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Command line and headers of one frame together, ends of lines included. In bytes.
    pub header_bytes_max: usize,
    /// Headers of one frame, repeated ones included.
    pub headers_max: usize,
    /// Body of one frame, in bytes.
    pub body_bytes_max: usize,
    /// All that a peer may send before CONNECTED, heart-beats aside. In bytes.
    pub connect_bytes_max: usize,
    /// The values of `id`, `receipt` and `transaction`, which are kept for a while. In bytes.
    pub identifier_bytes_max: usize,
    /// Subscriptions of one connection at a time.
    pub subscriptions_max: usize,
    /// Receipts asked for and not yet sent. At this number no further frame is
    /// taken up until one is confirmed; nothing is refused.
    pub receipts_pending_max: usize,
    /// Transactions open at a time.
    pub transactions_max: usize,
    /// Frames in one transaction.
    pub transaction_operations_max: usize,
    /// What all open transactions of a connection hold together, in bytes.
    pub transaction_bytes_max: usize,
    /// How long a transaction may stay open.
    pub transaction_age_max: Duration,
}

/// One of the [`Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// [`Limits::header_bytes_max`].
    HeaderBytes,
    /// [`Limits::headers_max`].
    Headers,
    /// [`Limits::body_bytes_max`].
    BodyBytes,
    /// [`Limits::connect_bytes_max`].
    ConnectBytes,
    /// How long CONNECT may take.
    ConnectTime,
    /// [`Limits::identifier_bytes_max`].
    IdentifierBytes,
    /// [`Limits::subscriptions_max`].
    Subscriptions,
    /// [`Limits::transactions_max`].
    Transactions,
    /// [`Limits::transaction_operations_max`].
    TransactionOperations,
    /// [`Limits::transaction_bytes_max`].
    TransactionBytes,
    /// [`Limits::transaction_age_max`].
    TransactionAge,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            header_bytes_max: 16 * 1024,
            headers_max: 64,
            body_bytes_max: 1024 * 1024,
            connect_bytes_max: 16 * 1024,
            identifier_bytes_max: 1024,
            subscriptions_max: 256,
            receipts_pending_max: 1024,
            transactions_max: 16,
            transaction_operations_max: 1024,
            transaction_bytes_max: 4 * 1024 * 1024,
            transaction_age_max: Duration::from_secs(60),
        }
    }
}
