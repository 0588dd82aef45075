//! Every defect is found, whenever it had an occasion, and named as the promise that it breaks.

use homeroom_checker::{Rule, judge};

use crate::bugs::Bug;
use crate::world::run;

const RUNS: u64 = 60;

/// With the promises of which one at least must be found broken.
const ALL: [(Bug, &[Rule]); 29] = [
    (Bug::LosesARecordAtAKill, &[Rule::ConfirmedIsKept]),
    (Bug::LosesTheTailAtAKillAndUsesItsOffsetsAgain, &[Rule::OnePlaceEach]),
    (Bug::LosesWhatWasSeenAtAKill, &[Rule::SeenIsKept, Rule::ConfirmedIsKept]),
    (Bug::ConfirmsWithoutStoring, &[Rule::ConfirmedIsKept]),
    (Bug::StoresWhatItRefuses, &[Rule::NothingInvented]),
    (Bug::StoresARetryTwice, &[Rule::OnePlaceEach]),
    (Bug::StoresTwoOfAPublisherTheOtherWayRound, &[Rule::PublisherOrder]),
    (Bug::StoresBeforeWhatWasConfirmed, &[Rule::RealTimeOrder]),
    (Bug::SwapsNeighbours, &[Rule::InOrder]),
    (Bug::LeavesOneOut, &[Rule::NothingLeftOut]),
    (Bug::LosesOneWhereReplayBecomesLive, &[Rule::NothingLeftOut]),
    (Bug::LeavesOutTheLast, &[Rule::NothingLeftOut]),
    (Bug::RepeatsInASession, &[Rule::InOrder]),
    (Bug::RepeatsBelowTheCursor, &[Rule::NothingBelowTheCursor]),
    (Bug::ReturnsToAnOldCursor, &[Rule::NothingBelowTheCursor]),
    (Bug::ReturnsBeyondWhatWasSeen, &[Rule::ResumesWhereItWas]),
    (Bug::RepeatsWithoutSayingSo, &[Rule::RepeatsAreMarked]),
    (Bug::HidesAGap, &[Rule::NothingLeftOut]),
    (Bug::AltersAByte, &[Rule::NothingInvented]),
    (Bug::AltersAHeaderInReplay, &[Rule::ReplayEqualsLive]),
    (Bug::InventsAMessage, &[Rule::NothingInvented]),
    (Bug::LeaksIntoAnotherClass, &[Rule::NothingInvented]),
    (Bug::DeliversAfterARevocation, &[Rule::OnlyWhoMay]),
    (Bug::DeliversToSomebodyElse, &[Rule::OnlyWhoMay]),
    (Bug::StallsAReader, &[Rule::InTime]),
    (Bug::StallsAnAnswer, &[Rule::InTime]),
    (Bug::NeverAnswers, &[Rule::InTime]),
    (Bug::CountsADeliveryLess, &[Rule::BooksBalance]),
    (Bug::CountsARecordMore, &[Rule::BooksBalance]),
];

#[test]
fn every_planted_defect_is_found_each_time() {
    let mut escaped = Vec::new();
    for (bug, broken) in ALL {
        let mut struck = 0;
        for seed in 0..RUNS {
            let (entries, has_struck) = run(seed, 400, Some(bug));
            if !has_struck {
                continue;
            }
            struck += 1;
            let verdict = judge(&entries);
            if !verdict.violations.iter().any(|violation| broken.contains(&violation.rule)) {
                let rules: Vec<_> = verdict.violations.iter().map(|violation| violation.rule).collect();
                escaped.push(format!("{bug:?} with seed {seed} breaks {broken:?}, found {rules:?}"));
            }
            let most = verdict.violations.iter().map(|violation| violation.evidence.len()).max();
            assert!(most <= Some(20), "a proof is a few events");
        }
        if struck * 3 < RUNS {
            escaped.push(format!("{bug:?} had an occasion in {struck} of {RUNS} runs only"));
        }
    }
    assert!(escaped.is_empty(), "{} escaped:\n{}", escaped.len(), escaped.join("\n"));
}

#[test]
fn one_lost_message_in_a_hundred_thousand_is_found() {
    let (entries, has_struck) = run(7, 100_000, Some(Bug::LeavesOneOut));
    let verdict = judge(&entries);
    assert!(has_struck && verdict.received > 100_000, "{verdict}");
    assert!(!verdict.violations.is_empty());
}
