//! Who writes to a link now: the connection's own task, or the dispatchers of
//! its classrooms.
//!
//! ```text
//!            the task has nothing to write and rests: open
//!        ┌──────────────────────────────────────────────────┐
//!        │                                                  ▼
//!   [ Task ] ◄─── the task wakes; a write did not go ─── [ Dispatchers ]
//!        │  ▲               through; shut
//!        │  └─────────┐
//!        └─► [ Link ] ┘   nobody: the link takes nothing, and its task waits for it alone
//! ```
//!
//! One rule gives the order of all bytes: while the gate is open nothing waits
//! in the outbox, and each dispatcher writes whole messages under the lock;
//! while it is shut, only the task writes. A message that is cut off shuts the
//! gate, and its rest is what the task writes first.
//!
//! Nothing is missed: who is told of news while the gate is shut is rung, and
//! looks again before it rests; one who waits for the link looks again when the
//! link takes more. A lane that does not stand where the news begin is rung too.

use std::io;
use std::time::Instant;

use bytes::Bytes;
use homeroom_storage::Offset;
use smallvec::SmallVec;

use super::sync::{Mutex, MutexGuard};
use crate::classroom::audience::Heard;
use crate::classroom::entry::Mark;
use crate::classroom::news::{News, Piece};

/// What the gate guards.
pub(crate) trait Wire {
    /// Writes as many bytes as can be taken now, and says how many.
    ///
    /// # Errors
    /// `WouldBlock` if none can be taken now; else it is broken.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
}

/// Guards one link.
#[derive(Debug)]
pub(crate) struct Gate<W> {
    wire: W,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    writer: Writer,
    lanes: SmallVec<[Lane; 1]>,
    turn: Turn,
    /// After so many bytes the task is rung, to see to its Pings.
    quiet_bytes: usize,
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// The task; it is rung when there is news.
    Task,
    /// Any dispatcher that has news.
    Dispatchers,
    /// Nobody, until the link takes more.
    Link,
}

/// One source of messages, as the task left it and the dispatchers carried it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    /// Which.
    pub number: u32,
    /// The sequence of the message it takes next.
    pub next: u64,
    /// The newest record among what it has taken or passed.
    pub through: Option<Mark>,
    /// The newest message of the log that was written.
    pub sent: Option<Mark>,
    /// Records behind this one are for the task.
    pub until: Offset,
}

/// What was written while the gate was open.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// The rest of a message that was begun.
    pub begun: Option<Bytes>,
    /// So many bytes of messages, the begun one included.
    pub bytes: usize,
    /// When the first and the last message went out.
    pub span: Option<(Instant, Instant)>,
}

impl<W: Wire> Gate<W> {
    /// Shut.
    pub(crate) fn new(wire: W) -> Gate<W> {
        let turn = Turn::default();
        let state = State { writer: Writer::Task, lanes: SmallVec::new(), turn, quiet_bytes: 0 };
        Gate { wire, state: Mutex::new(state) }
    }

    /// Lets dispatchers write. Only while nothing waits to be written.
    pub(crate) fn open(&self, lanes: impl Iterator<Item = Lane>, quiet_bytes: usize) {
        let mut state = self.lock();
        state.lanes.extend(lanes);
        (state.writer, state.quiet_bytes) = (Writer::Dispatchers, quiet_bytes);
    }

    /// The task waits for the link alone; news wait with it.
    pub(crate) fn wait_for_link(&self) {
        self.lock().writer = Writer::Link;
    }

    /// From here on the task writes. `carry_on` is shown each lane as the dispatchers left it.
    pub(crate) fn shut(&self, carry_on: impl FnMut(&Lane)) -> Turn {
        let mut state = self.lock();
        state.lanes.iter().for_each(carry_on);
        state.lanes.clear();
        state.writer = Writer::Task;
        std::mem::take(&mut state.turn)
    }

    /// A dispatcher has news for a lane.
    pub(crate) fn offer(&self, lane: u32, news: &News) -> Heard {
        let mut state = self.lock();
        match state.writer {
            Writer::Task => RING,
            Writer::Link => Heard::default(),
            Writer::Dispatchers => state.write(&self.wire, lane, news),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the gate")
    }
}

const RING: Heard = Heard { written: 0, ring: true };

impl State {
    fn write(&mut self, wire: &impl Wire, number: u32, news: &News) -> Heard {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.number == number) else { return RING };
        if lane.next >= news.end {
            return Heard::default();
        }
        let pieces = news.from(lane.next);
        let newest = pieces.iter().rev().find_map(|piece| piece.mark);
        if lane.next < news.since || newest.is_some_and(|newest| newest.offset > lane.until) {
            return RING;
        }
        if pieces.is_empty() {
            lane.pass(news);
            return Heard::default();
        }
        let bytes = news.bytes_of(pieces);
        // A broken link shows itself to the task as well.
        let count = wire.try_write(bytes).unwrap_or_default();
        let written =
            if count == bytes.len() { lane.take(pieces, newest, news) } else { self.cut_off(number, pieces, count) };
        if written > 0 {
            let first = self.turn.span.map_or(news.at, |(first, _)| first);
            self.turn.span = Some((first, news.at));
            self.turn.bytes += count + self.turn.begun.as_ref().map_or(0, Bytes::len);
        }
        Heard { written, ring: self.writer == Writer::Task || self.turn.bytes >= self.quiet_bytes }
    }

    /// The link took only `count` bytes: the task goes on, with the rest of the message that was begun.
    fn cut_off(&mut self, number: u32, pieces: &[Piece], mut count: usize) -> u32 {
        self.writer = Writer::Task;
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.number == number) else { return 0 };
        let mut written = 0;
        for piece in pieces {
            if count == 0 {
                break;
            }
            lane.take_one(piece);
            written += 1;
            if count < piece.bytes.len() {
                self.turn.begun = Some(piece.bytes.slice(count..));
                break;
            }
            count -= piece.bytes.len();
        }
        written
    }
}

impl Lane {
    fn pass(&mut self, news: &News) {
        self.next = news.end;
        self.through = news.through.or(self.through);
    }

    fn take(&mut self, pieces: &[Piece], newest: Option<Mark>, news: &News) -> u32 {
        self.sent = newest.or(self.sent);
        self.pass(news);
        u32::try_from(pieces.len()).unwrap_or(u32::MAX)
    }

    fn take_one(&mut self, piece: &Piece) {
        self.next = piece.sequence + 1;
        self.through = piece.through.or(self.through);
        self.sent = piece.mark.or(self.sent);
    }
}
