//! Restarted again and again, gracefully, under a class whose clients come back after a fixed time, as stompjs does.

use std::collections::BTreeMap;
use std::time::Duration;

use homeroom_tests::Setup;

use crate::asked;
use crate::class::{Class, KEEPS_ALL, Manners};

/// `HOMEROOM_RESTARTS=20` makes it the long run, with stompjs's own five seconds.
#[tokio::test]
async fn restarts_under_load_lose_nothing_and_cost_each_student_one_return() {
    let (restarts, comes_back_after) = match asked("HOMEROOM_RESTARTS", 0) {
        0 => (3, Duration::from_millis(200)),
        many => (many, Duration::from_secs(5)),
    };
    let setup = Setup::default().config(KEEPS_ALL).environment("HOMEROOM__LOG__FILTER", "info");
    let mut broker = setup.start().await;
    let manners = Manners { readers: 8, comes_back_after, patience: Duration::from_secs(60), ..Manners::default() };
    let class = Class::begin(&broker, manners);
    for number in 0..restarts {
        class.goes_on(50).await;
        broker.terminate();
        let status = broker.exited().await;
        class.goes_down();
        assert!(status.success(), "restart {number} ends in {status}");
        broker = setup.start().await;
        class.comes_up(&broker);
        class.everybody_is_back((number + 1) as usize).await;
    }
    let absences = class.absences();
    let verdict = class.ends(&broker, "restarts").await;
    println!("{restarts} restarts: {} confirmed, {} delivered, 0 lost", verdict.confirmed, verdict.received);
    let mut by_student: BTreeMap<_, Vec<Duration>> = BTreeMap::new();
    absences.into_iter().for_each(|(student, away)| by_student.entry(student).or_default().push(away));
    for (student, mut away) in by_student {
        away.sort_unstable();
        println!(
            "{student}: away {} times, {:?} to {:?}, median {:?}",
            away.len(),
            away[0],
            away[away.len() - 1],
            away[away.len() / 2]
        );
        // One return, and what a start takes on a busy machine.
        let most = comes_back_after * 2 + Duration::from_secs(10);
        assert!(away[away.len() - 1] < most, "{student}: {away:?}");
    }
}
