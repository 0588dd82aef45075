//! What a group is done with: ranges of offsets, kept as they grow, so that no cursor has to look at all that is open.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use homeroom_storage::{CURSOR_RANGES_MAX, Offset};

use crate::classroom::durable::Progress;

/// Offsets that are done.
#[derive(Clone, Debug)]
pub(super) struct Done {
    /// Everything up to here is.
    low: u64,
    /// The rest, from the first of each range to its last: above the low mark, apart from it and from each other.
    above: BTreeMap<u64, u64>,
}

impl Done {
    /// Everything up to `low` is done.
    pub(super) fn new(low: u64) -> Done {
        Done { low, above: BTreeMap::new() }
    }

    /// Everything up to here is done.
    pub(super) fn low(&self) -> u64 {
        self.low
    }

    /// These are done.
    pub(super) fn add(&mut self, range: RangeInclusive<u64>) {
        let (mut first, mut last) = (*range.start().max(&(self.low + 1)), *range.end());
        if first > last {
            return;
        }
        if let Some((&begin, &end)) = self.above.range(..=first).next_back().filter(|(_, end)| **end + 1 >= first) {
            (first, last) = (begin, last.max(end));
        }
        while let Some((&begin, &end)) = self.above.range(first..=last.saturating_add(1)).next() {
            self.above.remove(&begin);
            last = last.max(end);
        }
        if first == self.low + 1 {
            self.low = last;
        } else {
            self.above.insert(first, last);
        }
    }

    /// What a cursor says of it.
    pub(super) fn progress(&self) -> Progress {
        let above = self.above.iter().take(CURSOR_RANGES_MAX).map(|(first, last)| *first..=*last);
        Progress { settled: Offset(self.low), above: above.collect() }
    }

    /// What a cursor would say of it if these were done as well.
    pub(super) fn progress_with(&self, more: impl IntoIterator<Item = u64>) -> Progress {
        let above = self.above.iter().take(CURSOR_RANGES_MAX).map(|(first, last)| (*first, *last));
        let mut sum = Done { low: self.low, above: above.collect() };
        more.into_iter().for_each(|offset| sum.add(offset..=offset));
        sum.progress()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_join_and_what_meets_the_low_mark_raises_it() {
        let mut done = Done::new(5);
        [8..=8, 10..=12, 3..=4, 9..=9].into_iter().for_each(|range| done.add(range));
        assert_eq!(done.progress(), Progress { settled: Offset(5), above: vec![8..=12] });
        assert_eq!(done.progress_with([7, 6, 20]), Progress { settled: Offset(12), above: vec![20..=20] });
        done.add(1..=7);
        assert_eq!(done.progress(), Progress { settled: Offset(12), above: vec![] });
    }

    #[test]
    fn a_cursor_is_told_the_lowest_ranges() {
        let mut done = Done::new(0);
        (1..3000).for_each(|number| done.add(number * 2..=number * 2));
        let progress = done.progress_with([1]);
        assert_eq!((progress.settled, progress.above.len()), (Offset(2), CURSOR_RANGES_MAX - 1));
    }

    proptest! {
        #[test]
        fn ranges_say_what_was_added(added in prop::collection::vec((1u64..60, 0u64..8), 0..40)) {
            let (mut done, mut plain) = (Done::new(0), BTreeSet::new());
            for (first, count) in added {
                done.add(first..=first + count);
                plain.extend(first..=first + count);
            }
            let Progress { settled, above } = done.progress();
            for offset in 1..70 {
                let is_done = offset <= settled.0 || above.iter().any(|range| range.contains(&offset));
                prop_assert_eq!(is_done, plain.contains(&offset));
            }
            prop_assert!(above.iter().all(|range| *range.start() > settled.0 + 1));
            prop_assert!(above.windows(2).all(|two| *two[0].end() + 1 < *two[1].start()));
        }
    }
}
