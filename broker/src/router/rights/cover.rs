//! Sets of paths, and whether one holds all of another.
//!
//! A wildcard subscription is allowed only where every path it could ever match
//! is granted, by one grant or by several together. Paths are words over
//! segments, grants are small automata over them, and the question is whether
//! one language holds another: all grants are walked at once, each as far as it
//! follows. Which letter a segment is matters only as far as a grant names it,
//! so that a few stand for all.

use std::collections::HashSet;

use super::super::pattern::{Pattern, Segment};

/// How many states are looked at before the answer is no. Grants as people write them need a few dozen.
const STATES_MAX: usize = 1024;

/// The kind and a name.
const PLACE_SEGMENTS_MIN: u8 = 2;

/// One question of a walk: what is wanted from here, how deep that is, and who follows.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State<'a> {
    wanted: &'a [Segment],
    depth: u8,
    live: Live,
}

/// The paths that any of some patterns covers. [`Segment::Rest`] may stand anywhere in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cover {
    patterns: Vec<Box<[Segment]>>,
}

/// How far each pattern followed: pairs of a pattern and the place behind what it took. Sorted, each once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Live(Vec<(u32, u32)>);

/// A segment of a path, as far as it matters.
#[derive(Clone, Copy)]
enum Letter<'a> {
    /// This text.
    Text(&'a str),
    /// A text that no pattern names.
    Other,
    /// A text that begins with `$` and that no pattern names.
    OtherOfBroker,
}

impl Letter<'_> {
    fn is_of_broker(self) -> bool {
        match self {
            Letter::Text(text) => text.starts_with('$'),
            Letter::Other => false,
            Letter::OtherOfBroker => true,
        }
    }
}

impl Cover {
    /// What these patterns cover together.
    pub(super) fn new(patterns: Vec<Box<[Segment]>>) -> Cover {
        Cover { patterns }
    }

    /// Whether a path is in it.
    pub(super) fn has(&self, path: &str) -> bool {
        let follow = |live: Live, segment| self.step(&live, Letter::Text(segment));
        self.accepts(&path.split('/').fold(self.begin(), follow))
    }

    /// Whether every path that `wanted` matches is in it. Where that is too long a question, it is not.
    pub(super) fn holds(&self, wanted: &Pattern) -> bool {
        let begin = State { wanted: wanted.segments(), depth: 0, live: self.begin() };
        let mut seen = HashSet::from([begin.clone()]);
        let mut open = vec![begin];
        while let Some(state) = open.pop() {
            let Some(next) = self.follow(&state) else { return false };
            open.extend(next.into_iter().filter(|state| seen.insert(state.clone())));
            if seen.len() > STATES_MAX {
                return false;
            }
        }
        true
    }

    /// What else has to hold so that all that is wanted from here is in it; `None` if some of it is not.
    fn follow<'a>(&self, State { wanted, depth, live }: &State<'a>) -> Option<Vec<State<'a>>> {
        let Some((first, rest)) = wanted.split_first() else { return self.accepts(live).then(Vec::new) };
        if live.0.is_empty() {
            return None;
        }
        if self.takes_all(live, wanted) {
            return Some(Vec::new());
        }
        let (letters, wanted) = match first {
            Segment::Literal(text) => (vec![Letter::Text(text)], rest),
            Segment::One => (self.letters(live, false), rest),
            Segment::Rest | Segment::Everything => {
                // What is only the kind of a destination is no place yet.
                let holds_this = *depth < PLACE_SEGMENTS_MIN || self.accepts(live);
                (holds_this.then(|| self.letters(live, *first == Segment::Everything))?, *wanted)
            }
        };
        let depth = (depth + 1).min(PLACE_SEGMENTS_MIN);
        Some(letters.into_iter().map(|letter| State { wanted, depth, live: self.step(live, letter) }).collect())
    }

    /// Whether a grant for all the rest takes whatever comes, which is how most are written.
    fn takes_all(&self, live: &Live, wanted: &[Segment]) -> bool {
        let of_broker = |segment: &Segment| match segment {
            Segment::Literal(text) => text.starts_with('$'),
            Segment::One | Segment::Rest => false,
            Segment::Everything => true,
        };
        let named = wanted.iter().any(of_broker);
        live.0.iter().any(|&(nth, at)| match &self.patterns[nth as usize][at as usize..] {
            [Segment::Everything] => true,
            [Segment::Rest] => !named,
            _ => false,
        })
    }

    fn begin(&self) -> Live {
        let begins = (0..self.patterns.len()).map(|nth| (index(nth), 0)).collect();
        self.settle(begins)
    }

    /// Where those that follow one more segment are then.
    fn step(&self, live: &Live, letter: Letter<'_>) -> Live {
        let follow = |&(nth, at): &(u32, u32)| {
            let stays = match self.at(nth, at)? {
                Segment::Literal(text) => matches!(letter, Letter::Text(own) if *own == **text).then_some(false)?,
                Segment::One => (!letter.is_of_broker()).then_some(false)?,
                Segment::Rest => (!letter.is_of_broker()).then_some(true)?,
                Segment::Everything => true,
            };
            Some((nth, if stays { at } else { at + 1 }))
        };
        self.settle(live.0.iter().filter_map(follow).collect())
    }

    /// What stands for any number of segments also stands for none.
    fn settle(&self, mut live: Vec<(u32, u32)>) -> Live {
        let mut next = 0;
        while let Some(&(nth, at)) = live.get(next) {
            if matches!(self.at(nth, at), Some(Segment::Rest | Segment::Everything)) {
                live.push((nth, at + 1));
            }
            next += 1;
        }
        live.sort_unstable();
        live.dedup();
        Live(live)
    }

    fn accepts(&self, live: &Live) -> bool {
        live.0.iter().any(|&(nth, at)| self.at(nth, at).is_none())
    }

    /// Letters that stand for all: what no pattern names comes first, since it is the likeliest to be refused.
    fn letters(&self, live: &Live, of_broker: bool) -> Vec<Letter<'_>> {
        let mut letters = vec![Letter::Other];
        letters.extend(of_broker.then_some(Letter::OtherOfBroker));
        let named = live.0.iter().filter_map(|&(nth, at)| self.at(nth, at)?.literal());
        letters.extend(named.map(Letter::Text).filter(|letter| of_broker || !letter.is_of_broker()));
        letters
    }

    fn at(&self, nth: u32, at: u32) -> Option<&Segment> {
        self.patterns[nth as usize].get(at as usize)
    }
}

fn index(nth: usize) -> u32 {
    u32::try_from(nth).expect("grants are bounded: roles by the settings, classrooms by the token's size")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::Rules;

    fn cover(patterns: &[&str]) -> Cover {
        let segments = |text: &&str| {
            let segment = |part| match part {
                "*" => Segment::One,
                "**" => Segment::Rest,
                "$$" => Segment::Everything,
                text => Segment::Literal(text.into()),
            };
            text.split('/').map(segment).collect()
        };
        Cover::new(patterns.iter().map(segments).collect())
    }

    fn wanted(written: &str) -> Pattern {
        Rules::default().subscribable(written, Some("alice")).expect("a destination")
    }

    #[test]
    fn a_wildcard_is_held_only_with_every_match() {
        for (grants, written, held) in [
            (&["topic/7b/**"][..], "/topic/7b/**", true),
            (&["topic/7b/**"], "/topic/7b.*.answers", true),
            (&["topic/7b/**"], "/topic/**", false),
            (&["topic/7b/**"], "/topic/*/quiz", false),
            (&["topic/7b/*"], "/topic/7b/**", false),
            // Several together hold what none of them holds alone.
            (&["topic/7b", "topic/7b/*/**"], "/topic/7b/**", true),
            (&["topic/7b", "topic/7b/*"], "/topic/7b/**", false),
            (&["topic/7b/**/answers"], "/topic/7b/quiz/answers", true),
            (&["topic/7b/**/answers"], "/topic/7b/**", false),
            (&["topic/7b/**/answers"], "/topic/7b/*/answers", true),
            (&["topic/7b/quiz", "topic/7b/*"], "/topic/7b/*", true),
            (&["**"], "/topic/**", true),
            (&["**"], "/topic/7b/$presence", false),
            (&["topic/7b/$presence"], "/topic/7b/$presence", true),
            (&["topic/$$"], "/topic/7b/$presence", true),
            (&[], "/topic/7b", false),
        ] {
            assert_eq!(cover(grants).holds(&wanted(written)), held, "{written} within {grants:?}");
        }
    }

    #[test]
    fn what_the_broker_makes_is_held_where_everything_is() {
        let everything = Pattern::everything_in("topic/7b");
        for (grants, held) in [(&["topic/7b/**"][..], false), (&["topic/7b/$$"], true), (&["topic/$$"], true)] {
            assert_eq!(cover(grants).holds(&everything), held, "{grants:?}");
        }
    }

    #[test]
    fn a_question_that_is_too_long_is_answered_no_in_time() {
        // Every set of places in these is a state of its own.
        let mut grants: Vec<String> = (0..14).map(|nth| format!("topic/**/a{}", "/*".repeat(nth))).collect();
        grants.extend(["topic".to_owned(), "topic/**/*".to_owned()]);
        let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
        assert!(cover(&grants[14..]).holds(&wanted("/topic/**")));
        assert!(!cover(&grants).holds(&wanted("/topic/**")), "the bound was not reached");
        assert!(cover(&grants).holds(&wanted("/topic/7b/quiz")), "single places are always known");
    }
}
