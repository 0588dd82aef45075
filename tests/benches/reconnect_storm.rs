//! A whole town's students lose the broker and return in the same second, as stompjs does: without jitter.
//!
//! Each has a durable subscription and heart-beats of ten seconds. The broker is killed and started again, all return
//! the moment it listens, and lessons go on meanwhile. Printed is how long it took until all were subscribed, and
//! until all had everything; the checker says whether anything was lost.
//!
//! ```text
//! cargo build --release -p homeroom && cargo run --release -p homeroom-tests --example reconnect_storm
//! ```
//!
//! `STUDENTS` (default 10000), `ROUNDS` (3), `ACCEPTS` for another `limits.accepts_per_second`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::iter;
use futures_util::{FutureExt, StreamExt};
use homeroom_tests::{
    Broker, Client, DEADLINE, Frame, Heard, History, MessageName, Setup, eventually, raise_descriptor_limit, stream,
};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, interval};

const STUDENTS_IN_A_ROOM: usize = 500;
/// Messages of each room before the broker is lost, and while all return.
const BEFORE: u64 = 3;
const MEANWHILE: u64 = 5;
/// So often a teacher says something while all return.
const PACE: Duration = Duration::from_millis(200);
const BODY_BYTES: usize = 200;
const HEART_BEAT: Duration = Duration::from_secs(10);
/// What is promised of ten thousand.
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(10);

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a whole number"))
}

fn room(number: usize) -> String {
    format!("/topic/room-{number}/quiz")
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let students = setting("STUDENTS", 10_000);
    let limit = raise_descriptor_limit();
    assert!(limit > students as u64 + 200, "{students} students need more descriptors than {limit}: `ulimit -Hn`");
    println!("round  subscribed s: half    all  everything s: all  confirmed  delivered  broker CPU s");
    for round in 0..setting("ROUNDS", 3) {
        let storm = storm(students).await;
        println!(
            "{round:>5}  {:>18.2}  {:>5.2}  {:>17.2}  {:>9}  {:>9}  {:>12.2}",
            storm.half.as_secs_f64(),
            storm.all.as_secs_f64(),
            storm.everything.as_secs_f64(),
            storm.confirmed,
            storm.delivered,
            storm.processor.as_secs_f64()
        );
        assert!(students > 10_000 || storm.all <= SUBSCRIBED_WITHIN, "all are subscribed within {SUBSCRIBED_WITHIN:?}");
    }
}

/// What one storm took.
struct Storm {
    half: Duration,
    all: Duration,
    everything: Duration,
    confirmed: usize,
    delivered: usize,
    processor: Duration,
}

/// What all share.
struct School {
    history: History,
    /// Where the broker is, and since when.
    broker: watch::Receiver<(String, Instant)>,
    /// Who has all that was said before.
    ready: AtomicUsize,
}

async fn storm(students: usize) -> Storm {
    let accepts =
        std::env::var("ACCEPTS").map_or_else(|_| String::new(), |rate| format!("accepts_per_second = {rate}"));
    let setup = Setup::default().config(&format!("[limits]\n{accepts}")).environment("HOMEROOM__LOG__FILTER", "warn");
    let broker = setup.start().await;
    let rooms = students.div_ceil(STUDENTS_IN_A_ROOM);
    let (moved, address) = watch::channel((broker.http().to_owned(), Instant::now()));
    let school = Arc::new(School { history: History::default(), broker: address, ready: AtomicUsize::new(0) });

    let seated = iter(0..students).map(|number| Student::seated(&school, number)).buffer_unordered(200);
    let seated: Vec<Student> = seated.collect().await;
    let lessons = seated.into_iter().map(|student| tokio::spawn(student.lesson())).collect::<Vec<_>>();
    join_all((0..rooms).map(|number| teach(&school, broker.stomp(), number, 0..BEFORE))).await;
    let ready = || async { (school.ready.load(Ordering::Acquire) == students).then_some(()) };
    eventually("everybody has what was said before", DEADLINE * 3, ready).await;

    let broker = broker.killed_and_restarted().await;
    let before = broker.processor_time();
    moved.send((broker.http().to_owned(), Instant::now())).expect("the students are there");
    let teachers = (0..rooms).map(|number| teach(&school, broker.stomp(), number, BEFORE..BEFORE + MEANWHILE));
    let (_, returned) = tokio::join!(join_all(teachers), join_all(lessons));
    let processor = broker.processor_time() - before;

    let mut times: Vec<(Duration, Duration)> = returned.into_iter().map(|times| times.expect("nobody fails")).collect();
    let everything = times.iter().map(|(_, everything)| *everything).max().unwrap_or_default();
    times.sort_unstable();
    audit(&school, &broker, rooms).await;
    let verdict = school.history.judged("a reconnect storm");
    assert_eq!(verdict.confirmed as u64, rooms as u64 * (BEFORE + MEANWHILE));
    Storm {
        half: times[times.len() / 2].0,
        all: times[times.len() - 1].0,
        everything,
        confirmed: verdict.confirmed,
        delivered: verdict.received,
        processor,
    }
}

/// Says so much in a room, each when the one before is confirmed.
async fn teach(school: &School, address: &str, number: usize, messages: std::ops::Range<u64>) {
    let mut teacher = Client::try_over_tcp(address, &format!("teacher-{number}")).await.expect("the broker is there");
    let mut pace = interval(PACE);
    for count in messages {
        pace.tick().await;
        let name = MessageName { publisher: format!("teacher-{number}").into(), number: count };
        let (body, room) = (name.body(BODY_BYTES), room(number));
        school.history.asked(&name, &room, &body);
        let receipt = teacher.request(Frame::new("SEND").with("destination", &room).body(body)).await;
        school.history.confirmed(&name, &receipt);
    }
}

/// Reads all that was said.
async fn audit(school: &School, broker: &Broker, rooms: usize) {
    let mut auditor = Client::signed_in(broker, "auditor").await;
    auditor.subscribe("all", "/topic/*/quiz", &[("x-stream-offset", "first")]).await;
    for _ in 0..rooms as u64 * (BEFORE + MEANWHILE) {
        school.history.kept(&auditor.message().await);
    }
}

struct Student {
    number: usize,
    school: Arc<School>,
    client: Client,
}

impl Student {
    async fn seated(school: &Arc<School>, number: usize) -> Student {
        let client = connect(school, number, 0).await;
        Student { number, school: school.clone(), client }
    }

    /// From the first message to the last, over the loss of the broker: when it was subscribed again, and had all.
    async fn lesson(mut self) -> (Duration, Duration) {
        let last = self.listen(0, BEFORE - 1).await.expect("the broker is there until all have heard this");
        if self.number.is_multiple_of(2) {
            self.client.ack(&last).await;
            self.school.history.acked(&self.place(0), &last);
        }
        let mut broker = self.school.broker.clone();
        broker.mark_unchanged();
        self.school.ready.fetch_add(1, Ordering::Release);
        assert!(self.listen(0, u64::MAX).await.is_none(), "the broker is lost");
        broker.changed().await.expect("the broker comes back");
        let since = broker.borrow().1;
        self.client = connect(&self.school, self.number, 1).await;
        let subscribed = since.elapsed();
        self.listen(1, BEFORE + MEANWHILE - 1).await.expect("the broker stays");
        let everything = since.elapsed();
        self.school.history.caught_up(&self.place(1));
        (subscribed, everything)
    }

    /// Hears all up to the teacher's message of this number, in heart-beats; nothing when the broker is lost.
    async fn listen(&mut self, session: u64, until: u64) -> Option<Frame> {
        let place = self.place(session);
        let mut beats = interval(HEART_BEAT);
        loop {
            let heard = tokio::select! {
                heard = self.client.hear() => heard,
                _ = beats.tick() => {
                    // A broker that is gone is heard of soon enough.
                    drop(self.client.try_send_bytes(b"\n").await);
                    continue;
                }
            };
            match heard {
                Heard::Frame(frame) if frame.command == "MESSAGE" => {
                    self.school.history.received(&place, &frame);
                    if MessageName::of_body(frame.text()).number == until {
                        return Some(frame);
                    }
                }
                Heard::Frame(frame) => panic!("{frame}"),
                Heard::Closed(_) => return None,
                _ => {}
            }
        }
    }

    fn place(&self, session: u64) -> homeroom_tests::Stream {
        place(self.number, session)
    }
}

fn place(number: usize, session: u64) -> homeroom_tests::Stream {
    stream(&format!("student-{number}"), session, &room(number / STUDENTS_IN_A_ROOM))
}

/// A connection that is subscribed.
async fn connect(school: &School, number: usize, session: u64) -> Client {
    let address = school.broker.borrow().0.clone();
    let stream = TcpStream::connect(&address).await.expect("the broker listens");
    let mut client = Client::upgraded(stream, "/ws", &["v12.stomp"]).boxed().await;
    client.connect(&[("login", &format!("student-{number}")), ("heart-beat", "10000,10000")]).await;
    let headers = [("durable", "true"), ("ack", "client")];
    let receipt = client.subscribe("lesson", &room(number / STUDENTS_IN_A_ROOM), &headers).await;
    school.history.subscribed(&place(number, session), &receipt);
    client
}
