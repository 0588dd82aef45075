//! The way into a room, for every door.

use std::sync::Arc;
use std::time::Duration;

use homeroom_protocol::Refusal;
use homeroom_storage::LogError;
use tokio::time::Instant;

use crate::classroom::Room;
use crate::classroom::registry::EnterError;
use crate::connection::Services;
use crate::metrics::Limit;
use crate::refusals::{code, log_refusal, refusal};

/// Between two tries to reach a store that is unavailable.
pub(crate) const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Enters a room, waiting for a store that is unavailable.
pub(crate) async fn enter(services: &Services, name: &str) -> Result<Arc<Room>, Refusal> {
    let give_up = Instant::now() + services.settings.delivery.subscribe_wait;
    loop {
        match services.registry.enter(name).await {
            Ok(room) => return Ok(room),
            Err(EnterError::TooMany(open)) => {
                services.metrics.hit(Limit::Classrooms);
                let reason = format!("{open} classrooms are open, which is the limit");
                let remedy = "Raise limits.classrooms in the broker's settings, or use fewer classrooms.";
                return Err(refusal(code::LIMIT, "too many classrooms", reason, true, remedy));
            }
            Err(EnterError::Log(error @ LogError::Damaged(_))) => return Err(log_refusal(error)),
            Err(EnterError::Log(error)) if Instant::now() >= give_up => return Err(log_refusal(error)),
            Err(EnterError::Log(_)) => tokio::time::sleep(TRY_AGAIN).await,
        }
    }
}

/// Why a queue takes so much no more, if it does not.
pub(crate) fn full(services: &Services, room: &Room, bytes: usize) -> Option<Refusal> {
    let (kept, max) = room.beyond(bytes as u64)?;
    services.metrics.hit(Limit::QueueBytes);
    let reason = format!("/{} keeps {kept} bytes that nobody has acknowledged, {max} are the limit", room.name());
    let remedy = "It was not stored. Send it again when consumers have come further, or have queues.bytes raised.";
    Some(refusal(code::LIMIT, "queue full", reason, true, remedy))
}
