//! COMMIT: everything that was sent and acknowledged in a transaction, stored together or not at all.

use std::collections::HashMap;

use homeroom_protocol::{Commit, Event, Operation, Refusal, Ticket};
use homeroom_storage::{Message, Settlement};

use super::Connection;
use super::disconnect::{code, refusal};
use super::inbound::{read_reference, unknown_message};
use super::publish::{self, Publication, ROOMS_MAX, Share};
use super::replies::{Prepared, is_reply};
use super::subscription::Subscription;
use crate::entrance::full;
use crate::refusals;

/// So many rooms may be sent to in one transaction. As many are remembered, so that all can be at hand at once.
const TRANSACTION_ROOMS_MAX: usize = ROOMS_MAX;

/// The messages of a transaction. All of them are stored, whatever `persistent` says.
#[derive(Debug, Default)]
struct Joint {
    /// What goes to each room, in the order in which they were first sent to.
    rooms: Vec<(String, Vec<Message>)>,
    /// Not twice: the key of the first message, kept by the first room.
    key: Option<Box<str>>,
}

impl Connection {
    pub(super) fn commit(&mut self, commit: Commit) -> Option<Event> {
        // Before anything is stored: a transaction is refused whole.
        if commit.operations.iter().any(names_nothing) {
            return self.refuse(commit.ticket, unknown_message());
        }
        let acknowledges = commit.operations.iter().any(|operation| matches!(operation, Operation::Acknowledge(_)));
        if acknowledges && self.is_settling() {
            return Some(Event::Commit(commit));
        }
        let Joint { rooms, key } = match self.read_transaction(&commit) {
            Ok(joint) => joint,
            Err(refusal) => return self.decline(commit.ticket, refusal),
        };
        let mut shares = Vec::with_capacity(rooms.len());
        for (name, messages) in rooms {
            let Some(room) = self.rooms.find(&name) else {
                self.enter(name);
                return Some(Event::Commit(commit));
            };
            shares.push(Share { room, messages });
        }
        let bytes = |share: &Share| share.messages.iter().map(Message::cost).sum();
        if let Some(refusal) = shares.iter().find_map(|share| full(&share.room, bytes(share))) {
            return self.decline(commit.ticket, refusal);
        }
        let replies = match self.prepare_replies(&commit) {
            Ok(replies) => replies,
            Err(refusal) => return self.decline(commit.ticket, refusal),
        };
        // Acknowledged and stored together or not at all.
        let settlements = match self.acknowledge_all(&commit) {
            true => self.subscriptions.iter_mut().flat_map(Subscription::settlements).collect(),
            false => Vec::new(),
        };
        let mut shares = shares.into_iter();
        let Some(first) = shares.next() else {
            self.settle(settlements, replies, commit.ticket);
            return None;
        };
        let in_flight = self.in_flight.get_or_insert_default();
        in_flight.append(first, shares.collect(), key, settlements, replies, commit.ticket);
        None
    }

    /// A transaction that stores nothing but what it acknowledges.
    fn settle(&mut self, settlements: Vec<Settlement>, replies: Vec<Prepared>, ticket: Option<Ticket>) {
        let store = self.services.registry.store().clone();
        self.in_flight.get_or_insert_default().settle_with(ticket, async move {
            if !settlements.is_empty() {
                let settled = store.settle(settlements).await;
                settled.map_err(|error| refusals::unavailable(&error.to_string()))?;
            }
            replies.into_iter().for_each(Prepared::deliver);
            Ok(())
        });
    }

    fn read_transaction(&self, commit: &Commit) -> Result<Joint, Refusal> {
        let registry = &self.services.registry;
        let stored = commit.operations.iter().filter(|operation| !is_reply(operation));
        let sends = stored.filter_map(|operation| match operation {
            Operation::Send(send) => Some(publish::read(registry.rules(), &self.person, &self.session_id, send)),
            Operation::Acknowledge(_) => None,
        });
        let joint = Joint::of(sends.collect::<Result<Vec<_>, _>>()?);
        joint.check(registry.store().caps().atomic_across_logs)?;
        Ok(joint)
    }
}

impl Joint {
    fn of(publications: Vec<Publication>) -> Joint {
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
            joint.rooms[at].1.push(message);
        }
        joint
    }

    /// # Errors
    /// More rooms than one append may go to.
    fn check(&self, is_atomic_across_logs: bool) -> Result<(), Refusal> {
        let count = self.rooms.len();
        if count > 1 && !is_atomic_across_logs {
            let names: Vec<&str> = self.rooms.iter().take(TRANSACTION_ROOMS_MAX).map(|(name, _)| &**name).collect();
            return Err(refusal(
                code::BAD_REQUEST,
                "transaction over several logs",
                format!(
                    "the transaction sends to {}, and this broker's store keeps only one together",
                    names.join(", ")
                ),
                false,
                "Nothing was stored. Use one transaction for each.",
            ));
        }
        if count > TRANSACTION_ROOMS_MAX {
            return Err(refusal(
                code::LIMIT,
                "limit exceeded",
                format!(
                    "the transaction sends to {count} classrooms and queues, {TRANSACTION_ROOMS_MAX} are the limit"
                ),
                false,
                "Nothing was stored. Send to fewer in one transaction.",
            ));
        }
        Ok(())
    }
}

/// Whether a step of a transaction acknowledges what cannot be a message of ours.
fn names_nothing(operation: &Operation) -> bool {
    match operation {
        Operation::Acknowledge(acknowledge) => read_reference(&acknowledge.message).is_none(),
        Operation::Send(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joint(count: usize) -> Joint {
        Joint { rooms: (0..count).map(|n| (format!("topic/{n}"), Vec::new())).collect(), key: None }
    }

    #[test]
    fn a_store_that_keeps_one_log_together_takes_transactions_over_one() {
        assert!(joint(1).check(false).is_ok());
        let refusal = joint(2).check(false).unwrap_err();
        assert_eq!(refusal.code, code::BAD_REQUEST);
        assert!(refusal.reason.contains("topic/0, topic/1"), "{}", refusal.reason);
    }

    #[test]
    fn a_transaction_goes_to_so_many_rooms_at_most() {
        assert!(joint(TRANSACTION_ROOMS_MAX).check(true).is_ok());
        let refusal = joint(TRANSACTION_ROOMS_MAX + 1).check(true).unwrap_err();
        assert!(refusal.reason.contains("17") && refusal.reason.contains("16"), "{}", refusal.reason);
    }
}
