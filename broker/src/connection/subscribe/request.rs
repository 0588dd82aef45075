//! What a SUBSCRIBE asks for, in RabbitMQ's words, ActiveMQ's or our own.

use std::sync::Arc;
use std::time::Duration;

use homeroom_protocol::{AckMode, Headers, Refusal, Subscribe};
use homeroom_storage::{Offset, Position};

use super::share::{self, Share};
use crate::auth::Identity;
use crate::classroom::beginning::Beginning;
use crate::classroom::now_millis;
use crate::connection::Services;
use crate::connection::envelope::first_of;
use crate::connection::subscription::POSITIONS_MAX;
use crate::refusals::{bad_request, destination_refusal, nobody_in_particular, shorten};
use crate::router::{Pattern, policy};
use crate::settings::Durable;

/// Headers of ActiveMQ and Artemis for a durable subscription's name.
const NAME_HEADERS: [&str; 3] = ["durable-subscription-name", "durable-subscriber-name", "activemq.subscriptionName"];
/// The canonical word and ActiveMQ's.
const NO_LOCAL_HEADERS: [&str; 2] = ["no-local", "activemq.noLocal"];
/// Headers of RabbitMQ that make a subscription durable under its id.
const DURABLE_HEADERS: [&str; 2] = ["durable", "persistent"];

/// The longest name of a durable subscription and of whom it belongs to, in bytes: they are kept with each cursor.
const NAME_BYTES_MAX: usize = 255;

/// What a SUBSCRIBE asks for, read and found to make sense.
#[derive(Clone, Debug)]
pub(in crate::connection) struct Request {
    /// Its id.
    pub(in crate::connection) id: Arc<str>,
    /// Whether the client gave the id.
    pub(in crate::connection) id_given: bool,
    /// What it covers.
    pub(in crate::connection) pattern: Arc<Pattern>,
    /// Whether a RECEIPT will tell of it.
    pub(super) receipt: bool,
    /// How messages are acknowledged.
    pub(in crate::connection) ack: AckMode,
    /// What this connection itself sends is left out.
    pub(in crate::connection) no_local: bool,
    /// How many may be unacknowledged.
    pub(in crate::connection) prefetch: usize,
    /// Where to begin, if it says so.
    pub(super) start: Option<Beginning>,
    /// Owner and name, if the cursor is kept.
    pub(in crate::connection) durable: Option<DurableName>,
    /// Whose messages it shares with others, if it does.
    pub(super) share: Option<Share>,
    /// It looks at what waits in a queue and takes nothing.
    pub(super) browses: bool,
}

/// Whose cursor is kept, and how it is held.
#[derive(Clone, Debug)]
pub(in crate::connection) struct DurableName {
    /// The owner.
    pub(in crate::connection) owner: Arc<str>,
    /// The name.
    pub(in crate::connection) name: Arc<str>,
    /// One connection at a time; otherwise all of the owner's share it.
    pub(in crate::connection) exclusive: bool,
}

impl Request {
    /// Whether it takes messages of a class away from others: a group's share of a topic.
    pub(in crate::connection) fn takes_from_a_class(&self) -> bool {
        self.share.is_some() && !self.pattern.is_of_queue()
    }
}

/// Reads a SUBSCRIBE.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub(in crate::connection) fn read(
    services: &Services,
    person: &Identity,
    subscribe: &Subscribe,
) -> Result<Request, Refusal> {
    let headers = &subscribe.headers;
    if headers.contains("selector") {
        return Err(bad_request(
            "selector is not supported",
            "Subscribe to a narrower destination, or filter in the client.",
        ));
    }
    let own = person.alone(&services.settings.stomp.shared_logins);
    let pattern = services.registry.rules().subscribable(&subscribe.destination, own);
    let pattern = Arc::new(pattern.map_err(|error| destination_refusal(&error))?);
    let no_local = first_of(headers, &NO_LOCAL_HEADERS).is_some_and(is_true);
    let (start, browses) = (start(headers)?, share::browses(headers, &pattern)?);
    let share = if browses { None } else { share::read(headers, &pattern)? };
    if share.is_some() || browses {
        share::check(headers, no_local, share.as_ref())?;
    }
    let is_alone = share.is_none() && !browses;
    Ok(Request {
        id: subscribe.id.as_str().into(),
        id_given: subscribe.id_given,
        receipt: subscribe.ticket.is_some(),
        // Whoever only looks has nothing to acknowledge.
        ack: if browses { AckMode::Auto } else { subscribe.ack },
        no_local,
        prefetch: prefetch(headers, services.settings.delivery.prefetch)?,
        start,
        durable: match is_alone {
            true => durable_name(services, person, &subscribe.id, headers, &pattern)?,
            false => None,
        },
        pattern,
        share,
        browses,
    })
}

/// The owner and name of an UNSUBSCRIBE that forgets its cursor.
pub(in crate::connection) fn forgets(headers: &Headers) -> bool {
    is_durable(headers) || first_of(headers, &NAME_HEADERS).is_some()
}

pub(super) fn check_positions(request: &Request, rooms: usize) -> Result<(), Refusal> {
    match &request.start {
        Some(Beginning::After(_)) if rooms > POSITIONS_MAX => Err(bad_request(
            &format!("\"after\" covers at most {POSITIONS_MAX} logs, this destination reaches {rooms}"),
            "Subscribe to fewer classrooms, or make the subscription durable: the broker keeps a cursor for each.",
        )),
        _ => Ok(()),
    }
}

fn durable_name(
    services: &Services,
    person: &Identity,
    id: &str,
    headers: &Headers,
    pattern: &Pattern,
) -> Result<Option<DurableName>, Refusal> {
    let owner = person.owner(&services.settings.stomp.shared_logins);
    let name = match first_of(headers, &NAME_HEADERS) {
        Some(name) => Some(name),
        None => is_durable(headers).then_some(id),
    };
    if let Some(name) = name {
        let owner = owner.ok_or_else(nobody_in_particular)?;
        for (what, text) in [("name of a durable subscription", name), ("login or client-id of its owner", &owner)] {
            if text.len() > NAME_BYTES_MAX {
                return Err(bad_request(
                    &format!("the {what} has at most {NAME_BYTES_MAX} bytes, this one has {}", text.len()),
                    "Use a shorter one, for example a number or a hash.",
                ));
            }
        }
        return Ok(Some(DurableName { owner, name: name.into(), exclusive: true }));
    }
    let unasked = person.user.is_some()
        && pattern.room().is_some_and(|name| policy(&services.settings, &name).durable == Durable::SignedIn);
    Ok(owner.filter(|_| unasked).map(|owner| DurableName { owner, name: pattern.canonical().into(), exclusive: false }))
}

fn is_durable(headers: &Headers) -> bool {
    first_of(headers, &DURABLE_HEADERS).is_some_and(is_true)
}

pub(super) fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

fn prefetch(headers: &Headers, default: usize) -> Result<usize, Refusal> {
    match first_of(headers, &["prefetch-count", "activemq.prefetchSize"]) {
        None => Ok(default),
        Some(text) => match text.parse::<u32>() {
            // As in RabbitMQ and ActiveMQ, nothing is no limit; ours is the setting.
            Ok(0) => Ok(default),
            Ok(count) => Ok((count as usize).min(default)),
            Err(_) => Err(bad_request(
                &format!("prefetch-count is \"{}\"", shorten(text)),
                "Write how many messages may be unacknowledged, for example prefetch-count:100.",
            )),
        },
    }
}

fn start(headers: &Headers) -> Result<Option<Beginning>, Refusal> {
    if let Some(text) = headers.get("after") {
        return after(text).map(Some);
    }
    if let Some(text) = headers.get("x-stream-offset") {
        return stream_offset(text).map(Some);
    }
    if let Some(text) = headers.get("rewind") {
        return rewind(text).map(Some);
    }
    let retroactive = headers.get("activemq.retroactive").is_some_and(is_true);
    Ok(retroactive.then_some(Beginning::First))
}

fn after(text: &str) -> Result<Beginning, Refusal> {
    let positions: Result<Vec<Position>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    match positions {
        Ok(positions) if positions.len() <= POSITIONS_MAX => Ok(Beginning::After(positions)),
        Ok(_) => {
            Err(bad_request(&format!("\"after\" takes at most {POSITIONS_MAX} positions"), "Subscribe more than once."))
        }
        Err(error) => {
            Err(bad_request(&error.to_string(), "Send the position of the last message you saw, after:epoch:offset."))
        }
    }
}

fn stream_offset(text: &str) -> Result<Beginning, Refusal> {
    let number = |value: &str| value.parse::<u64>().ok().filter(|_| value.bytes().all(|byte| byte.is_ascii_digit()));
    let known = match text.split_once('=') {
        None => match text {
            "first" => Some(Beginning::First),
            "last" => Some(Beginning::Last(1)),
            "next" => Some(Beginning::Next),
            _ => None,
        },
        Some(("offset", value)) => number(value).map(|offset| Beginning::At(Offset(offset))),
        // RabbitMQ has it in seconds.
        Some(("timestamp", value)) => number(value).map(|seconds| Beginning::Time(seconds.saturating_mul(1000))),
        Some(_) => None,
    };
    known.ok_or_else(|| {
        let remedy = "Write first, last, next, offset=N or timestamp=SECONDS.";
        bad_request(&format!("x-stream-offset is \"{}\"", shorten(text)), remedy)
    })
}

fn rewind(text: &str) -> Result<Beginning, Refusal> {
    if let Ok(count) = text.parse::<u32>() {
        return Ok(Beginning::Last(count.into()));
    }
    let age = crate::settings::parse_duration(text);
    age.map(|age| Beginning::Time(before_now(age))).ok_or_else(|| {
        let remedy = "Write how many messages to go back, rewind:10, or how long, rewind:2m.";
        bad_request(&format!("rewind is \"{}\"", shorten(text)), remedy)
    })
}

pub(super) fn before_now(age: Duration) -> u64 {
    now_millis().saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use homeroom_storage::Epoch;

    use super::*;

    fn beginning(name: &str, value: &str) -> Result<Option<Beginning>, String> {
        start(&[(name, value)].into_iter().collect()).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn every_spelling_of_a_position_is_read() {
        let position = |epoch, offset| Position::new(Epoch(epoch), Offset(offset));
        for (name, value, expected) in [
            ("x-stream-offset", "first", Beginning::First),
            ("x-stream-offset", "last", Beginning::Last(1)),
            ("x-stream-offset", "next", Beginning::Next),
            ("x-stream-offset", "offset=7", Beginning::At(Offset(7))),
            ("x-stream-offset", "timestamp=1700000000", Beginning::Time(1_700_000_000_000)),
            ("after", "5:7", Beginning::After(vec![position(5, 7)])),
            ("after", "5:7, 6:9", Beginning::After(vec![position(5, 7), position(6, 9)])),
            ("rewind", "10", Beginning::Last(10)),
            ("activemq.retroactive", "true", Beginning::First),
        ] {
            assert_eq!(beginning(name, value), Ok(Some(expected)), "{name}:{value}");
        }
        assert!(matches!(beginning("rewind", "2m"), Ok(Some(Beginning::Time(_)))));
        assert_eq!(beginning("x-other", "1"), Ok(None));
    }

    #[test]
    fn what_is_no_position_is_refused_with_what_was_written() {
        for (name, value) in [
            ("x-stream-offset", "second"),
            ("x-stream-offset", "offset=-1"),
            ("x-stream-offset", "offset=+1"),
            ("x-stream-offset", "timestamp="),
            ("after", "7"),
            ("after", ""),
            ("rewind", "ten"),
            ("rewind", "-1"),
        ] {
            let reason = beginning(name, value).expect_err(value);
            assert!(reason.contains(&format!("\"{value}\"")), "{name}:{value} gave {reason}");
        }
        let many = vec!["1:1"; POSITIONS_MAX + 1].join(",");
        assert!(beginning("after", &many).is_err());
    }
}
