//! `bench durable`: how many messages are confirmed, and after how long.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::crowd::{Crowd, Heard};
use super::flags::{Trial, at_least_one, body, seconds};
use super::progress::Progress;
use super::report::{Delays, Results, Stretch};
use super::scene::Scene;
use super::speech::Letter;

#[derive(Args, Debug, Serialize)]
#[command(after_help = "\
Publishers ask for a RECEIPT of each message and keep --in-flight of them
without one: a closed loop, so the latency follows from the rate. What a RECEIPT
promises is the broker's affair: Homeroom's come after the message is on the
disk.

With --away, so many durable subscribers subscribe and leave before: a broker
that keeps a copy for each of them shows it here. They and their messages stay
behind in the broker: use one whose data you can throw away.

Examples:
  homeroom bench durable --server-pid $(pidof homeroom)
  homeroom bench durable --publishers 8 --in-flight 32
  homeroom bench durable --away 1000")]
pub(super) struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    trial: Trial,
    /// Connections that publish
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    publishers: usize,
    /// Messages of each publisher that wait for their RECEIPT
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one)]
    in_flight: usize,
    /// How long
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// Bytes of each body
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = body)]
    body: usize,
    /// Rooms; publishers are spread over them, and those who are away too
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    rooms: usize,
    /// Durable subscribers that are away meanwhile
    #[arg(long, value_name = "N", default_value_t = 0)]
    away: usize,
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let server = flags.trial.server()?;
    let sockets = flags.publishers + flags.away + 1;
    let mut scene = Scene::new(&flags.trial.target, flags.rooms, sockets, "--away and --publishers")?;
    // NATS has no receipts either.
    scene.crowd.speech.can_subscribe(true)?;
    let first = scene.publisher()?;
    scene.send_away(scene.rooms(), flags.away, first)?;
    let mut desks = vec![Desk::new(&scene, first, 0, flags.body, flags.in_flight)];
    for index in 1..flags.publishers {
        let publisher = scene.publisher()?;
        desks.push(Desk::new(&scene, publisher, index % flags.rooms, flags.body, flags.in_flight));
    }

    let warm_up = flags.trial.warm_up();
    publish(&mut scene.crowd, &mut desks, warm_up, &Progress::timed("warming up", warm_up))?;
    for desk in &mut desks {
        (desk.confirmed, desk.delays) = (0, Delays::new());
    }
    let time = Duration::from_secs_f64(flags.seconds);
    let stretch = Stretch::begin(server)?;
    publish(&mut scene.crowd, &mut desks, time, &Progress::timed("measuring", time))?;
    let spent = stretch.end()?;

    let confirmed: u64 = desks.iter().map(|desk| desk.confirmed).sum();
    let mut delays = Delays::new();
    desks.iter().for_each(|desk| delays.add(&desk.delays));
    let mut results = Results::default();
    results.count("confirmed", confirmed, "confirmed");
    results.figure("confirmed_per_second", confirmed as f64 / spent.seconds, "confirmed/s", "");
    results.latencies("latency_us", &[("receipt", "from SEND to RECEIPT", &delays)]);
    results.cpu_per_million("confirmed", confirmed, spent.server_cpu_seconds);
    results.memory(server)?;
    results.tell("durable", &flags.trial, flags, &spent)
}

/// One publisher and what it waits for.
pub(super) struct Desk {
    publisher: usize,
    letter: Letter,
    in_flight: usize,
    sent: u64,
    waiting: HashMap<u64, Instant>,
    confirmed: u64,
    delays: Delays,
}

/// While no receipt comes for so long, none will.
const PATIENCE: Duration = Duration::from_secs(30);

impl Desk {
    pub(super) fn new(scene: &Scene, publisher: usize, room: usize, body: usize, in_flight: usize) -> Desk {
        let letter = scene.letter(room, body, true, true);
        let waiting = HashMap::with_capacity(in_flight);
        Desk { publisher, letter, in_flight, sent: 0, waiting, confirmed: 0, delays: Delays::new() }
    }

    /// Sends until `in_flight` wait, or `all` are sent.
    fn fill(&mut self, crowd: &mut Crowd, all: u64, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        bytes.clear();
        let now = Instant::now();
        while self.waiting.len() < self.in_flight && self.sent < all {
            self.letter.write(bytes, self.sent);
            self.waiting.insert(self.sent, now);
            self.sent += 1;
        }
        if bytes.is_empty() { Ok(()) } else { crowd.say(self.publisher, bytes) }
    }

    fn confirm(&mut self, number: u64) {
        if let Some(sent) = self.waiting.remove(&number) {
            self.confirmed += 1;
            self.delays.record(sent.elapsed());
        }
    }
}

/// Publishes `count` messages, numbered from 0, and waits until all are confirmed.
pub(super) fn publish_all(crowd: &mut Crowd, desk: Desk, count: u64) -> Result<(), Failure> {
    let progress = Progress::new("publishing", count);
    let mut desks = [desk];
    drive(crowd, &mut desks, count, |desks| {
        progress.set(desks[0].confirmed);
        (desks[0].confirmed >= count).then_some(())
    })
}

fn publish(crowd: &mut Crowd, desks: &mut [Desk], time: Duration, progress: &Progress) -> Result<(), Failure> {
    let began = Instant::now();
    drive(crowd, desks, u64::MAX, |_| {
        progress.passed(began.elapsed());
        (began.elapsed() >= time).then_some(())
    })
}

fn drive(
    crowd: &mut Crowd,
    desks: &mut [Desk],
    all: u64,
    mut finished: impl FnMut(&[Desk]) -> Option<()>,
) -> Result<(), Failure> {
    let (mut bytes, mut heard, mut alive) = (Vec::new(), 0, Instant::now());
    // Publishers are connected one after the other, so their numbers grow.
    let index: HashMap<usize, usize> = desks.iter().enumerate().map(|(index, desk)| (desk.publisher, index)).collect();
    while finished(desks).is_none() {
        for desk in desks.iter_mut() {
            desk.fill(crowd, all, &mut bytes)?;
        }
        crowd.turn(Some(Instant::now() + Duration::from_millis(50)), &mut |who, what| {
            if let (Heard::Receipt(number), Some(index)) = (what, index.get(&who)) {
                desks[*index].confirm(number);
            }
        })?;
        let confirmed: u64 = desks.iter().map(|desk| desk.confirmed).sum();
        if confirmed > heard {
            (heard, alive) = (confirmed, Instant::now());
        } else if alive.elapsed() > PATIENCE {
            return Err(Failure::new(format!(
                "No RECEIPT came for {} seconds. Does the broker confirm SENDs, and is there room on its disk?",
                PATIENCE.as_secs()
            )));
        }
    }
    Ok(())
}
