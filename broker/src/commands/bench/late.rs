//! `bench late`: a student comes back and wants what was missed.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::crowd::Heard;
use super::durable::{Desk, publish_all};
use super::flags::{Trial, at_least_one, body};
use super::progress::Progress;
use super::pupil::Pupils;
use super::report::{Delays, Results, Stretch};
use super::scene::{Listeners, Scene};

#[derive(Args, Debug, Serialize)]
#[command(after_help = "\
Students subscribe durably and leave; --missed messages are published and
confirmed; then one student after the other comes back. A time counts from the
first packet of the connection until the student has the last missed message.

The subscriptions stay behind in the broker: use one whose data you can throw
away.

Examples:
  homeroom bench late --students 20 --missed 200
  homeroom bench late --missed 10000 --server-pid $(pidof homeroom)")]
pub(super) struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    trial: Trial,
    /// Students who come back
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    students: usize,
    /// Messages that each of them missed
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one)]
    missed: usize,
    /// Bytes of each body
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = body)]
    body: usize,
}

/// A student who has not all by then is not going to.
pub(super) const COMPLETE_WITHIN: Duration = Duration::from_secs(120);

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let server = flags.trial.server()?;
    let mut scene = Scene::new(&flags.trial.target, 1, flags.students + 1, "--students")?;
    scene.crowd.speech.can_subscribe(true)?;
    let publisher = scene.publisher()?;
    scene.send_away(0..1, flags.students, publisher)?;
    let desk = Desk::new(&scene, publisher, 0, flags.body, 100);
    publish_all(&mut scene.crowd, desk, flags.missed as u64)?;

    let progress = Progress::new("students", flags.students as u64);
    let (mut complete, mut deliveries, mut repeated, mut out_of_order) = (Delays::new(), 0, 0, 0);
    let stretch = Stretch::begin(server)?;
    for student in 0..flags.students {
        let who = scene.invite(0..1, Listeners { count: 1, durable: true, first: student })?;
        let mut pupils = Pupils::new(who.clone(), flags.missed);
        wait_for(&mut scene, &mut pupils)?;
        complete.record(pupils.complete[0]);
        deliveries += pupils.deliveries;
        repeated += pupils.repeated;
        out_of_order += pupils.out_of_order;
        scene.crowd.leave(who, &mut |_, _| ())?;
        progress.set(student as u64 + 1);
    }
    let spent = stretch.end()?;
    drop(progress);

    let mut results = Results::default();
    results.latencies("latency_us", &[("complete", "from connecting to complete", &complete)]);
    results.count("deliveries", deliveries, "deliveries");
    results.count("repeated", repeated, "deliveries that came again");
    results.count("out_of_order", out_of_order, "deliveries out of order");
    results.memory(server)?;
    results.tell("late", &flags.trial, flags, &spent)
}

fn wait_for(scene: &mut Scene, pupils: &mut Pupils) -> Result<(), Failure> {
    let until = Instant::now() + COMPLETE_WITHIN;
    while !pupils.all_complete() {
        if Instant::now() > until {
            return Err(incomplete(pupils));
        }
        scene.crowd.turn(Some(until), &mut |who, what| {
            if let Heard::Message(message) = what {
                pupils.heard(who, message);
            }
        })?;
    }
    Ok(())
}

/// Somebody who came back did not get all.
pub(super) fn incomplete(pupils: &Pupils) -> Failure {
    Failure::new(format!(
        "After {} seconds {} of the missed messages had not come back. Does the broker keep messages for durable \
         subscribers? --subscribe-header and --unique-ids say how it wants to be asked.",
        COMPLETE_WITHIN.as_secs(),
        pupils.missing()
    ))
}
