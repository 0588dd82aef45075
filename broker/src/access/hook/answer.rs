//! What was answered, and what is said of it.

use std::sync::Arc;
use std::time::Duration;

use homeroom_protocol::Refusal;
use serde::Deserialize;
use tokio::time::Instant;

use super::Question;
use crate::refusals::{code, refusal};

/// So many characters of a reason are told and remembered.
const REASON_MAX: usize = 200;
/// No answer counts for longer, whatever it says.
const COUNTS_MAX: Duration = Duration::from_secs(24 * 3600);

/// A decision, and how long it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(super) verdict: Verdict,
    pub(super) until: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    Refused(Option<Arc<str>>),
    /// There was no decision.
    Failed,
}

/// What the service writes: other members may be there, and mean nothing to us.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Said {
    pub(super) allow: bool,
    #[serde(default)]
    reason: Option<String>,
    /// Seconds.
    #[serde(default)]
    cache: Option<u64>,
}

impl Said {
    /// `None` if that is no decision.
    pub(super) fn read(text: &[u8]) -> Option<Said> {
        serde_json::from_slice(text).ok()
    }

    pub(super) fn counting_from(self, now: Instant, otherwise: Duration) -> Answer {
        let counts = self.cache.map_or(otherwise, Duration::from_secs).min(COUNTS_MAX);
        let reason = self.reason.filter(|reason| !reason.is_empty()).map(|reason| {
            let shown = |letter: char| if letter.is_control() { ' ' } else { letter };
            reason.chars().take(REASON_MAX).map(shown).collect::<String>().into()
        });
        let verdict = if self.allow { Verdict::Allowed } else { Verdict::Refused(reason) };
        Answer { verdict, until: now + counts }
    }
}

impl Answer {
    /// Whether it is a yes.
    pub(super) fn allows(&self) -> bool {
        self.verdict == Verdict::Allowed
    }

    /// Whether there was no decision.
    pub(super) fn is_failure(&self) -> bool {
        self.verdict == Verdict::Failed
    }

    /// Until when what was asked for is allowed.
    ///
    /// # Errors
    /// That it is not, or that there was no decision.
    pub fn check(&self, question: &Question) -> Result<Instant, Refusal> {
        let wanted = question.wanted();
        match &self.verdict {
            Verdict::Allowed => Ok(self.until),
            Verdict::Refused(reason) => {
                let reason = reason.as_deref().unwrap_or("the school's own rules do not allow it");
                let remedy = "Ask whoever runs the school's service that decides (access.hook) why.";
                let said = format!("you may not {wanted}: {reason}");
                Err(refusal(code::PERMISSION_DENIED, "refused by the hook", said, false, remedy))
            }
            Verdict::Failed => {
                let said = format!("whether you may {wanted} is for the school's service, which gave no decision");
                let remedy = "Nothing was done. Try again in a few seconds; if it stays, tell the operator: the \
                              broker's log says what is wrong with access.hook.";
                Err(refusal(code::NOT_AVAILABLE, "no decision of the hook", said, true, remedy))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_or_no_is_a_decision() {
        for (text, allow) in [
            (r#"{"allow":true}"#, Some(true)),
            (r#"{"allow":false,"reason":"no","cache":0}"#, Some(false)),
            (r#" {"more":[{}],"allow":true,"reason":null,"cache":null} "#, Some(true)),
            ("", None),
            ("true", None),
            ("{}", None),
            (r#"{"allow":"true"}"#, None),
            (r#"{"allow":1}"#, None),
            (r#"{"allow":null}"#, None),
            (r#"{"Allow":true}"#, None),
            (r#"{"allow":true,"allow":false}"#, None),
            (r#"{"allow":true} x"#, None),
            (r#"{"allow":true"#, None),
            (r#"{"allow":true,"reason":1}"#, None),
            (r#"{"allow":true,"cache":-1}"#, None),
            (r#"{"allow":true,"cache":0.5}"#, None),
            (r#"{"allow":true,"cache":"10"}"#, None),
            ("\u{feff}{\"allow\":true}", None),
        ] {
            assert_eq!(Said::read(text.as_bytes()).map(|said| said.allow), allow, "{text}");
        }
    }

    #[tokio::test]
    async fn an_answer_counts_as_long_as_it_says_and_no_longer_than_a_day() {
        let now = Instant::now();
        for (text, seconds) in [
            (r#"{"allow":true}"#, 30),
            (r#"{"allow":true,"cache":0}"#, 0),
            (r#"{"allow":false,"cache":7}"#, 7),
            (r#"{"allow":true,"cache":18446744073709551615}"#, 24 * 3600),
        ] {
            let answer = Said::read(text.as_bytes()).unwrap().counting_from(now, Duration::from_secs(30));
            assert_eq!(answer.until - now, Duration::from_secs(seconds), "{text}");
        }
        let long = format!(r#"{{"allow":false,"reason":"\n{}"}}"#, "é".repeat(1000));
        let answer = Said::read(long.as_bytes()).unwrap().counting_from(now, Duration::ZERO);
        assert_eq!(answer.verdict, Verdict::Refused(Some(format!(" {}", "é".repeat(REASON_MAX - 1)).into())));
    }
}
