//! `bench fanout`: what it costs to bring one message to many.

use std::ops::Range;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::crowd::Heard;
use super::flags::{Trial, at_least_one, body, seconds};
use super::progress::Progress;
use super::report::{Results, Stretch};
use super::scene::{Listeners, Scene, all_rooms_are_taken};
use super::speech::Letter;

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

/// While no message arrives for so long, one is lost.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    all_rooms_are_taken(flags.rooms, flags.receivers)?;
    let server = flags.trial.server()?;
    let mut scene = Scene::new(&flags.trial.target, flags.rooms, flags.receivers + 1, "--receivers")?;
    let publisher = scene.publisher()?;
    let listeners = Listeners { count: flags.receivers, durable: false, first: 0 };
    let receivers = scene.seat(scene.rooms(), listeners, publisher)?;
    let mut load = Load::new(flags, &scene, publisher, receivers);

    let warm_up = flags.trial.warm_up();
    load.run(&mut scene, Until::Time(warm_up), &Progress::timed("warming up", warm_up))?;
    let (until, progress) = match flags.messages {
        Some(messages) => (Until::Messages(messages as u64), Progress::new("messages", messages as u64)),
        None => {
            let time = Duration::from_secs_f64(flags.seconds);
            (Until::Time(time), Progress::timed("measuring", time))
        }
    };
    let before = load.deliveries;
    let stretch = Stretch::begin(server)?;
    let messages = load.run(&mut scene, until, &progress)?;
    let spent = stretch.end()?;
    drop(progress);

    let deliveries = load.deliveries - before;
    let mut results = Results::default();
    results.count("messages", messages, "messages");
    results.count("deliveries", deliveries, "deliveries");
    results.figure("deliveries_per_second", deliveries as f64 / spent.seconds, "deliveries/s", "");
    results.cpu_per_million("deliveries", deliveries, spent.server_cpu_seconds);
    results.memory(server)?;
    results.tell("fanout", &flags.trial, flags, &spent)
}

#[derive(Clone, Copy)]
enum Until {
    Messages(u64),
    Time(Duration),
}

/// The closed loop.
struct Load {
    publisher: usize,
    receivers: Range<usize>,
    in_flight: usize,
    rooms: Vec<Room>,
    /// Messages that each receiver has.
    counts: Vec<u64>,
    /// Messages that not every receiver of their room has.
    under_way: usize,
    /// The room of the next message.
    next: usize,
    deliveries: u64,
}

struct Room {
    letter: Letter,
    receivers: u32,
    sent: u64,
    /// Of the newest `in_flight` messages, by number modulo `in_flight`: receivers that do not have it.
    missing: Vec<u32>,
}

impl Load {
    fn new(flags: &Flags, scene: &Scene, publisher: usize, receivers: Range<usize>) -> Load {
        let room = |room| Room {
            letter: scene.letter(room, flags.body, !flags.not_persistent, false),
            // Receivers are dealt out in turn.
            receivers: (receivers.len() / flags.rooms + usize::from(room < receivers.len() % flags.rooms)) as u32,
            sent: 0,
            missing: vec![0; flags.in_flight],
        };
        Load {
            publisher,
            in_flight: flags.in_flight,
            rooms: (0..flags.rooms).map(room).collect(),
            counts: vec![0; receivers.len()],
            receivers,
            under_way: 0,
            next: 0,
            deliveries: 0,
        }
    }

    /// Sends until then, waits until all have all, and says how many messages that were.
    fn run(&mut self, scene: &mut Scene, until: Until, progress: &Progress) -> Result<u64, Failure> {
        let began = Instant::now();
        let (mut sent, mut heard, mut alive) = (0, self.deliveries, began);
        let mut bytes = Vec::new();
        loop {
            let now = Instant::now();
            let over = match until {
                Until::Messages(messages) => sent >= messages,
                Until::Time(time) => now - began >= time,
            };
            if over && self.under_way == 0 {
                return Ok(sent);
            }
            bytes.clear();
            while self.under_way < self.in_flight && !over && !matches!(until, Until::Messages(all) if sent >= all) {
                self.send(&mut bytes);
                sent += 1;
            }
            if !bytes.is_empty() {
                scene.crowd.say(self.publisher, &bytes)?;
                match until {
                    Until::Messages(_) => progress.set(sent),
                    Until::Time(_) => progress.passed(now - began),
                }
            }
            let mut stray = false;
            scene.crowd.turn(Some(now + PATIENCE), &mut |who, what| {
                if matches!(what, Heard::Message(_)) {
                    stray |= self.hear(who).is_none();
                }
            })?;
            if stray {
                return Err(Failure::new(format!(
                    "Messages came that this run did not send. Does somebody else publish to {}? Name a fresh \
                     --destination.",
                    scene.room(0)
                )));
            }
            if self.deliveries > heard {
                (heard, alive) = (self.deliveries, now);
            } else if now - alive > PATIENCE {
                return Err(self.stalled());
            }
        }
    }

    fn send(&mut self, bytes: &mut Vec<u8>) {
        let index = self.next;
        self.next = (index + 1) % self.rooms.len();
        let room = &mut self.rooms[index];
        let slot = (room.sent % self.in_flight as u64) as usize;
        room.missing[slot] = room.receivers;
        room.letter.write(bytes, room.sent);
        room.sent += 1;
        self.under_way += 1;
    }

    /// A receiver has one message more; `None` if none was under way to it.
    #[inline]
    fn hear(&mut self, who: usize) -> Option<()> {
        let receiver = who.checked_sub(self.receivers.start)?;
        let count = self.counts.get_mut(receiver)?;
        let room_count = self.rooms.len();
        let room = &mut self.rooms[receiver % room_count];
        if *count >= room.sent {
            return None;
        }
        let missing = &mut room.missing[(*count % self.in_flight as u64) as usize];
        *count += 1;
        *missing -= 1;
        self.deliveries += 1;
        if *missing == 0 {
            self.under_way -= 1;
        }
        Some(())
    }

    fn stalled(&self) -> Failure {
        let all = |receiver: usize| self.rooms[receiver % self.rooms.len()].sent;
        let behind = self.counts.iter().enumerate().filter(|(receiver, count)| **count < all(*receiver)).count();
        Failure::new(format!(
            "Nothing arrived for {} seconds, and {behind} of {} receivers miss messages. The broker lost them, or it \
             is too busy: see its log.",
            PATIENCE.as_secs(),
            self.counts.len()
        ))
    }
}
