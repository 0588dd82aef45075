//! A closed loop: a message goes out when one that is under way has reached every receiver of its room.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::Failure;
use super::crowd::Heard;
use super::progress::Progress;
use super::scene::Scene;
use super::speech::Letter;

/// One publisher, its receivers, and what is under way between them.
pub(super) struct ClosedLoop {
    publisher: usize,
    receivers: Range<usize>,
    in_flight: usize,
    rooms: Vec<Room>,
    /// Messages that each receiver has.
    counts: Vec<u64>,
    /// Messages that not every receiver of their room has.
    under_way: usize,
    /// The room of the next message.
    next: usize,
    deliveries: u64,
}

/// How long to send.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// So many messages.
    Messages(u64),
    /// So long.
    Time(Duration),
}

struct Room {
    letter: Letter,
    receivers: u32,
    sent: u64,
    /// Of the newest `in_flight` messages, by number modulo `in_flight`: receivers that do not have it.
    missing: Vec<u32>,
}

/// While no message arrives for so long, one is lost.
const PATIENCE: Duration = Duration::from_secs(30);

impl ClosedLoop {
    /// Nothing is under way yet. `letters` has one for each room; receivers are dealt out to the rooms in turn.
    pub(super) fn new(publisher: usize, receivers: Range<usize>, letters: Vec<Letter>, in_flight: usize) -> ClosedLoop {
        let (each, more) = (receivers.len() / letters.len(), receivers.len() % letters.len());
        let room = |(room, letter)| Room {
            letter,
            receivers: (each + usize::from(room < more)) as u32,
            sent: 0,
            missing: vec![0; in_flight],
        };
        ClosedLoop {
            publisher,
            in_flight,
            rooms: letters.into_iter().enumerate().map(room).collect(),
            counts: vec![0; receivers.len()],
            receivers,
            under_way: 0,
            next: 0,
            deliveries: 0,
        }
    }

    /// Messages that receivers have.
    pub(super) fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Sends until then, waits until all have all, and says how many messages that were.
    pub(super) fn run(&mut self, scene: &mut Scene, until: Until, progress: &Progress) -> Result<u64, Failure> {
        let began = Instant::now();
        let (mut sent, mut heard, mut alive) = (0, self.deliveries, began);
        let mut bytes = Vec::new();
        loop {
            let now = Instant::now();
            let over = match until {
                Until::Messages(messages) => sent >= messages,
                Until::Time(time) => now - began >= time,
            };
            if over && self.under_way == 0 {
                return Ok(sent);
            }
            bytes.clear();
            while self.under_way < self.in_flight && !over && !matches!(until, Until::Messages(all) if sent >= all) {
                self.send(&mut bytes);
                sent += 1;
            }
            if !bytes.is_empty() {
                scene.crowd.say(self.publisher, &bytes)?;
                match until {
                    Until::Messages(_) => progress.set(sent),
                    Until::Time(_) => progress.passed(now - began),
                }
            }
            let mut stray = false;
            scene.crowd.turn(Some(now + PATIENCE), &mut |who, what| {
                if matches!(what, Heard::Message(_)) {
                    stray |= self.hear(who).is_none();
                }
            })?;
            if stray {
                return Err(Failure::new(format!(
                    "Messages came that this run did not send. Does somebody else publish to {}? Name a fresh \
                     --destination.",
                    scene.room(0)
                )));
            }
            if self.deliveries > heard {
                (heard, alive) = (self.deliveries, now);
            } else if now - alive > PATIENCE {
                return Err(self.stalled());
            }
        }
    }

    fn send(&mut self, bytes: &mut Vec<u8>) {
        let index = self.next;
        self.next = (index + 1) % self.rooms.len();
        let room = &mut self.rooms[index];
        let slot = (room.sent % self.in_flight as u64) as usize;
        room.missing[slot] = room.receivers;
        room.letter.write(bytes, room.sent);
        room.sent += 1;
        self.under_way += 1;
    }

    /// A receiver has one message more; `None` if none was under way to it.
    #[inline]
    fn hear(&mut self, who: usize) -> Option<()> {
        let receiver = who.checked_sub(self.receivers.start)?;
        let count = self.counts.get_mut(receiver)?;
        let room_count = self.rooms.len();
        let room = &mut self.rooms[receiver % room_count];
        if *count >= room.sent {
            return None;
        }
        let missing = &mut room.missing[(*count % self.in_flight as u64) as usize];
        *count += 1;
        *missing -= 1;
        self.deliveries += 1;
        if *missing == 0 {
            self.under_way -= 1;
        }
        Some(())
    }

    fn stalled(&self) -> Failure {
        let all = |receiver: usize| self.rooms[receiver % self.rooms.len()].sent;
        let behind = self.counts.iter().enumerate().filter(|(receiver, count)| **count < all(*receiver)).count();
        Failure::new(format!(
            "Nothing arrived for {} seconds, and {behind} of {} receivers miss messages. The broker lost them, or it \
             is too busy: see its log.",
            PATIENCE.as_secs(),
            self.counts.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rooms; receivers 5 and 7 are in the first, 6 in the second.
    fn class(in_flight: usize) -> ClosedLoop {
        let letter = || Letter { bytes: Vec::new(), places: Vec::new() };
        ClosedLoop::new(0, 5..8, vec![letter(), letter()], in_flight)
    }

    #[test]
    fn a_message_is_under_way_until_all_of_its_room_have_it() {
        let mut class = class(2);
        class.send(&mut Vec::new());
        class.send(&mut Vec::new());
        assert_eq!((class.hear(5), class.under_way), (Some(()), 2));
        assert_eq!((class.hear(6), class.under_way), (Some(()), 1));
        assert_eq!((class.hear(7), class.under_way), (Some(()), 0));
        assert_eq!(class.deliveries(), 3);
    }

    #[test]
    fn what_was_never_sent_is_known_as_a_stranger() {
        let mut class = class(2);
        class.send(&mut Vec::new());
        assert_eq!(class.hear(5), Some(()));
        for (who, why) in [(5, "twice"), (6, "nothing went to this room"), (4, "not a receiver"), (8, "not a receiver")]
        {
            assert_eq!(class.hear(who), None, "{why}");
        }
    }
}
