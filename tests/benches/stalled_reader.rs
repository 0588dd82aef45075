//! Does one student who stops reading delay the others?
//!
//! A class of 300 in one classroom, an open-loop publisher, and the time from
//! SEND to MESSAGE at every student; half of the rounds with one student who
//! reads nothing. A and B alternate in one run, so that the machine's moods
//! meet both.
//!
//! ```text
//! cargo build --release -p homeroom && cargo run --release -p homeroom-tests --example stalled_reader
//! ```
//!
//! `ROUNDS` (default 6), `SECONDS` of a round (10), `RATE` in messages a second (50).

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use homeroom_tests::{Broker, Client, Frame, raise_descriptor_limit};
use tokio::time::interval;

const STUDENTS: usize = 300;
const ROOM: &str = "/topic/7b/quiz";
/// Before it is measured, so much is published that the stalled student's socket is full for certain.
const FLOOD: usize = 400;
const FLOOD_BYTES: usize = 32 * 1024;

/// The latencies of one round, in microseconds, sorted.
struct Round {
    stalled: bool,
    latencies: Vec<u64>,
    resident_bytes: u64,
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
    let broker = Arc::new(Broker::start().await);
    let (rounds, seconds, rate) = (setting("ROUNDS", 6), setting("SECONDS", 10), setting("RATE", 50));
    println!("{STUDENTS} students, {rate} messages/s of 200 B, {rounds} rounds of {seconds} s\n");
    println!("round  stalled  messages   p50 ms   p99 ms   max ms  broker MB");
    let mut all = Vec::new();
    for number in 0..rounds {
        let round = measure(&broker, number % 2 == 1, seconds * rate, rate).await;
        print_line(&format!("{number:>5}"), &round);
        all.push(round);
    }
    println!();
    let [without, with] = [false, true].map(|stalled| pooled(&all, stalled));
    print_line("    A", &without);
    print_line("    B", &with);
    println!(
        "\np99 with one of {STUDENTS} stalled: {:.2} times",
        with.percentile(99) as f64 / without.percentile(99) as f64
    );
}

fn print_line(name: &str, round: &Round) {
    let milliseconds = |percent| round.percentile(percent) as f64 / 1e3;
    println!(
        "{name}  {:>7}  {:>8}  {:>7.2}  {:>7.2}  {:>7.2}  {:>9.1}",
        if round.stalled { "1" } else { "0" },
        round.latencies.len(),
        milliseconds(50),
        milliseconds(99),
        milliseconds(100),
        round.resident_bytes as f64 / 1e6
    );
}

fn pooled(rounds: &[Round], stalled: bool) -> Round {
    let chosen = rounds.iter().filter(|round| round.stalled == stalled);
    let mut latencies: Vec<u64> = chosen.clone().flat_map(|round| round.latencies.iter().copied()).collect();
    latencies.sort_unstable();
    let resident_bytes = chosen.map(|round| round.resident_bytes).max().unwrap_or_default();
    Round { stalled, latencies, resident_bytes }
}

async fn measure(broker: &Arc<Broker>, stalled: bool, messages: u64, rate: u64) -> Round {
    let start = Instant::now();
    let mut silent = Client::websocket_with_receive_buffer(broker, 4096).await;
    silent.connect(&[("login", "stalled")]).await;
    silent.subscribe("s", ROOM, &[]).await;
    let silent = if stalled { Some(silent) } else { None };
    let readers = STUDENTS - usize::from(stalled);
    let mut students = Vec::new();
    for number in 0..readers {
        let mut student = Client::signed_in(broker, &format!("student-{number}")).await;
        student.subscribe("s", ROOM, &[]).await;
        students.push(student);
    }
    let mut service = Client::signed_in_over_tcp(broker, "service").await;
    let reading = students.into_iter().map(|student| tokio::spawn(read(student, messages, start)));
    let reading: Vec<_> = reading.collect();
    for _ in 0..FLOOD {
        service.publish(ROOM, &format!("{:.<FLOOD_BYTES$}", "flood ")).await;
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
    let resident_bytes = broker.resident_bytes();
    if let Some(mut silent) = silent {
        // It gets everything when it reads again.
        let got = silent.messages(FLOOD + messages as usize).await;
        assert!(got[..FLOOD].iter().all(|message| message.text().starts_with("flood ")), "in order");
    }
    Round { stalled, latencies, resident_bytes }
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
