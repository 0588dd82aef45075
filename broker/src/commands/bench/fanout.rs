//! `bench fanout`: what it costs to bring one message to many.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::closed_loop::{ClosedLoop, Until};
use super::flags::{Trial, at_least_one, body, seconds};
use super::progress::Progress;
use super::report::{Results, Stretch};
use super::scene::{Listeners, Scene, all_rooms_are_taken};

#[derive(Args, Debug, Serialize)]
#[command(after_help = "\
A closed loop: never more than --in-flight messages are under way that not every
receiver of their room has. With 1 each delivery is a write of its own, the
dearest case; with 64 a broker may join what waits.

  cpu s per million   CPU time of the broker, user and system, over the measured
                      time alone. The figure to compare: it hardly depends on
                      how many cores the client takes away
  deliveries/s        messages that arrived at receivers
  this client         near 1 the client is the bottleneck, and deliveries/s says
                      nothing of the broker; CPU per million still does

Examples:
  homeroom bench fanout --receivers 2000 --server-pid $(pidof homeroom)
  homeroom bench fanout --receivers 2000 --in-flight 64 --not-persistent
  homeroom bench fanout --receivers 10000 --rooms 1000 --in-flight 100 --json")]
pub(super) struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    trial: Trial,
    /// Connections that listen
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = at_least_one)]
    receivers: usize,
    /// Rooms that the receivers are spread over; each message goes to one of them, in turn
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    rooms: usize,
    /// Messages under way at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    in_flight: usize,
    /// Measure so many messages …
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    messages: Option<usize>,
    /// … or so long
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds, conflicts_with = "messages")]
    seconds: f64,
    /// Bytes of each body
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = body)]
    body: usize,
    /// Ask the broker not to store the messages
    #[arg(long)]
    not_persistent: bool,
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    all_rooms_are_taken(flags.rooms, flags.receivers)?;
    let server = flags.trial.server()?;
    let mut scene = Scene::new(&flags.trial.target, flags.rooms, flags.receivers + 1, "--receivers")?;
    let publisher = scene.publisher()?;
    let listeners = Listeners { count: flags.receivers, durable: false, first: 0 };
    let receivers = scene.seat(scene.rooms(), listeners, publisher)?;
    let letter = |room| scene.letter(room, flags.body, !flags.not_persistent, false);
    let letters = scene.rooms().map(letter).collect();
    let mut load = ClosedLoop::new(publisher, receivers, letters, flags.in_flight);

    let warm_up = flags.trial.warm_up();
    load.run(&mut scene, Until::Time(warm_up), &Progress::timed("warming up", warm_up))?;
    let (until, progress) = match flags.messages {
        Some(messages) => (Until::Messages(messages as u64), Progress::new("messages", messages as u64)),
        None => {
            let time = Duration::from_secs_f64(flags.seconds);
            (Until::Time(time), Progress::timed("measuring", time))
        }
    };
    let before = load.deliveries();
    let stretch = Stretch::begin(server)?;
    let messages = load.run(&mut scene, until, &progress)?;
    let spent = stretch.end()?;
    drop(progress);

    let deliveries = load.deliveries() - before;
    let mut results = Results::default();
    results.count("messages", messages, "messages");
    results.count("deliveries", deliveries, "deliveries");
    results.figure("deliveries_per_second", deliveries as f64 / spent.seconds, "deliveries/s", "");
    results.cpu_per_million("deliveries", deliveries, spent.server_cpu_seconds);
    results.memory(server)?;
    results.tell("fanout", &flags.trial, flags, &spent)
}
