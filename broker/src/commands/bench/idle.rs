//! `bench idle`: what it costs to be there.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::flags::{Trial, at_least_one};
use super::process::Process;
use super::progress::Progress;
use super::report::{Results, Stretch};
use super::scene::{Listeners, Scene};

#[derive(Args, Debug, Serialize)]
#[command(after_help = "\
Connects and subscribes, at most --connecting at a time. A first round of 300
connections is closed again, so that what is there once for all does not count.

  server memory each   resident memory of the broker, after it has settled, less
                       what it was before, per connection. The kernel's memory
                       for sockets is not in it
  server CPU           of connecting and subscribing, per 1,000 connections

Examples:
  homeroom bench idle --connections 5000 --server-pid $(pidof homeroom)
  homeroom bench idle --connections 5000 --durable --rooms 200 --server-pid $(pidof homeroom)")]
pub(super) struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    trial: Trial,
    /// Connections that subscribe and hear nothing
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = at_least_one)]
    connections: usize,
    /// Rooms that they are spread over
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    rooms: usize,
    /// Subscribe durably
    #[arg(long)]
    durable: bool,
}

/// Connections of the first round.
const FIRST_ROUND: usize = 300;

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let server = flags.trial.server()?;
    let mut scene = Scene::new(&flags.trial.target, flags.rooms, flags.connections + 1, "--connections")?;
    scene.crowd.speech.can_subscribe(flags.durable)?;
    let publisher = scene.publisher()?;
    let settle = Duration::from_secs_f64(flags.trial.measure.warm_up.max(0.1));
    let rest = |scene: &mut Scene| scene.crowd.rest(settle, &mut |_, _| ());
    let listeners = Listeners { count: FIRST_ROUND, durable: flags.durable, first: 0 };
    let first = scene.seat(scene.rooms(), listeners, publisher)?;
    scene.crowd.leave(first, &mut |_, _| ())?;
    rest(&mut scene)?;

    let resident = || server.map(Process::resident_bytes).transpose();
    let before = resident()?;
    let listeners = Listeners { count: flags.connections, durable: flags.durable, first: FIRST_ROUND };
    let all = scene.invite(scene.rooms(), listeners)?;
    let stretch = Stretch::begin(server)?;
    {
        let progress = Progress::new("connecting", flags.connections as u64);
        scene.crowd.gather(|ready| progress.set(ready), &mut |_, _| ())?;
    }
    let connecting_seconds = stretch.end()?.seconds;
    if !scene.crowd.confirms_subscriptions() {
        // The broker may still be working on them, and only it knows.
        rest(&mut scene)?;
    }
    let spent = stretch.end()?;
    rest(&mut scene)?;
    let during = resident()?;
    scene.crowd.leave(all, &mut |_, _| ())?;
    rest(&mut scene)?;
    let after = resident()?;

    let connections = flags.connections as f64;
    let mut results = Results::default();
    results.figure("connects_per_second", connections / connecting_seconds, "connects/s", "");
    if let Some(cpu) = spent.server_cpu_seconds {
        let thousand = cpu / connections * 1000.0;
        results.figure("cpu_seconds_per_1000_connects", thousand, "server CPU", "s per 1,000 connects");
    }
    if let (Some(before), Some(during), Some(after)) = (before, during, after) {
        let each = during.saturating_sub(before) / flags.connections as u64;
        results.bytes("rss_bytes_per_connection", each, "server memory each");
        results.bytes("rss_bytes_before", before, "server memory before");
        results.bytes("rss_bytes", during, "server memory with all");
        results.bytes("rss_bytes_after", after, "server memory after");
    }
    results.tell("idle", &flags.trial, flags, &spent)
}
