//! COMMIT: everything that was sent and acknowledged in a transaction, stored together or not at all.

use homeroom_protocol::{Commit, Event, Operation, Refusal, Ticket};
use homeroom_storage::{Message, Settlement};

use super::Connection;
use super::decision::Decision;
use super::inbound::{read_reference, unknown_message};
use super::publish::Share;
use super::replies::{Prepared, is_reply};
use super::subscription::Subscription;
use crate::entrance::full;
use crate::publication::Publication;
use crate::publication::joint::Joint;
use crate::refusals;
use crate::settings::Act;

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
        let publications = match self.read_transaction(&commit) {
            Ok(publications) => publications,
            Err(refusal) => return self.decline(commit.ticket, refusal),
        };
        let places = || publications.iter().map(|publication| format!("/{}", publication.place.path));
        match self.decide(Act::Send, places) {
            Decision::Allowed { .. } => {}
            Decision::Refused(refusal) => return self.decline(commit.ticket, refusal),
            Decision::Awaited => return Some(Event::Commit(commit)),
        }
        let Joint { rooms, key, .. } = match self.join(publications) {
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
        match self.may_enter_now(shares.iter().map(|share| (&*share.room, share.messages.len()))) {
            Ok(true) => {}
            Ok(false) => return Some(Event::Commit(commit)),
            Err(refusal) => return self.decline(commit.ticket, refusal),
        }
        let bytes = |share: &Share| share.messages.iter().map(Message::cost).sum();
        if let Some(refusal) = shares.iter().find_map(|share| full(&self.services, &share.room, bytes(share))) {
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

    fn read_transaction(&self, commit: &Commit) -> Result<Vec<Publication>, Refusal> {
        let stored = commit.operations.iter().filter(|operation| !is_reply(operation));
        let sends = stored.filter_map(|operation| match operation {
            Operation::Send(send) => Some(self.read_permitted(send)),
            Operation::Acknowledge(_) => None,
        });
        sends.collect()
    }

    fn join(&self, publications: Vec<Publication>) -> Result<Joint, Refusal> {
        let joint = Joint::of(publications);
        joint.check("transaction", self.services.registry.store().caps().atomic_across_logs)?;
        Ok(joint)
    }
}

/// Whether a step of a transaction acknowledges what cannot be a message of ours.
fn names_nothing(operation: &Operation) -> bool {
    match operation {
        Operation::Acknowledge(acknowledge) => read_reference(&acknowledge.message).is_none(),
        Operation::Send(_) => false,
    }
}
