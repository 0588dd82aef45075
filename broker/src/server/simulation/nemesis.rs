//! What befalls a school.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use homeroom_storage::simulated::Manner;
use tokio::time::{Duration, Instant, sleep};

use super::random::Random;
use super::world::World;

/// The clock is never set further ahead or back than that, since keys are remembered for a day of it.
const JUMPS_MAX: i64 = 6 * 3600 * 1000;
/// A broker that is full or fails does so for a while.
const STOPS_WITHIN: Duration = Duration::from_secs(20);

/// Things go wrong one after the other, until they do no more.
pub(super) async fn torment(world: &Arc<World>, mut random: Random) {
    let until = Instant::now() + Duration::from_secs(world.options.lessons);
    let (house, network) = (&world.house, &world.house.network);
    while Instant::now() < until {
        sleep(random.millis(500..=world.options.trouble_max)).await;
        match random.within(0..=11) {
            0 | 1 => {
                house.crash();
                sleep(random.millis(50..=4_000)).await;
                house.start();
            }
            2 => {
                let _ = tokio::time::timeout(STOPS_WITHIN, house.stop()).await;
                sleep(random.millis(50..=4_000)).await;
                house.start();
            }
            // Everybody comes back in the same moment.
            3 => network.cut_all(),
            4 | 5 => network.cut(random.within(10..=80)),
            6 => network.lose(random.within(10..=60)),
            7 => network.stall(random.within(10..=100), random.millis(200..=15_000)).await,
            8 => {
                let slow = Manner { commit_micros: 50_000..=900_000, read_micros: 0..=300_000, ..Manner::default() };
                for_a_while(world, slow, random.millis(500..=6_000)).await;
            }
            9 => for_a_while(world, Manner { full: true, ..Manner::default() }, random.millis(200..=6_000)).await,
            10 => fail(world, &mut random).await,
            _ => {
                let jump = random.within(0..=2 * JUMPS_MAX as u64) as i64 - JUMPS_MAX;
                world.jumped_millis.store(jump, Ordering::Relaxed);
            }
        }
    }
    house.disk.behave(Manner::default());
    network.heal();
}

async fn for_a_while(world: &World, manner: Manner, lasts: Duration) {
    world.house.disk.behave(manner);
    sleep(lasts).await;
    world.house.disk.behave(Manner::default());
}

/// A sync fails; the broker ends, as it does then, and somebody starts it again.
async fn fail(world: &World, random: &mut Random) {
    world.house.disk.behave(Manner { fails: true, ..Manner::default() });
    sleep(random.millis(500..=3_000)).await;
    world.house.disk.behave(Manner::default());
    if world.house.has_failed() {
        world.house.stop().await;
        sleep(random.millis(50..=4_000)).await;
        world.house.start();
    }
}
