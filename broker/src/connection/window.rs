//! Messages that a subscription holds unacknowledged, under `ack:client` and
//! `ack:client-individual`.

use std::collections::VecDeque;

use homeroom_storage::{Epoch, Offset, Position};

use crate::classroom::durable::Progress;
use crate::classroom::entry::{Entry, Mark};

/// What was sent and is not acknowledged, in the order of sending.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    out: VecDeque<Out>,
    unacknowledged: usize,
}

#[derive(Clone, Debug)]
struct Out {
    source: usize,
    epoch: Epoch,
    mark: Mark,
    part: Option<u16>,
    deliveries: u32,
    acknowledged: bool,
}

/// What a NACK wants to see again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Again {
    /// Which of the subscription's logs.
    pub source: usize,
    /// Which record.
    pub offset: Offset,
    /// Which message in it.
    pub part: Option<u16>,
    /// The coming delivery's number.
    pub count: u32,
}

impl Out {
    /// Which message it is.
    fn place(&self) -> (usize, Offset, Option<u16>) {
        (self.source, self.mark.offset, self.part)
    }

    /// It comes once more, unless it is acknowledged.
    fn again(&mut self) -> Option<Again> {
        if self.acknowledged {
            return None;
        }
        self.deliveries += 1;
        let (source, offset, part) = self.place();
        Some(Again { source, offset, part, count: self.deliveries })
    }
}

impl Again {
    /// Which message it is.
    pub(super) fn place(&self) -> (usize, Offset, Option<u16>) {
        (self.source, self.offset, self.part)
    }
}

impl Window {
    /// A window of `size` messages.
    pub(super) fn new(size: usize) -> Window {
        Window { size, out: VecDeque::new(), unacknowledged: 0 }
    }

    /// How many more messages may go out.
    pub(super) fn room(&self) -> usize {
        self.size.saturating_sub(self.unacknowledged)
    }

    /// A durable message went out.
    pub(super) fn push(&mut self, source: usize, entry: &Entry) {
        let (epoch, part) = (entry.epoch(), entry.position().part);
        self.out.push_back(Out { source, epoch, mark: entry.mark(), part, deliveries: 1, acknowledged: false });
        self.unacknowledged += 1;
    }

    /// Acknowledges everything up to and including a message. Unknown ones change nothing.
    pub(super) fn acknowledge_through(&mut self, position: Position) {
        if let Some(at) = self.find(position) {
            for out in self.out.drain(..=at) {
                self.unacknowledged -= usize::from(!out.acknowledged);
            }
        }
    }

    /// Acknowledges one message. Unknown ones change nothing.
    pub(super) fn acknowledge_one(&mut self, position: Position) {
        if let Some(at) = self.find(position) {
            self.acknowledge_at(at);
        }
    }

    fn acknowledge_at(&mut self, at: usize) {
        self.unacknowledged -= usize::from(!std::mem::replace(&mut self.out[at].acknowledged, true));
        while self.out.front().is_some_and(|out| out.acknowledged) {
            self.out.pop_front();
        }
    }

    /// A message is to come again.
    pub(super) fn again_one(&mut self, position: Position) -> Vec<Again> {
        let at = self.find(position);
        at.and_then(|at| self.out[at].again()).into_iter().collect()
    }

    /// Everything up to and including a message that is not acknowledged is to come again.
    pub(super) fn again_through(&mut self, position: Position) -> Vec<Again> {
        let Some(at) = self.find(position) else { return Vec::new() };
        self.out.iter_mut().take(at + 1).filter_map(Out::again).collect()
    }

    /// Whether it still waits to be acknowledged.
    pub(super) fn holds(&self, again: &Again) -> bool {
        self.out.iter().any(|out| !out.acknowledged && out.place() == again.place())
    }

    /// It is done with, as if it was acknowledged.
    pub(super) fn give_up(&mut self, again: &Again) {
        if let Some(at) = self.out.iter().position(|out| out.place() == again.place()) {
            self.acknowledge_at(at);
        }
    }

    /// How far a source's cursor may go when its reader stands at `mark`: the
    /// low mark, and what is acknowledged above it.
    pub(super) fn progress(&self, source: usize, mark: Mark) -> Progress {
        let waiting = self.out.iter().filter(|out| out.source == source && !out.acknowledged);
        let mut open: Vec<u64> = waiting.map(|out| out.mark.offset.0).collect();
        open.sort_unstable();
        open.dedup();
        Progress::with_open(&open, mark.passed())
    }

    fn find(&self, position: Position) -> Option<usize> {
        self.out.iter().position(|out| {
            out.epoch == position.epoch && out.mark.offset == position.offset && out.part == position.part
        })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;
    use std::sync::Arc;

    use bytes::Bytes;
    use homeroom_storage::{Message, Record};

    use super::*;

    fn window(offsets: &[u64]) -> Window {
        let mut window = Window::new(10);
        for &offset in offsets {
            let message =
                Message { destination: "/topic/a".into(), headers: [].into(), body: Bytes::new(), publisher: None };
            let record = Record { epoch: Epoch(1), offset: Offset(offset), time: 0, messages: [message].into() };
            window.push(0, &Entry::new(Arc::new(record), 0, "a".into(), 0, true));
        }
        window
    }

    fn at(offset: u64) -> Position {
        Position::new(Epoch(1), Offset(offset))
    }

    fn progress(window: &Window, mark: u64) -> (u64, Vec<RangeInclusive<u64>>) {
        let Progress { settled, above } = window.progress(0, Mark::after(Offset(mark)));
        (settled.0, above)
    }

    #[test]
    fn client_acknowledges_all_before() {
        let mut window = window(&[3, 5, 9]);
        window.acknowledge_through(at(5));
        assert_eq!((window.room(), progress(&window, 9)), (9, (8, vec![])));
        window.acknowledge_through(at(9));
        assert_eq!((window.room(), progress(&window, 12)), (10, (12, vec![])));
    }

    #[test]
    fn client_individual_keeps_a_low_mark_and_what_is_above() {
        let mut window = window(&[3, 5, 9]);
        window.acknowledge_one(at(5));
        assert_eq!((window.room(), progress(&window, 9)), (8, (2, vec![4..=8])));
        window.acknowledge_one(at(3));
        assert_eq!(progress(&window, 9), (8, vec![]));
    }

    #[test]
    fn what_is_not_in_the_window_changes_nothing() {
        let mut window = window(&[3]);
        window.acknowledge_one(at(4));
        window.acknowledge_through(Position::new(Epoch(2), Offset(3)));
        assert_eq!((window.room(), window.again_one(at(4))), (9, vec![]));
    }

    #[test]
    fn a_message_comes_again_with_its_number() {
        let mut window = window(&[3]);
        assert_eq!(window.again_one(at(3))[0].count, 2);
        assert_eq!(window.again_one(at(3))[0].count, 3);
        assert_eq!(window.room(), 9, "it still takes one place");
    }
}
