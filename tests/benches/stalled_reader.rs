//! Do students who stop reading delay the others, and what do they cost?
//!
//! A class in one classroom, an open-loop publisher, and the time from SEND to
//! MESSAGE at every student; in half of the rounds some of them read nothing.
//! A and B alternate in one run, so that the machine's moods meet both.
//!
//! ```text
//! cargo build --release -p homeroom && cargo run --release -p homeroom-tests --example stalled_reader
//! STUDENTS=5000 STALLED=500 RATE=4 cargo run --release -p homeroom-tests --example stalled_reader
//! ```
//!
//! `STUDENTS` (default 300), of whom `STALLED` (1) read nothing in every other of `ROUNDS` (6); `SECONDS` of a round
//! (10), `RATE` in messages a second (50). Fails when the broker's memory is beyond what `deploy/README.md` says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{StreamExt, stream::iter};
use homeroom_tests::{Broker, Client, Frame, Setup, raise_descriptor_limit};
use tokio::time::interval;

const ROOM: &str = "/topic/7b/quiz";
/// Before it is measured, so much is published that the sockets of those who read nothing are full for certain. The
/// others do not listen to it.
const FLOOD: usize = 32;
const FLOOD_BYTES: usize = 32 * 1024;
const FLOODED: &str = "/topic/7b/pictures";

/// What memory is promised to be: an idle connection's, and the defaults of `limits.outbox_bytes`,
/// `delivery.recent_bytes`, `delivery.pages_bytes_per_classroom` and `storage.cache_bytes`.
const CONNECTION_BYTES: u64 = 4608;
const OUTBOX_BYTES: u64 = 256 * 1024;
const CLASSROOM_BYTES: u64 = (256 + 1024) * 1024;
const CACHE_BYTES: u64 = 64 << 20;

/// Who is there.
#[derive(Clone, Copy)]
struct Class {
    students: usize,
    stalled: usize,
}

impl Class {
    /// What `deploy/README.md` promises beside what an empty broker has.
    fn bytes_max(self) -> u64 {
        self.students as u64 * CONNECTION_BYTES + self.stalled as u64 * OUTBOX_BYTES + CLASSROOM_BYTES + CACHE_BYTES
    }
}

/// The latencies of one round, in microseconds, sorted; and memory when all was written that could be.
struct Round {
    stalled: usize,
    latencies: Vec<u64>,
    resident_bytes: u64,
    kernel_bytes: u64,
}

impl Round {
    fn percentile(&self, percent: usize) -> u64 {
        self.latencies[(self.latencies.len() - 1) * percent / 100]
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a whole number"))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    raise_descriptor_limit();
    let broker = Arc::new(Setup::default().environment("HOMEROOM__LOG__FILTER", "warn").start().await);
    let (rounds, seconds, rate) = (setting("ROUNDS", 6), setting("SECONDS", 10), setting("RATE", 50));
    let (students, stalled) = (setting("STUDENTS", 300) as usize, setting("STALLED", 1) as usize);
    println!("{students} students, {rate} messages/s of 200 B, {rounds} rounds of {seconds} s\n");
    println!("round  stalled  messages   p50 ms   p99 ms   max ms  broker MB  kernel MB");
    let empty = broker.resident_bytes();
    let mut all = Vec::new();
    for number in 0..rounds {
        let class = Class { students, stalled: if number % 2 == 1 { stalled } else { 0 } };
        let round = measure(&broker, class, seconds * rate, rate).await;
        print_line(&format!("{number:>5}"), &round);
        let (grown, most) = (round.resident_bytes.saturating_sub(empty), class.bytes_max());
        assert!(grown <= most, "{grown} B more than an empty broker has, {most} B are promised at most");
        all.push(round);
    }
    println!();
    let [without, with] = [0, stalled].map(|stalled| pooled(&all, stalled));
    print_line("    A", &without);
    print_line("    B", &with);
    println!(
        "\np99 with {stalled} of {students} stalled: {:.2} times; each of them {:.1} kB of the broker and {:.1} kB of the kernel",
        with.percentile(99) as f64 / without.percentile(99) as f64,
        each(with.resident_bytes, without.resident_bytes, stalled),
        each(with.kernel_bytes, without.kernel_bytes, stalled)
    );
}

/// What each costs of a difference, in kB.
fn each(with: u64, without: u64, count: usize) -> f64 {
    (with as f64 - without as f64) / 1e3 / count.max(1) as f64
}

/// What the kernel holds for all TCP sockets of this machine: those of both ends.
fn kernel_bytes() -> u64 {
    let sockets = std::fs::read_to_string("/proc/net/sockstat").expect("a kernel that counts");
    let line = sockets.lines().find(|line| line.starts_with("TCP:")).expect("TCP");
    let pages: u64 = line.rsplit(' ').next().and_then(|pages| pages.parse().ok()).expect("pages");
    pages * 4096
}

fn print_line(name: &str, round: &Round) {
    let milliseconds = |percent| round.percentile(percent) as f64 / 1e3;
    println!(
        "{name}  {:>7}  {:>8}  {:>7.2}  {:>7.2}  {:>7.2}  {:>9.1}  {:>9.1}",
        round.stalled,
        round.latencies.len(),
        milliseconds(50),
        milliseconds(99),
        milliseconds(100),
        round.resident_bytes as f64 / 1e6,
        round.kernel_bytes as f64 / 1e6
    );
}

fn pooled(rounds: &[Round], stalled: usize) -> Round {
    let chosen = rounds.iter().filter(|round| round.stalled == stalled);
    let mut latencies: Vec<u64> = chosen.clone().flat_map(|round| round.latencies.iter().copied()).collect();
    latencies.sort_unstable();
    let resident_bytes = chosen.clone().map(|round| round.resident_bytes).max().unwrap_or_default();
    let kernel_bytes = chosen.map(|round| round.kernel_bytes).max().unwrap_or_default();
    Round { stalled, latencies, resident_bytes, kernel_bytes }
}

async fn measure(broker: &Arc<Broker>, class: Class, messages: u64, rate: u64) -> Round {
    let start = Instant::now();
    let silent = iter(0..class.stalled).map(|number| silent(broker, number)).buffer_unordered(50);
    let silent: Vec<Client> = silent.collect().await;
    let students = iter(class.stalled..class.students).map(|number| student(broker, number)).buffer_unordered(50);
    let students: Vec<Client> = students.collect().await;
    let mut service = Client::signed_in_over_tcp(broker, "service").await;
    let reading = students.into_iter().map(|student| tokio::spawn(read(student, messages, start)));
    let reading: Vec<_> = reading.collect();
    for _ in 0..FLOOD {
        service.publish(FLOODED, &format!("{:.<FLOOD_BYTES$}", "flood ")).await;
    }
    let mut pace = interval(Duration::from_nanos(1_000_000_000 / rate));
    for _ in 0..messages {
        pace.tick().await;
        let body = format!("{:.<200}", format!("{} ", start.elapsed().as_micros()));
        service.send(&Frame::new("SEND").with("destination", ROOM).body(body)).await;
    }
    let mut latencies: Vec<u64> =
        join_all(reading).await.into_iter().flat_map(|student| student.expect("the student read on")).collect();
    latencies.sort_unstable();
    let (resident_bytes, kernel_bytes) = (broker.resident_bytes(), kernel_bytes());
    for mut silent in silent {
        // They get everything when they read again.
        let got = silent.messages(FLOOD + messages as usize).await;
        assert!(got[..FLOOD].iter().all(|message| message.text().starts_with("flood ")), "in order");
    }
    Round { stalled: class.stalled, latencies, resident_bytes, kernel_bytes }
}

/// Somebody who listens to everything and reads nothing.
async fn silent(broker: &Broker, number: usize) -> Client {
    let mut silent = Client::websocket_with_receive_buffer(broker, 4096).await;
    silent.connect(&[("login", &format!("stalled-{number}"))]).await;
    silent.subscribe("s", "/topic/7b/**", &[]).await;
    silent
}

async fn student(broker: &Broker, number: usize) -> Client {
    let mut student = Client::signed_in(broker, &format!("student-{number}")).await;
    student.subscribe("s", ROOM, &[]).await;
    student
}

/// The latencies of all measured messages, in microseconds.
async fn read(mut student: Client, messages: u64, start: Instant) -> Vec<u64> {
    let mut latencies = Vec::with_capacity(messages as usize);
    while (latencies.len() as u64) < messages {
        let message = student.message().await;
        let sent = message.text().split(' ').next().expect("a first word");
        if let Ok(sent) = sent.parse::<u64>() {
            latencies.push(start.elapsed().as_micros() as u64 - sent);
        }
    }
    latencies
}
