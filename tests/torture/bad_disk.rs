//! A disk that fails: what was under way is confirmed to nobody, the broker says so and ends, and what was confirmed
//! is there when it starts again. A slow one delays whoever waits for it, and nobody else.

use std::time::Duration;

use homeroom_checker::clock;
use homeroom_tests::{Broker, Client, Event, Frame, Setup, eventually, get, try_get};
use rustix::io::Errno;
use tokio::time::{Instant, timeout};

use crate::class::{Class, KEEPS_ALL, Manners};
use crate::shim::Shim;

const NOT_READY_WITHIN: Duration = Duration::from_secs(2);
/// What a RECEIPT may be under way when the disk fails, in nanoseconds.
const UNDER_WAY: u64 = 500_000_000;

async fn class_over_a_shim() -> (Broker, Shim, Class) {
    let (setup, shim) = Shim::below(Setup::default().config(KEEPS_ALL).environment("HOMEROOM__LOG__FILTER", "info"));
    let broker = setup.start().await;
    let class = Class::begin(&broker, Manners::default());
    class.goes_on(100).await;
    (broker, shim, class)
}

/// The disk has failed for good: says how long it was until the broker was not ready, and starts it again.
async fn is_given_up(mut broker: Broker, shim: &Shim, class: &Class, what: &str) -> Broker {
    let failed = eventually("the fault", Duration::from_secs(10), || async { shim.failed_at() }).await;
    let since = || Duration::from_nanos(clock().saturating_sub(failed));
    let management = broker.management().to_owned();
    eventually("readiness goes off", NOT_READY_WITHIN, || async {
        let answer = timeout(Duration::from_millis(200), try_get(&management, "/health/ready")).await;
        (!matches!(answer, Ok(Ok(answer)) if answer.status == 200)).then_some(())
    })
    .await;
    let not_ready = since();
    assert!(not_ready < NOT_READY_WITHIN, "{what}: not ready after {not_ready:?}");
    let status = broker.exited().await;
    class.goes_down();
    assert!(!status.success(), "{what}: it ends in {status} as if nothing had been");
    let said = broker.stderr();
    assert!(said.contains("the store failed"), "{what}: {said}");
    assert!(!said.contains("panicked"), "{what}: {said}");
    let entries = class.history.entries();
    let late = entries.iter().filter(|entry| entry.at > failed + UNDER_WAY);
    let confirmed = late.filter(|entry| matches!(entry.did, Event::Stored { .. })).count();
    assert_eq!(confirmed, 0, "{what}: confirmed after the disk had failed");
    println!("{what}: not ready within {not_ready:?}, ended in {status} within {:?}", since());
    let broker = broker.setup().start().await;
    class.comes_up(&broker);
    broker
}

#[tokio::test]
async fn a_sync_that_fails_confirms_nothing_and_ends_the_broker() {
    let (broker, shim, class) = class_over_a_shim().await;
    // Slow before it fails, so that all RECEIPTs of the batch before are there.
    shim.delay_syncs(600);
    shim.fail_next_sync(Errno::IO);
    eventually("the fault", Duration::from_secs(10), || async { shim.failed_at() }).await;
    shim.delay_syncs(0);
    let broker = is_given_up(broker, &shim, &class, "EIO of a sync").await;
    class.ends(&broker, "EIO of a sync").await;
}

#[tokio::test]
async fn a_write_that_fails_confirms_nothing_and_ends_the_broker() {
    let (broker, shim, class) = class_over_a_shim().await;
    shim.fail_next_write(Errno::IO);
    let broker = is_given_up(broker, &shim, &class, "EIO of a write").await;
    class.ends(&broker, "EIO of a write").await;
}

/// Some file systems say so only when they sync. What was refused then is not there afterwards either.
#[tokio::test]
async fn a_sync_that_finds_no_room_refuses_what_it_covered_and_the_store_opens_again() {
    let (broker, shim, class) = class_over_a_shim().await;
    shim.fail_next_sync(Errno::NOSPC);
    eventually("the fault", Duration::from_secs(10), || async { shim.failed_at() }).await;
    class.goes_on(50).await;
    class.goes_down();
    let broker = broker.killed_and_restarted().await;
    class.comes_up(&broker);
    let verdict = class.ends(&broker, "ENOSPC of a sync").await;
    println!("ENOSPC of a sync: {} sent, {} confirmed, {} kept", verdict.sent, verdict.confirmed, verdict.kept);
}

#[tokio::test]
async fn writes_that_find_no_room_are_refused_until_there_is_some() {
    let (broker, shim, class) = class_over_a_shim().await;
    shim.fail_writes(Some(Errno::NOSPC));
    eventually("not ready", Duration::from_secs(5), || async {
        (get(broker.management(), "/health/ready").await.status == 503).then_some(())
    })
    .await;
    assert_eq!(get(broker.management(), "/health/live").await.status, 200);
    shim.fail_writes(None);
    let freed = Instant::now();
    class.goes_on(50).await;
    println!("ENOSPC of writes: confirmed again {:?} after there was room", freed.elapsed());
    // And it was all true.
    class.goes_down();
    let broker = broker.killed_and_restarted().await;
    class.comes_up(&broker);
    let verdict = class.ends(&broker, "ENOSPC of writes").await;
    println!("{} sent, {} confirmed, {} kept", verdict.sent, verdict.confirmed, verdict.kept);
}

/// A RECEIPT waits for the sync under way, for one that saves cursors if that is due, and for its own.
#[tokio::test]
async fn a_slow_sync_delays_confirmations_by_three_syncs_at_most_and_what_needs_no_disk_not_at_all() {
    const SYNC: Duration = Duration::from_millis(500);
    let (broker, shim, class) = class_over_a_shim().await;
    let mut student = Client::signed_in(&broker, "student").await;
    student.subscribe("lesson", "/topic/8a", &[]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.publish("/topic/8a", "before").await;
    student.message().await;
    shim.delay_syncs(SYNC.as_millis() as i64);
    let (mut stored, mut strokes) = (Vec::new(), Vec::new());
    for number in 0..4 {
        let asked = Instant::now();
        teacher.publish("/topic/8a", &format!("slide {number}")).await;
        stored.push(asked.elapsed());
        assert_eq!(student.message().await.text(), format!("slide {number}"));
        let asked = Instant::now();
        let stroke = Frame::new("SEND").with("destination", "/topic/8a").with("persistent", "false");
        teacher.send(&stroke.body(format!("stroke {number}"))).await;
        assert_eq!(student.message().await.text(), format!("stroke {number}"));
        strokes.push(asked.elapsed());
    }
    assert_eq!(get(broker.management(), "/health/ready").await.status, 200);
    shim.delay_syncs(0);
    println!("syncs of {SYNC:?}: confirmed within {stored:?}, without the disk delivered within {strokes:?}");
    stored.sort_unstable();
    strokes.sort_unstable();
    // The machine may be busy, and more so in a test: one more is for that.
    assert!(stored[3] < SYNC * 4, "{stored:?}");
    assert!(strokes[1] < SYNC / 2, "{strokes:?}");
    class.ends(&broker, "slow syncs").await;
}
