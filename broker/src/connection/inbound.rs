//! What the client wants: events of the session, and the answers to them.

use std::future::Future;

use homeroom_protocol::{
    AckMode, Acknowledge, Commit, Disconnect, Event, MessageReference, Operation, Refusal, Send, Subscribe, Ticket,
    Unsubscribe,
};
use homeroom_storage::{CursorKey, LogName, Position};
use tokio::time::{Duration, Instant};

use super::barrier::{Barrier, Pace};
use super::consuming::Consuming;
use super::decision::{Decision, reading};
use super::envelope::{Acknowledged, Look, read_ack, read_message_id};
use super::notices::Topic;
use super::publish::{self, Landed, Share};
use super::subscribe::{self, Ready};
use super::subscription::{Joins, Present, Subscription};
use super::window::Window;
use super::{Connection, Outcome, Phase};
use crate::audit::Line;
use crate::classroom::Room;
use crate::classroom::registry::Registry;
use crate::entrance::{enter, full};
use crate::outside::random;
use crate::publication::Publication;
use crate::refusals;
use crate::refusals::{code, refusal};
use crate::router::classroom_of;
use crate::settings::Act;

/// The longest delay a NACK may ask for.
const DELAY_MAX: Duration = Duration::from_secs(3600);

impl Connection {
    /// Does what an event asks for. Gives it back if something has to be waited for first.
    pub(super) fn handle(&mut self, mut event: Event) -> Option<Event> {
        if self.is_resting() {
            return Some(event);
        }
        match self.may_send_now(&event) {
            Ok(true) => {}
            Ok(false) => return Some(event),
            Err(refusal) => return self.decline(ticket_of(&event), refusal),
        }
        if let Err(refusal) = self.address_replies(&mut event) {
            return self.decline(ticket_of(&event), refusal);
        }
        match event {
            Event::Connect(connect) => return self.connect(connect),
            Event::Send(send) => {
                let send = self.renew(send).and_then(|send| self.reply(send));
                return send.and_then(|send| self.send(send));
            }
            Event::Subscribe(subscribe) => return self.subscribe(subscribe),
            // Cursors are on their way to the disk with a record: nothing is added before it is known whether they moved.
            event @ (Event::Acknowledge(_) | Event::Unsubscribe(_)) if self.is_settling() => return Some(event),
            Event::Unsubscribe(unsubscribe) => self.unsubscribe(&unsubscribe),
            Event::Acknowledge(acknowledge) => self.acknowledge(&acknowledge),
            Event::Commit(commit) => return self.commit(commit),
            Event::Disconnect(disconnect) => return self.disconnect(disconnect),
        }
        None
    }

    fn send(&mut self, send: Send) -> Option<Event> {
        let ticket = send.ticket;
        let publication = match self.read_permitted(&send) {
            Ok(publication) => publication,
            Err(refusal) => return self.decline(ticket, refusal),
        };
        match self.decide(Act::Send, || [format!("/{}", publication.place.path)]) {
            Decision::Allowed { .. } => {}
            Decision::Refused(refusal) => return self.decline(ticket, refusal),
            Decision::Awaited => return Some(Event::Send(send)),
        }
        let Some(room) = self.rooms.find(publication.place.room()) else {
            self.enter(publication.place.room().to_owned());
            return Some(Event::Send(send));
        };
        match self.may_enter_now([(&*room, 1)]) {
            Ok(true) => {}
            Ok(false) => return Some(Event::Send(send)),
            Err(refusal) => return self.decline(ticket, refusal),
        }
        if let Some(refusal) = full(&self.services, &room, publication.message.cost()) {
            return self.decline(ticket, refusal);
        }
        if publication.persistent || room.is_queue() {
            let in_flight = self.in_flight.get_or_insert_default();
            let share = Share { room, messages: vec![publication.message] };
            in_flight.append(share, Vec::new(), publication.key, Vec::new(), Vec::new(), ticket);
            return None;
        }
        if self.in_flight.as_ref().is_some_and(|in_flight| in_flight.holds(room.log())) {
            // It follows what this connection sent before: that has to be on disk first.
            return Some(Event::Send(send));
        }
        self.show(&room, publication, ticket);
        None
    }

    fn show(&mut self, room: &Room, publication: Publication, ticket: Option<Ticket>) {
        let after = self.rooms.confirmed(room);
        room.publish_ephemeral(publication.message, publication.place.path, after);
        self.services.metrics.published(false, 1);
        if let Some(ticket) = ticket {
            self.session.confirm(ticket, &[]);
        }
    }

    pub(super) fn is_settling(&self) -> bool {
        self.subscriptions.iter().any(|known| known.is_settling)
    }

    /// Takes up the ACKs and NACKs of a transaction, to be stored with it. Says whether there are any.
    pub(super) fn acknowledge_all(&mut self, commit: &Commit) -> bool {
        let mut any = false;
        for operation in &commit.operations {
            if let Operation::Acknowledge(acknowledge) = operation {
                any |= self.apply(acknowledge, true);
            }
        }
        any
    }

    pub(super) fn save_acknowledged(&mut self) {
        self.subscriptions.iter_mut().for_each(Subscription::save_acknowledged);
    }

    fn subscribe(&mut self, subscribe: Subscribe) -> Option<Event> {
        if let Some(topic) = self.listen(&subscribe) {
            if topic == Topic::Auth {
                self.warn();
            }
            return None;
        }
        if self.in_flight.is_some() {
            // Its position follows what this connection sent before.
            return Some(Event::Subscribe(subscribe));
        }
        let ticket = subscribe.ticket;
        let request = match subscribe::read(&self.services, &self.person, &subscribe) {
            Ok(request) => request,
            Err(refusal) => return self.decline_subscription(&subscribe.id, ticket, refusal),
        };
        if let Err(refusal) = self.may_have(&request) {
            return self.decline_subscription(&subscribe.id, ticket, refusal);
        }
        let act = reading(request.takes_from_a_class());
        let until = match self.decide(act, || [request.pattern.canonical()]) {
            Decision::Allowed { until } => until,
            Decision::Refused(refusal) => return self.decline_subscription(&subscribe.id, ticket, refusal),
            Decision::Awaited => return Some(Event::Subscribe(subscribe)),
        };
        let id = subscribe.id.as_str().into();
        let after_the_disk = request.durable.is_some().then(|| self.services.arrivals.step());
        let ready = subscribe::prepare(self.services.clone(), request, self.bell.clone());
        self.wait_for(async move {
            let ready = ready.await;
            if let Some(step) = after_the_disk {
                // One sync answers all who waited for it, and all would go on at once.
                step.await;
            }
            Outcome::Subscribed { ready: ready.map(Box::new), id, ticket, until }
        });
        None
    }

    fn decline_subscription(&mut self, id: &str, ticket: Option<Ticket>, refusal: Refusal) -> Option<Event> {
        self.session.subscription_refused(id);
        self.decline(ticket, refusal)
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe) {
        self.forget_listener(&unsubscribe.id);
        let known = self.subscriptions.iter().position(|known| *known.id == *unsubscribe.id);
        let keys: Vec<CursorKey> = match known.map(|index| self.subscriptions.remove(index)) {
            Some(mut subscription) => {
                subscription.save();
                let attachments = subscription.sources.iter().filter_map(|source| source.attachment.as_ref());
                attachments.filter(|held| !held.is_fenced()).map(|held| held.key().clone()).collect()
            }
            None => Vec::new(),
        };
        let (store, forget) = (self.services.registry.store().clone(), subscribe::forgets(&unsubscribe.headers));
        self.in_flight.get_or_insert_default().wait_for(unsubscribe.ticket, async move {
            for key in keys.iter().filter(|_| forget) {
                store.forget(key).await.map_err(|error| refusals::unavailable(&error.to_string()))?;
            }
            Ok(())
        });
    }

    fn acknowledge(&mut self, acknowledge: &Acknowledge) {
        if self.apply(acknowledge, false) {
            self.save_acknowledged();
            self.confirm_when_kept(acknowledge.ticket);
        }
    }

    /// Takes up an ACK or NACK; `false` if it names nothing of ours, which has been refused then.
    fn apply(&mut self, acknowledge: &Acknowledge, in_transaction: bool) -> bool {
        let Some((acknowledged, subscription)) = read_reference(&acknowledge.message) else {
            self.refuse(acknowledge.ticket, unknown_message());
            return false;
        };
        let wanted = |known: &&mut Subscription| subscription.as_deref().is_none_or(|id| *known.id == *id);
        if let Acknowledged::At(position) = acknowledged {
            // STOMP 1.0 names no subscription; one that does not hold the message is not changed by it.
            for known in self.subscriptions.iter_mut().filter(wanted) {
                apply(known, position, acknowledge, in_transaction);
            }
        }
        true
    }

    /// Confirms when the cursors that moved so far are on disk.
    pub(super) fn confirm_when_kept(&mut self, ticket: Option<Ticket>) {
        let Some(ticket) = ticket else { return };
        self.subscriptions.iter().filter_map(|known| known.consumer.as_ref()).for_each(|consuming| consuming.save());
        let store = self.services.registry.store().clone();
        self.in_flight.get_or_insert_default().wait_for(Some(ticket), async move {
            store.sync().await.map_err(|error| refusals::unavailable(&error.to_string()))
        });
    }

    fn disconnect(&mut self, disconnect: Disconnect) -> Option<Event> {
        if self.in_flight.is_some() {
            return Some(Event::Disconnect(disconnect));
        }
        if let Some(ticket) = disconnect.ticket {
            self.session.confirm(ticket, &[]);
        }
        None
    }

    /// Says ERROR; the session then ends, and what was to come is not looked at any more.
    pub(super) fn refuse(&mut self, ticket: Option<Ticket>, refusal: Refusal) -> Option<Event> {
        self.session.refuse(ticket, refusal);
        (self.busy, self.held) = (None, None);
        None
    }

    pub(super) fn enter(&mut self, name: String) {
        let services = self.services.clone();
        self.wait_for(async move { Outcome::Entered(enter(&services, &name).await) });
    }

    pub(super) fn wait_for(&mut self, outcome: impl Future<Output = Outcome> + std::marker::Send + 'static) {
        self.busy = Some(Box::pin(outcome));
    }

    /// Something that was waited for is there.
    pub(super) fn take_up(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Admitted(admitted) => self.admitted(admitted),
            Outcome::Renewed { renewed, ticket } => self.renewed(renewed, ticket),
            Outcome::Decided(answers) => self.decided(answers),
            Outcome::Entered(Ok(room)) => {
                self.settle_in();
                self.rooms.remember(room);
            }
            Outcome::Entered(Err(refusal)) => {
                let ticket = self.held.take().and_then(|event| ticket_of(&event));
                self.decline(ticket, refusal);
            }
            Outcome::Subscribed { ready: Ok(ready), id, ticket, until } => {
                // What may be had may have changed while it was waited for.
                if let Err(refusal) = self.may_have(&ready.request) {
                    drop(self.decline_subscription(&id, ticket, refusal));
                    return;
                }
                self.settle_in();
                self.subscribed(*ready, ticket);
                self.stands_until(until);
            }
            Outcome::Subscribed { ready: Err(refusal), id, ticket, .. } => {
                drop(self.decline_subscription(&id, ticket, refusal));
            }
            Outcome::Joined { serial, generation, sources } => self.joined(serial, generation, sources),
        }
    }

    fn subscribed(&mut self, ready: Ready, ticket: Option<Ticket>) {
        let confirmation = self.barrier().confirmation();
        let Ready { request, sources, resumed, missed, gap, generation, consumer, browses_to } = ready;
        let version = self.session.version();
        let consumer = consumer.map(|consumer| Box::new(Consuming::new(consumer)));
        let windowed = request.ack != AckMode::Auto && consumer.is_none();
        let window = windowed.then(|| Box::new(Window::new(request.prefetch)));
        let durable = request.durable.map(|durable| (durable.owner, durable.name));
        let is_kept = durable.is_some() || consumer.is_some();
        let mut subscription = Subscription {
            serial: self.subscription_next,
            look: Look::new(request.id.clone(), request.id_given, version, request.ack),
            id: request.id,
            ack: request.ack,
            turn: 0,
            window,
            repeats: Vec::new(),
            is_settling: false,
            consumer,
            browses_to,
            not_of: request.no_local.then(|| self.session_id.clone()),
            first: None,
            joins: request.pattern.room().is_none().then_some(Joins { durable, generation }),
            presence: None,
            pattern: request.pattern,
            sources,
        };
        self.subscription_next += 1;
        self.be_present(&mut subscription);
        if let Some(ticket) = ticket {
            let position = subscription.position();
            let (resumed, missed) = (resumed.to_string(), missed.to_string());
            let mut headers = vec![("resumed", resumed.as_str()), ("missed", &missed)];
            headers.extend(position.as_deref().map(|position| ("position", position)));
            headers.extend(gap.as_deref().map(|gap| ("gap", gap)));
            if is_kept && subscription.ack == AckMode::Auto {
                headers.push(("auto-confirm", confirmation.name()));
            }
            self.session.confirm(ticket, &headers);
        }
        if self.subscriptions.is_empty() {
            // Most have one: room for four more is not kept in thousands of idle connections.
            self.subscriptions.reserve_exact(1);
        }
        self.subscriptions.push(subscription);
        self.enlist(self.subscriptions.len() - 1);
        if self.subscriptions.last().is_some_and(Subscription::is_taken_over) {
            // By another that came meanwhile: the bell was rung before anybody could hear what for.
            self.bell.ring();
        }
    }

    /// Whoever subscribes in one room is here; whoever watches the roster is shown it first.
    fn be_present(&self, subscription: &mut Subscription) {
        let (None, Some(source)) = (&subscription.joins, subscription.sources.first()) else { return };
        let room = source.reader.room().clone();
        if classroom_of(room.name()).is_none() {
            return;
        }
        subscription.presence = Some(Present::arrive(room.clone(), &self.person));
        if subscription.pattern.matches(&format!("{}/$presence", room.name())) {
            let body = serde_json::to_vec(&room.presence().snapshot()).expect("a notice is plain JSON");
            let (message, path) = room.notice("$presence", body);
            subscription.first = Some(room.entry_of_its_own(message, path));
        }
    }

    /// The confirmation of messages on this connection, decided when first needed.
    pub(super) fn barrier(&mut self) -> &mut Barrier {
        let (_, heart_beat) = self.session.heart_beats();
        let delivery = &self.services.settings.delivery;
        let pace = Pace {
            after: delivery.ping_after,
            bytes: delivery.ping_bytes,
            reached_bytes_max: delivery.reached_bytes_max,
        };
        let answering = self.link.answering();
        self.barrier
            .get_or_insert_with(|| Box::new(Barrier::new(answering, heart_beat, pace, random().unwrap_or_default())))
    }

    /// Appends and cursors are on disk, or are not.
    pub(super) fn landed(&mut self, landed: Vec<Landed>) {
        if self.in_flight.as_ref().is_some_and(|in_flight| in_flight.is_empty()) {
            self.in_flight = None;
        }
        for landed in landed {
            self.rooms.note(&landed);
            let appended = match landed.result {
                Ok(appended) => appended,
                // What was acknowledged with it is not: the client has to begin again from the cursor.
                Err(refusal) if landed.settles => {
                    self.refuse(landed.ticket, refusal);
                    continue;
                }
                Err(refusal) => {
                    self.decline(landed.ticket, refusal);
                    continue;
                }
            };
            if landed.settles {
                self.subscriptions.iter_mut().for_each(Subscription::settled);
                self.save_acknowledged();
            }
            if let Some(appended) = &appended {
                let records = if appended.duplicate { 0 } else { 1 + appended.also.len() as u64 };
                if let Some(audit) = &self.services.audit
                    && records > 0
                {
                    let logs = landed.log.iter().chain(&landed.also);
                    let positions = [&appended.position].into_iter().chain(&appended.also);
                    for (log, position) in logs.zip(positions) {
                        audit.note(Line::published(&self.person, log.as_str(), position.to_string()));
                    }
                }
                self.services.metrics.published(true, records);
            }
            if let Some(ticket) = landed.ticket {
                let headers = publish::receipt(appended.as_ref());
                let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
                self.session.confirm(ticket, &headers);
            }
        }
    }

    /// Something changed elsewhere: messages, a takeover, a new room, the end of the broker.
    pub(super) fn heed_the_bell(&mut self) {
        if self.services.shutdown.is_stopping() && matches!(self.phase, Phase::Talking) {
            let close_at = self.services.shutdown.close_at(random().unwrap_or_default());
            self.phase = Phase::Stopping { close_at };
        }
        self.look_at_permit();
        if self.subscriptions.iter().any(Subscription::is_taken_over) {
            self.subscriptions.retain(|known| !known.is_taken_over());
            self.refuse(None, taken_over());
        }
        self.join_new_rooms();
    }

    fn join_new_rooms(&mut self) {
        let generation = self.services.registry.generation();
        let behind = |known: &&Subscription| known.joins.as_ref().is_some_and(|joins| joins.generation < generation);
        if self.busy.is_some() {
            return;
        }
        let Some(subscription) = self.subscriptions.iter().find(behind) else { return };
        let (serial, pattern) = (subscription.serial, subscription.pattern.clone());
        let durable = subscription.joins.as_ref().and_then(|joins| joins.durable.clone());
        let known: Vec<LogName> =
            subscription.sources.iter().map(|source| source.reader.room().log().clone()).collect();
        let (services, bell) = (self.services.clone(), self.bell.clone());
        self.wait_for(async move {
            let mut sources = Vec::new();
            for name in new_rooms(&services.registry, &pattern, &known) {
                let joined = subscribe::join(services.clone(), durable.clone(), pattern.clone(), name, bell.clone());
                // A room that cannot be entered now is tried again when the next one appears.
                sources.extend(joined.await.ok());
            }
            Outcome::Joined { serial, generation, sources }
        });
    }

    fn joined(&mut self, serial: u64, generation: u64, sources: Vec<super::subscription::Source>) {
        let Some(index) = self.subscriptions.iter().position(|known| known.serial == serial) else { return };
        let subscription = &mut self.subscriptions[index];
        if let Some(joins) = &mut subscription.joins {
            joins.generation = generation;
        }
        subscription.sources.extend(sources);
        self.enlist(index);
        // Another subscription may be behind as well.
        self.bell.ring();
    }
}

/// The ticket of what stores or replies.
fn ticket_of(event: &Event) -> Option<Ticket> {
    match event {
        Event::Send(send) => send.ticket,
        Event::Commit(commit) => commit.ticket,
        _ => None,
    }
}

fn new_rooms(registry: &Registry, pattern: &crate::router::Pattern, known: &[LogName]) -> Vec<LogName> {
    registry.reached_by(pattern).into_iter().filter(|name| !known.contains(name)).collect()
}

fn apply(subscription: &mut Subscription, position: Position, acknowledge: &Acknowledge, in_transaction: bool) {
    if let Some(consuming) = &subscription.consumer {
        return consuming.apply(subscription.ack, position, acknowledge, in_transaction);
    }
    if !acknowledge.negative {
        return subscription.acknowledge(position);
    }
    match comes_again(acknowledge) {
        Some(delay) => subscription.refuse(position, Instant::now() + delay),
        // One reader of a topic has no dead letters: not wanted again is acknowledged.
        None => subscription.acknowledge(position),
    }
}

/// After which delay a message that was refused comes again; `None` if it is not to.
pub(super) fn comes_again(acknowledge: &Acknowledge) -> Option<Duration> {
    if acknowledge.headers.get("requeue").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
        return None;
    }
    let delay = acknowledge.headers.get("delay").and_then(|text| text.parse().ok()).map(Duration::from_millis);
    Some(delay.unwrap_or_default().min(DELAY_MAX))
}

pub(super) fn read_reference(reference: &MessageReference) -> Option<(Acknowledged, Option<String>)> {
    match reference {
        MessageReference::Ack(text) => read_ack(text).map(|(place, id)| (place, Some(id.to_owned()))),
        MessageReference::MessageId { message_id, subscription } => {
            read_message_id(message_id).map(|place| (place, subscription.clone()))
        }
    }
}

pub(super) fn unknown_message() -> Refusal {
    refusal(
        code::BAD_REQUEST,
        "unknown message",
        "the frame names no message of this broker",
        false,
        "Send back the ack header of the MESSAGE (its message-id in STOMP 1.1) unchanged.",
    )
}

fn taken_over() -> Refusal {
    refusal(
        code::TAKEN_OVER,
        "taken over",
        "another connection has taken over the durable subscription",
        false,
        "One connection at a time reads a durable subscription. Give each device its own client-id or name.",
    )
}
