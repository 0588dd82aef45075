//! `bench storm`: the bell rings, and a whole school comes back at once.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::Failure;
use super::beside::Beside;
use super::crowd::Heard;
use super::durable::{Desk, publish_all};
use super::flags::{Target, Trial, at_least_one, body, rate, seconds};
use super::late::{COMPLETE_WITHIN, incomplete};
use super::progress::Progress;
use super::pupil::Pupils;
use super::report::{Results, Stretch};
use super::scene::{Listeners, Scene};
use super::timetable::Timetable;

#[derive(Args, Debug, Serialize)]
#[command(after_help = "\
Students subscribe durably and leave; --missed messages are published and
confirmed; then all students come back at once. Times count from the first
packet of the first of them, until the first student, half of them and the last
one have all that they missed.

With --beside, a class of so many in another room goes on all the time, by the
clock: its p99 while the storm lasts, divided by its p99 before, is what the
storm costs those who do not take part. A short storm meets few of its
messages: raise --rate or --missed until the counts are worth a p99.

The subscriptions stay behind in the broker: use one whose data you can throw
away.

Examples:
  homeroom bench storm --students 1000 --missed 200 --server-pid $(pidof homeroom)
  homeroom bench storm --students 1000 --beside 300 --rate 20")]
pub(super) struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    trial: Trial,
    /// Students who come back
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = at_least_one)]
    students: usize,
    /// Messages that each of them missed
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one)]
    missed: usize,
    /// Students of the class that goes on beside
    #[arg(long, value_name = "N", default_value_t = 0)]
    beside: usize,
    /// Its messages per second
    #[arg(long, value_name = "N", default_value_t = 20.0, value_parser = rate)]
    rate: f64,
    /// How long it is measured before the storm
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    before: f64,
    /// Bytes of each body
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = body)]
    body: usize,
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let server = flags.trial.server()?;
    let sockets = flags.students + flags.beside + 2;
    let mut scene = Scene::new(&flags.trial.target, 1, sockets, "--students and --beside")?;
    scene.crowd.speech.can_subscribe(true)?;
    let publisher = scene.publisher()?;
    scene.send_away(0..1, flags.students, publisher)?;
    let desk = Desk::new(&scene, publisher, 0, flags.body, 100);
    publish_all(&mut scene.crowd, desk, flags.missed as u64)?;
    let beside = beside(flags, &scene)?;
    if let Some(beside) = &beside {
        before(flags, beside);
    }

    if let Some(server) = server {
        server.forget_peak();
    }
    let stretch = Stretch::begin(server)?;
    beside.iter().for_each(|beside| beside.write_down(true));
    let pupils = bell(flags, &mut scene)?;
    beside.iter().for_each(|beside| beside.write_down(false));
    let spent = stretch.end()?;
    let memory = server.map(|server| Ok::<_, Failure>((server.peak_bytes()?, server.resident_bytes()?))).transpose()?;
    let class = beside.map(Beside::end).transpose()?;

    let mut results = Results::default();
    tell(&pupils, class.as_ref(), spent.server_cpu_seconds, &mut results);
    if let Some((peak, now)) = memory {
        results.bytes("rss_bytes_peak", peak, "server memory at its peak");
        results.bytes("rss_bytes", now, "server memory at the end");
    }
    results.tell("storm", &flags.trial, flags, &spent)
}

/// The class that goes on, in a room of its own, if one is asked for.
fn beside(flags: &Flags, scene: &Scene) -> Result<Option<Beside>, Failure> {
    if flags.beside == 0 {
        return Ok(None);
    }
    let target = Target { destination: Some(format!("{}-beside", scene.room(0))), ..flags.trial.target.clone() };
    let mut scene = Scene::new(&target, 1, flags.beside + 1, "--beside")?;
    let publisher = scene.publisher()?;
    let listeners = Listeners { count: flags.beside, durable: false, first: flags.students };
    let receivers = scene.seat(0..1, listeners, publisher)?;
    let letter = scene.letter(0, flags.body, true, false);
    let class = Timetable::new(publisher, receivers, vec![letter], flags.rate);
    Ok(Some(Beside::start(scene, class)))
}

/// How the class goes while nothing else does.
fn before(flags: &Flags, beside: &Beside) {
    let (warm_up, before) = (flags.trial.measure.warm_up, flags.before);
    for (name, seconds, write_down) in [("warming up", warm_up, false), ("before", before, true)] {
        beside.write_down(write_down);
        let (began, time) = (Instant::now(), Duration::from_secs_f64(seconds));
        let progress = Progress::timed(name, time);
        while let Some(left) = time.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
            progress.passed(began.elapsed());
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
    beside.write_down(false);
    // What is due at this moment still belongs to neither.
    std::thread::sleep(Duration::from_secs_f64(2.0 / flags.rate));
}

/// All come back, and all that they missed comes to them.
fn bell(flags: &Flags, scene: &mut Scene) -> Result<Pupils, Failure> {
    let progress = Progress::new("complete", flags.students as u64);
    let who = scene.invite(0..1, Listeners { count: flags.students, durable: true, first: 0 })?;
    scene.crowd.connect_at_once(flags.students);
    let mut pupils = Pupils::new(who, flags.missed);
    let until = Instant::now() + COMPLETE_WITHIN;
    while !pupils.all_complete() {
        progress.set(pupils.complete.len() as u64);
        if Instant::now() > until {
            return Err(incomplete(&pupils));
        }
        scene.crowd.turn(Some(until), &mut |who, what| {
            if let Heard::Message(message) = what {
                pupils.heard(who, message);
            }
        })?;
    }
    Ok(pupils)
}

fn tell(pupils: &Pupils, class: Option<&Timetable>, cpu: Option<f64>, results: &mut Results) {
    let last = pupils.complete.len() - 1;
    let at = |index: usize| pupils.complete[index].as_micros() as u64;
    let (first, half, last) = (at(0), at(last / 2), at(last));
    let millis = |us: u64| us as f64 / 1e3;
    results.add(
        "complete_us",
        json!({ "first": first, "half": half, "last": last }),
        "complete: first, half, last",
        format!("{:.1}, {:.1}, {:.1} ms", millis(first), millis(half), millis(last)),
    );
    let books = class.map_or(&[][..], Timetable::books);
    let deliveries = pupils.deliveries + books.get(1).map_or(0, |during| during.every.count());
    results.count("deliveries", deliveries, "deliveries");
    results.cpu_per_million("deliveries", deliveries, cpu);
    results.count("repeated", pupils.repeated, "deliveries that came again");
    results.count("out_of_order", pupils.out_of_order, "deliveries out of order");
    if let [_] = books {
        results.remark("class during", "no message of the class fell into the storm: raise --rate or --missed");
    }
    if let [before, during] = books {
        let all = [
            ("before", "class before, to every receiver", &before.every),
            ("during", "class during, to every receiver", &during.every),
            ("before_last", "class before, to the last", &before.last),
            ("during_last", "class during, to the last", &during.last),
            ("sent", "sent late by, during", &during.sent),
        ];
        results.latencies("latency_us", &all);
        let ratio = during.every.at(0.99) as f64 / before.every.at(0.99).max(1) as f64;
        results.figure("p99_ratio", ratio, "p99 during / before", "");
    }
}
