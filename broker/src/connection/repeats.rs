//! What a subscription is sent beside its readers: a snapshot at the beginning,
//! and messages that it refused and that come again.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Connection;
use super::delivery::BATCH_BYTES;
use super::envelope::Repeat;
use super::subscription::Due;
use super::window::Again;
use crate::classroom::entry::Entry;
use crate::classroom::reader::LogPage;

/// So many that are due are read from the log before the first of them has come.
const READ_AHEAD: usize = 16;

/// What becomes of a message that is to come again.
enum Next {
    Later,
    /// It was acknowledged meanwhile, or cannot be read.
    Never,
    /// It has expired, or retention took it.
    Gone,
    Now(Arc<Entry>),
}

impl Connection {
    /// Says what comes before the log: replies, snapshots, and messages that were refused and are due again.
    pub(super) fn say_own(&mut self) {
        self.say_replies();
        for index in 0..self.subscriptions.len() {
            self.say_first(index);
            self.say_again(index);
            self.say_leased(index);
            self.say_end(index);
        }
    }

    fn say_first(&mut self, index: usize) {
        let subscription = &mut self.subscriptions[index];
        if let Some(entry) = subscription.first.take() {
            let room = subscription.sources[0].reader.room();
            let framed = subscription.look.framed(room.log(), &entry, &Repeat::default());
            self.link.push_framed(framed, self.outbox.private());
        }
    }

    fn say_again(&mut self, index: usize) {
        if self.subscriptions[index].repeats.is_empty() {
            return;
        }
        let now = Instant::now();
        // What is due comes in the order of the NACKs, whichever was read from the log first.
        let mut held_up = 0;
        for mut due in std::mem::take(&mut self.subscriptions[index].repeats) {
            if due.at > now || held_up >= READ_AHEAD || self.outbox.waiting() >= BATCH_BYTES {
                self.subscriptions[index].repeats.push(due);
                continue;
            }
            match self.try_repeat(index, &mut due, held_up > 0) {
                Next::Later => {
                    held_up += 1;
                    self.subscriptions[index].repeats.push(due);
                }
                Next::Never => {}
                Next::Gone => self.subscriptions[index].give_up(&due.again),
                Next::Now(entry) => self.repeat(index, &due.again, &entry),
            }
        }
    }

    /// What becomes of a message that was refused and is due: it has to be read first, and to wait where it is held up.
    fn try_repeat(&self, index: usize, due: &mut Due, is_held_up: bool) -> Next {
        let again = &due.again;
        if !self.subscriptions[index].window.as_ref().is_some_and(|window| window.holds(again)) {
            return Next::Never;
        }
        let Some(page) = &mut due.page else {
            due.page = Some(self.read_again(index, again));
            return Next::Later;
        };
        if is_held_up {
            return Next::Later;
        }
        match page.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => Next::Later,
            Ok(Some(page)) => {
                let is_it = |entry: &Arc<Entry>| entry.offset() == again.offset && entry.position().part == again.part;
                let found = page.entries.into_iter().find(is_it).filter(|entry| !entry.has_expired());
                found.map_or(Next::Gone, Next::Now)
            }
            // The log cannot be read: it stays unacknowledged, and comes when the client does.
            Ok(None) | Err(oneshot::error::TryRecvError::Closed) => Next::Never,
        }
    }

    fn read_again(&self, index: usize, again: &Again) -> oneshot::Receiver<Option<LogPage>> {
        let room = self.subscriptions[index].sources[again.source].reader.room().clone();
        let (answer, receiver) = oneshot::channel();
        let (bell, offset) = (self.bell.clone(), again.offset);
        tokio::spawn(async move {
            let _ = answer.send(room.record_at(offset).await.ok());
            bell.ring();
        });
        receiver
    }

    fn repeat(&mut self, index: usize, again: &Again, entry: &Entry) {
        let subscription = &self.subscriptions[index];
        let room = subscription.sources[again.source].reader.room();
        let repeat = Repeat { redelivered: true, count: Some(again.count), ..Repeat::default() };
        let framed = subscription.look.framed(room.log(), entry, &repeat);
        self.link.push_framed(framed, self.outbox.private());
        self.services.metrics.delivered(self.link.kind(), 1);
    }
}
