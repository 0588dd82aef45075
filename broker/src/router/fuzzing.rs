//! Any text as a destination, a subscription and a right.

use crate::auth::Principal;

use super::destination::{BYTES_MAX, SEGMENTS_MAX};
use super::pattern::Segment;
use super::spelling::segment;
use super::{Destination, Grants, Kind, Pattern, Rights, Rules, Template};

/// Grants that are looked at in one input; each takes part in every comparison.
const GRANTS_MAX: usize = 3;
/// Paths that are drawn from one input.
const PATHS: usize = 24;

/// The first line is a destination, the last says which paths are tried, those between are grants.
///
/// What is read has one canonical spelling that is read as the same; what a subscription and a right cover is
/// what a plain reading of them covers.
pub fn destinations(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (lines, choices) = text.rsplit_once('\n').unwrap_or((text, ""));
    let mut lines = lines.split('\n');
    let written = lines.next().unwrap_or_default();
    let own = ["/topic/course/{classroom}/**".to_owned(), "/topic/{classroom}/**".to_owned()];
    let shaped = Rules::new(Some(Kind::Topic), &own, &["topic".to_owned()]).expect("the templates stand above");
    for rules in [Rules::default(), shaped] {
        one_place_in_every_spelling(&rules, written);
    }
    let grants: Vec<&str> = lines.filter(|line| line.parse::<Template>().is_ok()).take(GRANTS_MAX).collect();
    if let Ok(wanted) = Rules::default().subscribable(written, Some("alice")) {
        covers_what_it_says(&wanted, &grants, choices.as_bytes());
    }
}

fn one_place_in_every_spelling(rules: &Rules, written: &str) {
    let subscribed = rules.subscribable(written, Some("alice"));
    if let Ok(Destination::Logged(place)) = rules.sendable(written) {
        assert!(place.path.len() <= BYTES_MAX && place.path.split('/').count() <= SEGMENTS_MAX + 2, "{place:?}");
        assert!(!place.path.contains(char::is_control) && !place.path.split('/').any(str::is_empty), "{place:?}");
        let canonical = format!("/{}", place.path);
        // What is private is shown as its owner subscribes to it.
        let shown = if place.path.starts_with("user/") { &canonical } else { &place.shown };
        for spelling in [shown, &canonical] {
            match rules.sendable(spelling) {
                Ok(Destination::Logged(again)) => {
                    assert_eq!((&again.path, again.room_bytes), (&place.path, place.room_bytes), "{spelling:?}");
                }
                Err(error) => panic!("{written:?} is a place and {spelling:?} is none: {error}"),
            }
        }
        assert_eq!(rules.path_of(place.room(), &place.shown), place.path);
        assert!(Pattern::everything_in(place.room()).matches(&place.path), "{place:?}");
        if Kind::of(place.room()).is_some_and(|(kind, _)| kind != Kind::Private) {
            let pattern = subscribed.as_ref().expect("what is sent to can be subscribed to");
            assert!(pattern.matches(&place.path) && pattern.reaches(place.room()), "{place:?}");
            assert_eq!(pattern.room().as_deref(), Some(place.room()));
        }
    }
    if let Ok(pattern) = subscribed {
        let canonical = pattern.canonical();
        // A private one is subscribed to without the name of whose it is.
        let spelling = canonical.strip_prefix("/user/alice/").map(|rest| format!("/user/{rest}"));
        let again = rules.subscribable(&spelling.unwrap_or(canonical), Some("alice"));
        assert_eq!(again.as_ref(), Ok(&pattern), "{written:?}");
    }
}

fn covers_what_it_says(wanted: &Pattern, grants: &[&str], choices: &[u8]) {
    let plain: Option<Vec<Vec<Segment>>> = grants.iter().map(|grant| plainly(grant)).collect();
    let Some(plain) = plain else { return };
    let decided = granted(grants);
    let allowed = decided.may_subscribe(wanted);
    let named = plain.iter().map(Vec::as_slice).chain([wanted.segments()]).flatten().filter_map(Segment::literal);
    let words: Vec<&str> = named.chain(["other", "$other"]).collect();
    let mut choices = choices.iter().cycle();
    let mut choose = |count: usize| usize::from(*choices.next().unwrap_or(&0)) % count;
    for _ in 0..PATHS {
        let mut path = vec![["topic", "queue", "user"][choose(3)]];
        path.extend((0..1 + choose(5)).map(|_| words[choose(words.len())]));
        let text = path.join("/");
        let is_wanted = covers(wanted.segments(), &path);
        assert_eq!(wanted.matches(&text), is_wanted, "{wanted:?} and {text}");
        let is_granted = plain.iter().any(|grant| covers(grant, &path));
        assert_eq!(decided.may_send(&text), is_granted, "{grants:?} and {text}");
        assert!(!(allowed && is_wanted) || is_granted, "{wanted:?} within {grants:?} lets {text} through");
    }
}

/// What a key with these grants may.
fn granted(places: &[&str]) -> Grants {
    let both = places.iter().flat_map(|&place| ["send", "subscribe"].map(|may| (may.into(), place.into())));
    let principal = Principal { roles: ["service".into()].into(), grants: both.collect(), ..Principal::default() };
    Rights::default().of(&principal)
}

/// A grant split as people read it; `None` for one with holes in it, which nobody here fills.
fn plainly(grant: &str) -> Option<Vec<Segment>> {
    if grant.contains(['{', '}']) {
        return None;
    }
    grant.strip_prefix('/')?.split(['/', '.']).map(|part| segment(part)?.ok()).collect()
}

/// Whether a path is covered, tried in every way there is.
fn covers(pattern: &[Segment], path: &[&str]) -> bool {
    let is_of_broker = |segment: &str| segment.starts_with('$');
    match (pattern, path) {
        ([], _) => path.is_empty(),
        ([Segment::Everything, rest @ ..], _) => (0..=path.len()).any(|taken| covers(rest, &path[taken..])),
        ([Segment::Rest, rest @ ..], _) => {
            covers(rest, path)
                || path.split_first().is_some_and(|(first, path)| !is_of_broker(first) && covers(pattern, path))
        }
        ([Segment::One, rest @ ..], [first, path @ ..]) => !is_of_broker(first) && covers(rest, path),
        ([Segment::Literal(text), rest @ ..], [first, path @ ..]) => **text == **first && covers(rest, path),
        (_, []) => false,
    }
}
