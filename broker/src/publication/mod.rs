//! What a publisher asks for, by whichever door: read by one set of rules, ready for its room.
//!
//! The words are those of SEND's headers. A door that has others translates
//! them first, so that a message is the same however it came.
//!
//! Never here: frames, JSON, sockets, the store.

pub(crate) mod joint;

use bytes::Bytes;
use homeroom_protocol::{Headers, Refusal};
use homeroom_storage::Message;

use crate::auth::Identity;
use crate::classroom::entry::EXPIRES;
use crate::classroom::now_millis;
use crate::refusals::{bad_request, code, destination_refusal, refusal, shorten};
use crate::router::{Destination, Place, Rules};

/// Headers that the broker alone sets: dropped when a client sends them.
const SET_BY_BROKER: [&str; 13] = [
    "message-id",
    "subscription",
    "ack",
    "offset",
    "epoch",
    "timestamp",
    "user-id",
    "redelivered",
    "delivery-count",
    "replayed",
    "gap",
    "destination",
    "content-length",
];
/// Canonical words first, aliases behind.
const IDEMPOTENCY_KEY: [&str; 4] = ["idempotency-key", "Nats-Msg-Id", "_AMQ_DUPL_ID", "x-deduplication-header"];
/// The session that sent a message, kept beside its headers and shown to nobody. No client can write
/// this name: a NUL ends a frame, and HTTP's door takes no control characters.
pub(crate) const SESSION: &str = "\0session";
/// RabbitMQ's word for [`EXPIRES`]: so many milliseconds from now.
const EXPIRATION: &str = "expiration";
/// Other brokers' words for "deliver it later". To deliver at once instead could give an answer away.
const LATER: [&str; 6] = [
    "AMQ_SCHEDULED_DELAY",
    "AMQ_SCHEDULED_PERIOD",
    "AMQ_SCHEDULED_REPEAT",
    "AMQ_SCHEDULED_CRON",
    "_AMQ_SCHED_DELIVERY",
    "x-delay",
];
/// The longest idempotency key, in bytes.
pub(crate) const KEY_BYTES_MAX: usize = 255;

/// A message that is ready to go to its room.
#[derive(Debug)]
pub(crate) struct Publication {
    /// Where.
    pub(crate) place: Place,
    /// What.
    pub(crate) message: Message,
    /// Not twice.
    pub(crate) key: Option<Box<str>>,
    /// Stored before it is seen.
    pub(crate) persistent: bool,
}

/// What was said, and by whom.
#[derive(Clone, Debug)]
pub(crate) struct Said<'a> {
    /// In the words of SEND.
    pub(crate) headers: &'a Headers,
    pub(crate) body: Bytes,
    pub(crate) person: &'a Identity,
    /// The session, at a door that has any.
    pub(crate) session: Option<&'a str>,
}

/// Reads what is to be sent to `destination`.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub(crate) fn read(rules: &Rules, destination: &str, said: Said<'_>) -> Result<Publication, Refusal> {
    let place = place(rules, destination)?;
    let (key, persistent) = (idempotency_key(said.headers)?, is_persistent(said.headers));
    let message = message(place.shown.clone(), said)?;
    Ok(Publication { place, message, key, persistent })
}

/// Where a message goes.
///
/// # Errors
/// Why it cannot go there, in words for the client.
pub(crate) fn place(rules: &Rules, destination: &str) -> Result<Place, Refusal> {
    let Destination::Logged(place) = rules.sendable(destination).map_err(|error| destination_refusal(&error))?;
    Ok(place)
}

/// The message as the log keeps it, to be shown at `shown`.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub(crate) fn message(shown: String, said: Said<'_>) -> Result<Message, Refusal> {
    if let Some(name) = LATER.iter().find(|name| said.headers.contains(name)) {
        let remedy = "Send the message when it is due: it is delivered at once.";
        return Err(bad_request(&format!("{name} asks for a delivery later, which there is not here"), remedy));
    }
    let expires = expires(said.headers, now_millis()).map_err(expiry_refusal)?;
    Ok(kept(shown, said, expires))
}

/// The idempotency key among these headers, in any spelling.
///
/// # Errors
/// One that is empty or too long.
pub(crate) fn idempotency_key(headers: &Headers) -> Result<Option<Box<str>>, Refusal> {
    let key = IDEMPOTENCY_KEY.iter().find_map(|name| headers.get(name));
    key.map(checked_key).transpose()
}

/// A key that can be remembered.
///
/// # Errors
/// One that is empty or too long.
pub(crate) fn checked_key(key: &str) -> Result<Box<str>, Refusal> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(refusal(
            code::BAD_REQUEST,
            "bad idempotency-key",
            format!("an idempotency-key has 1 to {KEY_BYTES_MAX} bytes, this one has {}", key.len()),
            false,
            "Send a short unique text for each message, for example a UUID, and the same one when you retry.",
        ));
    }
    Ok(key.into())
}

/// Whether it is to be stored.
fn is_persistent(headers: &Headers) -> bool {
    headers.get("persistent").is_none_or(|value| !value.eq_ignore_ascii_case("false"))
}

/// When it expires, in milliseconds since 1970: at `expires`, or `expiration` after `now`.
///
/// # Errors
/// The header whose value is no such time.
fn expires(headers: &Headers, now: u64) -> Result<Option<u64>, (&'static str, String)> {
    let read = |name: &'static str| {
        headers.get(name).map(|text| text.parse::<u64>().map_err(|_| (name, text.to_owned()))).transpose()
    };
    // ActiveMQ's clients write 0 for never.
    if let Some(at) = read(EXPIRES)? {
        return Ok((at > 0).then_some(at));
    }
    match read(EXPIRATION)? {
        Some(0) => Err((EXPIRATION, "0".to_owned())),
        after => Ok(after.map(|after| now.saturating_add(after))),
    }
}

fn expiry_refusal((name, value): (&str, String)) -> Refusal {
    let remedy = match name {
        "expires" => "Write expires as milliseconds since 1970, or expiration as milliseconds from now.",
        _ => {
            "Write expiration as milliseconds from now, at least 1. For what only those get who are here, send \
             persistent:false."
        }
    };
    bad_request(&format!("{name} is \"{}\"", shorten(&value)), remedy)
}

fn kept(shown: String, said: Said<'_>, expires: Option<u64>) -> Message {
    let dropped = |name: &str| SET_BY_BROKER.contains(&name) || name == EXPIRES || name == EXPIRATION;
    let expires = expires.map(|time| time.to_string());
    let own = said.headers.iter().filter(|(name, _)| !dropped(name));
    let own = own.chain(expires.as_deref().map(|time| (EXPIRES, time)));
    let own = own.chain(said.session.map(|session| (SESSION, session)));
    Message {
        destination: shown.into(),
        headers: own.map(|(name, value)| (name.into(), value.into())).collect(),
        body: said.body,
        publisher: said.person.user.as_ref().map(|name| (**name).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_broker_sets_is_dropped_and_the_rest_travels() {
        let given = [("user-id", "teacher"), ("x-mine", "1"), ("redelivered", "true"), ("content-type", "text/plain")];
        let headers: Headers = given.into_iter().chain([("expiration", "5000")]).collect();
        let person = Identity::default();
        let names = |session| {
            let said = Said { headers: &headers, body: Bytes::new(), person: &person, session };
            let message = kept("/topic/a".to_owned(), said, Some(6000));
            message.headers.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(Some("7")), ["x-mine", "content-type", EXPIRES, SESSION]);
        assert_eq!(names(None), ["x-mine", "content-type", EXPIRES]);
    }

    #[test]
    fn a_time_to_live_is_absolute_or_relative() {
        let read = |name: &str, value: &str| {
            let mut headers = Headers::default();
            headers.push(name, value);
            expires(&headers, 1_000)
        };
        assert_eq!(read("expires", "1700000000000"), Ok(Some(1_700_000_000_000)));
        assert_eq!(read("expiration", "60000"), Ok(Some(61_000)));
        assert_eq!(read("expiration", &u64::MAX.to_string()), Ok(Some(u64::MAX)));
        assert_eq!(read("expires", "0"), Ok(None));
        assert_eq!(read("x", "1"), Ok(None));
        for (name, value) in [("expires", "soon"), ("expires", "-1"), ("expiration", "1m"), ("expiration", "0")] {
            assert_eq!(read(name, value), Err((name, value.to_owned())));
        }
    }
}
