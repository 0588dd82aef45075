//! Where the answers to a publisher's appends gather.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::mailbox::{Mailbox, Wakes};
use crate::{Append, AppendError, Appended};

/// The answers to one publisher's appends: those of one commit come together and wake it once.
#[derive(Debug, Default)]
pub struct Answers(Arc<Mailbox<Answer>>);

/// The answer to one append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The number its [`Slot`] was made with.
    pub number: usize,
    /// What came of it.
    pub result: Result<Appended, AppendError>,
}

/// The place of one answer. Dropped without one it answers [`AppendError::Unknown`], so that nobody waits for ever.
#[derive(Debug)]
pub struct Slot {
    answers: Option<Arc<Mailbox<Answer>>>,
    number: usize,
}

/// An append and where its answer goes.
#[derive(Debug)]
pub struct Submission {
    /// What to append.
    pub append: Append,
    /// Who is told.
    pub slot: Slot,
}

impl Answers {
    /// A place for the answer to one append; `number` tells it from others.
    pub fn slot(&self, number: usize) -> Slot {
        Slot { answers: Some(Arc::clone(&self.0)), number }
    }

    /// All answers that are there, at least one.
    pub fn poll(&self, context: &Context<'_>) -> Poll<VecDeque<Answer>> {
        self.0.poll_take(context)
    }

    /// The answer to the only append.
    pub(crate) async fn only(self) -> Result<Appended, AppendError> {
        let mut answers = std::future::poll_fn(|context| self.poll(context)).await;
        answers.pop_front().map_or_else(|| Err(unknown()), |answer| answer.result)
    }
}

impl Slot {
    /// Answers at once.
    pub fn answer(self, result: Result<Appended, AppendError>) {
        self.put(result, &mut Wakes::default());
    }

    /// Answers; the publisher learns of it when `wakes` is dropped.
    pub(crate) fn put(mut self, result: Result<Appended, AppendError>, wakes: &mut Wakes) {
        if let Some(answers) = self.answers.take() {
            answers.put([Answer { number: self.number, result }], wakes);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(answers) = self.answers.take() {
            answers.put([Answer { number: self.number, result: Err(unknown()) }], &mut Wakes::default());
        }
    }
}

fn unknown() -> AppendError {
    AppendError::Unknown { reason: "the writer ended".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slot_that_is_dropped_is_an_answer_too() {
        let answers = Answers::default();
        drop(answers.slot(7));
        let got = std::future::poll_fn(|context| answers.poll(context)).await;
        assert_eq!(got, [Answer { number: 7, result: Err(unknown()) }]);
    }
}
