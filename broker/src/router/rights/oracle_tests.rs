//! Rights against an oracle that shares nothing with them: it lists every short path, and asks of each
//! whether the subscription matches it and whether a rule covers it, by comparing texts.

use std::collections::HashMap;

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::*;
use crate::router::{Pattern, Rules};

/// How many principals and destinations meet.
const PAIRS: usize = 1_000_000;

/// The paths of up to five segments over letters that rules name, one that none names, and one of the broker's.
struct World {
    paths: Vec<Vec<&'static str>>,
    /// A bit for each path that a pattern covers.
    known: HashMap<Vec<&'static str>, Vec<u64>>,
}

const LETTERS: [&str; 5] = ["a", "b", "u", "$x", "other"];
const PARTS: [&str; 7] = ["a", "b", "*", "**", "$x", "{classroom}", "{user}"];

impl World {
    fn new() -> World {
        let mut paths: Vec<Vec<&'static str>> = vec![vec![]];
        let mut begin = 0;
        for _ in 0..5 {
            let end = paths.len();
            for nth in begin..end {
                for letter in LETTERS {
                    let mut longer = paths[nth].clone();
                    longer.push(letter);
                    paths.push(longer);
                }
            }
            begin = end;
        }
        // A kind of destinations alone is no place.
        paths.remove(0);
        World { paths, known: HashMap::new() }
    }

    fn matched(&mut self, pattern: &[&'static str]) -> &Vec<u64> {
        let World { paths, known } = self;
        known.entry(pattern.to_vec()).or_insert_with(|| {
            let word = |paths: &[Vec<&str>]| {
                paths.iter().enumerate().map(|(bit, path)| u64::from(covers(pattern, path)) << bit).sum()
            };
            paths.chunks(64).map(word).collect()
        })
    }

    fn union(&mut self, patterns: &[Vec<&'static str>]) -> Vec<u64> {
        let mut all = vec![0; self.paths.len().div_ceil(64)];
        for pattern in patterns {
            all.iter_mut().zip(self.matched(pattern)).for_each(|(all, one)| *all |= one);
        }
        all
    }
}

/// Whether a path is covered by a pattern, read as people read it.
fn covers(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        ([], _) => false,
        (["**", rest @ ..], _) => {
            covers(rest, path)
                || path.first().is_some_and(|first| !first.starts_with('$') && covers(pattern, &path[1..]))
        }
        (_, []) => false,
        (["*", rest @ ..], [first, others @ ..]) => !first.starts_with('$') && covers(rest, others),
        ([text, rest @ ..], [first, others @ ..]) => text == first && covers(rest, others),
    }
}

/// A rule with its holes filled in all ways the principal has, as texts.
fn filled(parts: &[&'static str], classrooms: &[&'static str], user: Option<&'static str>) -> Vec<Vec<&'static str>> {
    let rooms = if parts.contains(&"{classroom}") { classrooms } else { &["none"] };
    let rooms = if parts.contains(&"{user}") && user.is_none() { &[] } else { rooms };
    let fill = |room: &'static str, part: &'static str| match part {
        "{classroom}" => room,
        "{user}" => user.unwrap_or_default(),
        text => text,
    };
    rooms.iter().map(|room| parts.iter().map(|part| fill(room, part)).collect()).collect()
}

/// Random, the same in every run.
struct Dice(TestRng);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0.next_u32() as usize % count
    }

    fn parts(&mut self, of: &[&'static str], most: usize) -> Vec<&'static str> {
        let count = 1 + self.below(most);
        (0..count).map(|_| of[self.below(of.len())]).collect()
    }

    fn some(&mut self, of: &[&'static str]) -> Vec<&'static str> {
        of.iter().copied().filter(|_| self.below(2) == 0).collect()
    }
}

/// Something to subscribe to, read once and asked for often.
struct Asked {
    parts: Vec<&'static str>,
    pattern: Pattern,
    /// Where no wildcard is in it: what a message is sent to.
    path: Option<String>,
    /// The paths that it matches.
    matched: Vec<u64>,
}

/// Everything of up to three parts, and the same with all that is below it. The star stands twice: it is likelier.
fn everything_asked_for(world: &mut World) -> Vec<Asked> {
    let letters = ["a", "b", "u", "*", "*", "$x", "other"];
    let mut all: Vec<Vec<&'static str>> = vec![vec![]];
    let mut begin = 0;
    for _ in 0..3 {
        let end = all.len();
        for nth in begin..end {
            all.extend(letters.map(|letter| [&all[nth][..], &[letter]].concat()));
        }
        begin = end;
    }
    let with_all_below = |parts: Vec<&'static str>| [parts.clone(), [&parts[..], &["**"]].concat()];
    let mut asked = |parts: Vec<&'static str>| {
        let pattern = Rules::default().subscribable(&written(&parts), None).expect("a destination");
        let path = (!pattern.canonical().contains('*')).then(|| pattern.canonical()[1..].to_owned());
        Asked { matched: world.matched(&parts).clone(), parts, pattern, path }
    };
    all.into_iter().skip(1).flat_map(with_all_below).map(&mut asked).collect()
}

fn written(parts: &[&str]) -> String {
    format!("/topic/{}", parts.join("/"))
}

/// A quarter of the pairs, with its own dice: so that they are thrown at the same time.
fn a_quarter_is_decided_as_the_oracle_decides(seed: u8) {
    let mut dice = Dice(TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    let mut world = World::new();
    let all = everything_asked_for(&mut world);
    // As many of each length.
    let lengths = [1, 2, 3].map(|parts| {
        all.iter().filter(|asked| asked.parts.iter().filter(|part| **part != "**").count() == parts).collect::<Vec<_>>()
    });
    let (mut pairs, mut allowed, mut refused_wildcards) = (0, 0, 0);
    while pairs < PAIRS / 4 {
        let rules: Vec<(&str, Vec<&'static str>)> =
            (0..1 + dice.below(4)).map(|_| (["student", "teacher"][dice.below(2)], dice.parts(&PARTS, 3))).collect();
        let rule = |(role, parts): &(&str, Vec<&str>)| Rule {
            role: (*role).into(),
            may: Action::ALL.to_vec(),
            place: written(parts).parse().expect("a template"),
        };
        let rights = Rights::new(rules.iter().map(rule).collect());
        for _ in 0..4 {
            let (roles, classrooms) = (dice.some(&["student", "teacher"]), dice.some(&["a", "b"]));
            let user = (dice.below(2) == 0).then_some("u");
            let principal = Principal {
                user: user.map(Into::into),
                roles: roles.iter().map(|&role| role.into()).collect(),
                classrooms: classrooms.iter().map(|&room| room.into()).collect(),
                ..Principal::default()
            };
            let grants = rights.of(&principal);
            let held = rules.iter().filter(|(role, _)| roles.contains(role));
            let filled: Vec<_> = held.flat_map(|(_, parts)| filled(parts, &classrooms, user)).collect();
            let covered = world.union(&filled);
            for _ in 0..50 {
                let of_a_length = &lengths[dice.below(lengths.len())];
                let Asked { parts, pattern, path, matched } = of_a_length[dice.below(of_a_length.len())];
                let expected = matched.iter().zip(&covered).all(|(wanted, covered)| wanted & !covered == 0);
                assert_eq!(grants.may_subscribe(pattern), expected, "{parts:?} for {principal:?} under {rules:?}");
                if let Some(path) = path {
                    assert_eq!(grants.may_send(path), expected, "{parts:?} under {rules:?}");
                }
                pairs += 1;
                allowed += usize::from(expected);
                refused_wildcards += usize::from(!expected && path.is_none());
            }
        }
    }
    assert!(allowed > pairs / 20 && refused_wildcards > pairs / 20, "one-sided: {allowed}, {refused_wildcards}");
}

/// A million random subscriptions are decided as the oracle decides.
macro_rules! quarters {
    ($($name:ident: $seed:literal;)*) => {$(
        #[test]
        fn $name() {
            a_quarter_is_decided_as_the_oracle_decides($seed);
        }
    )*};
}

quarters! {
    a_million_random_subscriptions_are_decided_as_the_oracle_decides_the_first_quarter: 7;
    a_million_random_subscriptions_are_decided_as_the_oracle_decides_the_second_quarter: 8;
    a_million_random_subscriptions_are_decided_as_the_oracle_decides_the_third_quarter: 9;
    a_million_random_subscriptions_are_decided_as_the_oracle_decides_the_last_quarter: 10;
}
