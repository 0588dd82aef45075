//! The time of day jumps: order, heart-beats, cursors and what is kept do not.

use std::time::Duration;

use homeroom_tests::{Client, Frame, Setup, eventually, get, metric};

use crate::class::{Class, KEEPS_ALL, Manners};
use crate::shim::Shim;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

#[tokio::test]
async fn a_clock_that_jumps_under_a_class_loses_nothing() {
    let setup = Setup::default().config(KEEPS_ALL).environment("HOMEROOM__LOG__FILTER", "info");
    let (setup, shim) = Shim::below(setup);
    let mut broker = setup.start().await;
    let class = Class::begin(&broker, Manners::default());
    // Heart-beats go by another clock.
    let mut pupil = Client::websocket(&broker, &["v12.stomp"]).await;
    pupil.connect(&[("login", "pupil"), ("heart-beat", "10000,10000")]).await;
    for ahead in [HOUR, -HOUR, DAY, -DAY, 30 * DAY, 0] {
        class.goes_on(30).await;
        shim.set_clock_ahead(ahead);
    }
    pupil.subscribe("quiz", "/topic/8a", &[]).await;
    class.goes_on(30).await;
    // What it stored by a clock that was behind is read by one that is right.
    shim.set_clock_ahead(-DAY);
    class.goes_on(30).await;
    class.goes_down();
    broker.kill().await;
    shim.set_clock_ahead(0);
    let broker = broker.setup().start().await;
    class.comes_up(&broker);
    class.ends(&broker, "a clock that jumps").await;
}

#[tokio::test]
async fn what_is_kept_for_a_time_outlasts_a_clock_that_jumps_ahead() {
    let (setup, shim) = Shim::below(Setup::default().config("[storage]\ncursor_ttl = \"1d\""));
    let broker = setup.start().await;
    let durable = [("durable", "true"), ("ack", "client")];
    let mut student = Client::signed_in(&broker, "alice").await;
    student.subscribe("quiz", "/topic/7b", &durable).await;
    student.disconnect().await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    let send = |body: &'static str| Frame::new("SEND").with("destination", "/topic/7b").body(body);
    teacher.request(send("of no limit")).await;
    teacher.request(send("for an hour").with("expiration", (HOUR * 1000).to_string())).await;
    let keyed = teacher.request(send("once").with("idempotency-key", "q7")).await;

    let broker = broker.stopped_and_restarted().await;
    shim.set_clock_ahead(400 * DAY);
    // Retention and cursors are looked at in the first round after a start, which also measures the directory.
    eventually("the store's first round", Duration::from_secs(15), || async {
        let text = get(broker.management(), "/metrics").await.body;
        metric(&text, "homeroom_store_disk_bytes").filter(|bytes| *bytes > 0.0)
    })
    .await;
    shim.set_clock_ahead(0);

    let mut teacher = Client::signed_in(&broker, "teacher").await;
    let again = teacher.request(send("once").with("idempotency-key", "q7")).await;
    assert_eq!((again.need("position"), again.header("duplicate")), (keyed.need("position"), Some("true")), "{again}");
    let mut student = Client::signed_in(&broker, "alice").await;
    let receipt = student.subscribe("quiz", "/topic/7b", &durable).await;
    assert_eq!((receipt.need("resumed"), receipt.need("missed")), ("true", "3"), "{receipt}");
    assert_eq!(student.bodies(3).await, ["of no limit", "for an hour", "once"]);
}

#[tokio::test]
async fn times_in_a_log_never_go_back_and_a_retry_is_known_by_a_clock_that_went_back() {
    let (setup, shim) = Shim::below(Setup::default());
    let broker = setup.start().await;
    let mut student = Client::signed_in(&broker, "alice").await;
    student.subscribe("quiz", "/topic/7b", &[]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    let send = |body: &str| Frame::new("SEND").with("destination", "/topic/7b").body(body);
    let first = teacher.request(send("once").with("idempotency-key", "q7")).await;
    let mut times = vec![student.message().await.need("timestamp").parse::<u64>().expect("a time")];
    for ahead in [-HOUR, HOUR, -DAY, DAY, 0] {
        shim.set_clock_ahead(ahead);
        teacher.request(send(&format!("the clock is {ahead} s ahead"))).await;
        times.push(student.message().await.need("timestamp").parse().expect("a time"));
        if ahead < 0 {
            let again = teacher.request(send("once").with("idempotency-key", "q7")).await;
            assert_eq!((again.need("position"), again.header("duplicate")), (first.need("position"), Some("true")));
        }
    }
    assert!(times.is_sorted(), "{times:?}");
}
