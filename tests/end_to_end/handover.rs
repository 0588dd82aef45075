//! From replay to live: joins at random moments under load see no gap and no repeat.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use homeroom_tests::{Broker, Client, Frame, Random};

const ROOM: &str = "/topic/7b/quiz";
const WORKERS: u64 = 20;
/// Messages that a reader must see of what was published after it had joined.
const LIVE: u64 = 5;

/// `HOMEROOM_JOINS=100000` makes it the long run.
fn joins() -> u64 {
    std::env::var("HOMEROOM_JOINS").ok().map_or(2_000, |text| text.parse().expect("HOMEROOM_JOINS is a number"))
}

/// What the publisher knows.
#[derive(Default)]
struct Lesson {
    /// How many were sent.
    sent: AtomicU64,
    /// The positions of those confirmed, in order.
    positions: Mutex<Vec<String>>,
    over: AtomicBool,
}

/// Publishes numbers, a few at a time, until the lesson is over.
async fn publish(mut client: Client, lesson: Arc<Lesson>, mut random: Random) {
    while !lesson.over.load(Ordering::Relaxed) {
        let mut asked = Vec::new();
        for _ in 0..random.between(1, 8) {
            let number = lesson.sent.fetch_add(1, Ordering::Relaxed);
            asked.push(client.ask(Frame::new("SEND").with("destination", ROOM).body(number.to_string())).await);
        }
        for receipt in asked {
            let position = client.receipt(&receipt).await.need("position").to_owned();
            lesson.positions.lock().expect("nobody panics with it").push(position);
        }
        if random.below(4) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(random.below(4))).await;
        }
    }
}

/// A start that a late student may ask for, and the first number it must then see, where that is known.
fn start(lesson: &Lesson, random: &mut Random) -> (&'static str, String, Option<u64>) {
    let positions = lesson.positions.lock().expect("nobody panics with it");
    let known = positions.len() as u64;
    // Near the head is where replay meets live.
    let back = if random.below(4) == 0 { random.below(known.min(2_000)) } else { random.below(known.min(30)) };
    let number = known - 1 - back;
    let position = &positions[number as usize];
    let offset = position.split_once(':').expect("epoch:offset").1;
    match random.below(5) {
        0 => ("x-stream-offset", format!("offset={offset}"), Some(number)),
        1 => ("rewind", random.between(1, 50).to_string(), None),
        2 => ("x-stream-offset", "next".to_owned(), None),
        _ => ("after", position.clone(), Some(number + 1)),
    }
}

async fn join(broker: &Broker, lesson: &Lesson, random: &mut Random, worker: u64) {
    let (name, value, first) = start(lesson, random);
    let mut student = Client::signed_in(broker, &format!("student-{worker}")).await;
    student.subscribe("s", ROOM, &[(name, &value)]).await;
    let joined = lesson.sent.load(Ordering::Relaxed);
    let mut due = first;
    loop {
        let message = student.message().await;
        let number: u64 = message.text().parse().expect("a number");
        assert!(due.is_none_or(|due| due == number), "after {name}:{value} {due:?} is due, not {message}");
        if number >= joined + LIVE {
            return;
        }
        due = Some(number + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_at_random_moments_see_no_gap_and_no_repeat() {
    let mut random = Random::printed("joins under load");
    let broker = Broker::start().await;
    let lesson = Arc::new(Lesson::default());
    let service = Client::signed_in_over_tcp(&broker, "service").await;
    let publisher = tokio::spawn(publish(service, lesson.clone(), random.fork()));
    homeroom_tests::eventually("a first message", homeroom_tests::DEADLINE, || async {
        (!lesson.positions.lock().expect("nobody panics with it").is_empty()).then_some(())
    })
    .await;
    let joins = joins();
    let workers = (0..WORKERS).map(|worker| {
        let (broker, lesson, mut random) = (&broker, &lesson, random.fork());
        async move {
            for _ in 0..joins / WORKERS {
                join(broker, lesson, &mut random, worker).await;
            }
        }
    });
    join_all(workers).await;
    lesson.over.store(true, Ordering::Relaxed);
    publisher.await.expect("the service published to the end");
    println!("{joins} joins while {} messages were published", lesson.sent.load(Ordering::Relaxed));
}
