//! SUBSCRIBE: from its headers to readers that stand where they should.

mod request;
mod share;
mod start;

use std::sync::Arc;
use std::time::Duration;

use homeroom_protocol::{AckMode, Refusal};
use homeroom_storage::{Cursor, CursorKey, LogName, Offset};

use self::request::DurableName;
pub(super) use self::request::{Request, forgets, read};
use self::start::begin;
use super::Services;

use super::subscription::Source;
use crate::classroom::Room;
use crate::classroom::beginning::{Beginning, Gap};
use crate::classroom::bell::Bell;
use crate::classroom::durable::{Attachment, Progress};
use crate::classroom::group::Consumer;
use crate::classroom::reader::Reader;
use crate::entrance::enter;
use crate::refusals::unavailable;
use crate::router::Pattern;

/// A durable subscription waits so long for its cursor to be on disk before it begins.
const SYNC_WAIT: Duration = Duration::from_secs(2);

/// A subscription's logs, ready, and what its RECEIPT says.
#[derive(Debug)]
pub(super) struct Ready {
    /// What was asked for.
    pub request: Request,
    /// The logs.
    pub sources: Vec<Source>,
    /// A stored or given position was taken up.
    pub resumed: bool,
    /// At most so many messages wait.
    pub missed: u64,
    /// What is missing: offsets, or `unknown`.
    pub gap: Option<String>,
    /// The registry's generation when its rooms were listed.
    pub generation: u64,
    /// Its part in what is shared with others.
    pub consumer: Option<Consumer>,
    /// Up to here a queue is looked at.
    pub browses_to: Option<Offset>,
}

impl Ready {
    fn new(request: Request, generation: u64) -> Ready {
        let (sources, consumer, browses_to) = (Vec::new(), None, None);
        Ready { request, sources, resumed: false, missed: 0, gap: None, generation, consumer, browses_to }
    }
}

/// Opens the rooms, attaches to the cursors and places the readers. Waits for
/// a store that is unavailable, as long as the settings say.
///
/// # Errors
/// What stands in the way, in words for the client.
pub(super) async fn prepare(services: Arc<Services>, request: Request, bell: Arc<Bell>) -> Result<Ready, Refusal> {
    if let Some(share) = request.share.clone() {
        return share::consume(&services, request, share, bell).await;
    }
    if request.browses {
        return share::browse(&services, request, bell).await;
    }
    let generation = services.registry.generation();
    let rooms = match request.pattern.room() {
        Some(name) => vec![LogName::new(name)],
        None => {
            services.registry.watch(&bell);
            services.registry.reached_by(&request.pattern)
        }
    };
    let mut ready = Ready { sources: Vec::with_capacity(rooms.len()), ..Ready::new(request, generation) };
    request::check_positions(&ready.request, rooms.len())?;
    for name in rooms {
        let room = enter(&services, name.as_str()).await?;
        let placed = place(&services, &ready.request, room, &bell).await?;
        ready.resumed |= placed.resumed;
        ready.missed += placed.missed;
        ready.gap = ready.gap.or(placed.gap);
        ready.sources.push(placed.source);
    }
    Ok(ready)
}

/// Places a reader in a room that appeared after the subscription: from its first record.
///
/// # Errors
/// What stands in the way, in words for the client.
pub(super) async fn join(
    services: Arc<Services>,
    durable: Option<(Arc<str>, Arc<str>)>,
    pattern: Arc<Pattern>,
    name: LogName,
    bell: Arc<Bell>,
) -> Result<Source, Refusal> {
    let room = enter(&services, name.as_str()).await?;
    let durable = durable.map(|(owner, name)| DurableName { owner, name, exclusive: true });
    let (id, ack) = (Arc::from(""), AckMode::Auto);
    let start = Some(Beginning::First);
    let request = Request {
        id,
        id_given: false,
        receipt: true,
        no_local: false,
        pattern,
        ack,
        prefetch: 0,
        start,
        durable,
        share: None,
        browses: false,
    };
    let mut placed = place(&services, &request, room, &bell).await?;
    placed.source.replay_to = Offset::ZERO;
    Ok(placed.source)
}

struct Placed {
    source: Source,
    resumed: bool,
    missed: u64,
    gap: Option<String>,
}

async fn place(services: &Services, request: &Request, room: Arc<Room>, bell: &Arc<Bell>) -> Result<Placed, Refusal> {
    let attachment = match &request.durable {
        Some(durable) => Some(attach(services, durable, &room, bell).await),
        None => None,
    };
    room.catch_up().await;
    let stored = match &attachment {
        Some(attachment) => load(&room, attachment.key()).await?,
        None => None,
    };
    let begun = begin(services, request, &room, stored.as_ref()).await?;
    let reader = match begun.mark {
        Some(mark) => Reader::new(room.clone(), request.pattern.clone(), mark, bell.clone()),
        None => Reader::live(room.clone(), request.pattern.clone(), bell.clone()),
    };
    let head = room.recent().head();
    let mut placed = Placed {
        missed: head.0.saturating_sub(reader.mark().passed().0),
        source: Source::new(reader, head),
        resumed: begun.resumed,
        gap: begun.gap.as_ref().map(Gap::to_string),
    };
    if let (Some(Gap::Range(range)), false) = (&begun.gap, request.receipt) {
        placed.source.reader.announce_gap(*range);
    }
    let Some(attachment) = attachment else { return Ok(placed) };
    if let Some(cursor) = stored.filter(|cursor| cursor.epoch == room.epoch()) {
        placed.source.delivered_to = attachment.delivered().max(room.delivered_before(&cursor));
        if request.start.is_none() {
            placed.source.skip = cursor.above;
        }
    }
    attachment.note_delivered(placed.source.delivered_to);
    placed.source.attachment = Some(attachment);
    let (settled, above) = (Offset(placed.source.standing.settled), placed.source.skip.clone());
    placed.source.save(Progress { settled, above });
    // Before anything is delivered it is on disk that somebody is attached: repeats after a crash are marked.
    // A store that takes nothing now does not keep anybody from reading.
    let _ = tokio::time::timeout(SYNC_WAIT, room.store().sync()).await;
    Ok(placed)
}

async fn attach(services: &Services, durable: &DurableName, room: &Arc<Room>, bell: &Arc<Bell>) -> Attachment {
    let key = CursorKey { log: room.log().clone(), owner: durable.owner.clone(), name: durable.name.clone() };
    if durable.exclusive {
        let patience = room.durables().patience(&key, services.settings.delivery.takeover_delay_max);
        if !patience.is_zero() {
            tokio::time::sleep(patience).await;
        }
    }
    room.durables().attach(room.store().clone(), key, room.epoch(), durable.exclusive, bell.clone())
}

async fn load(room: &Room, key: &CursorKey) -> Result<Option<Cursor>, Refusal> {
    room.store().load(key).await.map_err(|error| unavailable(&error.to_string()))
}
