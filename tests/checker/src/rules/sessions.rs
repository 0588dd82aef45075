//! Order and completeness of what each reader got on each connection.

use std::collections::HashMap;

use super::case::{Case, Found};
use crate::{Event, Rule, Stream};

/// What a stream expects next, by rank, and the event that says why.
struct Expected {
    next: Option<usize>,
    because: usize,
}

/// From where a reader begins, message follows message as in the log.
pub(super) fn nothing_left_out(case: &Case<'_>, found: &mut Found) {
    let mut streams: HashMap<&Stream, Expected> = HashMap::new();
    for (index, event) in case.events() {
        match event {
            Event::Subscribed { stream, after, .. } => {
                let log = case.logs.get(&*stream.log);
                let next = after.and_then(|after| Some(log?.behind(after)));
                streams.insert(stream, Expected { next, because: index });
            }
            Event::Message { stream, seen, redelivered, gap } => {
                let Some(log) = case.logs.get(&*stream.log) else { continue };
                let Some(here) = log.rank(seen.at) else { continue };
                let state = streams.entry(stream).or_insert(Expected { next: None, because: index });
                match state.next {
                    Some(next) if here < next && *redelivered => continue,
                    Some(next) if here < next => {
                        let what = format!("{} {} comes again or too late", stream.log, seen.at);
                        found.accuse(Rule::InOrder, what, &[state.because, index]);
                    }
                    Some(next) if here > next && !(*gap && log.all_may_be_gone(next, here)) => {
                        let (missing, shown) = log.at(next).expect("a rank below another one");
                        let what = format!("{} did not get {} {missing}", stream.reader, stream.log);
                        found.accuse(Rule::NothingLeftOut, what, &[state.because, shown, index]);
                    }
                    _ => {}
                }
                *state = Expected { next: Some(here + 1), because: index };
            }
            Event::CaughtUp { stream } => {
                let Some(state) = streams.get(stream) else { continue };
                let Some(log) = case.logs.get(&*stream.log) else { continue };
                // What is confirmed later need not have come.
                let Some((rank, confirmed)) = state.next.and_then(|next| log.confirmed_behind(next)) else { continue };
                let Some((missing, _)) = log.at(rank).filter(|(at, _)| confirmed < index && !log.may_be_gone(*at))
                else {
                    continue;
                };
                let what = format!("{} was at the end and did not get {} {missing}", stream.reader, stream.log);
                found.accuse(Rule::NothingLeftOut, what, &[state.because, confirmed, index]);
            }
            _ => {}
        }
    }
}
