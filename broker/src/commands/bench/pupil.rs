//! Students who missed messages, and what each of them has by now.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::speech::marker;

/// Students who come back for the messages numbered from 0 to `missed`.
pub(super) struct Pupils {
    who: Range<usize>,
    missed: usize,
    /// Of each student, one bit for each message.
    have: Vec<u64>,
    /// Of each student, messages that it does not have.
    missing: Vec<u32>,
    /// The number that came last to each student.
    latest: Vec<Option<u32>>,
    began: Instant,
    /// When students were complete, since the beginning, in the order in which they were.
    pub(super) complete: Vec<Duration>,
    pub(super) deliveries: u64,
    /// Messages that came again.
    pub(super) repeated: u64,
    /// Messages that came after a later one.
    pub(super) out_of_order: u64,
}

impl Pupils {
    /// They come back now.
    pub(super) fn new(who: Range<usize>, missed: usize) -> Pupils {
        let count = who.len();
        Pupils {
            who,
            missed,
            have: vec![0; count * missed.div_ceil(64)],
            missing: vec![missed as u32; count],
            latest: vec![None; count],
            began: Instant::now(),
            complete: Vec::with_capacity(count),
            deliveries: 0,
            repeated: 0,
            out_of_order: 0,
        }
    }

    /// Somebody has a message; those of others pass.
    #[inline]
    pub(super) fn heard(&mut self, who: usize, message: &[u8]) {
        if !self.who.contains(&who) {
            return;
        }
        let Some(number) = marker(message).filter(|number| *number < self.missed as u64) else { return };
        let (student, number) = (who - self.who.start, number as u32);
        let word = &mut self.have[student * self.missed.div_ceil(64) + number as usize / 64];
        let bit = 1 << (number % 64);
        self.deliveries += 1;
        if *word & bit != 0 {
            self.repeated += 1;
            return;
        }
        *word |= bit;
        self.out_of_order += u64::from(self.latest[student].is_some_and(|latest| latest > number));
        self.latest[student] = Some(number);
        self.missing[student] -= 1;
        if self.missing[student] == 0 {
            self.complete.push(self.began.elapsed());
        }
    }

    /// Everybody has everything.
    pub(super) fn all_complete(&self) -> bool {
        self.complete.len() == self.who.len()
    }

    /// Messages that are missing, of all.
    pub(super) fn missing(&self) -> u64 {
        self.missing.iter().map(|missing| u64::from(*missing)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: u64) -> Vec<u8> {
        format!("MESSAGE\n\n{number:016x}\0").into_bytes()
    }

    #[test]
    fn a_student_is_complete_with_the_last_missing_message_whatever_came_twice() {
        let mut pupils = Pupils::new(5..7, 70);
        for number in [69].into_iter().chain(0..69).chain([3, 3]) {
            pupils.heard(5, &numbered(number));
        }
        assert_eq!((pupils.complete.len(), pupils.repeated, pupils.out_of_order), (1, 2, 1));
        assert_eq!((pupils.missing(), pupils.all_complete()), (70, false));
        (0..70).for_each(|number| pupils.heard(6, &numbered(number)));
        assert!(pupils.all_complete());
    }

    #[test]
    fn what_was_not_missed_does_not_count() {
        let mut pupils = Pupils::new(5..6, 2);
        pupils.heard(5, &numbered(2));
        pupils.heard(4, &numbered(0));
        pupils.heard(6, &numbered(0));
        pupils.heard(5, b"MESSAGE\n\nhello\0");
        assert_eq!((pupils.deliveries, pupils.missing()), (0, 2));
    }
}
