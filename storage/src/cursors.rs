//! Cursors: how far each durable subscription has come.

use std::ops::RangeInclusive;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{Epoch, LogName, Offset, Settlement};

/// Whose cursor, on which log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CursorKey {
    /// The log it stands on.
    pub log: LogName,
    /// The owner with its namespace, as the broker spells it (`user:alice`, `user:alice/tablet`, `client:tablet`).
    pub owner: Arc<str>,
    /// The durable subscription's name.
    pub name: Arc<str>,
}

/// Everything up to `offset` has been received, and the ranges above it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The incarnation of the log the offsets belong to.
    pub epoch: Epoch,
    /// The low mark.
    pub offset: Offset,
    /// Acknowledged one by one above the low mark: sorted, apart from each other, at most 1,024 ranges.
    pub above: Vec<RangeInclusive<u64>>,
    /// Nothing above this was sent to the subscription before: what lies between
    /// the low mark and here may be a repeat. The last save's word counts; a settlement only raises it.
    pub delivered: Offset,
    /// When it was last used, milliseconds since 1970. Cursors nobody used for long are forgotten.
    pub used: u64,
}

/// Ranges above the low mark that a cursor keeps; the highest are let go first,
/// which costs a repeat and never a gap.
pub const CURSOR_RANGES_MAX: usize = 1024;

impl Cursor {
    /// The cursor that has received what either of two has; `self` is the later. Both are of one epoch.
    pub(crate) fn merge(self, other: Cursor) -> Cursor {
        let low = self.offset.max(other.offset).0;
        let mut ranges: Vec<_> = self.above.into_iter().chain(other.above).filter(|range| !range.is_empty()).collect();
        ranges.sort_unstable_by_key(|range| *range.start());
        let mut merged = Cursor {
            epoch: self.epoch,
            offset: Offset(low),
            above: Vec::new(),
            delivered: self.delivered,
            used: self.used.max(other.used),
        };
        ranges.into_iter().for_each(|range| merged.receive(range));
        merged.above.truncate(CURSOR_RANGES_MAX);
        merged
    }

    /// The same for a settlement: it was written down before what was saved while it waited for the writer, and
    /// takes nothing back of what was said of deliveries since.
    pub(crate) fn settle(self, known: Option<&Cursor>) -> Cursor {
        let since = known.filter(|known| known.epoch == self.epoch).map_or(Offset::ZERO, |known| known.delivered);
        Cursor { delivered: self.delivered.max(since), ..self }
    }

    /// Adds a range that begins no lower than any added before.
    fn receive(&mut self, range: RangeInclusive<u64>) {
        let (first, last) = range.into_inner();
        let reached = self.above.last().map_or(self.offset.0, |range| *range.end());
        if last <= reached {
            return;
        }
        // Between neighbouring numbers lies nothing, also where an engine leaves gaps.
        if first > reached.saturating_add(1) {
            self.above.push(first..=last);
        } else if let Some(top) = self.above.last_mut() {
            *top = *top.start()..=last;
        } else {
            self.offset = Offset(last);
        }
    }
}

/// Why a cursor could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cursors are unavailable: {0}")]
pub struct CursorsError(pub String);

/// The cursor half of an engine.
///
/// A cursor moves only forward within an epoch: a save that lies behind what is
/// known is merged into it (the higher low mark, the union above it). A save
/// under the log's present epoch replaces a cursor of any other epoch; a save
/// under an epoch that is not the log's present one is ignored.
pub trait Cursors: Send + Sync {
    /// The cursor as last saved, durable or not.
    fn load(&self, key: &CursorKey) -> BoxFuture<'static, Result<Option<Cursor>, CursorsError>>;

    /// Saves behind: durable within a second, or with the next [`Cursors::sync`].
    fn save(&self, key: &CursorKey, cursor: Cursor);

    /// Resolves when every save made before the call is durable.
    fn sync(&self) -> BoxFuture<'static, Result<(), CursorsError>>;

    /// Moves several cursors, durably, all of them or none, also across a crash.
    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'static, Result<(), CursorsError>>;

    /// Forgets a cursor, durably. Unknown ones are no error.
    fn forget(&self, key: &CursorKey) -> BoxFuture<'static, Result<(), CursorsError>>;

    /// All cursors on a log, in no order.
    fn on_log(&self, log: &LogName) -> Vec<(CursorKey, Cursor)>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(offset: u64, above: &[RangeInclusive<u64>], used: u64) -> Cursor {
        Cursor { epoch: Epoch(1), offset: Offset(offset), above: above.to_vec(), delivered: Offset(99), used }
    }

    #[test]
    fn a_merged_cursor_has_what_either_had() {
        let merged = cursor(5, &[7..=8, 20..=20], 1).merge(cursor(3, &[4..=4, 9..=11, 30..=31], 9));
        assert_eq!(merged, cursor(5, &[7..=11, 20..=20, 30..=31], 9));
    }

    #[test]
    fn ranges_below_the_low_mark_are_swallowed() {
        assert_eq!(cursor(50, &[], 1).merge(cursor(3, &[5..=9, 20..=50], 1)), cursor(50, &[], 1));
        assert_eq!(cursor(50, &[], 1).merge(cursor(3, &[40..=60], 1)), cursor(60, &[], 1));
    }

    #[test]
    fn neighbours_join() {
        assert_eq!(cursor(5, &[], 1).merge(cursor(0, &[6..=7], 1)), cursor(7, &[], 1));
        assert_eq!(cursor(5, &[8..=8], 1).merge(cursor(0, &[7..=7], 1)), cursor(5, &[7..=8], 1));
    }

    #[test]
    fn a_cursor_keeps_a_bounded_number_of_ranges() {
        let many: Vec<_> = (1..2000).map(|n| n * 3..=n * 3).collect();
        let merged = cursor(0, &many, 1).merge(cursor(0, &[], 1));
        assert_eq!(merged.above, many[..CURSOR_RANGES_MAX]);
    }
}
