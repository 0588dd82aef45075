//! Messages that are stored together or not at all, sorted by the rooms they go to.

use std::collections::HashMap;

use homeroom_protocol::Refusal;
use homeroom_storage::Message;

use super::Publication;
use crate::refusals::{code, refusal};

/// So many rooms may be sent to together.
pub(crate) const ROOMS_MAX: usize = 16;

/// What is stored together. All of it is stored, whatever `persistent` says.
#[derive(Debug, Default)]
pub(crate) struct Joint {
    /// What goes to each room, in the order in which they were first sent to.
    pub(crate) rooms: Vec<(String, Vec<Message>)>,
    /// For each message, which of the rooms, and which of the room's messages it is.
    pub(crate) homes: Vec<(usize, usize)>,
    /// Not twice: the key of the first message, kept by the first room.
    pub(crate) key: Option<Box<str>>,
}

impl Joint {
    /// These, in their order.
    pub(crate) fn of(publications: Vec<Publication>) -> Joint {
        let mut joint = Joint::default();
        let mut known: HashMap<String, usize> = HashMap::new();
        for (number, Publication { place, message, key, .. }) in publications.into_iter().enumerate() {
            if number == 0 {
                joint.key = key;
            }
            let at = *known.entry(place.room().to_owned()).or_insert(joint.rooms.len());
            if at == joint.rooms.len() {
                joint.rooms.push((place.room().to_owned(), Vec::new()));
            }
            let messages = &mut joint.rooms[at].1;
            joint.homes.push((at, messages.len()));
            messages.push(message);
        }
        joint
    }

    /// `what` is what the client knows it as: `transaction`, `batch`.
    ///
    /// # Errors
    /// More rooms than one append may go to.
    pub(crate) fn check(&self, what: &str, is_atomic_across_logs: bool) -> Result<(), Refusal> {
        let count = self.rooms.len();
        if count > 1 && !is_atomic_across_logs {
            let names: Vec<&str> = self.rooms.iter().take(ROOMS_MAX).map(|(name, _)| &**name).collect();
            let names = names.join(", ");
            return Err(refusal(
                code::BAD_REQUEST,
                &format!("{what} over several logs"),
                format!("the {what} sends to {names}, and this broker's store keeps only one together"),
                false,
                &format!("Nothing was stored. Use one {what} for each."),
            ));
        }
        if count > ROOMS_MAX {
            return Err(refusal(
                code::LIMIT,
                "limit exceeded",
                format!("the {what} sends to {count} classrooms and queues, {ROOMS_MAX} are the limit"),
                false,
                &format!("Nothing was stored. Send to fewer in one {what}."),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::router::Place;

    fn joint(count: usize) -> Joint {
        Joint { rooms: (0..count).map(|n| (format!("topic/{n}"), Vec::new())).collect(), ..Joint::default() }
    }

    #[test]
    fn a_store_that_keeps_one_log_together_takes_transactions_over_one() {
        assert!(joint(1).check("transaction", false).is_ok());
        let refusal = joint(2).check("transaction", false).unwrap_err();
        assert_eq!((refusal.code, &*refusal.message), (code::BAD_REQUEST, "transaction over several logs"));
        assert!(refusal.reason.contains("topic/0, topic/1"), "{}", refusal.reason);
    }

    #[test]
    fn so_many_rooms_are_sent_to_together_at_most() {
        assert!(joint(ROOMS_MAX).check("batch", true).is_ok());
        let refusal = joint(ROOMS_MAX + 1).check("batch", true).unwrap_err();
        assert!(refusal.reason.contains("17") && refusal.reason.contains("16"), "{}", refusal.reason);
    }

    #[test]
    fn every_message_is_found_again_in_its_room() {
        let publication = |room: &str, key: Option<&str>| Publication {
            place: Place { path: room.to_owned(), room_bytes: room.len(), shown: format!("/{room}") },
            message: Message { destination: room.into(), headers: [].into(), body: Bytes::new(), publisher: None },
            key: key.map(Into::into),
            persistent: true,
        };
        let joint = Joint::of(vec![publication("a", Some("k")), publication("b", Some("l")), publication("a", None)]);
        assert_eq!(joint.homes, [(0, 0), (1, 0), (0, 1)]);
        assert_eq!(joint.key.as_deref(), Some("k"));
        assert_eq!(joint.rooms.iter().map(|(_, messages)| messages.len()).collect::<Vec<_>>(), [2, 1]);
    }
}
