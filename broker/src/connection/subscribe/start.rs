//! Where a subscription begins: what the client says wins over the stored
//! cursor, which wins over the settings.

use homeroom_protocol::Refusal;
use homeroom_storage::{Cursor, Position};

use super::request::{Request, before_now};
use crate::classroom::Room;
use crate::classroom::beginning::{Beginning, Begun};
use crate::connection::Services;
use crate::refusals::log_refusal;
use crate::router::policy;
use crate::settings::Start;

/// Where to begin: what the client says wins over the stored cursor, which wins over the settings.
pub(super) async fn begin(
    services: &Services,
    request: &Request,
    room: &Room,
    stored: Option<&Cursor>,
) -> Result<Begun, Refusal> {
    let stored = stored.map(|cursor| Beginning::After(vec![Position::new(cursor.epoch, cursor.offset)]));
    let given = request.start.clone().or(stored);
    let is_given = given.is_some();
    let start = given.or_else(|| first_start(services, request, room)).unwrap_or(Beginning::Next);
    let begun = room.begin(&request.pattern, &start).await.map_err(log_refusal)?;
    Ok(Begun { resumed: begun.resumed && is_given, ..begun })
}

/// A durable subscription seen for the first time begins where the settings say.
fn first_start(services: &Services, request: &Request, room: &Room) -> Option<Beginning> {
    request.durable.as_ref()?;
    match policy(&services.settings, room.name()).start {
        Start::Now => Some(Beginning::Next),
        Start::Earliest => Some(Beginning::First),
        Start::Back(age) => Some(Beginning::Time(before_now(age))),
    }
}
