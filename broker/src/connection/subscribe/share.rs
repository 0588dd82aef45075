//! SUBSCRIBE to what is shared: a queue, or a group on a classroom's log.

use std::sync::Arc;
use std::time::Duration;

use homeroom_protocol::{AckMode, Headers, Refusal};
use homeroom_storage::Offset;
use tokio::time::Instant;

use super::request::{Request, is_true};
use super::start::begin;
use super::{Ready, Services, load};
use crate::classroom::Room;
use crate::classroom::bell::Bell;
use crate::classroom::entry::Mark;
use crate::classroom::group::{Exclusive, GroupName, Wish};
use crate::classroom::reader::Reader;
use crate::connection::envelope::first_of;
use crate::connection::subscription::Source;
use crate::entrance::{TRY_AGAIN, enter};
use crate::refusals::{bad_request, code, destination_refusal, log_refusal, refusal, shorten};
use crate::router::{Kind, Pattern, segment_of};

/// RabbitMQ's word and ActiveMQ's.
const EXCLUSIVE_HEADERS: [&str; 2] = ["exclusive", "activemq.exclusive"];
/// So long is waited for a consumer that has to go first.
const LEAVING: Duration = Duration::from_secs(1);
/// The longest name of a group, in bytes: it is a part of the destination of its dead letters.
const NAME_BYTES_MAX: usize = 64;

/// Whose messages are shared, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    name: GroupName,
    exclusive: bool,
    auto_delete: bool,
    expires: Option<Duration>,
}

/// Whether a queue is only looked at.
///
/// # Errors
/// `browser:true` where there is no queue.
pub(super) fn browses(headers: &Headers, pattern: &Pattern) -> Result<bool, Refusal> {
    let browses = headers.get("browser").is_some_and(is_true);
    if browses && !pattern.is_of_queue() {
        let remedy = "Nothing is taken from a topic by reading it: subscribe with x-stream-offset:first instead.";
        return Err(bad_request("browser:true is for queues", remedy));
    }
    Ok(browses)
}

/// What a SUBSCRIBE shares with others, if anything.
///
/// # Errors
/// What cannot be shared.
pub(super) fn read(headers: &Headers, pattern: &Pattern) -> Result<Option<Share>, Refusal> {
    let name = match (headers.get("group"), pattern.is_of_queue()) {
        (None, false) => return Ok(None),
        (_, true) => GroupName::Queue,
        (Some(name), false) => group_name(name, pattern)?,
    };
    let of_queue = name == GroupName::Queue;
    Ok(Some(Share {
        name,
        exclusive: first_of(headers, &EXCLUSIVE_HEADERS).is_some_and(is_true),
        auto_delete: of_queue && headers.get("auto-delete").is_some_and(is_true),
        expires: if of_queue { expires(headers)? } else { None },
    }))
}

/// What has no meaning where messages are shared.
///
/// # Errors
/// What was asked for in vain.
pub(super) fn check(headers: &Headers, no_local: bool, share: Option<&Share>) -> Result<(), Refusal> {
    if no_local {
        let remedy = "Leave no-local out: a message that nobody takes would stay for ever.";
        return Err(bad_request("no-local is not for what is shared", remedy));
    }
    let positioned = ["after", "x-stream-offset", "rewind"].iter().find(|name| headers.contains(name));
    match (share, positioned) {
        (Some(Share { name: GroupName::Of { .. }, .. }), _) | (_, None) => Ok(()),
        (_, Some(name)) => {
            let remedy = "A queue is consumed from its oldest message on. Read it with browser:true, or use a topic: \
                          there everybody has a position.";
            Err(bad_request(&format!("{name} is not for queues"), remedy))
        }
    }
}

fn group_name(name: &str, pattern: &Pattern) -> Result<GroupName, Refusal> {
    let is_classroom = |room: &String| matches!(Kind::of(room), Some((Kind::Topic, _)));
    if pattern.room().as_ref().filter(|room| is_classroom(room)).is_none() {
        let remedy = "Subscribe to one classroom, /topic/{classroom}/**, in each SUBSCRIBE of a group.";
        return Err(bad_request("a group shares what one classroom keeps", remedy));
    }
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let reason = format!("a group has a name of 1 to {NAME_BYTES_MAX} bytes, this one has {}", name.len());
        return Err(bad_request(&reason, "Give all who share the messages the same short name."));
    }
    let name = segment_of(name).map_err(|error| destination_refusal(&error))?;
    Ok(GroupName::Of { name: name.into(), pattern: pattern.canonical().into() })
}

fn expires(headers: &Headers) -> Result<Option<Duration>, Refusal> {
    let Some(text) = headers.get("x-expires") else { return Ok(None) };
    match text.parse::<u64>() {
        Ok(millis) if millis > 0 => Ok(Some(Duration::from_millis(millis))),
        _ => {
            let remedy = "Write after how many milliseconds without a consumer the queue goes, at least 1.";
            Err(bad_request(&format!("x-expires is \"{}\"", shorten(text)), remedy))
        }
    }
}

/// Joins those who share.
///
/// # Errors
/// What stands in the way, in words for the client.
pub(super) async fn consume(
    services: &Services,
    request: Request,
    share: Share,
    bell: Arc<Bell>,
) -> Result<Ready, Refusal> {
    let name = request.pattern.room().expect("what is shared is in one room");
    let room = enter(services, &name).await?;
    room.catch_up().await;
    let stored = load(&room, &room.group_key(&share.name)).await?;
    let mark = match share.name {
        // What was sent before anybody consumed waits for the first who does.
        GroupName::Queue => oldest(&room, stored.as_ref().map_or(Offset::ZERO, |cursor| cursor.offset)).await?,
        GroupName::Of { .. } => {
            // A position is for the first of a group: nobody sets the others back.
            let request = Request { start: request.start.clone().filter(|_| stored.is_none()), ..request.clone() };
            begin(services, &request, &room, stored.as_ref()).await?.mark.unwrap_or(Mark::after(room.recent().head()))
        }
    };
    let wish = Wish {
        window: (request.ack != AckMode::Auto).then_some(request.prefetch),
        exclusive: share.exclusive,
        auto_delete: share.auto_delete,
        expires: share.expires,
    };
    let (pattern, give_up) = (request.pattern.clone(), Instant::now() + LEAVING);
    let consumer = loop {
        match room.consume(&share.name, pattern.clone(), (mark, stored.clone()), &wish, bell.clone()) {
            Ok(consumer) => break consumer,
            Err(Exclusive) if Instant::now() >= give_up => return Err(taken(&name)),
            // Whoever has said good-bye may not have left yet.
            Err(Exclusive) => tokio::time::sleep(TRY_AGAIN).await,
        }
    };
    Ok(Ready { missed: consumer.waiting(), consumer: Some(consumer), ..Ready::new(request, 0) })
}

/// Looks at what waits in a queue now.
///
/// # Errors
/// What stands in the way, in words for the client.
pub(super) async fn browse(services: &Services, request: Request, bell: Arc<Bell>) -> Result<Ready, Refusal> {
    let name = request.pattern.room().expect("a queue is one room");
    let room = enter(services, &name).await?;
    room.catch_up().await;
    let stored = load(&room, &room.group_key(&GroupName::Queue)).await?.filter(|cursor| cursor.epoch == room.epoch());
    let (done, above) = stored.map_or((Offset::ZERO, Vec::new()), |cursor| (cursor.offset, cursor.above));
    let mark = oldest(&room, done).await?;
    let head = room.recent().head();
    let reader = Reader::new(room, request.pattern.clone(), mark, bell);
    let mut source = Source::new(reader, Offset::ZERO);
    source.skip = above;
    let missed = head.0.saturating_sub(mark.passed().0);
    Ok(Ready { sources: vec![source], missed, browses_to: Some(head), ..Ready::new(request, 0) })
}

async fn oldest(room: &Arc<Room>, done: Offset) -> Result<Mark, Refusal> {
    Ok(Mark::after(done.max(room.trimmed().await.map_err(log_refusal)?)))
}

fn taken(name: &str) -> Refusal {
    refusal(
        code::NOT_AVAILABLE,
        "exclusive",
        format!("/{name} has a consumer, and one of the two wants to be alone (exclusive:true)"),
        true,
        "Try again when the other has gone, or leave exclusive out on both.",
    )
}
