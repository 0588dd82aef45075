//! However a link takes bytes and whoever writes them: the stream is the same.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use homeroom_storage::{Epoch, Message, Offset, Record};
use proptest::prelude::*;

use super::gate::{Gate, Lane, Wire};
use crate::classroom::audience::Heard;
use crate::classroom::entry::{Entry, Shape};
use crate::classroom::news::{Form, News};
use crate::router::Pattern;
use crate::router::pattern::Segment;

/// Private bytes between messages.
const PRIVATE: &[u8] = b"<p>";

/// A link that takes as many bytes as it was given room for.
#[derive(Debug, Default)]
struct Pipe(RefCell<(Vec<u8>, usize)>);

impl Wire for &Pipe {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let (taken, room) = &mut *self.0.borrow_mut();
        if *room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(*room);
        taken.extend_from_slice(&bytes[..count]);
        *room -= count;
        Ok(count)
    }
}

#[derive(Debug)]
struct Plain(Shape, Arc<Pattern>);

impl Plain {
    fn new() -> Plain {
        let pattern = Pattern::new(vec![Segment::Literal("7b".into()), Segment::Literal("quiz".into())], 1);
        Plain(Shape { id: "s".into(), tag: 0 }, Arc::new(pattern))
    }
}

impl Form for Plain {
    fn shape(&self) -> &Shape {
        &self.0
    }

    fn pattern(&self) -> &Arc<Pattern> {
        &self.1
    }

    fn bytes(&self, entry: &Entry) -> Bytes {
        entry.message().body.clone()
    }

    fn delivered(&self, _: u64) {}
}

/// One message: its text says which it is.
fn entry(sequence: u64, length: usize, ours: bool, durable: bool) -> Arc<Entry> {
    let body = Bytes::from(format!("[{sequence}{}]", "x".repeat(length)));
    let message = Message { destination: "/topic/7b".into(), headers: [].into(), body, publisher: None };
    let offset = Offset(if durable { sequence } else { 0 });
    let record = Record { epoch: Epoch(1), offset, time: 0, messages: [message].into() };
    let path = if ours { "7b/quiz" } else { "7b/pointer" };
    Arc::new(Entry::new(Arc::new(record), 0, path.to_owned(), sequence, durable))
}

/// The connection's task, as far as the gate sees it.
struct Task<'a> {
    gate: Gate<&'a Pipe>,
    pipe: &'a Pipe,
    next: u64,
    begun: Bytes,
    private: usize,
    is_rung: bool,
    is_blocked: bool,
}

impl Task<'_> {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.pipe.try_write(bytes).unwrap_or(0)
    }

    /// Wakes, writes what there is, and rests.
    fn wake(&mut self, entries: &[Arc<Entry>], until: Offset) {
        let mut next = self.next;
        let turn = self.gate.shut(|lane| next = lane.next);
        (self.next, self.is_rung, self.is_blocked) = (next, false, false);
        if let Some(begun) = turn.begun {
            assert!(self.begun.is_empty(), "a message is begun only where nothing waits");
            self.begun = begun;
        }
        if !self.write_on(entries) {
            self.is_blocked = true;
            return self.gate.wait_for_link();
        }
        let lane = Lane { number: 1, next: self.next, through: None, sent: None, until };
        self.gate.open([lane].into_iter(), usize::MAX);
    }

    /// `false` when the link takes no more.
    fn write_on(&mut self, entries: &[Arc<Entry>]) -> bool {
        loop {
            let begun = self.begun.clone();
            let count = self.write(&begun);
            self.begun = begun.slice(count..);
            if !self.begun.is_empty() {
                return false;
            }
            if self.private > 0 {
                (self.begun, self.private) = (Bytes::from_static(PRIVATE), self.private - 1);
                continue;
            }
            let Some(entry) = entries.iter().find(|entry| entry.sequence >= self.next) else { return true };
            self.next = entry.sequence + 1;
            if &*entry.path == "7b/quiz" {
                self.begun = entry.message().body.clone();
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Publish { length: usize, ours: bool, durable: bool },
    Dispatch { most: usize },
    Room(usize),
    Wake,
    Say,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let publish = (0usize..12, prop::bool::weighted(0.8), prop::bool::weighted(0.8));
    let step = prop_oneof![
        4 => publish.prop_map(|(length, ours, durable)| Step::Publish { length, ours, durable }),
        4 => (1usize..6).prop_map(|most| Step::Dispatch { most }),
        3 => (0usize..40).prop_map(Step::Room),
        2 => Just(Step::Wake),
        1 => Just(Step::Say),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn every_message_leaves_once_whole_and_in_order(steps in steps(), until in prop_oneof![Just(u64::MAX), 0u64..20]) {
        let (pipe, form) = (Pipe::default(), Plain::new());
        let gate = Gate::new(&pipe);
        let mut task =
            Task { gate, pipe: &pipe, next: 1, begun: Bytes::new(), private: 0, is_rung: false, is_blocked: false };
        let (mut entries, mut seen, mut said, mut news) = (Vec::new(), 1u64, 0, News::default());
        task.wake(&[], Offset(until));
        let all = |entries: &[Arc<Entry>]| -> Vec<u8> {
            let ours = entries.iter().filter(|entry| &*entry.path == "7b/quiz");
            ours.flat_map(|entry| entry.message().body.to_vec()).collect()
        };
        for step in steps {
            match step {
                Step::Publish { length, ours, durable } => {
                    entries.push(entry(entries.len() as u64 + 1, length, ours, durable));
                }
                Step::Dispatch { most } => {
                    let stretch: Vec<_> = entries.iter().skip(seen as usize - 1).take(most).cloned().collect();
                    let end = seen + stretch.len() as u64;
                    news.begin(seen);
                    news.extend(&form, &stretch, end);
                    let Heard { ring, .. } = task.gate.offer(1, &news);
                    (seen, task.is_rung) = (end, task.is_rung | ring);
                }
                Step::Room(bytes) => {
                    pipe.0.borrow_mut().1 += bytes;
                    if task.is_blocked {
                        task.wake(&entries, Offset(until));
                    }
                }
                Step::Wake => task.wake(&entries, Offset(until)),
                Step::Say => {
                    (task.private, said) = (task.private + 1, said + 1);
                    task.wake(&entries, Offset(until));
                }
            }
        }
        // The dispatcher has told everything, and the link takes everything.
        pipe.0.borrow_mut().1 = usize::MAX;
        let rest: Vec<_> = entries.iter().skip(seen as usize - 1).cloned().collect();
        news.begin(seen);
        news.extend(&form, &rest, entries.len() as u64 + 1);
        let Heard { ring, .. } = task.gate.offer(1, &news);
        if ring || task.is_rung || task.is_blocked {
            task.wake(&entries, Offset(until));
        }
        let stream = String::from_utf8(pipe.0.take().0).expect("whole messages are text");
        prop_assert_eq!(stream.matches("<p>").count(), said);
        prop_assert_eq!(stream.replace("<p>", "").into_bytes(), all(&entries));
    }
}

#[test]
fn a_task_that_waits_for_the_link_is_not_rung() {
    let (pipe, form, mut news) = (Pipe::default(), Plain::new(), News::default());
    let gate = Gate::new(&pipe);
    news.begin(1);
    news.extend(&form, &[entry(1, 3, true, true)], 2);
    assert!(gate.offer(1, &news).ring, "a task that is awake may have looked already");
    gate.wait_for_link();
    assert_eq!(gate.offer(1, &news), Heard::default());
}

#[test]
fn what_the_task_has_to_know_of_rings_it_once_it_is_written() {
    let (pipe, form, mut news) = (Pipe::default(), Plain::new(), News::default());
    pipe.0.borrow_mut().1 = 100;
    let gate = Gate::new(&pipe);
    gate.open([Lane { number: 1, next: 1, through: None, sent: None, until: Offset(9) }].into_iter(), 8);
    news.begin(1);
    news.extend(&form, &[entry(1, 2, true, true)], 2);
    assert_eq!(gate.offer(1, &news), Heard { written: 1, ring: false });
    news.begin(2);
    news.extend(&form, &[entry(2, 2, true, true)], 3);
    assert_eq!(gate.offer(1, &news), Heard { written: 1, ring: true }, "8 bytes went out");
    news.begin(3);
    news.extend(&form, &[entry(10, 2, true, true)], 11);
    assert_eq!(gate.offer(1, &news), Heard { written: 0, ring: true }, "behind the lane's last record");
    let mut left = None;
    let turn = gate.shut(|lane| left = Some(*lane));
    assert_eq!((turn.bytes, left.map(|lane| lane.next)), (10, Some(3)));
}

#[test]
fn a_lane_that_stands_before_the_news_is_rung() {
    let (pipe, form, mut news) = (Pipe::default(), Plain::new(), News::default());
    pipe.0.borrow_mut().1 = 100;
    let gate = Gate::new(&pipe);
    gate.open([Lane { number: 1, next: 4, through: None, sent: None, until: Offset(9) }].into_iter(), usize::MAX);
    news.begin(5);
    news.extend(&form, &[entry(5, 2, true, true)], 6);
    assert_eq!(gate.offer(1, &news), Heard { written: 0, ring: true });
    assert_eq!(gate.offer(2, &news), Heard { written: 0, ring: true }, "a lane that is not open");
}
