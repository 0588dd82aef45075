//! Where a subscription begins: what the client says wins over the stored
//! cursor, which wins over the settings.

use homeroom_protocol::Refusal;
use homeroom_storage::{Cursor, Offset, OffsetRange, Position, Seek};

use super::request::{From, Request, before_now};
use crate::classroom::Room;
use crate::classroom::entry::Mark;
use crate::connection::Services;
use crate::refusals::log_refusal;
use crate::router::{Pattern, policy};
use crate::settings::Start;

/// A rewind goes back so many messages at most.
const REWIND_MAX: u64 = 10_000;

/// What the RECEIPT says of a beginning.
#[derive(Default)]
pub(super) struct Told {
    pub(super) resumed: bool,
    pub(super) gap: Option<Gap>,
}

pub(super) enum Gap {
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
pub(super) async fn begin(
    services: &Services,
    request: &Request,
    room: &Room,
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
        // As in RabbitMQ, what lies beyond the end is the end.
        From::At(offset) => Offset(offset.0.saturating_sub(1)).min(room.recent().head()),
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
fn first_start(services: &Services, request: &Request, room: &Room) -> Option<From> {
    request.durable.as_ref()?;
    match policy(&services.settings, room.name()).start {
        Start::Now => Some(From::Next),
        Start::Earliest => Some(From::First),
        Start::Back(age) => Some(From::Time(before_now(age))),
    }
}

/// Before the newest `count` messages that the pattern covers. Others lie between them: so the log is
/// looked through backwards, in stretches that grow.
async fn last(room: &Room, pattern: &Pattern, count: u64) -> Result<(Option<Mark>, Told), Refusal> {
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

async fn resume(room: &Room, positions: &[Position]) -> Result<(Option<Mark>, Told), Refusal> {
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
