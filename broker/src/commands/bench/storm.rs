//! `bench storm`: the bell rings, and a whole school comes back at once.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::Failure;
use super::crowd::Heard;
use super::durable::{Desk, publish_all};
use super::flags::{Measure, Target, at_least_one, body, rate, seconds};
use super::late::{COMPLETE_WITHIN, incomplete};
use super::process::Process;
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
storm costs those who do not take part.

The subscriptions stay behind in the broker: use one whose data you can throw
away.

Examples:
  homeroom bench storm --students 1000 --missed 200 --server-pid $(pidof homeroom)
  homeroom bench storm --students 1000 --beside 300 --rate 20")]
pub(super) struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    target: Target,
    #[command(flatten)]
    #[serde(flatten)]
    measure: Measure,
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
    let server = flags.measure.server_pid.map(Process::named).transpose()?;
    let rooms = if flags.beside > 0 { 2 } else { 1 };
    let sockets = flags.students + flags.beside + 1;
    let mut scene = Scene::new(&flags.target, rooms, sockets, "--students and --beside")?;
    let publisher = scene.publisher()?;
    scene.send_away(0..1, flags.students, publisher)?;
    let desk = Desk::new(&scene, publisher, 0, flags.body, 100);
    publish_all(&mut scene.crowd, desk, flags.missed as u64)?;
    let mut storm = Storm { class: class(flags, &mut scene, publisher)?, pupils: None };
    storm.go_on_before(flags, &mut scene)?;

    if let Some(server) = server {
        server.forget_peak();
    }
    let stretch = Stretch::begin(server)?;
    storm.bell(flags, &mut scene)?;
    let spent = stretch.end()?;
    let peak = server.map(Process::peak_bytes).transpose()?;
    storm.calm_down(&mut scene)?;

    let mut results = Results::default();
    storm.tell(spent.server_cpu_seconds, &mut results);
    if let Some(peak) = peak {
        results.bytes("rss_bytes_peak", peak, "server memory at its peak");
    }
    spent.tell(&mut results);
    results.tell("storm", &flags.target.url, flags, &flags.measure)
}

/// The class beside, if there is one.
fn class(flags: &Flags, scene: &mut Scene, publisher: usize) -> Result<Option<Timetable>, Failure> {
    if flags.beside == 0 {
        return Ok(None);
    }
    let listeners = Listeners { count: flags.beside, durable: false, first: flags.students };
    let receivers = scene.seat(1..2, listeners, publisher)?;
    let letter = scene.letter(1, flags.body, true, false);
    Ok(Some(Timetable::new(publisher, receivers, letter, flags.rate)))
}

struct Storm {
    class: Option<Timetable>,
    pupils: Option<Pupils>,
}

/// How long the class may take to get what was sent during the storm.
const CALM_WITHIN: Duration = Duration::from_secs(10);

impl Storm {
    fn go_on_before(&mut self, flags: &Flags, scene: &mut Scene) -> Result<(), Failure> {
        if self.class.is_none() {
            return Ok(());
        }
        let (warm_up, before) = (flags.measure.warm_up, flags.before);
        let progress = Progress::timed("before", Duration::from_secs_f64(warm_up + before));
        let began = Instant::now();
        let mut open = false;
        loop {
            let passed = began.elapsed();
            progress.passed(passed);
            if passed.as_secs_f64() >= warm_up + before {
                break;
            }
            if !open && passed.as_secs_f64() >= warm_up {
                open = true;
                self.class.iter_mut().for_each(Timetable::open_book);
            }
            self.turn(scene, began + Duration::from_secs_f64(warm_up + before))?;
        }
        // The storm meets no leftovers, and they do not meet the storm.
        self.class.iter_mut().for_each(Timetable::close_book);
        self.wait_for_class(scene)
    }

    fn bell(&mut self, flags: &Flags, scene: &mut Scene) -> Result<(), Failure> {
        let progress = Progress::new("complete", flags.students as u64);
        let listeners = Listeners { count: flags.students, durable: true, first: 0 };
        let who = scene.invite(0..1, listeners)?;
        scene.crowd.connect_at_once(flags.students);
        self.class.iter_mut().for_each(Timetable::open_book);
        self.pupils = Some(Pupils::new(who, flags.missed));
        let until = Instant::now() + COMPLETE_WITHIN;
        while let Some(pupils) = self.pupils.as_ref().filter(|pupils| !pupils.all_complete()) {
            progress.set(pupils.complete.len() as u64);
            if Instant::now() > until {
                return Err(incomplete(pupils));
            }
            self.turn(scene, until)?;
        }
        Ok(())
    }

    fn calm_down(&mut self, scene: &mut Scene) -> Result<(), Failure> {
        self.class.iter_mut().for_each(Timetable::close_book);
        self.wait_for_class(scene)
    }

    fn wait_for_class(&mut self, scene: &mut Scene) -> Result<(), Failure> {
        let until = Instant::now() + CALM_WITHIN;
        while self.class.as_ref().is_some_and(|class| class.missing() > 0) && Instant::now() < until {
            self.turn(scene, until)?;
        }
        Ok(())
    }

    fn turn(&mut self, scene: &mut Scene, until: Instant) -> Result<(), Failure> {
        let Storm { class, pupils } = self;
        let mut until = until;
        if let Some(class) = class {
            class.send(&mut scene.crowd)?;
            until = until.min(class.due());
        }
        scene.crowd.turn(Some(until), &mut |who, what| {
            let Heard::Message(message) = what else { return };
            class.iter_mut().for_each(|class| class.heard(who, message));
            pupils.iter_mut().for_each(|pupils| pupils.heard(who, message));
        })
    }

    fn tell(&self, cpu: Option<f64>, results: &mut Results) {
        let Some(pupils) = &self.pupils else { return };
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
        let beside: u64 = self.class.iter().flat_map(|class| class.books().get(1)).map(|book| book.every.count()).sum();
        let deliveries = pupils.deliveries + beside;
        results.count("deliveries", deliveries, "deliveries");
        if let Some(cpu) = cpu {
            let each = cpu / deliveries.max(1) as f64 * 1e6;
            results.figure("cpu_seconds_per_million_deliveries", each, "server CPU", "s per million deliveries");
        }
        results.count("repeated", pupils.repeated, "deliveries that came again");
        results.count("out_of_order", pupils.out_of_order, "deliveries out of order");
        if let Some([before, during]) = self.class.as_ref().map(Timetable::books) {
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
}
