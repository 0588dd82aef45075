//! Answers that are remembered, in bounded memory, and questions that are under way.

use std::collections::HashMap;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Answer, Key};

/// What is known and what is asked now.
#[derive(Debug)]
pub(super) struct Known {
    /// Each half holds at most so many: when the young one is full, it takes the place of the old one.
    half: usize,
    young: HashMap<Key, Answer>,
    old: HashMap<Key, Answer>,
    coming: HashMap<Key, watch::Receiver<Option<Answer>>>,
}

impl Known {
    /// Remembers at most so many answers.
    pub(super) fn new(entries: usize) -> Known {
        let (young, old, coming) = (HashMap::new(), HashMap::new(), HashMap::new());
        Known { half: (entries / 2).max(1), young, old, coming }
    }

    /// An answer that still counts.
    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<Answer> {
        let answer = self.young.get(key).or_else(|| self.old.get(key))?;
        (answer.until > now).then(|| answer.clone())
    }

    /// The answer to the same question that is under way.
    pub(super) fn coming(&self, key: &Key) -> Option<watch::Receiver<Option<Answer>>> {
        // One that nobody will answer any more is none.
        self.coming.get(key).filter(|coming| coming.has_changed().is_ok()).cloned()
    }

    /// A question is under way.
    pub(super) fn comes(&mut self, key: Key, answer: watch::Receiver<Option<Answer>>) {
        self.coming.insert(key, answer);
    }

    /// It was answered.
    pub(super) fn came(&mut self, key: &Key, answer: &Answer, now: Instant) {
        self.coming.remove(key);
        if answer.until <= now {
            return;
        }
        if self.young.len() >= self.half && !self.young.contains_key(key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(*key, answer.clone());
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.young.len() + self.old.len(), self.coming.len())
    }
}
