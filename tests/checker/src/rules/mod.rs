//! The promises, each judged by itself over the same index of the history.

mod access;
mod books;
mod case;
mod cursors;
mod log;
mod order;
mod places;
mod sameness;
mod sessions;
mod time;

use self::case::{Case, Found};
use crate::{Entry, Verdict};

/// Judges a whole history. It must hold [`crate::Event::Kept`] for all that the logs hold in the end.
pub fn judge(entries: &[Entry]) -> Verdict {
    let case = Case::of(entries);
    let mut found = Found::default();
    let rules = [
        places::one_place_each,
        places::kept,
        places::nothing_invented,
        sessions::nothing_left_out,
        cursors::resumes,
        cursors::nothing_below,
        cursors::repeats_are_marked,
        order::real_time,
        order::of_publishers,
        access::only_who_may,
        sameness::replay_equals_live,
        time::in_time,
        books::balance,
    ];
    rules.iter().for_each(|rule| rule(&case, &mut found));
    case.verdict(found)
}
