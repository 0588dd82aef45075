//! What the hook decides about the frames and subscriptions of this connection.
//!
//! A frame whose decision is not known is held while it is asked for, and those behind it wait in their order. What
//! was decided is kept with the frame until it is done: an answer that counts for a moment only counts for that frame.
//! A subscription that stands is asked about again when its answer's time is over, and goes on meanwhile.

use std::collections::HashMap;

use homeroom_protocol::Refusal;
use tokio::time::Instant;

use super::{Connection, Outcome, hook};
use crate::access::hook::{Answer, Key, Renewal, not_before};
use crate::settings::Act;

/// What was decided for one connection.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    /// For the frame that is looked at.
    now: HashMap<Key, Answer>,
    /// For each subscription, by its serial number: when it is to be asked about again.
    stand_until: HashMap<u64, Instant>,
    renewal: Renewal,
    /// When something is to be asked again; `None` while it is.
    pub(super) again_at: Option<Instant>,
}

/// What became of a wish.
pub(super) enum Decision {
    /// Done, and until when it counts if it was asked for.
    Allowed { until: Option<Instant> },
    /// Not done.
    Refused(Refusal),
    /// It is asked for: the frame comes again when there is an answer.
    Awaited,
}

/// What a subscription is to the hook.
pub(super) fn reading(takes_from_a_class: bool) -> Act {
    if takes_from_a_class { Act::Group } else { Act::Subscribe }
}

impl Connection {
    /// Whether the hook lets this be done at all of these canonical destinations. Without a hook nothing is looked at.
    pub(super) fn decide<D>(&mut self, act: Act, destinations: impl FnOnce() -> D) -> Decision
    where
        D: IntoIterator<Item = String>,
    {
        let allowed = Decision::Allowed { until: None };
        let Some(permit) = &mut self.permit else { return allowed };
        let (Some(hook), Some(decisions)) = (permit.pass.hook().cloned(), &mut permit.decisions) else {
            return allowed;
        };
        let (mut until, mut unknown) = (None, HashMap::new());
        for destination in destinations() {
            let Some(question) = permit.pass.question(act, Some(&destination)) else { return allowed };
            let key = *question.key();
            let known = decisions.now.get(&key).cloned().or_else(|| hook.known(&question));
            let Some(answer) = known else {
                unknown.entry(key).or_insert(question);
                continue;
            };
            match answer.check(&question) {
                Ok(counts_until) => until = until.into_iter().chain([counts_until]).min(),
                Err(refusal) => return Decision::Refused(refusal),
            }
            decisions.now.insert(key, answer);
        }
        if unknown.is_empty() {
            return Decision::Allowed { until };
        }
        self.wait_for(async move { Outcome::Decided(hook.ask_all(unknown.into_values().collect()).await) });
        Decision::Awaited
    }

    /// The hook has answered what the held frame waits for.
    pub(super) fn decided(&mut self, answers: Vec<(hook::Key, hook::Answer)>) {
        if let Some(decisions) = self.decisions() {
            decisions.now.extend(answers);
        }
    }

    /// The frame that was looked at is done.
    pub(super) fn forget_decisions(&mut self) {
        if let Some(decisions) = self.decisions().filter(|decisions| !decisions.now.is_empty()) {
            decisions.now = HashMap::new();
        }
    }

    /// The newest subscription was allowed until then.
    pub(super) fn stands_until(&mut self, until: Option<Instant>) {
        let Some((until, serial)) = until.zip(self.subscriptions.last().map(|newest| newest.serial)) else { return };
        let Some(decisions) = self.decisions() else { return };
        decisions.stand_until.insert(serial, not_before(until));
        decisions.plan();
    }

    /// What was decided, and what is asked now, is about somebody with other rights: it is asked again at once.
    pub(super) fn doubt_decisions(&mut self) {
        let Some(decisions) = self.decisions() else { return };
        let now = Instant::now();
        decisions.renewal = Renewal::default();
        decisions.stand_until.values_mut().for_each(|until| *until = now);
        decisions.plan();
    }

    /// Takes up what was decided again, and asks when it is time.
    pub(super) fn look_at_decisions(&mut self) {
        let Some(decisions) = self.permit.as_mut().and_then(|permit| permit.decisions.as_mut()) else { return };
        if let Some(answers) = decisions.renewal.answered() {
            for (serial, answer) in answers {
                self.decided_again(serial, answer);
            }
            if let Some(decisions) = self.decisions() {
                decisions.plan();
            }
        }
        self.ask_again();
    }

    fn decided_again(&mut self, serial: u64, answer: Result<Instant, Refusal>) {
        let Some(decisions) = self.decisions() else { return };
        // It may have ended while it was asked about.
        if !decisions.stand_until.contains_key(&serial) {
            return;
        }
        match answer {
            Ok(until) => drop(decisions.stand_until.insert(serial, not_before(until))),
            Err(refusal) => {
                decisions.stand_until.remove(&serial);
                if let Some(index) = self.subscriptions.iter().position(|known| known.serial == serial) {
                    self.withdraw_subscription(index, refusal);
                }
            }
        }
    }

    fn ask_again(&mut self) {
        let now = Instant::now();
        let Some(permit) = &mut self.permit else { return };
        let (Some(hook), Some(decisions)) = (permit.pass.hook().cloned(), &mut permit.decisions) else { return };
        if decisions.again_at.is_none_or(|again_at| again_at > now) {
            return;
        }
        let subscriptions = &self.subscriptions;
        decisions.stand_until.retain(|serial, _| subscriptions.iter().any(|known| known.serial == *serial));
        let is_due = |serial: &u64| decisions.stand_until.get(serial).is_some_and(|until| *until <= now);
        let due = subscriptions.iter().filter(|known| is_due(&known.serial));
        let questions: Vec<_> = due
            .filter_map(|known| {
                let act = reading(known.takes_from_a_class());
                Some((known.serial, permit.pass.question(act, Some(&known.pattern.canonical()))?))
            })
            .collect();
        if !questions.is_empty() {
            decisions.renewal.ask(&hook, questions, self.bell.clone());
        }
        decisions.plan();
    }

    fn decisions(&mut self) -> Option<&mut Decisions> {
        self.permit.as_mut()?.decisions.as_deref_mut()
    }
}

impl Decisions {
    /// One timer for all subscriptions; none while they are asked about, since the bell rings then.
    fn plan(&mut self) {
        let is_under_way = self.renewal.is_under_way();
        self.again_at = self.stand_until.values().min().copied().filter(|_| !is_under_way);
    }
}
