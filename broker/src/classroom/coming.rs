//! How many records are on their way to the disk and will be news in a moment.
//!
//! A hint, not an account: a large class is told of them together with those
//! that are there already. Whoever waits for them gives up soon, and then they
//! are forgotten.

use std::sync::atomic::{AtomicUsize, Ordering};

use homeroom_storage::{AppendError, Appended};

/// Records of one room.
#[derive(Debug, Default)]
pub(super) struct Coming(AtomicUsize);

impl Coming {
    /// Counts an append until its record is there or it is known that none comes.
    pub(super) fn expect(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// An append was answered. If no record comes of it, nothing has to be waited for.
    pub(super) fn was_answered(&self, answer: &Result<Appended, AppendError>) {
        if answer.as_ref().map_or(true, |appended| appended.duplicate) {
            self.arrived();
        }
    }

    /// One less is to come.
    pub(super) fn arrived(&self) {
        // Records of others, and those that were given up, were not counted.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
    }

    /// Nothing is waited for any more.
    pub(super) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Whether any is on its way.
    pub(super) fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use homeroom_storage::{Epoch, Offset, Position};

    use super::*;

    fn appended(duplicate: bool) -> Result<Appended, AppendError> {
        Ok(Appended { position: Position::new(Epoch(1), Offset(1)), also: Box::default(), time: 0, duplicate })
    }

    #[test]
    fn a_record_comes_until_it_is_there_or_never_will_be() {
        let coming = Coming::default();
        coming.expect();
        assert!(coming.is_any());
        coming.was_answered(&appended(false));
        assert!(coming.is_any(), "it is stored, and not yet in the room");
        coming.arrived();
        assert!(!coming.is_any());

        coming.expect();
        coming.was_answered(&appended(true));
        assert!(!coming.is_any(), "a duplicate is no news");
        coming.arrived();
        assert!(!coming.is_any());
    }
}
