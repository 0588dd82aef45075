//! One subscription's way through one classroom: late, live and slow are the
//! same read at different positions.
//!
//! ```text
//!            mark < floor      read, once for all who wait
//!   ┌─► Log ─────────────► Waiting ──► Page
//!   │    │  └── kept ──────────────────► │
//!   │    │ mark >= floor                 │ its end, or the floor
//!   │    ▼                               │
//!   │  Recent ── fell out ─┐             │
//!   └──────────────────────┴◄────────────┘
//! ```
//!
//! What is promised: messages come in order, none is left out and none comes
//! twice, except where the log says that it no longer has them (`gap`).

use std::ops::ControlFlow;
use std::sync::Arc;

use homeroom_storage::{LogError, Offset, OffsetRange};

use super::Room;
use super::audience::{self, Member, Seat};
use super::bell::Bell;
use super::entry::{Entry, Mark};
use super::news::Form;
pub use super::pages::LogPage;
use super::pages::PageRead;
use super::recent::Walk;
use crate::router::Pattern;

/// Moves one subscription through one classroom.
#[derive(Debug)]
pub struct Reader {
    room: Arc<Room>,
    pattern: Arc<Pattern>,
    mark: Mark,
    place: Place,
    gap: Option<OffsetRange>,
    /// Messages that no log keeps are for those who are here: earlier ones are passed over.
    here_since: u64,
    bell: Arc<Bell>,
    seat: Seat,
}

#[derive(Debug)]
enum Place {
    /// To be decided by the mark.
    Log,
    /// A page is being read, for this reader and others.
    Waiting(Arc<PageRead>),
    /// In a page, before this entry.
    Page(Arc<LogPage>, usize),
    /// Among the recent messages, at this sequence.
    Recent(u64),
}

/// A message for this subscription, with what is missing before it.
#[derive(Debug)]
pub struct Step {
    /// The message.
    pub entry: Arc<Entry>,
    /// Offsets before it that nobody can read any more.
    pub gap: Option<OffsetRange>,
    /// Where the reader stood before.
    pub before: Mark,
}

/// How much a fill may hand out.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bytes of messages, exceeded by at most one message.
    pub bytes: usize,
    /// Messages.
    pub messages: usize,
}

impl Budget {
    /// Whether nothing more may be handed out.
    pub fn is_used_up(&self) -> bool {
        self.bytes == 0 || self.messages == 0
    }

    fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.messages = self.messages.saturating_sub(1);
    }
}

/// How a fill ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Filled {
    /// There is nothing more now; the bell rings when there is.
    Empty,
    /// The budget is used up.
    Enough,
    /// The log cannot be read.
    Failed(LogError),
    /// The room's log has ended: it was deleted.
    Ended,
}

impl Reader {
    /// A reader that stands at `mark`. It listens from here on: what becomes
    /// durable after this call rings the bell.
    pub fn new(room: Arc<Room>, pattern: Arc<Pattern>, mark: Mark, bell: Arc<Bell>) -> Reader {
        let seat = room.join(None, (bell.clone(), 0)).seat;
        let (here_since, _) = room.recent().end();
        let place = room.recent().join(mark).map_or(Place::Log, Place::Recent);
        Reader { room, pattern, mark, place, gap: None, here_since, bell, seat }
    }

    /// A reader of what comes from now on, what no log keeps included.
    pub fn live(room: Arc<Room>, pattern: Arc<Pattern>, bell: Arc<Bell>) -> Reader {
        let seat = room.join(None, (bell.clone(), 0)).seat;
        let (sequence, head) = room.recent().end();
        let (place, mark) = (Place::Recent(sequence), Mark::after(head));
        Reader { room, pattern, mark, place, gap: None, here_since: sequence, bell, seat }
    }

    /// The room it reads.
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Everything up to here was handed out or is not for this subscription.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Has news of this form told to `member`, and its bell rung no more. Gives the form that all who see
    /// alike share, if dispatchers serve it.
    pub fn hand_over(&mut self, form: Arc<dyn Form>, member: Member) -> Option<Arc<dyn Form>> {
        let audience::Place { seat, form } = self.room.join(Some(form), member);
        self.room.leave(std::mem::replace(&mut self.seat, seat));
        if let Some(form) = &form {
            self.pattern = form.pattern().clone();
        }
        form
    }

    /// The sequence of the message it takes next, if it stands among the newest and they are for it as they are.
    pub fn stands_at(&self) -> Option<u64> {
        match self.place {
            Place::Recent(next) if self.gap.is_none() && next >= self.here_since => Some(next),
            _ => None,
        }
    }

    /// How many of the newest messages it has not looked at; the most there can be, if it reads the log.
    pub fn misses(&self) -> u64 {
        match self.place {
            Place::Recent(next) => self.room.recent().end().0.saturating_sub(next),
            Place::Log | Place::Waiting(_) | Place::Page(..) => u64::MAX,
        }
    }

    /// All before `next` was told by the dispatcher; `through` is the newest record among it.
    pub fn advance(&mut self, next: u64, through: Option<Mark>) {
        self.place = Place::Recent(next);
        self.mark = through.map_or(self.mark, |through| self.mark.max(through));
    }

    /// Says with the next message that these offsets are gone.
    pub fn announce_gap(&mut self, range: OffsetRange) {
        self.gap = Some(self.gap.map_or(range, |known| OffsetRange { first: known.first, last: range.last }));
    }

    /// Goes back to just before a message that was handed out but not sent.
    pub fn rewind(&mut self, step: &Step) {
        self.mark = step.before;
        // Later gaps are met again on the way.
        self.gap = step.gap;
        self.place = match &self.place {
            _ if step.entry.sequence > 0 => Place::Recent(step.entry.sequence),
            Place::Page(page, _) if page.covers(self.mark.read_after()) => self.inside(page.clone()),
            _ => Place::Log,
        };
    }

    /// Hands out messages within the budget, in order.
    pub fn fill(&mut self, budget: &mut Budget, steps: &mut Vec<Step>) -> Filled {
        if budget.is_used_up() {
            return Filled::Enough;
        }
        loop {
            match &mut self.place {
                Place::Log => match self.room.recent().join(self.mark) {
                    Some(sequence) => self.place = Place::Recent(sequence),
                    None if self.room.has_ended() => return Filled::Ended,
                    None => self.ask(false),
                },
                Place::Waiting(read) => match read.found() {
                    None => return Filled::Empty,
                    Some(Err(error)) => {
                        let error = error.clone();
                        self.place = Place::Log;
                        return Filled::Failed(error);
                    }
                    Some(Ok(page)) if page.covers(self.mark.read_after()) => {
                        let page = page.clone();
                        self.place = self.inside(page);
                    }
                    // It began before this reader's mark, and ended there already.
                    Some(Ok(_)) if read.after < self.mark.read_after() => self.ask(true),
                    Some(Ok(_)) => self.place = Place::Log,
                },
                Place::Page(..) => {
                    if self.fill_from_page(budget, steps).is_break() {
                        return Filled::Enough;
                    }
                }
                Place::Recent(_) => match self.fill_from_recent(budget, steps) {
                    Some(filled) => return filled,
                    None => {
                        self.here_since = self.room.recent().end().0;
                        self.place = Place::Log;
                    }
                },
            }
        }
    }

    fn ask(&mut self, exactly: bool) {
        self.place = match self.room.page(self.mark.read_after(), exactly) {
            Ok(page) => self.inside(page),
            Err(read) => {
                read.wait(&self.bell);
                Place::Waiting(read)
            }
        };
    }

    fn inside(&self, page: Arc<LogPage>) -> Place {
        let next = page.behind(self.mark);
        Place::Page(page, next)
    }

    /// Up to the end of the page, or to the floor: behind it are messages that no log keeps.
    fn fill_from_page(&mut self, budget: &mut Budget, steps: &mut Vec<Step>) -> ControlFlow<()> {
        let Place::Page(page, mut next) = std::mem::replace(&mut self.place, Place::Log) else {
            return ControlFlow::Continue(());
        };
        let end = page.through.min(self.room.recent().floor());
        while let Some(entry) = page.entries.get(next).filter(|entry| entry.offset() <= end) {
            next += 1;
            self.pass_missing(&page, Offset(entry.offset().0 - 1));
            let before = std::mem::replace(&mut self.mark, entry.mark());
            if self.pattern.matches(&entry.path)
                && hand_out(entry.clone(), before, &mut self.gap, budget, steps).is_break()
            {
                self.place = Place::Page(page, next);
                return ControlFlow::Break(());
            }
        }
        self.pass_missing(&page, end);
        self.mark = self.mark.max(Mark::after(end));
        ControlFlow::Continue(())
    }

    /// Announces what is missing between the mark and `up_to`.
    fn pass_missing(&mut self, page: &LogPage, up_to: Offset) {
        for range in &page.missing {
            let first = range.first.max(Offset(self.mark.passed().0 + 1));
            let last = range.last.min(up_to);
            if first <= last {
                self.announce_gap(OffsetRange { first, last });
            }
        }
    }

    /// `None` when what comes next has left the memory.
    fn fill_from_recent(&mut self, budget: &mut Budget, steps: &mut Vec<Step>) -> Option<Filled> {
        let Place::Recent(sequence) = self.place else { return None };
        let (mark, gap, pattern, here_since) = (&mut self.mark, &mut self.gap, &self.pattern, self.here_since);
        let mut enough = false;
        let walk = self.room.recent().walk(sequence, |entry| {
            let before = *mark;
            if entry.durable {
                *mark = entry.mark();
            }
            let missed = !entry.durable && entry.sequence < here_since;
            if missed || !pattern.matches(&entry.path) {
                return ControlFlow::Continue(());
            }
            let flow = hand_out(entry.clone(), before, gap, budget, steps);
            enough = flow.is_break();
            flow
        });
        match walk {
            Walk::FellOut => None,
            Walk::Until(next) => {
                self.place = Place::Recent(next);
                Some(match (enough, self.room.has_ended()) {
                    (true, _) => Filled::Enough,
                    (false, true) => Filled::Ended,
                    (false, false) => Filled::Empty,
                })
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.room.leave(self.seat);
    }
}

fn hand_out(
    entry: Arc<Entry>,
    before: Mark,
    gap: &mut Option<OffsetRange>,
    budget: &mut Budget,
    steps: &mut Vec<Step>,
) -> ControlFlow<()> {
    budget.spend(entry.message().cost());
    steps.push(Step { entry, gap: gap.take(), before });
    if budget.is_used_up() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
