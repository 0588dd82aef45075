//! Thousands who come in and say nothing, or half of something: each is gone within its deadline, what they held is free
//! again, and a class goes on meanwhile. How fast it goes on: `benches/before_connect`.

use std::time::Duration;

use homeroom_tests::{Broker, Client, Said, Setup, Stranger, raise_descriptor_limit, within};
use tokio::task::JoinSet;

/// So many say nothing, and so many half of something.
const EACH: usize = 2_000;
/// What the settings promise without being asked.
const PROMISED: Duration = Duration::from_secs(10);
/// A machine that is busy with other things looks late.
const SLACK: Duration = Duration::from_secs(5);
/// What one of them may cost while it is there: more than a conversation costs, far less than a message may.
const BYTES_EACH: u64 = 32 * 1024;

/// A class of one, who goes on while so many of each kind come and are gone.
async fn all_are_gone(broker: &Broker, teacher: &mut Client, each: usize, promised: Duration) {
    let before = broker.resident_bytes();
    let mut arriving = JoinSet::new();
    let mut ends = JoinSet::new();
    for number in 0..2 * each {
        let kinds: &[Said] = if number % 2 == 0 { &Said::NOTHING } else { &Said::HALF };
        let (http, stomp, said) =
            (broker.http().to_owned(), broker.stomp().to_owned(), kinds[number / 2 % kinds.len()]);
        arriving.spawn(async move { Stranger::come(&http, &stomp, said).await });
        // As many as a listener's queue takes: whoever is not accepted is not there yet.
        while arriving.len() >= 100 {
            let stranger = arriving.join_next().await.expect("somebody").expect("no panic");
            ends.spawn(stranger.expect("it is taken").gone());
        }
    }
    while let Some(stranger) = arriving.join_next().await {
        ends.spawn(stranger.expect("no panic").expect("it is taken").gone());
    }
    let held = broker.resident_bytes().saturating_sub(before);
    // The class does not wait for them.
    teacher.publish("/topic/7b/quiz", "still here").await;
    assert_eq!(teacher.message().await.text(), "still here");
    let mut longest = Duration::ZERO;
    within("the end of all of them", promised + 3 * SLACK, async {
        while let Some(took) = ends.join_next().await {
            longest = longest.max(took.expect("no panic"));
        }
    })
    .await;
    println!("{} strangers held {held} bytes, the last was gone after {longest:?}", 2 * each);
    assert!(longest < promised + SLACK, "the last was gone after {longest:?}");
    assert!(held < 2 * each as u64 * BYTES_EACH, "they held {held} bytes");
}

async fn school(setup: Setup) -> (Broker, Client) {
    raise_descriptor_limit();
    let broker = setup.start().await;
    let token = broker.token("smith", "teacher", &["7b"], "8h").await;
    let mut teacher = Client::showing(&broker, &token).await;
    teacher.subscribe("s", "/topic/7b/quiz", &[]).await;
    (broker, teacher)
}

#[tokio::test]
async fn thousands_who_say_nothing_or_half_of_it_are_gone_within_their_deadline() {
    let (broker, mut teacher) = school(Setup::asks_for_tokens()).await;
    all_are_gone(&broker, &mut teacher, EACH, PROMISED).await;
}

/// With short deadlines, so that many floods take little time: what they leave behind does not depend on it.
#[tokio::test]
async fn flood_after_flood_leaves_nothing_behind() {
    let short = "[stomp]\nconnect_within = \"1s\"\n[http]\nheader_timeout = \"1s\"\nupgrade_timeout = \"1s\"";
    let (broker, mut teacher) = school(Setup::asks_for_tokens().config(short)).await;
    let promised = Duration::from_secs(1);
    all_are_gone(&broker, &mut teacher, EACH, promised).await;
    let after_one = broker.resident_bytes();
    for _ in 0..2 {
        all_are_gone(&broker, &mut teacher, EACH, promised).await;
    }
    let grown = broker.resident_bytes().saturating_sub(after_one);
    assert!(grown < 32 << 20, "{grown} bytes more with each flood");
}
