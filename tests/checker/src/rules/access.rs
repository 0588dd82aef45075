//! Who may read what, and since when no more.

use std::collections::HashMap;

use super::case::{Case, Found};
use crate::{Event, Rule, Stream};

/// So long after a revocation was confirmed something may still come, in nanoseconds.
const GRACE: u64 = 1_000_000_000;

/// How somebody stands with a log.
#[derive(Clone, Copy)]
enum Right {
    Granted,
    Revoked { at: u64, index: usize },
}

/// Whatever comes to somebody who says who they are is what they may read.
pub(super) fn only_who_may(case: &Case<'_>, found: &mut Found) {
    if !case.events().any(|(_, event)| matches!(event, Event::Granted { .. })) {
        return;
    }
    let mut rights: HashMap<(&str, &str), Right> = HashMap::new();
    let mut principals: HashMap<(&str, u64), (Option<&str>, usize)> = HashMap::new();
    for (index, event) in case.events() {
        match event {
            Event::Granted { principal, log } => drop(rights.insert((principal, log), Right::Granted)),
            Event::Revoked { principal, log } => {
                let revoked = Right::Revoked { at: case.entries[index].at, index };
                rights.insert((principal, log), revoked);
            }
            Event::Subscribe { stream: Stream { reader, session, .. }, principal } => {
                principals.insert((reader, *session), (principal.as_deref(), index));
            }
            Event::Message { stream: Stream { reader, session, log }, .. } => {
                let Some(&(Some(principal), asked)) = principals.get(&(&**reader, *session)) else { continue };
                match rights.get(&(principal, &**log)) {
                    Some(Right::Granted) => {}
                    Some(Right::Revoked { at, index: revoked }) => {
                        if case.entries[index].at > at + GRACE {
                            let what = format!("{principal} got a message of {log} more than a second after that");
                            found.accuse(Rule::OnlyWhoMay, what, &[*revoked, index]);
                        }
                    }
                    None => {
                        let what = format!("{principal} was never allowed to read {log}");
                        found.accuse(Rule::OnlyWhoMay, what, &[asked, index]);
                    }
                }
            }
            _ => {}
        }
    }
}
