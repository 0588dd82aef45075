//! `bench latency`: how long a message takes to everybody in a class.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::beside::turn;
use super::flags::{Trial, at_least_one, body, rate, seconds};
use super::progress::Progress;
use super::report::{Results, Stretch};
use super::scene::{Listeners, Scene, all_rooms_are_taken};
use super::timetable::Timetable;

#[derive(Args, Debug, Serialize)]
#[command(after_help = "\
An open loop: messages are sent at fixed times, and a delay counts from the time
a message was meant to be sent, so that waiting is never left out.

  to every receiver   each delivery counts once
  to the last         of each message the receiver that got it last: when the
                      whole class has it
  sent late by        what this client itself was late. If it is near the other
                      figures, the machine is too busy for them to mean much

Examples:
  homeroom bench latency --receivers 300 --rate 20
  homeroom bench latency --receivers 300 --rate 20 --not-persistent
  homeroom bench latency --receivers 300 --durable --seconds 60 --json
  homeroom bench latency --receivers 10000 --rooms 1000 --rate 2000")]
pub(super) struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    trial: Trial,
    /// Connections that listen
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = at_least_one)]
    receivers: usize,
    /// Rooms that the receivers are spread over; each message goes to one of them, in turn
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    rooms: usize,
    /// Messages per second, in all rooms together
    #[arg(long, value_name = "N", default_value_t = 20.0, value_parser = rate)]
    rate: f64,
    /// How long
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// Bytes of each body
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = body)]
    body: usize,
    /// Subscribe durably
    #[arg(long)]
    durable: bool,
    /// Ask the broker not to store the messages
    #[arg(long)]
    not_persistent: bool,
}

/// How long messages may still arrive after the last was sent.
const ARRIVED_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let server = flags.trial.server()?;
    all_rooms_are_taken(flags.rooms, flags.receivers)?;
    let mut scene = Scene::new(&flags.trial.target, flags.rooms, flags.receivers + 1, "--receivers")?;
    scene.crowd.speech.can_subscribe(flags.durable)?;
    let publisher = scene.publisher()?;
    let listeners = Listeners { count: flags.receivers, durable: flags.durable, first: 0 };
    let receivers = scene.seat(scene.rooms(), listeners, publisher)?;
    let letter = |room| scene.letter(room, flags.body, !flags.not_persistent, false);
    let mut class = Timetable::new(publisher, receivers, scene.rooms().map(letter).collect(), flags.rate);

    let warm_up = flags.trial.warm_up();
    go_on(&mut scene, &mut class, warm_up, &Progress::timed("warming up", warm_up))?;
    let time = Duration::from_secs_f64(flags.seconds);
    let stretch = Stretch::begin(server)?;
    class.open_book();
    go_on(&mut scene, &mut class, time, &Progress::timed("measuring", time))?;
    let spent = stretch.end()?;
    let until = Instant::now() + ARRIVED_WITHIN;
    while class.missing() > 0 && Instant::now() < until {
        turn(&mut scene, &mut class, until)?;
    }

    let mut results = Results::default();
    let book = &class.books()[0];
    let all = [
        ("every", "to every receiver", &book.every),
        ("last", "to the last", &book.last),
        ("sent", "sent late by", &book.sent),
    ];
    results.latencies("latency_us", &all);
    let deliveries = book.every.count();
    results.count("deliveries", deliveries, "deliveries");
    results.cpu_per_million("deliveries", deliveries, spent.server_cpu_seconds);
    results.count("missing", class.missing(), "deliveries that never came");
    results.memory(server)?;
    results.tell("latency", &flags.trial, flags, &spent)
}

fn go_on(scene: &mut Scene, class: &mut Timetable, time: Duration, progress: &Progress) -> Result<(), Failure> {
    let began = Instant::now();
    while began.elapsed() < time {
        class.send(&mut scene.crowd)?;
        progress.passed(began.elapsed());
        let due = class.due();
        turn(scene, class, due.min(began + time))?;
    }
    Ok(())
}
