//! What is said when something is asked for that cannot be had, by whichever door.

use homeroom_protocol::Refusal;
use homeroom_storage::{AppendError, LogError, Refusal as AppendRefusal};

use crate::router::DestinationError;

/// The numbers of errors, as ERROR frames and problem documents carry them.
pub mod code {
    /// The broker is at fault.
    pub const INTERNAL: u16 = 100;
    /// Nobody who is known here.
    pub const UNAUTHORIZED: u16 = 101;
    /// No such destination here.
    pub const UNKNOWN_DESTINATION: u16 = 102;
    /// Not for this one.
    pub const PERMISSION_DENIED: u16 = 103;
    /// A limit of the settings.
    pub const LIMIT: u16 = 106;
    /// The request makes no sense.
    pub const BAD_REQUEST: u16 = 107;
    /// Not now.
    pub const NOT_AVAILABLE: u16 = 108;
    /// The time of the credentials is over.
    pub const EXPIRED: u16 = 109;
    /// Too often; after a while it may be tried again.
    pub const TOO_MANY_REQUESTS: u16 = 111;
    /// The position is gone, or of another log.
    pub const UNRECOVERABLE: u16 = 112;
    /// The idempotency key was used for something else.
    pub const DUPLICATE: u16 = 114;
    /// Another connection took the durable subscription over.
    pub const TAKEN_OVER: u16 = 117;
}

/// A refusal: `message` short and stable, `reason` for this case, `remedy` what to do.
pub fn refusal(code: u16, message: &str, reason: impl Into<String>, retryable: bool, remedy: &str) -> Refusal {
    Refusal { code, message: message.to_owned(), reason: reason.into(), retryable, remedy: remedy.to_owned() }
}

/// A durable subscription belongs to somebody.
pub(crate) fn nobody_in_particular() -> Refusal {
    refusal(
        code::BAD_REQUEST,
        "durable subscription without an owner",
        "a durable subscription belongs to somebody, and this connection names nobody in particular",
        false,
        "Send login, or client-id where several people share a login, on CONNECT: \
         otherwise strangers would share one position.",
    )
}

/// A request that makes no sense.
pub(crate) fn bad_request(reason: &str, remedy: &str) -> Refusal {
    refusal(code::BAD_REQUEST, "bad request", reason, false, remedy)
}

/// So much of a client's text is repeated in an error.
pub(crate) fn shorten(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(at, _)| &text[..at])
}

/// A destination that leads nowhere, or not for this client.
pub(crate) fn destination_refusal(error: &DestinationError) -> Refusal {
    match error {
        DestinationError::MadeByBroker(_) => refusal(
            code::UNKNOWN_DESTINATION,
            "unknown destination",
            error.to_string(),
            false,
            "What the broker makes (segments that begin with $, errors, auth) can be subscribed to, not sent to.",
        ),
        DestinationError::Wildcard(_) => refusal(
            code::BAD_REQUEST,
            "bad destination",
            error.to_string(),
            false,
            "Send to one destination; percent-encode a * that belongs to a name as %2A.",
        ),
        DestinationError::ReplyQueue { .. } => refusal(
            code::UNKNOWN_DESTINATION,
            "unknown destination",
            error.to_string(),
            false,
            "Name /temp-queue/{name} in reply-to of a SEND: the replies come by themselves, with subscription:/temp-queue/\
             {name}. Reply to the reply-to of the MESSAGE as it stands.",
        ),
        DestinationError::Nobody(_) => refusal(
            code::BAD_REQUEST,
            "private destination without an owner",
            error.to_string(),
            false,
            "Send login on CONNECT, one that is not shared with others: what is private belongs to one user.",
        ),
        error => unknown_destination(&error.to_string()),
    }
}

fn unknown_destination(reason: &str) -> Refusal {
    let remedy = "Topics are written /topic/{classroom}/{channel}, queues /queue/{name}, private queues \
                  /user/queue/{name} to subscribe and /user/{user}/queue/{name} to send; . and / separate segments alike.";
    refusal(code::UNKNOWN_DESTINATION, "unknown destination", reason, false, remedy)
}

/// The store cannot be read now.
pub(crate) fn unavailable(reason: &str) -> Refusal {
    refusal(code::NOT_AVAILABLE, "not available", reason, true, "Try again in a few seconds.")
}

/// A log that cannot be read.
pub(crate) fn log_refusal(error: LogError) -> Refusal {
    match error {
        LogError::Unavailable(reason) => unavailable(&reason),
        LogError::Damaged(reason) => refusal(
            code::INTERNAL,
            "damaged classroom",
            reason,
            false,
            "Other classrooms work. Tell the operator: homeroom store verify shows what is damaged.",
        ),
    }
}

/// What ERROR says of an append that was not confirmed.
pub(crate) fn append_refusal(error: &AppendError) -> Refusal {
    match error {
        AppendError::Refused(AppendRefusal::TooLarge { .. }) => {
            let remedy = "Send a smaller message, or a link to what is too large.";
            refusal(code::LIMIT, "message too large", error.to_string(), false, remedy)
        }
        AppendError::Refused(AppendRefusal::KeyConflict { .. }) => {
            let remedy = "Use a new idempotency-key for each message, and the same one only to retry that message.";
            refusal(code::DUPLICATE, "idempotency-key in use", error.to_string(), false, remedy)
        }
        AppendError::Refused(AppendRefusal::Predecessor | AppendRefusal::Expired) => {
            let remedy = "It was not stored. Send again what has no receipt, in its order.";
            refusal(code::NOT_AVAILABLE, "not stored", error.to_string(), true, remedy)
        }
        AppendError::Refused(AppendRefusal::Damaged(_)) => {
            let remedy = "Other classrooms work. Tell the operator: homeroom store verify shows what is damaged.";
            refusal(code::INTERNAL, "damaged classroom", error.to_string(), false, remedy)
        }
        AppendError::Unavailable { full: true, reason } => {
            let remedy = "It was not stored. Send it again when the operator has made room on the broker's disk.";
            refusal(code::NOT_AVAILABLE, "storage-full", reason, true, remedy)
        }
        AppendError::Unavailable { reason, .. } => refusal(
            code::NOT_AVAILABLE,
            "not available",
            reason,
            true,
            "It was not stored. Send it again in a few seconds.",
        ),
        AppendError::Unknown { reason } => {
            let remedy =
                "It may have been stored. Send it again with the same idempotency-key: then it is stored once.";
            refusal(code::INTERNAL, "unknown outcome", reason, true, remedy)
        }
    }
}
