//! What goes on, a subscription or a stream, is asked about again when its answer's time is over.
//!
//! Nobody waits for that: what goes on does so until the answer is there.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use homeroom_protocol::Refusal;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{AT_ONCE, Answer, Hook, Question};
use crate::classroom::bell::Bell;

/// However short an answer counts, what goes on is asked about no more often than this.
const AGAIN_AFTER_MIN: Duration = Duration::from_secs(1);

/// What came of each, by its number: until when it is allowed.
type Decided = Vec<(u64, Result<Instant, Refusal>)>;

/// Questions that are asked again, for one connection or stream.
#[derive(Debug, Default)]
pub struct Renewal(Option<oneshot::Receiver<Decided>>);

impl Renewal {
    /// Asks about these, each with a number of the caller's. Rings the bell when all are answered.
    pub fn ask(&mut self, hook: &Arc<Hook>, questions: Vec<(u64, Question)>, bell: Arc<Bell>) {
        let (mut answered, coming) = oneshot::channel();
        let hook = hook.clone();
        tokio::spawn(async move {
            tokio::select! {
                // Nobody is there any more to hear it.
                () = answered.closed() => return,
                decided = ask_all(&hook, questions) => drop(answered.send(decided)),
            }
            bell.ring();
        });
        self.0 = Some(coming);
    }

    /// Whether answers are on their way.
    pub fn is_under_way(&self) -> bool {
        self.0.is_some()
    }

    /// The answers, once, when they are there.
    pub fn answered(&mut self) -> Option<Decided> {
        match self.0.as_mut()?.try_recv() {
            Ok(decided) => {
                self.0 = None;
                Some(decided)
            }
            Err(oneshot::error::TryRecvError::Empty) => None,
            // They were let go of, so it is still time to ask.
            Err(oneshot::error::TryRecvError::Closed) => {
                self.0 = None;
                Some(Vec::new())
            }
        }
    }
}

/// When to ask again about what is allowed until then.
pub fn not_before(until: Instant) -> Instant {
    until.max(Instant::now() + AGAIN_AFTER_MIN)
}

async fn ask_all(hook: &Arc<Hook>, questions: Vec<(u64, Question)>) -> Decided {
    let asked = questions.into_iter().map(|(number, question)| async move {
        let answer = ask_twice(hook, &question).await;
        (number, answer.check(&question))
    });
    futures_util::stream::iter(asked).buffer_unordered(AT_ONCE).collect().await
}

/// One failure ends no lesson: it is tried once more when the first is forgotten.
async fn ask_twice(hook: &Arc<Hook>, question: &Question) -> Answer {
    let answer = hook.ask(question).await;
    if !answer.is_failure() {
        return answer;
    }
    tokio::time::sleep_until(answer.until).await;
    hook.ask(question).await
}
