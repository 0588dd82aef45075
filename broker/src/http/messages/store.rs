//! From a publication to the log, or to those who are here.

use std::sync::Arc;
use std::time::Duration;

use homeroom_protocol::Refusal;
use homeroom_storage::{Append, Appended, Message, Offset, Part, Position};

use super::asked::in_batch;
use crate::audit::Line;
use crate::auth::Identity;
use crate::classroom::Room;
use crate::connection::Services;
use crate::entrance::{enter, full};
use crate::http::problem::Problem;
use crate::publication::Publication;
use crate::publication::joint::Joint;
use crate::rate::{Account, TooFast};
use crate::refusals::append_refusal;

/// Where a batch went.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Of each message; `None` where it was stored before and only the first log knows where.
    pub(super) positions: Vec<Option<Position>>,
    /// It had been stored before.
    pub(super) duplicate: bool,
}

/// Stores one message, or shows it to those who are here if it is not to be stored: then there is no answer of the log.
///
/// # Errors
/// Why it was not taken.
pub(super) async fn one(
    services: &Services,
    person: &Identity,
    account: &Account,
    publication: Publication,
) -> Result<Option<Appended>, Problem> {
    let Publication { place, message, key, persistent } = publication;
    let room = enter(services, place.room()).await?;
    let_in(services, account, &room, 1)?;
    if let Some(refusal) = full(services, &room, message.cost()) {
        return Err(refusal.into());
    }
    if persistent || room.is_queue() {
        return Ok(Some(append(services, person, vec![(room, vec![message])], key).await?));
    }
    // It follows all that its publisher was told to be stored.
    room.catch_up().await;
    room.publish_ephemeral(message, place.path, Offset::ZERO);
    services.metrics.published(false, 1);
    Ok(None)
}

/// Hands a reply to the session that asked. Where nobody waits for it any more, it is dropped, as for a SEND.
pub(super) fn reply(services: &Services, secret: &str, message: Message) {
    match services.replies.reserve(secret, message.cost()) {
        Ok(slot) => {
            slot.deliver(message);
            services.metrics.published(false, 1);
        }
        Err(closed) => {
            tracing::debug!(?closed, "a reply was dropped");
            services.metrics.reply_dropped();
            closed.limit().into_iter().for_each(|limit| services.metrics.hit(limit));
        }
    }
}

/// Stores messages together or not at all.
///
/// # Errors
/// Why none was taken, and the first message that was in the way.
pub(super) async fn together(
    services: &Services,
    person: &Identity,
    account: &Account,
    joint: Joint,
) -> Result<Stored, Problem> {
    let Joint { rooms, homes, key } = joint;
    let first_of = |at: usize| homes.iter().position(|(room, _)| *room == at);
    let mut entered = Vec::with_capacity(rooms.len());
    for (at, (name, messages)) in rooms.into_iter().enumerate() {
        let room = enter(services, &name).await.map_err(|refusal| in_batch(first_of(at), None, refusal))?;
        let_in(services, account, &room, messages.len())?;
        if let Some(refusal) = full(services, &room, messages.iter().map(Message::cost).sum()) {
            return Err(in_batch(first_of(at), None, refusal));
        }
        entered.push((room, messages));
    }
    let sizes: Vec<usize> = entered.iter().map(|(_, messages)| messages.len()).collect();
    let appended = append(services, person, entered, key).await?;
    Ok(Stored { positions: positions(&appended, &homes, &sizes), duplicate: appended.duplicate })
}

/// Lets messages into a room if it takes so many now: over HTTP nobody waits.
fn let_in(services: &Services, account: &Account, room: &Room, count: usize) -> Result<(), TooFast> {
    let entered = services.publishing.enter(account, room.publishing(), count, Duration::ZERO);
    entered.map(drop).inspect_err(|too_fast| services.metrics.hit(too_fast.limit))
}

/// The position of each message inside the record of its room.
fn positions(appended: &Appended, homes: &[(usize, usize)], sizes: &[usize]) -> Vec<Option<Position>> {
    let of_room = |at: usize| match at.checked_sub(1) {
        None => Some(appended.position),
        Some(other) => appended.also.get(other).copied(),
    };
    let of_message = |&(at, number): &(usize, usize)| {
        let part = (sizes[at] > 1).then(|| u16::try_from(number).ok()).flatten();
        of_room(at).map(|position| Position { part, ..position })
    };
    homes.iter().map(of_message).collect()
}

async fn append(
    services: &Services,
    person: &Identity,
    rooms: Vec<(Arc<Room>, Vec<Message>)>,
    key: Option<Box<str>>,
) -> Result<Appended, Refusal> {
    let expected: Vec<Arc<Room>> = rooms.iter().map(|(room, _)| room.clone()).collect();
    let part = |(room, messages): (Arc<Room>, Vec<Message>)| Part { log: room.log().clone(), messages, lane: None };
    let mut parts = rooms.into_iter().map(part);
    let first = parts.next().expect("something is sent to at least one room");
    let append = Append {
        log: first.log,
        messages: first.messages,
        also: parts.collect(),
        settlements: Vec::new(),
        key,
        deadline: None,
        lane: None,
    };
    expected.iter().for_each(|room| room.expect());
    let answer = services.registry.store().append(append).await;
    expected.iter().for_each(|room| room.was_answered(&answer));
    let appended = answer.map_err(|error| append_refusal(&error))?;
    services.metrics.published(true, if appended.duplicate { 0 } else { expected.len() as u64 });
    if let Some(audit) = services.audit.as_ref().filter(|_| !appended.duplicate) {
        let positions = [&appended.position].into_iter().chain(&appended.also);
        for (room, position) in expected.iter().zip(positions) {
            audit.note(Line::published(person, room.name(), position.to_string()));
        }
    }
    Ok(appended)
}

#[cfg(test)]
mod tests {
    use homeroom_storage::Epoch;

    use super::*;

    #[test]
    fn each_message_has_its_position_and_what_a_key_does_not_remember_has_none() {
        let at = |epoch, offset| Position::new(Epoch(epoch), Offset(offset));
        let text = |appended: &Appended| {
            let positions = positions(appended, &[(0, 0), (1, 0), (0, 1)], &[2, 1]);
            positions.iter().map(|position| position.map(|position| position.to_string())).collect::<Vec<_>>()
        };
        let mut appended = Appended { position: at(7, 3), also: [at(9, 5)].into(), time: 0, duplicate: false };
        assert_eq!(text(&appended), [Some("7:3.0".to_owned()), Some("9:5".to_owned()), Some("7:3.1".to_owned())]);
        (appended.also, appended.duplicate) = ([].into(), true);
        assert_eq!(text(&appended)[1], None);
    }
}
