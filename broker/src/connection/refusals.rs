//! What ERROR says when something is asked for that cannot be had.

use homeroom_protocol::Refusal;
use homeroom_storage::LogError;

use super::disconnect::{code, refusal};
use crate::router::DestinationError;

/// A durable subscription belongs to somebody.
pub(super) fn nobody_in_particular() -> Refusal {
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
pub(super) fn bad_request(reason: &str, remedy: &str) -> Refusal {
    refusal(code::BAD_REQUEST, "bad request", reason, false, remedy)
}

/// So much of a client's text is repeated in an error.
pub(super) fn shorten(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(at, _)| &text[..at])
}

/// A destination that leads nowhere, or not for this client.
pub(super) fn destination_refusal(error: &DestinationError) -> Refusal {
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
pub(super) fn unavailable(reason: &str) -> Refusal {
    refusal(code::NOT_AVAILABLE, "not available", reason, true, "Try again in a few seconds.")
}

/// A log that cannot be read.
pub(super) fn log_refusal(error: LogError) -> Refusal {
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
