//! A service of the school's own that is asked whether somebody may do something.
//!
//! ```text
//!  pass ─► question ─► known answers ─► the same question under way? ─► a turn ─► service
//!                            ▲                                                       │
//!                            └───────────────── answer, for as long as it counts ◄───┘
//! ```
//!
//! It is asked after the rules, and may only refuse what they allow. Whatever is no
//! clear yes or no within the time refuses too, and is forgotten after a moment, so
//! that a recovery is seen soon.
//!
//! Never here: rules, frames, who waits for an answer.

mod again;
mod answer;
mod known;
mod question;
mod service;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use hyper::header::HeaderValue;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

pub use self::again::{Renewal, not_before};
pub use self::answer::Answer;
use self::answer::{Said, Verdict};
use self::known::Known;
pub(super) use self::question::Asker;
pub use self::question::{Key, Question};
use self::service::{Failure, HttpService, Service};
use crate::auth::{Fault, secret_in};
use crate::metrics::HookCounters;
use crate::other_server;
use crate::settings::{self, Act};

/// No decision counts for so long: many who come back at once ask once, and a recovery is seen soon.
const FAILURE_COUNTS: Duration = Duration::from_secs(1);
/// Questions that one asker has under way at a time.
const AT_ONCE: usize = 8;

/// Asks, and remembers what was answered.
pub struct Hook {
    acts: Vec<Act>,
    timeout: Duration,
    cache: Duration,
    service: Box<dyn Service>,
    turns: Semaphore,
    known: Mutex<Known>,
    counters: HookCounters,
    fails: AtomicBool,
}

/// An answer that is there, or on its way.
enum Found {
    Known(Answer),
    Coming(watch::Receiver<Option<Answer>>),
}

impl Hook {
    /// Asks as the settings say; `None` if they name nobody. Asks nothing yet: a service that is out of reach keeps no
    /// broker from starting.
    ///
    /// # Errors
    /// The setting that cannot be used.
    pub fn open(settings: &settings::Hook) -> Result<Option<Arc<Hook>>, Fault> {
        let Some(url) = &settings.url else { return Ok(None) };
        let fault = |remedy| Fault { key: "access.hook.url", value: url.to_string(), remedy };
        let authorities = other_server::authorities(url).map_err(fault)?;
        let service = HttpService::new(url.clone(), authorities, authorization(settings)?, settings.concurrency);
        Ok(Some(Arc::new(Hook::asking(settings, Box::new(service)))))
    }

    fn asking(settings: &settings::Hook, service: Box<dyn Service>) -> Hook {
        Hook {
            acts: settings.acts.clone(),
            timeout: settings.timeout,
            cache: settings.cache,
            service,
            turns: Semaphore::new(settings.concurrency),
            known: Mutex::new(Known::new(settings.cache_entries)),
            counters: HookCounters::default(),
            fails: AtomicBool::new(false),
        }
    }

    /// What is counted.
    pub fn counters(&self) -> &HookCounters {
        &self.counters
    }

    /// Whether it is asked for this.
    pub(super) fn decides(&self, act: Act) -> bool {
        self.acts.contains(&act)
    }

    /// The answer, if it was given before and still counts.
    pub fn known(&self, question: &Question) -> Option<Answer> {
        let answer = self.held().get(question.key(), Instant::now())?;
        self.counters.known();
        Some(answer)
    }

    /// The answer, as soon as it is there; at the latest after the time-out. Same questions share one request.
    pub async fn ask(self: &Arc<Self>, question: &Question) -> Answer {
        let mut coming = match self.find(question) {
            Found::Known(answer) => return answer,
            Found::Coming(coming) => coming,
        };
        let come = coming.wait_for(Option::is_some).await.map(|answer| answer.clone());
        // Only a broker that ends lets a question go.
        come.ok().flatten().unwrap_or_else(|| self.failure())
    }

    /// The answers to these, up to the first that does not allow. What stands there twice is asked once.
    pub async fn ask_all(self: &Arc<Self>, mut questions: Vec<Question>) -> Vec<(Key, Answer)> {
        let mut seen = HashSet::new();
        questions.retain(|question| seen.insert(*question.key()));
        let asked = questions.into_iter().map(|question| {
            let hook = self.clone();
            async move { (*question.key(), hook.ask(&question).await) }
        });
        let mut coming = futures_util::stream::iter(asked).buffer_unordered(AT_ONCE);
        let mut answers = Vec::new();
        while let Some((key, answer)) = coming.next().await {
            let goes_on = answer.allows();
            answers.push((key, answer));
            if !goes_on {
                break;
            }
        }
        answers
    }

    /// Looks for an answer, and asks if nobody does.
    fn find(self: &Arc<Self>, question: &Question) -> Found {
        let mut held = self.held();
        if let Some(answer) = held.get(question.key(), Instant::now()) {
            self.counters.known();
            return Found::Known(answer);
        }
        if let Some(coming) = held.coming(question.key()) {
            self.counters.shared();
            return Found::Coming(coming);
        }
        let (answered, coming) = watch::channel(None);
        held.comes(*question.key(), coming.clone());
        drop(held);
        // A task of its own: whoever asked first may go away, and others wait for the same.
        let (hook, question) = (self.clone(), question.clone());
        tokio::spawn(async move {
            let answer = hook.ask_the_service(&question).await;
            hook.held().came(question.key(), &answer, Instant::now());
            answered.send_replace(Some(answer));
        });
        Found::Coming(coming)
    }

    async fn ask_the_service(&self, question: &Question) -> Answer {
        let _waiting = self.counters.waiting();
        let said = tokio::time::timeout(self.timeout, async {
            let _turn = self.turns.acquire().await;
            let _asking = self.counters.asking();
            let text = self.service.answer(question.body()).await?;
            Said::read(&text).ok_or(Failure::NoAnswer)
        });
        let said = said.await.unwrap_or(Err(Failure::Slow(self.timeout)));
        self.note(&said);
        match said {
            Ok(said) => {
                self.counters.answered(if said.allow { "allowed" } else { "refused" });
                said.counting_from(Instant::now(), self.cache)
            }
            Err(_) => {
                self.counters.answered("failed");
                self.failure()
            }
        }
    }

    fn failure(&self) -> Answer {
        Answer { verdict: Verdict::Failed, until: Instant::now() + FAILURE_COUNTS }
    }

    /// An outage is said once, and its end.
    fn note(&self, said: &Result<Said, Failure>) {
        let failed_before = self.fails.swap(said.is_err(), Ordering::Relaxed);
        match said {
            Err(failure) if failed_before => tracing::debug!(hook = ?self.service, "still no decision: {failure}"),
            Err(failure) => {
                tracing::warn!(hook = ?self.service, "no decision, so what is asked for is refused: {failure}");
            }
            Ok(_) if failed_before => tracing::info!(hook = ?self.service, "decides again"),
            Ok(_) => {}
        }
    }

    fn held(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("service", &self.service).finish_non_exhaustive()
    }
}

/// What the service is shown, as the settings have it.
fn authorization(settings: &settings::Hook) -> Result<Option<HeaderValue>, Fault> {
    if let Some(path) = &settings.token_file {
        let key = "access.hook.token_file";
        let token = secret_in(key, path)?;
        return service::authorization(&token).map(Some).map_err(|remedy| Fault::of_file(key, path, remedy));
    }
    let Some(token) = &settings.token else { return Ok(None) };
    let hidden = |remedy| Fault { key: "access.hook.token", value: "…".to_owned(), remedy };
    service::authorization(token).map(Some).map_err(hidden)
}
