//! One SUBSCRIBE of one connection: the logs it reads, how far it has come in
//! each, and what it holds unacknowledged.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use homeroom_protocol::AckMode;
use homeroom_storage::{Offset, Position, Settlement};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::barrier::Standing;
use super::consuming::Consuming;
use super::envelope::{Look, Repeat};
use super::turn::BEHIND_MIN;
use super::window::{Again, Window};
use crate::auth::Identity;
use crate::classroom::Room;
use crate::classroom::durable::{Attachment, Progress};
use crate::classroom::entry::{Entry, Mark};
use crate::classroom::reader::{Budget, Filled, LogPage, Reader, Step};
use crate::router::Pattern;

/// A position names so many logs at most.
pub const POSITIONS_MAX: usize = 16;

/// One SUBSCRIBE.
#[derive(Debug)]
pub(super) struct Subscription {
    /// A number that no other subscription of this connection ever has.
    pub serial: u64,
    /// Its id.
    pub id: Arc<str>,
    /// What it covers.
    pub pattern: Arc<Pattern>,
    /// How its messages look.
    pub look: Look,
    /// How they are acknowledged.
    pub ack: AckMode,
    /// The logs it reads: one, or several by a wildcard.
    pub sources: Vec<Source>,
    /// Where a fill begins among them, so that a busy one does not starve the others.
    pub(super) turn: usize,
    /// What it holds unacknowledged; none under `ack:auto`.
    pub window: Option<Box<Window>>,
    /// What comes again after a NACK.
    pub repeats: Vec<Due>,
    /// What was acknowledged last is stored with a record that is on its way; until then no cursor moves.
    pub is_settling: bool,
    /// Its part in what is shared with others: then it reads no log itself.
    pub consumer: Option<Box<Consuming>>,
    /// Up to here a queue is looked at, and no further.
    pub(super) browses_to: Option<Offset>,
    /// Messages of this session, its own, are left out.
    pub(super) not_of: Option<Box<str>>,
    /// Shown before everything else, such as a snapshot.
    pub first: Option<Arc<Entry>>,
    /// Rooms that appear later are joined, under this durable name if there is one.
    pub joins: Option<Joins>,
    /// Counted as being here, in the room of this subscription.
    pub presence: Option<Present>,
}

/// What a subscription to many rooms needs to join those that appear later.
#[derive(Clone, Debug)]
pub(super) struct Joins {
    /// Owner and name, if it is durable.
    pub durable: Option<(Arc<str>, Arc<str>)>,
    /// The registry's generation up to which rooms were joined.
    pub generation: u64,
}

/// One log of a subscription.
#[derive(Debug)]
pub(super) struct Source {
    /// Moves through it.
    pub reader: Reader,
    /// Its hold on the cursor, if the subscription is durable.
    pub attachment: Option<Attachment>,
    /// How far its messages have come.
    pub standing: Standing,
    /// What was in the log before the subscription's position was fixed.
    pub replay_to: Offset,
    /// Up to here messages may have been sent before.
    pub delivered_to: Offset,
    /// Acknowledged one by one before: not sent again.
    pub skip: Vec<RangeInclusive<u64>>,
    /// Its lane at the gate, if dispatchers may serve it.
    pub lane: Option<u32>,
    /// The cursor as last saved, so that it is saved only when it moved.
    saved: Option<Progress>,
}

/// A message that was refused and comes again.
#[derive(Debug)]
pub(super) struct Due {
    /// Which.
    pub again: Again,
    /// Not before.
    pub at: Instant,
    /// The message, once it was read from the log.
    pub page: Option<oneshot::Receiver<Option<LogPage>>>,
}

/// Somebody is here as long as this lives.
#[derive(Debug)]
pub(super) struct Present {
    room: Arc<Room>,
    user: Option<Arc<str>>,
    here: bool,
}

impl Present {
    /// Arrives.
    pub(super) fn arrive(room: Arc<Room>, person: &Identity) -> Present {
        let mut present = Present { room, user: person.user.clone(), here: false };
        present.set(true);
        present
    }

    /// The page shows that it runs, or has not for long.
    pub(super) fn set(&mut self, here: bool) {
        if std::mem::replace(&mut self.here, here) == here {
            return;
        }
        match here {
            true => self.room.presence().arrive(self.user.as_ref()),
            false => self.room.presence().leave(self.user.as_ref(), Instant::now()),
        }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.set(false);
    }
}

impl Source {
    /// A log, read from where `reader` stands.
    pub(super) fn new(reader: Reader, replay_to: Offset) -> Source {
        let standing = Standing::at(reader.mark().passed().0);
        Source {
            reader,
            attachment: None,
            standing,
            replay_to,
            delivered_to: Offset::ZERO,
            skip: Vec::new(),
            lane: None,
            saved: None,
        }
    }

    /// Whether a message is new to this subscription, was acknowledged one by one, or may have come before.
    pub(super) fn repeat(&self, step: &Step) -> Option<Repeat> {
        let offset = step.entry.offset();
        if !step.entry.durable {
            return Some(Repeat { gap: step.gap.map(|range| range.to_string()), ..Repeat::default() });
        }
        if self.skip.iter().any(|range| range.contains(&offset.0)) {
            return None;
        }
        Some(Repeat {
            replayed: offset <= self.replay_to,
            redelivered: offset <= self.delivered_to,
            count: None,
            gap: step.gap.map(|range| range.to_string()),
        })
    }

    /// Everything the reader has handed out has left; what is not for this subscription counts as sent.
    pub(super) fn all_sent(&mut self) {
        self.standing.pass(self.reader.mark().passed().0);
    }

    /// How far it is acknowledged. What the reader has handed out was sent or rewound by now: its mark is
    /// what was considered.
    fn acknowledged(&self, window: &Window, index: usize) -> Progress {
        let progress = window.progress(index, self.reader.mark());
        Progress { settled: progress.settled.max(Offset(self.standing.settled)), ..progress }
    }

    /// Moves the durable cursor, if there is one and it has moved.
    pub(super) fn save(&mut self, progress: Progress) {
        let Some(attachment) = &self.attachment else { return };
        if self.saved.as_ref() != Some(&progress) {
            attachment.settle(progress.clone());
            self.saved = Some(progress);
        }
    }
}

impl Subscription {
    /// Whether it takes messages of a class away from others: a group's share of a topic.
    pub(super) fn takes_from_a_class(&self) -> bool {
        self.consumer.is_some() && !self.pattern.is_of_queue()
    }

    /// Whether a cursor moves by what the connection sees, not by ACKs.
    pub(super) fn is_settled_by_itself(&self) -> bool {
        let is_kept = self.consumer.is_some() || self.sources.iter().any(|source| source.attachment.is_some());
        self.ack == AckMode::Auto && is_kept
    }

    /// Whether another connection has taken it over.
    pub(super) fn is_taken_over(&self) -> bool {
        self.sources.iter().any(|source| source.attachment.as_ref().is_some_and(Attachment::is_fenced))
    }

    /// How many more messages may go out before something is acknowledged.
    pub(super) fn room(&self) -> usize {
        self.window.as_ref().map_or(usize::MAX, |window| window.room())
    }

    /// Whether it has to catch up.
    pub(super) fn is_behind(&self) -> bool {
        self.sources.iter().any(|source| source.reader.misses() > BEHIND_MIN)
    }

    /// Takes messages from the logs, about `bytes` of them; from those that are behind only to `catch_up`.
    pub(super) fn fill(&mut self, bytes: usize, catch_up: bool, steps: &mut Vec<(usize, Step)>) -> Option<Filled> {
        let mut budget = Budget { bytes, messages: self.room() };
        let mut taken = Vec::new();
        let count = self.sources.len();
        self.turn = self.turn.wrapping_add(1);
        for index in (0..count).map(|step| (self.turn + step) % count) {
            if budget.is_used_up() {
                return None;
            }
            if !catch_up && self.sources[index].reader.misses() > BEHIND_MIN {
                continue;
            }
            let filled = self.sources[index].reader.fill(&mut budget, &mut taken);
            steps.extend(taken.drain(..).map(|step| (index, step)));
            if matches!(filled, Filled::Failed(_) | Filled::Ended) {
                return Some(filled);
            }
        }
        None
    }

    /// A message has left whole.
    pub(super) fn sent(&mut self, source: usize, entry: &Entry) {
        let Some(known) = self.sources.get_mut(source).filter(|_| entry.durable) else { return };
        known.standing.sent = known.standing.sent.max(entry.mark().passed().0);
        if let Some(attachment) = &known.attachment {
            attachment.note_delivered(entry.offset());
        }
        if let Some(window) = &mut self.window {
            window.push(source, entry);
        }
    }

    /// Saves what is settled, for all its logs.
    pub(super) fn save_settled(&mut self) {
        for source in &mut self.sources {
            source.save(Progress { settled: Offset(source.standing.settled), above: Vec::new() });
        }
        if let Some(consuming) = &mut self.consumer {
            consuming.settle();
        }
    }

    /// An ACK. The cursors move with [`Subscription::save_acknowledged`] or [`Subscription::settlements`].
    pub(super) fn acknowledge(&mut self, position: Position) {
        let Some(window) = &mut self.window else { return };
        match self.ack {
            AckMode::Client => window.acknowledge_through(position),
            AckMode::ClientIndividual | AckMode::Auto => window.acknowledge_one(position),
        }
    }

    /// Where the cursors stand by now, to be stored with a record.
    pub(super) fn settlements(&mut self) -> Vec<Settlement> {
        if let Some(consuming) = &self.consumer {
            self.is_settling = true;
            return vec![consuming.settlement()];
        }
        let Some(window) = &self.window else { return Vec::new() };
        let progress = |(index, source): (usize, &Source)| {
            source.attachment.as_ref()?.settle_with(source.acknowledged(window, index))
        };
        let settlements: Vec<Settlement> = self.sources.iter().enumerate().filter_map(progress).collect();
        self.is_settling = !settlements.is_empty();
        settlements
    }

    /// The record that its cursors were to be stored with is stored.
    pub(super) fn settled(&mut self) {
        if std::mem::take(&mut self.is_settling)
            && let Some(consuming) = &self.consumer
        {
            consuming.settled();
        }
    }

    /// A NACK: the message comes again at `at`. STOMP 1.2: "NACK applies either to one single message (if the
    /// subscription's ack mode is client-individual) or to all messages sent before and not yet ACK'ed or NACK'ed
    /// (if the subscription's ack mode is client)".
    pub(super) fn refuse(&mut self, position: Position, at: Instant) {
        let Some(window) = &mut self.window else { return };
        let again = match self.ack {
            AckMode::Client => window.again_through(position),
            AckMode::ClientIndividual | AckMode::Auto => window.again_one(position),
        };
        let places: HashSet<_> = again.iter().map(Again::place).collect();
        self.repeats.retain(|due| !places.contains(&due.again.place()));
        self.repeats.extend(again.into_iter().map(|again| Due { again, at, page: None }));
    }

    /// A message that would come again has expired meanwhile, or is gone: it is done with, as if it was acknowledged.
    pub(super) fn give_up(&mut self, again: &Again) {
        if let Some(window) = &mut self.window {
            window.give_up(again);
        }
        self.save_acknowledged();
    }

    /// Saves what is acknowledged, for all its logs. What is shared is saved by its keeper, for all consumers at once.
    pub(super) fn save_acknowledged(&mut self) {
        let Some(window) = self.window.as_ref().filter(|_| !self.is_settling) else { return };
        for (index, source) in self.sources.iter_mut().enumerate() {
            let progress = source.acknowledged(window, index);
            source.save(progress);
        }
    }

    /// What was delivered, for a cursor that nobody moves any more.
    pub(super) fn save(&mut self) {
        match self.ack {
            AckMode::Auto => self.save_settled(),
            AckMode::Client | AckMode::ClientIndividual => self.save_acknowledged(),
        }
    }

    /// The position of a subscription over its logs: `E:N`, or `E1:N1,E2:N2`; none over so many that
    /// `after` would not take it, and none over no log at all.
    pub(super) fn position(&self) -> Option<String> {
        if !(1..=POSITIONS_MAX).contains(&self.sources.len()) {
            return None;
        }
        let positions = self.sources.iter().map(|source| {
            let Mark { offset, .. } = Mark::after(source.reader.mark().passed());
            Position::new(source.reader.room().epoch(), offset).to_string()
        });
        Some(positions.collect::<Vec<_>>().join(","))
    }
}
