//! SUBSCRIBE: from its headers to readers that stand where they should.

use std::sync::Arc;
use std::time::Duration;

use homeroom_protocol::{AckMode, Headers, Refusal, Subscribe};
use homeroom_storage::{Cursor, CursorKey, LogError, Offset, OffsetRange, Position, Seek};

use super::Services;
use super::disconnect::{code, refusal};
use super::envelope::first_of;
use super::subscription::Source;
use crate::auth::Identity;
use crate::classroom::bell::Bell;
use crate::classroom::entry::Mark;
use crate::classroom::reader::Reader;
use crate::classroom::registry::EnterError;
use crate::classroom::{Classroom, now_millis};
use crate::router::Pattern;
use crate::settings::{Durable, Start};

/// A position over more logs than this is refused.
const POSITIONS_MAX: usize = 16;
/// A rewind goes back so many messages at most.
const REWIND_MAX: u64 = 10_000;
/// A durable subscription waits so long for its cursor to be on disk before it begins.
const SYNC_WAIT: Duration = Duration::from_secs(2);
/// Between two tries to reach a store that is unavailable.
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// Headers of ActiveMQ and Artemis for a durable subscription's name.
const NAME_HEADERS: [&str; 3] = ["durable-subscription-name", "durable-subscriber-name", "activemq.subscriptionName"];
/// The canonical word and ActiveMQ's.
const NO_LOCAL_HEADERS: [&str; 2] = ["no-local", "activemq.noLocal"];
/// Headers of RabbitMQ that make a subscription durable under its id.
const DURABLE_HEADERS: [&str; 2] = ["durable", "persistent"];

/// What a SUBSCRIBE asks for, read and found to make sense.
#[derive(Debug)]
pub(super) struct Request {
    /// Its id.
    pub id: Arc<str>,
    /// Whether the client gave the id.
    pub id_given: bool,
    /// What it covers.
    pub pattern: Arc<Pattern>,
    /// Whether a RECEIPT will tell of it.
    receipt: bool,
    /// How messages are acknowledged.
    pub ack: AckMode,
    /// What this connection itself sends is left out.
    pub(super) no_local: bool,
    /// How many may be unacknowledged.
    pub prefetch: usize,
    /// Where to begin, if it says so.
    start: Option<From>,
    /// Owner and name, if the cursor is kept.
    pub durable: Option<DurableName>,
}

/// Whose cursor is kept, and how it is held.
#[derive(Clone, Debug)]
pub(super) struct DurableName {
    /// The owner.
    pub owner: Arc<str>,
    /// The name.
    pub name: Arc<str>,
    /// One connection at a time; otherwise all of the owner's share it.
    pub exclusive: bool,
}

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    First,
    Next,
    Last(u64),
    /// Behind the first offset that is at least this.
    At(Offset),
    /// Not before this time, milliseconds since 1970.
    Time(u64),
    /// Behind these positions, each in its log.
    After(Vec<Position>),
}

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
}

/// Reads a SUBSCRIBE.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub(super) fn read(services: &Services, person: &Identity, subscribe: &Subscribe) -> Result<Request, Refusal> {
    let headers = &subscribe.headers;
    if headers.contains("selector") {
        return Err(bad("selector is not supported", "Subscribe to a narrower destination, or filter in the client."));
    }
    let pattern = services.registry.rules().subscribable(&subscribe.destination);
    let pattern = Arc::new(pattern.map_err(|error| unknown_destination(&error.to_string()))?);
    Ok(Request {
        id: subscribe.id.as_str().into(),
        id_given: subscribe.id_given,
        receipt: subscribe.ticket.is_some(),
        ack: subscribe.ack,
        no_local: first_of(headers, &NO_LOCAL_HEADERS).is_some_and(|value| value.eq_ignore_ascii_case("true")),
        prefetch: prefetch(headers, services.settings.delivery.prefetch)?,
        start: start(headers)?,
        durable: durable_name(services, person, &subscribe.id, headers, &pattern)?,
        pattern,
    })
}

/// Opens the rooms, attaches to the cursors and places the readers. Waits for
/// a store that is unavailable, as long as the settings say.
///
/// # Errors
/// What stands in the way, in words for the client.
pub(super) async fn prepare(services: Arc<Services>, request: Request, bell: Arc<Bell>) -> Result<Ready, Refusal> {
    let generation = services.registry.generation();
    let rooms = match request.pattern.classroom() {
        Some(name) => vec![name.into()],
        None => {
            services.registry.watch(&bell);
            services.registry.reached_by(&request.pattern)
        }
    };
    let mut ready = Ready { request, sources: Vec::new(), resumed: false, missed: 0, gap: None, generation };
    check_positions(&ready.request, rooms.len())?;
    for name in rooms {
        let room = enter(&services, &name).await?;
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
    name: Arc<str>,
    bell: Arc<Bell>,
) -> Result<Source, Refusal> {
    let room = enter(&services, &name).await?;
    let durable = durable.map(|(owner, name)| DurableName { owner, name, exclusive: true });
    let (id, ack) = (Arc::from(""), AckMode::Auto);
    let start = Some(From::First);
    let request =
        Request { id, id_given: false, receipt: true, no_local: false, pattern, ack, prefetch: 0, start, durable };
    let mut placed = place(&services, &request, room, &bell).await?;
    placed.source.replay_to = Offset::ZERO;
    Ok(placed.source)
}

/// The owner and name of an UNSUBSCRIBE that forgets its cursor.
pub(super) fn forgets(headers: &Headers) -> bool {
    is_durable(headers) || first_of(headers, &NAME_HEADERS).is_some()
}

struct Placed {
    source: Source,
    resumed: bool,
    missed: u64,
    gap: Option<String>,
}

async fn place(
    services: &Services,
    request: &Request,
    room: Arc<Classroom>,
    bell: &Arc<Bell>,
) -> Result<Placed, Refusal> {
    let attachment = match &request.durable {
        Some(durable) => Some(attach(services, durable, &room, bell).await),
        None => None,
    };
    room.catch_up().await;
    let stored = match &attachment {
        Some(attachment) => load(&room, attachment.key()).await?,
        None => None,
    };
    let (mark, told) = begin(services, request, &room, stored.as_ref()).await?;
    let reader = match mark {
        Some(mark) => Reader::new(room.clone(), request.pattern.clone(), mark, bell.clone()),
        None => Reader::live(room.clone(), request.pattern.clone(), bell.clone()),
    };
    let head = room.recent().head();
    let mut placed = Placed {
        missed: head.0.saturating_sub(reader.mark().passed().0),
        source: Source::new(reader, head),
        resumed: told.resumed,
        gap: told.gap.as_ref().map(Gap::to_string),
    };
    if let (Some(Gap::Range(range)), false) = (&told.gap, request.receipt) {
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
    placed.source.save(settled, above);
    // Before anything is delivered it is on disk that somebody is attached: repeats after a crash are marked.
    // A store that takes nothing now does not keep anybody from reading.
    let _ = tokio::time::timeout(SYNC_WAIT, room.store().sync()).await;
    Ok(placed)
}

async fn attach(
    services: &Services,
    durable: &DurableName,
    room: &Arc<Classroom>,
    bell: &Arc<Bell>,
) -> crate::classroom::durable::Attachment {
    let key = CursorKey { log: room.log().clone(), owner: durable.owner.clone(), name: durable.name.clone() };
    if durable.exclusive {
        let patience = room.durables().patience(&key, services.settings.delivery.takeover_delay_max);
        if !patience.is_zero() {
            tokio::time::sleep(patience).await;
        }
    }
    room.durables().attach(room.store().clone(), key, room.epoch(), durable.exclusive, bell.clone())
}

async fn load(room: &Classroom, key: &CursorKey) -> Result<Option<Cursor>, Refusal> {
    room.store().load(key).await.map_err(|error| unavailable(&error.to_string()))
}

/// What the RECEIPT says of a beginning.
#[derive(Default)]
struct Told {
    resumed: bool,
    gap: Option<Gap>,
}

enum Gap {
    Range(OffsetRange),
    Unknown,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Gap::Range(range) => range.fmt(f),
            Gap::Unknown => f.write_str("unknown"),
        }
    }
}

/// Where to begin: what the client says wins over the stored cursor, which wins over the settings.
async fn begin(
    services: &Services,
    request: &Request,
    room: &Classroom,
    stored: Option<&Cursor>,
) -> Result<(Option<Mark>, Told), Refusal> {
    let given = match &request.start {
        Some(start) => Some(start.clone()),
        None => stored.map(|cursor| From::After(vec![Position::new(cursor.epoch, cursor.offset)])),
    };
    if let Some(From::After(positions)) = given {
        return resume(room, &positions).await;
    }
    let start = given.or_else(|| first_start(services, request, room)).unwrap_or(From::Next);
    let after = match start {
        From::Next | From::After(_) => return Ok((None, Told::default())),
        From::First => Offset::ZERO,
        From::At(offset) => Offset(offset.0.saturating_sub(1)),
        From::Last(count) => return last(room, &request.pattern, count).await,
        From::Time(millis) => room.seek(Seek::Time(millis)).await.map_err(log_refusal)?,
    };
    let trimmed = room.trimmed().await.map_err(log_refusal)?;
    let mut told = Told { resumed: request.start.is_some(), ..Told::default() };
    if let From::At(_) = start {
        told.gap = range(after, trimmed).map(Gap::Range);
    }
    Ok((Some(Mark::after(after.max(trimmed))), told))
}

/// A durable subscription seen for the first time begins where the settings say.
fn first_start(services: &Services, request: &Request, room: &Classroom) -> Option<From> {
    request.durable.as_ref()?;
    match services.settings.classroom(room.name()).start {
        Start::Now => Some(From::Next),
        Start::Earliest => Some(From::First),
        Start::Back(age) => Some(From::Time(before_now(age))),
    }
}

/// Before the newest `count` messages that the pattern covers. Others lie between them: so the log is
/// looked through backwards, in stretches that grow.
async fn last(room: &Classroom, pattern: &Pattern, count: u64) -> Result<(Option<Mark>, Told), Refusal> {
    let told = Told { resumed: true, ..Told::default() };
    let wanted = usize::try_from(count.min(REWIND_MAX)).unwrap_or(usize::MAX);
    if wanted == 0 {
        return Ok((None, told));
    }
    let (head, trimmed) = (room.recent().head(), room.trimmed().await.map_err(log_refusal)?);
    let mut stretch = count.min(REWIND_MAX);
    loop {
        let after = room.seek(Seek::Last(stretch)).await.map_err(log_refusal)?.max(trimmed);
        let found = room.newest_marks(pattern, after, head, wanted + 1).await.map_err(log_refusal)?;
        match found.len() {
            // The one before the first wanted message.
            enough if enough > wanted => return Ok((found.front().copied(), told)),
            _ if after <= trimmed => return Ok((Some(Mark::after(after)), told)),
            _ => stretch = stretch.saturating_mul(8),
        }
    }
}

async fn resume(room: &Classroom, positions: &[Position]) -> Result<(Option<Mark>, Told), Refusal> {
    let trimmed = room.trimmed().await.map_err(log_refusal)?;
    let known = positions.iter().find(|position| position.epoch == room.epoch());
    let Some(position) = known.filter(|position| position.offset <= room.recent().head()) else {
        let told = Told { gap: Some(Gap::Unknown), ..Told::default() };
        return Ok((Some(Mark::after(trimmed)), told));
    };
    let mark = Mark { offset: position.offset, part: position.part.unwrap_or(Mark::WHOLE) };
    let gone = range(mark.passed(), trimmed);
    let told = Told { resumed: true, gap: gone.map(Gap::Range) };
    Ok((Some(mark.max(Mark::after(trimmed))), told))
}

/// The offsets behind `after` up to `trimmed`, if there are any.
fn range(after: Offset, trimmed: Offset) -> Option<OffsetRange> {
    (after < trimmed).then(|| OffsetRange { first: Offset(after.0 + 1), last: trimmed })
}

/// Enters a room, waiting for a store that is unavailable.
pub(super) async fn enter(services: &Services, name: &str) -> Result<Arc<Classroom>, Refusal> {
    let give_up = tokio::time::Instant::now() + services.settings.delivery.subscribe_wait;
    loop {
        match services.registry.enter(name).await {
            Ok(room) => return Ok(room),
            Err(EnterError::TooMany(open)) => {
                let reason = format!("{open} classrooms are open, which is the limit");
                let remedy = "Raise limits.classrooms in the broker's settings, or use fewer classrooms.";
                return Err(refusal(code::LIMIT, "too many classrooms", reason, true, remedy));
            }
            Err(EnterError::Log(error @ LogError::Damaged(_))) => return Err(log_refusal(error)),
            Err(EnterError::Log(error)) if tokio::time::Instant::now() >= give_up => return Err(log_refusal(error)),
            Err(EnterError::Log(_)) => tokio::time::sleep(TRY_AGAIN).await,
        }
    }
}

fn check_positions(request: &Request, rooms: usize) -> Result<(), Refusal> {
    match &request.start {
        Some(From::After(_)) if rooms > POSITIONS_MAX => Err(bad(
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
        return Ok(Some(DurableName { owner, name: name.into(), exclusive: true }));
    }
    let unasked = person.user.is_some()
        && pattern.classroom().is_some_and(|name| services.settings.classroom(&name).durable == Durable::SignedIn);
    Ok(owner.filter(|_| unasked).map(|owner| DurableName { owner, name: pattern.canonical().into(), exclusive: false }))
}

fn is_durable(headers: &Headers) -> bool {
    first_of(headers, &DURABLE_HEADERS).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn prefetch(headers: &Headers, default: usize) -> Result<usize, Refusal> {
    match first_of(headers, &["prefetch-count", "activemq.prefetchSize"]) {
        None => Ok(default),
        Some(text) => match text.parse::<u32>() {
            // As in RabbitMQ and ActiveMQ, nothing is no limit; ours is the setting.
            Ok(0) => Ok(default),
            Ok(count) => Ok((count as usize).min(default)),
            Err(_) => Err(bad(
                &format!("prefetch-count is \"{}\"", shorten(text)),
                "Write how many messages may be unacknowledged, for example prefetch-count:100.",
            )),
        },
    }
}

fn start(headers: &Headers) -> Result<Option<From>, Refusal> {
    if let Some(text) = headers.get("after") {
        return after(text).map(Some);
    }
    if let Some(text) = headers.get("x-stream-offset") {
        return stream_offset(text).map(Some);
    }
    if let Some(text) = headers.get("rewind") {
        return rewind(text).map(Some);
    }
    let retroactive = headers.get("activemq.retroactive").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    Ok(retroactive.then_some(From::First))
}

fn after(text: &str) -> Result<From, Refusal> {
    let positions: Result<Vec<Position>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    match positions {
        Ok(positions) if positions.len() <= POSITIONS_MAX => Ok(From::After(positions)),
        Ok(_) => Err(bad(&format!("\"after\" takes at most {POSITIONS_MAX} positions"), "Subscribe more than once.")),
        Err(error) => {
            Err(bad(&error.to_string(), "Send the position of the last message you saw, after:epoch:offset."))
        }
    }
}

fn stream_offset(text: &str) -> Result<From, Refusal> {
    let number = |value: &str| value.parse::<u64>().ok().filter(|_| value.bytes().all(|byte| byte.is_ascii_digit()));
    let known = match text.split_once('=') {
        None => match text {
            "first" => Some(From::First),
            "last" => Some(From::Last(1)),
            "next" => Some(From::Next),
            _ => None,
        },
        Some(("offset", value)) => number(value).map(|offset| From::At(Offset(offset))),
        // RabbitMQ has it in seconds.
        Some(("timestamp", value)) => number(value).map(|seconds| From::Time(seconds.saturating_mul(1000))),
        Some(_) => None,
    };
    known.ok_or_else(|| {
        let remedy = "Write first, last, next, offset=N or timestamp=SECONDS.";
        bad(&format!("x-stream-offset is \"{}\"", shorten(text)), remedy)
    })
}

fn rewind(text: &str) -> Result<From, Refusal> {
    if let Ok(count) = text.parse::<u32>() {
        return Ok(From::Last(count.into()));
    }
    let age = crate::settings::parse_duration(text);
    age.map(|age| From::Time(before_now(age))).ok_or_else(|| {
        let remedy = "Write how many messages to go back, rewind:10, or how long, rewind:2m.";
        bad(&format!("rewind is \"{}\"", shorten(text)), remedy)
    })
}

fn before_now(age: Duration) -> u64 {
    now_millis().saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}

fn nobody_in_particular() -> Refusal {
    refusal(
        code::BAD_REQUEST,
        "durable subscription without an owner",
        "a durable subscription belongs to somebody, and this connection names nobody in particular",
        false,
        "Send login, or client-id where several people share a login, on CONNECT: \
         otherwise strangers would share one position.",
    )
}

fn bad(reason: &str, remedy: &str) -> Refusal {
    refusal(code::BAD_REQUEST, "bad request", reason, false, remedy)
}

/// A destination that leads nowhere.
pub(super) fn unknown_destination(reason: &str) -> Refusal {
    let remedy = "Topics are written /topic/{classroom}/{channel}; . and / separate segments alike.";
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

/// So much of a client's text is repeated in an error.
fn shorten(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(at, _)| &text[..at])
}
