//! The room's own task: takes in what became durable, shows what no log keeps
//! in its place, tells the roster, and wakes.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use homeroom_storage::{Message, Offset, Record, Tail};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Room;
use super::bell::Bell;
use crate::outside::select;

/// What the room's task is asked to do.
#[derive(Debug)]
pub(super) enum Errand {
    /// Show a message that no log keeps, behind the record at `after`.
    Show {
        /// The message.
        message: Message,
        /// Its canonical path.
        path: String,
        /// The last record its publisher had confirmed before.
        after: Offset,
    },
    /// Say when all that was confirmed before has been taken in.
    CatchUp(oneshot::Sender<()>),
}

struct Follower {
    room: Weak<Room>,
    tail: Tail,
    errands: mpsc::Receiver<Errand>,
    /// Errands whose record has not come yet.
    waiting: VecDeque<Errand>,
    roster: Roster,
}

/// Follows a room until it is dropped or its log ends.
pub(super) fn spawn(room: &Arc<Room>, tail: Tail, errands: mpsc::Receiver<Errand>, coalesce: Duration) {
    let roster = Roster { stirred: room.presence.stirred(), coalesce, due: None };
    let follower = Follower { room: Arc::downgrade(room), tail, errands, waiting: VecDeque::new(), roster };
    tokio::spawn(follower.run());
}

impl Follower {
    async fn run(mut self) {
        loop {
            let (mut first, mut told) = (None, false);
            select! {
                record = self.tail.next() => match record {
                    Some(record) => first = Some(record),
                    None => return self.end(),
                },
                errand = self.errands.recv() => match errand {
                    Some(errand) => self.waiting.push_back(errand),
                    None => return,
                },
                () = self.roster.due() => told = true,
            }
            let Some(room) = self.room.upgrade() else { return };
            if told {
                room.tell_presence();
                self.roster.due = room.presence.next_departure();
            }
            if self.take_in(&room, first) {
                room.audience.wake();
            }
        }
    }

    /// Takes in all records that are there, and does the errands between them in their places. Says
    /// whether there is anything new to see.
    fn take_in(&mut self, room: &Room, first: Option<Arc<Record>>) -> bool {
        let (mut next, mut new) = (first.or_else(|| self.tail.try_next()), false);
        loop {
            // Whoever sent an errand before a record was appended finds it done before that record.
            while let Ok(errand) = self.errands.try_recv() {
                self.waiting.push_back(errand);
            }
            new |= self.do_errands(room, next.as_deref());
            let Some(record) = next else { return new };
            room.take_in(&record);
            new = true;
            next = self.tail.try_next();
        }
    }

    /// Does the errands that come before `next`, which is the next record, or all if there is none.
    fn do_errands(&mut self, room: &Room, next: Option<&Record>) -> bool {
        let mut new = false;
        for errand in std::mem::take(&mut self.waiting) {
            match (errand, next) {
                (Errand::Show { message, path, after }, next) if next.is_none_or(|next| after < next.offset) => {
                    room.show(message, path);
                    new = true;
                }
                // Whoever asked may have gone.
                (Errand::CatchUp(done), None) => drop(done.send(())),
                (errand, _) => self.waiting.push_back(errand),
            }
        }
        new
    }

    fn end(&self) {
        if let Some(room) = self.room.upgrade() {
            room.ended.store(true, Ordering::Release);
            room.audience.ring_all();
        }
    }
}

/// When the roster is next to be told of changes; nothing ticks in a room where nobody comes or goes.
struct Roster {
    stirred: Arc<Bell>,
    coalesce: Duration,
    due: Option<Instant>,
}

impl Roster {
    async fn due(&mut self) {
        loop {
            let due = self.due;
            select! {
                () = self.stirred.heard() => {
                    let soon = Instant::now() + self.coalesce;
                    self.due = Some(due.map_or(soon, |due| due.min(soon)));
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return,
            }
        }
    }
}
