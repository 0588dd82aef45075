//! The newest messages of a classroom, in memory once for everybody.
//!
//! Every durable record after the *floor* is here, in order, and between them
//! the messages that no log keeps. A reader that stands at or after the floor
//! reads from here; one that stands before it reads the log up to the floor
//! first. That is the whole of the joint between replay and live.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard};

use homeroom_storage::{Message, Offset, Record};

use super::entry::{Entry, Mark};

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Messages.
    pub messages: usize,
    /// Bytes, exceeded only by a single message that is larger.
    pub bytes: usize,
}

/// The newest messages.
#[derive(Debug)]
pub struct Recent {
    inner: Mutex<Inner>,
    limits: Limits,
}

#[derive(Debug)]
struct Inner {
    entries: VecDeque<Arc<Entry>>,
    /// The sequence of the next entry.
    next: u64,
    floor: Offset,
    head: Offset,
    bytes: usize,
}

/// A stretch of the newest messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The sequence of the first of them.
    pub first: u64,
    /// The sequence behind the last.
    pub end: u64,
    /// Nothing before the first has left the memory since it was asked for.
    pub is_whole: bool,
}

/// What a reader that came back for more finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Walk {
    /// It has seen all up to this sequence.
    Until(u64),
    /// What it wants next has left the memory: the log has it.
    FellOut,
}

impl Recent {
    /// Nothing yet; all up to `fence` is in the log alone.
    pub fn new(fence: Offset, limits: Limits) -> Recent {
        let inner = Inner { entries: VecDeque::new(), next: 1, floor: fence, head: fence, bytes: 0 };
        Recent { inner: Mutex::new(inner), limits }
    }

    /// Adds a record that became durable.
    pub fn push_record(&self, record: &Arc<Record>, path_of: impl Fn(&str) -> String) {
        let mut inner = self.lock();
        for (index, message) in record.messages.iter().enumerate() {
            let index = u16::try_from(index).expect("a record has at most 65,535 messages");
            inner.push(record.clone(), index, path_of(&message.destination), true);
        }
        inner.head = record.offset;
        inner.shrink(self.limits);
    }

    /// Adds a message that no log keeps.
    pub fn push_ephemeral(&self, record: Arc<Record>, path: String) {
        let mut inner = self.lock();
        inner.push(record, 0, path, false);
        inner.shrink(self.limits);
    }

    /// Empties messages; their places stay, so that everybody goes on behind them.
    pub fn forget(&self, gone: &dyn Fn(&Message) -> bool) {
        let mut inner = self.lock();
        let Inner { entries, bytes, .. } = &mut *inner;
        for entry in entries.iter_mut().filter(|entry| gone(entry.message())) {
            entry.forget();
            let emptied = entry.emptied();
            *bytes = *bytes - entry.message().cost() + emptied.message().cost();
            *entry = Arc::new(emptied);
        }
    }

    /// The newest durable record.
    pub fn head(&self) -> Offset {
        self.lock().head
    }

    /// All durable records after this are in memory.
    pub fn floor(&self) -> Offset {
        self.lock().floor
    }

    /// Where a reader at `mark` goes on in memory, or `None` if it has to read the log first.
    pub fn join(&self, mark: Mark) -> Option<u64> {
        let inner = self.lock();
        if mark.read_after() < inner.floor {
            return None;
        }
        let before = inner.entries.iter().rposition(|entry| entry.durable && entry.is_passed_at(mark));
        let behind_head = mark >= Mark::after(inner.head);
        Some(match before {
            _ if behind_head => inner.next,
            Some(at) => inner.entries[at].sequence + 1,
            None => inner.entries.front().map_or(inner.next, |entry| entry.sequence),
        })
    }

    /// The sequence that the next message will have, and the newest durable record before it.
    pub fn end(&self) -> (u64, Offset) {
        let inner = self.lock();
        (inner.next, inner.head)
    }

    /// Shows the entries from `sequence` on until there are no more or `visit` breaks.
    pub fn walk(&self, sequence: u64, mut visit: impl FnMut(&Arc<Entry>) -> ControlFlow<()>) -> Walk {
        let inner = self.lock();
        let first = inner.next - inner.entries.len() as u64;
        if sequence < first {
            return Walk::FellOut;
        }
        let begin = usize::try_from(sequence - first).expect("the ring is small");
        for entry in inner.entries.iter().skip(begin) {
            if visit(entry).is_break() {
                return Walk::Until(entry.sequence + 1);
            }
        }
        Walk::Until(inner.next)
    }

    /// Takes what is there from `sequence` on, at most so many messages and about so many bytes.
    pub fn newest(&self, sequence: u64, messages: usize, bytes: usize, into: &mut Vec<Arc<Entry>>) -> Stretch {
        into.clear();
        let inner = self.lock();
        let oldest = inner.next - inner.entries.len() as u64;
        let first = sequence.max(oldest);
        let begin = usize::try_from(first - oldest).expect("the ring is small");
        let mut taken = 0;
        for entry in inner.entries.iter().skip(begin).take(messages) {
            if taken >= bytes {
                break;
            }
            taken += entry.message().cost();
            into.push(entry.clone());
        }
        Stretch { first, end: first + into.len() as u64, is_whole: first == sequence }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the recent messages")
    }
}

impl Inner {
    fn push(&mut self, record: Arc<Record>, index: u16, path: String, durable: bool) {
        let entry = Entry::new(record, index, path, self.next, durable);
        self.bytes += entry.message().cost();
        self.next += 1;
        self.entries.push_back(Arc::new(entry));
    }

    fn shrink(&mut self, limits: Limits) {
        while self.entries.len() > 1 && (self.entries.len() > limits.messages || self.bytes > limits.bytes) {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest.message().cost();
            if oldest.durable {
                self.floor = oldest.offset();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use homeroom_storage::Epoch;

    use super::*;

    fn record(offset: u64, messages: usize) -> Arc<Record> {
        let message =
            Message { destination: "/topic/a".into(), headers: [].into(), body: Bytes::new(), publisher: None };
        let messages = vec![message; messages].into();
        Arc::new(Record { epoch: Epoch(1), offset: Offset(offset), time: 0, messages })
    }

    fn recent(messages: usize) -> Recent {
        Recent::new(Offset(10), Limits { messages, bytes: 1 << 20 })
    }

    fn seen(recent: &Recent, from: u64) -> Vec<(u64, u16)> {
        let mut seen = Vec::new();
        recent.walk(from, |entry| {
            seen.push((entry.offset().0, entry.index));
            ControlFlow::Continue(())
        });
        seen
    }

    fn push(recent: &Recent, offset: u64, messages: usize) {
        recent.push_record(&record(offset, messages), |_| "a".into());
    }

    #[test]
    fn a_reader_joins_exactly_behind_its_mark() {
        let recent = recent(10);
        for offset in [12, 15, 19] {
            push(&recent, offset, 1);
        }
        for (after, expected) in [(10, vec![12, 15, 19]), (12, vec![15, 19]), (13, vec![15, 19]), (19, vec![])] {
            let from = recent.join(Mark::after(Offset(after))).expect("the floor is 10");
            assert_eq!(seen(&recent, from).iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), expected);
        }
        assert_eq!(recent.join(Mark::after(Offset(9))), None);
    }

    #[test]
    fn a_reader_joins_inside_a_record_of_several() {
        let recent = recent(10);
        push(&recent, 12, 3);
        let from = recent.join(Mark { offset: Offset(12), part: 0 }).expect("in memory");
        assert_eq!(seen(&recent, from), [(12, 1), (12, 2)]);
    }

    #[test]
    fn what_leaves_the_memory_raises_the_floor() {
        let recent = recent(2);
        for offset in 11..=15 {
            push(&recent, offset, 1);
        }
        assert_eq!((recent.floor(), recent.head()), (Offset(13), Offset(15)));
        assert_eq!(recent.join(Mark::after(Offset(12))), None);
        assert_eq!(recent.walk(1, |_| ControlFlow::Continue(())), Walk::FellOut);
    }

    #[test]
    fn what_no_log_keeps_stands_where_it_came() {
        let recent = recent(10);
        push(&recent, 11, 1);
        recent.push_ephemeral(record(0, 1), "a".into());
        let from = recent.join(Mark::after(Offset(11))).expect("in memory");
        assert_eq!(seen(&recent, from), []);
        let from = recent.join(Mark::after(Offset(10))).expect("in memory");
        assert_eq!(seen(&recent, from), [(11, 0), (0, 0)]);
    }
}
