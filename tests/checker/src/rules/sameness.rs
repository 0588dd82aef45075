//! What is read again looks as it did.

use std::collections::HashMap;

use super::case::{Case, Found};
use crate::{Position, Rule};

/// One place of a log has one body and the same headers for every reader, live, in replay and in the end.
pub(super) fn replay_equals_live(case: &Case<'_>, found: &mut Found) {
    let mut looks: HashMap<(&str, Position), (usize, Option<usize>)> = HashMap::new();
    let seen_at = |index: usize| case.seen_in(index);
    for (index, log, seen) in case.seen() {
        let (first, first_with_rest) = looks.entry((log, seen.at)).or_insert((index, None));
        if seen_at(*first).is_some_and(|known| known.digest != seen.digest) {
            let what = format!("the body at {log} {} is not always the same", seen.at);
            found.accuse(Rule::ReplayEqualsLive, what, &[*first, index]);
        }
        if seen.rest.is_none() {
            continue;
        }
        let known = *first_with_rest.get_or_insert(index);
        if seen_at(known).is_some_and(|known| known.rest != seen.rest) {
            let what = format!("the headers at {log} {} are not always the same", seen.at);
            found.accuse(Rule::ReplayEqualsLive, what, &[known, index]);
        }
    }
}
