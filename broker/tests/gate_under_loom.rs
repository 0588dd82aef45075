//! The gate under loom: every interleaving of a connection's task with its
//! classrooms' dispatchers, while the link takes all, a part, or nothing.
//!
//! Shown: no message is written twice, torn, out of order or behind the Close;
//! and when all threads rest, either everything is written, or the task was
//! rung, or it waits for the link. The gate is the broker's own source; the
//! news and the ring they come from are reduced to two bytes a message.

#[path = "../src/connection/gate.rs"]
#[allow(dead_code, reason = "the broker uses more of it than these models")]
mod gate;

/// The locks that the gate uses here.
mod sync {
    pub(super) use loom::sync::{Mutex, MutexGuard};
}

/// What the gate knows of classrooms.
mod classroom {
    pub(crate) mod audience {
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Heard {
            pub(crate) written: u32,
            pub(crate) ring: bool,
        }
    }
    pub(crate) mod entry {
        use homeroom_storage::Offset;

        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct Mark {
            pub(crate) offset: Offset,
        }
    }
    pub(crate) mod news {
        use std::time::Instant;

        use bytes::Bytes;

        use super::entry::Mark;

        pub(crate) struct News {
            pub(crate) since: u64,
            pub(crate) end: u64,
            pub(crate) through: Option<Mark>,
            pub(crate) at: Instant,
            pieces: Vec<Piece>,
            joined: Vec<u8>,
        }

        pub(crate) struct Piece {
            pub(crate) sequence: u64,
            pub(crate) through: Option<Mark>,
            pub(crate) mark: Option<Mark>,
            pub(crate) bytes: Bytes,
        }

        impl News {
            /// Messages `since..end` of a lane.
            pub(crate) fn new(lane: u8, since: u64, end: u64) -> News {
                let piece = |sequence| {
                    let bytes = Bytes::copy_from_slice(&crate::message(lane, sequence));
                    Piece { sequence, through: None, mark: None, bytes }
                };
                let pieces: Vec<Piece> = (since..end).map(piece).collect();
                let joined = pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect();
                News { since, end, through: None, at: Instant::now(), pieces, joined }
            }

            pub(crate) fn from(&self, sequence: u64) -> &[Piece] {
                let begin = self.pieces.partition_point(|piece| piece.sequence < sequence);
                &self.pieces[begin..]
            }

            pub(crate) fn bytes_of<'a>(&'a self, pieces: &'a [Piece]) -> &'a [u8] {
                &self.joined[self.joined.len() - 2 * pieces.len()..]
            }
        }
    }
}

use std::io;

use homeroom_storage::Offset;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::classroom::news::News;
use crate::gate::{Gate, Lane, Wire};

const CLOSE: u8 = b'.';

/// A message of two bytes: of which lane, and which.
fn message(lane: u8, sequence: u64) -> [u8; 2] {
    [b'a' + lane, b'0' + u8::try_from(sequence).expect("few messages")]
}

/// What a write takes, call by call; behind that, everything.
struct Link {
    taken: Mutex<(Vec<u8>, Vec<usize>)>,
}

impl Wire for Arc<Link> {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let (taken, rooms) = &mut *self.taken.lock().expect("no panics");
        let room = if rooms.is_empty() { usize::MAX } else { rooms.remove(0) };
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(room);
        taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

/// What a classroom's task and a connection's share.
struct Room {
    head: AtomicU64,
    rung: AtomicBool,
}

/// A connection's task.
struct Task {
    gate: Arc<Gate<Arc<Link>>>,
    link: Arc<Link>,
    rooms: Vec<Arc<Room>>,
    next: Vec<u64>,
    begun: Vec<u8>,
    is_blocked: bool,
}

impl Task {
    /// Wakes, writes what there is, and rests.
    fn turn(&mut self) {
        if self.write_all() {
            let lane = |(number, next): (usize, &u64)| Lane {
                number: number as u32,
                next: *next,
                through: None,
                sent: None,
                until: Offset(u64::MAX),
            };
            self.gate.open(self.next.iter().enumerate().map(lane), usize::MAX);
        } else {
            self.gate.wait_for_link();
        }
    }

    fn write_all(&mut self) -> bool {
        self.is_blocked = false;
        let next = &mut self.next;
        let turn = self.gate.shut(|lane| next[lane.number as usize] = lane.next);
        if let Some(begun) = turn.begun {
            assert!(self.begun.is_empty(), "a message is begun only where nothing waits");
            self.begun = begun.to_vec();
        }
        while self.flush() {
            let behind = |lane: &usize| self.next[*lane] < self.rooms[*lane].head.load(Ordering::Acquire);
            let Some(lane) = (0..self.rooms.len()).find(behind) else { return true };
            self.begun = message(lane as u8, self.next[lane]).to_vec();
            self.next[lane] += 1;
        }
        self.is_blocked = true;
        false
    }

    fn flush(&mut self) -> bool {
        if !self.begun.is_empty() {
            let count = self.link.try_write(&self.begun).unwrap_or(0);
            self.begun.drain(..count);
        }
        self.begun.is_empty()
    }

    fn is_rung(&self) -> bool {
        self.rooms.iter().any(|room| room.rung.load(Ordering::Acquire))
    }
}

/// A dispatcher: takes in `messages`, telling the lane after each.
fn dispatch(gate: &Gate<Arc<Link>>, room: &Room, lane: u8, messages: u64) {
    for sequence in 0..messages {
        room.head.store(sequence + 1, Ordering::Release);
        if gate.offer(lane.into(), &News::new(lane, sequence, sequence + 1)).ring {
            room.rung.store(true, Ordering::Release);
        }
    }
}

/// Runs the model: two turns of the task beside one dispatcher per entry of `messages`.
fn model(messages: &'static [u64], takes: &'static [usize], closes: bool) {
    let mut model = loom::model::Builder::new();
    // With two dispatchers all interleavings are too many; three forced switches find every known mistake.
    model.preemption_bound = (messages.len() > 1).then_some(3);
    model.check(move || {
        let link = Arc::new(Link { taken: Mutex::new((Vec::new(), takes.to_vec())) });
        let gate = Arc::new(Gate::new(link.clone()));
        let room = |_: &u64| Arc::new(Room { head: AtomicU64::new(0), rung: AtomicBool::new(false) });
        let rooms: Vec<Arc<Room>> = messages.iter().map(room).collect();
        let threads: Vec<_> = (0u8..)
            .zip(&rooms)
            .map(|(lane, room)| {
                let (gate, room) = (gate.clone(), room.clone());
                thread::spawn(move || dispatch(&gate, &room, lane, messages[usize::from(lane)]))
            })
            .collect();
        let next = vec![0; rooms.len()];
        let mut task = Task { gate, link: link.clone(), rooms, next, begun: Vec::new(), is_blocked: false };
        task.turn();
        if closes {
            // It ends: what was begun goes out, then the last word.
            while !task.write_all() {}
            link.taken.lock().expect("no panics").0.push(CLOSE);
        } else {
            task.turn();
        }
        threads.into_iter().for_each(|thread| thread.join().expect("a dispatcher never panics"));
        if !closes && (task.is_rung() || task.is_blocked) {
            while !task.write_all() {}
        }
        check(&link.taken.lock().expect("no panics").0, messages, closes);
    });
}

/// Each lane's messages once, whole and in order; behind the Close nothing.
fn check(taken: &[u8], messages: &[u64], closes: bool) {
    let shown = String::from_utf8_lossy(taken).into_owned();
    let whole = taken.strip_suffix(&[CLOSE]).unwrap_or(taken);
    assert_eq!(closes, whole.len() < taken.len(), "{shown}");
    for (lane, count) in (0u8..).zip(messages) {
        let of_lane: Vec<&[u8]> = whole.chunks(2).filter(|message| message[0] == b'a' + lane).collect();
        let expected: Vec<[u8; 2]> = (0..*count).map(|sequence| message(lane, sequence)).collect();
        let all = of_lane.len() == expected.len() || closes;
        assert!(all && of_lane.iter().zip(&expected).all(|(seen, expected)| seen == expected), "{shown}");
    }
}

#[test]
fn while_the_link_takes_everything() {
    model(&[2], &[], false);
}

#[test]
fn while_the_link_takes_a_part_or_nothing() {
    model(&[2], &[1, 0], false);
    model(&[2], &[0], false);
    model(&[2], &[2, 1], false);
}

#[test]
fn with_two_classrooms_and_a_link_that_takes_a_part() {
    model(&[1, 1], &[1], false);
    model(&[1, 1], &[0, 1], false);
}

#[test]
fn while_the_connection_ends() {
    model(&[2], &[1], true);
    model(&[1, 1], &[], true);
}
