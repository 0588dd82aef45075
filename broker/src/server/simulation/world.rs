//! A school for one seed: who is in it, how far the day has come, and what befalls it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use homeroom_checker::{Entry, Event};
use homeroom_storage::simulated::{Defect, Disk};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::history::History;
use super::house::House;
use super::network::Network;
use super::options::Options;
use super::random::Random;
use super::{auditor, nemesis, publisher, reader};
use crate::outside::made_up;

/// When the day begins: milliseconds since 1970.
const MORNING: u64 = 2_000_000_000_000;
/// From the end of all faults until everybody must be back, and have what they missed.
const RETURN: Duration = Duration::from_secs(40);
/// Traffic without faults.
const CALM: Duration = Duration::from_secs(12);
/// So long everything may take in the end.
const WITHIN: Duration = Duration::from_secs(12);

/// How far the day has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// People publish and read; whatever can go wrong may.
    Lessons,
    /// They go on, and nothing disturbs them.
    Calm,
    /// Nobody publishes anything new.
    Quiet,
    /// Whoever reads says that they have all, and leaves.
    Over,
}

/// What everybody in it shares.
pub(super) struct World {
    pub(super) house: House,
    pub(super) history: History,
    pub(super) options: Options,
    pub(super) phase: watch::Receiver<Phase>,
    /// What the wall clock is ahead of the day.
    pub(super) jumped_millis: Arc<AtomicI64>,
}

/// What became of a seed.
pub(super) struct Outcome {
    pub(super) history: Vec<Entry>,
    pub(super) simulated: Duration,
}

impl World {
    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits, but no longer than the day lasts in this phase.
    pub(super) async fn rest(&self, time: Duration, until: Phase) {
        let mut phase = self.phase.clone();
        let over = phase.wait_for(|phase| *phase >= until);
        let _ = tokio::time::timeout(time, over).await;
    }
}

/// Lives through a seed.
pub(super) fn live(options: &Options, defect: Option<Defect>) -> Outcome {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(day(options.clone(), defect))
}

async fn day(options: Options, defect: Option<Defect>) -> Outcome {
    let began = Instant::now();
    let mut random = Random::seeded(options.seed);
    let jumped_millis = Arc::new(AtomicI64::new(0));
    let time_of_day = {
        let jumped_millis = jumped_millis.clone();
        move || {
            (MORNING + began.elapsed().as_millis() as u64).saturating_add_signed(jumped_millis.load(Ordering::Relaxed))
        }
    };
    let mut numbers = random.fork();
    let _made_up = made_up::World::begin(time_of_day.clone(), move || numbers.number());
    let disk = Disk::new(random.number(), time_of_day, defect);
    let history = History::begin();
    let network = Network::new(random.fork(), options.delay_max);
    let (turn, phase) = watch::channel(Phase::Lessons);
    let house = House::new(disk, network, history.clone(), options.dispatches);
    let world = Arc::new(World { house, history, options, phase, jumped_millis });
    world.house.start();
    let mut people = Vec::new();
    for number in 0..world.options.readers {
        people.push(tokio::spawn(reader::read(world.clone(), number, random.fork())));
    }
    for number in 0..world.options.publishers {
        people.push(tokio::spawn(publisher::publish(world.clone(), number, random.fork())));
    }
    nemesis::torment(&world, random.fork()).await;
    turn.send_replace(Phase::Calm);
    sleep(RETURN).await;
    world.history.note("world", Event::Healed);
    sleep(CALM).await;
    turn.send_replace(Phase::Quiet);
    sleep(WITHIN).await;
    turn.send_replace(Phase::Over);
    for person in people {
        let _ = tokio::time::timeout(WITHIN, person).await.map(|done| done.expect("nobody panics"));
    }
    auditor::dump(&world).await;
    Outcome { history: world.history.entries(), simulated: began.elapsed() }
}
