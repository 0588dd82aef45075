//! What is counted of the hook that decides.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

/// Seconds: a service beside the broker answers in the first of these, one that is near its time-out in the last.
const BUCKETS: [f64; 10] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Questions and answers.
#[derive(Clone, Debug)]
pub struct HookCounters {
    questions: Counter,
    answers: Family<Decision, Counter>,
    known: Counter,
    shared: Counter,
    waiting: Gauge,
    seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    answer: &'static str,
}

/// A question waits for its answer as long as this lives.
#[derive(Debug)]
pub struct Waiting(Gauge);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A question is at the service as long as this lives.
#[derive(Debug)]
pub struct Asking(Histogram, Instant);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.observe(self.1.elapsed().as_secs_f64());
    }
}

impl Default for HookCounters {
    fn default() -> HookCounters {
        let answers = Family::<Decision, Counter>::default();
        for answer in ["allowed", "refused", "failed"] {
            // There from the first scrape on, at nought.
            drop(answers.get_or_create(&Decision { answer }));
        }
        HookCounters {
            questions: Counter::default(),
            answers,
            known: Counter::default(),
            shared: Counter::default(),
            waiting: Gauge::default(),
            seconds: Histogram::new(BUCKETS),
        }
    }
}

impl HookCounters {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("hook_questions", "Requests to the hook that decides", self.questions.clone());
        registry.register("hook_answers", "What came of them; failed is refused, too", self.answers.clone());
        registry.register("hook_known", "Questions whose answer was known from before", self.known.clone());
        let help = "Questions that waited for the answer to the same question of another";
        registry.register("hook_shared", help, self.shared.clone());
        let help = "Questions that wait for an answer now, those for a turn to be asked included";
        registry.register("hook_waiting", help, self.waiting.clone());
        registry.register("hook_seconds", "How long the hook took, time-outs included", self.seconds.clone());
    }

    /// An answer was known.
    pub fn known(&self) {
        self.known.inc();
    }

    /// Another one asked the same just then.
    pub fn shared(&self) {
        self.shared.inc();
    }

    /// A question waits.
    pub fn waiting(&self) -> Waiting {
        self.waiting.inc();
        Waiting(self.waiting.clone())
    }

    /// A request goes out.
    pub fn asking(&self) -> Asking {
        self.questions.inc();
        Asking(self.seconds.clone(), Instant::now())
    }

    /// What came of it: `allowed`, `refused` or `failed`.
    pub fn answered(&self, answer: &'static str) {
        self.answers.get_or_create(&Decision { answer }).inc();
    }
}
