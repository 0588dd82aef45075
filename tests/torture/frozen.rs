//! SIGSTOP: to those outside a broker that hangs, with its sockets open and its directory held.

use std::time::Duration;

use homeroom_tests::{Broker, Client, Random, Setup, get, metric, within};
use tokio::time::{Instant, interval, sleep};

use crate::asked;
use crate::class::{Class, KEEPS_ALL, Manners};

/// What the long run goes up to.
const LONGEST: u64 = 60_000;

/// `HOMEROOM_FREEZES=12` makes it the long run: of 1 to 60 s each.
#[tokio::test]
async fn a_class_whose_broker_stands_still_loses_nothing() {
    let freezes = asked("HOMEROOM_FREEZES", 0);
    let (count, shortest, longest) = if freezes > 0 { (freezes, 1_000, LONGEST) } else { (3, 200, 1_500) };
    let mut random = Random::printed("a broker that stands still");
    let setup = Setup::default().config(KEEPS_ALL).environment("HOMEROOM__LOG__FILTER", "info");
    let mut broker = setup.start().await;
    let class = Class::begin(&broker, Manners::default());
    let mut stood = Duration::ZERO;
    for number in 0..count {
        class.goes_on(50).await;
        broker.freeze();
        // The fault's clock, not a wait for something. The first one is longer than anybody's patience.
        let stands = Duration::from_millis(if number == 0 { longest } else { random.between(shortest, longest) });
        sleep(stands).await;
        stood += stands;
        // Alone, and with a kill.
        if number % 2 == 0 {
            broker.thaw();
        } else {
            class.goes_down();
            broker = broker.killed_and_restarted().await;
            class.comes_up(&broker);
        }
    }
    let verdict = class.ends(&broker, "a broker that stands still").await;
    println!(
        "{count} freezes, {stood:?} in all, every other one ended by kill -9: {} confirmed, {} delivered, 0 lost",
        verdict.confirmed, verdict.received
    );
}

#[tokio::test]
async fn who_spoke_meanwhile_stays_and_who_was_silent_or_gone_is_not_counted_any_more() {
    let broker = Setup::default().config("[stomp]\nheartbeat_send = \"1s\"\nheartbeat_receive = \"1s\"").start().await;
    let headers = [("heart-beat", "1000,1000")];
    let durable = [("durable", "true"), ("ack", "client")];
    let mut students = Vec::new();
    for login in ["awake", "asleep", "gone"] {
        let mut student = Client::websocket(&broker, &["v12.stomp"]).await;
        student.connect(&[&headers[..], &[("login", login)]].concat()).await;
        student.subscribe("quiz", "/topic/7b", &durable).await;
        students.push(student);
    }
    let [mut awake, mut asleep, gone] = <[Client; 3]>::try_from(students).unwrap_or_else(|_| unreachable!("three"));
    broker.freeze();
    // Longer than the two and a half intervals after which a silent one is dead.
    let end = Instant::now() + Duration::from_millis(3_500);
    let mut beat = interval(Duration::from_millis(500));
    while Instant::now() < end {
        beat.tick().await;
        awake.heart_beat().await;
    }
    // A page that has lost patience: what it says and goes is still in the kernel when the broker looks again.
    drop(gone);
    let mut hasty = Vec::new();
    for _ in 0..20 {
        let stream = tokio::net::TcpStream::connect(broker.http()).await.expect("the kernel takes it");
        stream.try_write(b"GET /ws HTTP/1.1\r\nHost: x\r\n").expect("room for a few bytes");
        hasty.push(stream);
    }
    drop(hasty);
    broker.thaw();
    asleep.closed().await;
    // Only those who are there are counted.
    within("one connection", Duration::from_secs(15), async {
        while connections(&broker).await != Some(1.0) {
            awake.heart_beat().await;
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    awake.heart_beat().await;
    let mut teacher = Client::signed_in_over_tcp(&broker, "teacher").await;
    teacher.publish("/topic/7b", "still here?").await;
    assert_eq!(awake.message().await.text(), "still here?");
    // The dead were given nothing: it waits for them.
    for login in ["asleep", "gone"] {
        let mut student = Client::signed_in(&broker, login).await;
        let receipt = student.subscribe("quiz", "/topic/7b", &durable).await;
        assert_eq!((receipt.need("resumed"), receipt.need("missed")), ("true", "1"), "{receipt}");
        let message = student.message().await;
        assert_eq!((message.text(), message.header("redelivered")), ("still here?", None), "{message}");
    }
}

async fn connections(broker: &Broker) -> Option<f64> {
    metric(&get(broker.management(), "/metrics").await.body, "homeroom_connections")
}
