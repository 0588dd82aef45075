//! The way between clients and the broker: it delays, splits, stalls, loses and cuts.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::random::Random;
use crate::transport::memory::{Memory, memory};

/// What a kernel takes for somebody who does not read.
const KERNEL_BYTES: usize = 16 * 1024;
const PIECE_BYTES: u64 = 4 * 1024;
/// So often somebody looks whether a line that stands still goes on.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// All lines.
#[derive(Debug)]
pub(super) struct Network {
    lines: Mutex<Vec<Arc<Line>>>,
    random: Mutex<Random>,
    /// Milliseconds that a piece takes at most.
    delay_max: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Carries,
    /// What is sent waits.
    Stalls,
    /// What is sent is gone, and nobody is told.
    Loses,
}

#[derive(Debug)]
struct Line {
    fate: Mutex<Fate>,
    carriers: Mutex<Vec<AbortHandle>>,
}

impl Line {
    fn fate(&self) -> Fate {
        *self.fate.lock().unwrap()
    }

    fn meet(&self, fate: Fate) {
        *self.fate.lock().unwrap() = fate;
    }

    /// Both ends see the end.
    fn cut(&self) {
        self.carriers.lock().unwrap().iter().for_each(AbortHandle::abort);
    }

    fn is_over(&self) -> bool {
        self.carriers.lock().unwrap().iter().all(AbortHandle::is_finished)
    }
}

impl Network {
    pub(super) fn new(random: Random, delay_max: u64) -> Arc<Network> {
        Arc::new(Network { lines: Mutex::default(), random: Mutex::new(random), delay_max })
    }

    /// A line: the client's end and the broker's.
    pub(super) fn line(&self) -> (Memory, Memory) {
        let ((near, near_far), (far_near, far)) = (memory(KERNEL_BYTES), memory(KERNEL_BYTES));
        let (client_side, broker_side) = (Arc::new(near_far), Arc::new(far_near));
        let line = Arc::new(Line { fate: Mutex::new(Fate::Carries), carriers: Mutex::default() });
        let mut random = self.random.lock().unwrap();
        let ways = [(&client_side, &broker_side), (&broker_side, &client_side)];
        let carriers = ways.map(|(from, to)| {
            let carrier = carry(from.clone(), to.clone(), line.clone(), random.fork(), self.delay_max);
            tokio::spawn(carrier).abort_handle()
        });
        *line.carriers.lock().unwrap() = carriers.into();
        self.lines().push(line);
        (near, far)
    }

    /// Cuts every line.
    pub(super) fn cut_all(&self) {
        self.lines().drain(..).for_each(|line| line.cut());
    }

    /// Cuts some lines: so many in a hundred.
    pub(super) fn cut(&self, percent: u64) {
        self.some(percent).iter().for_each(|line| line.cut());
    }

    /// Whatever is sent on some lines is lost from now on.
    pub(super) fn lose(&self, percent: u64) {
        self.some(percent).iter().for_each(|line| line.meet(Fate::Loses));
    }

    /// Some lines stand still for a while.
    pub(super) async fn stall(&self, percent: u64, lasts: Duration) {
        let stalled = self.some(percent);
        let still = |line: &&Arc<Line>| line.fate() != Fate::Loses;
        stalled.iter().filter(still).for_each(|line| line.meet(Fate::Stalls));
        sleep(lasts).await;
        stalled.iter().filter(still).for_each(|line| line.meet(Fate::Carries));
    }

    /// What stood still goes on, and who lost something is told.
    pub(super) fn heal(&self) {
        for line in self.lines().iter() {
            match line.fate() {
                Fate::Loses => line.cut(),
                Fate::Stalls | Fate::Carries => line.meet(Fate::Carries),
            }
        }
    }

    fn some(&self, percent: u64) -> Vec<Arc<Line>> {
        let mut random = self.random.lock().unwrap();
        self.lines().iter().filter(|_| random.percent(percent)).cloned().collect()
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Arc<Line>>> {
        let mut lines = self.lines.lock().unwrap();
        lines.retain(|line| !line.is_over() || line.carriers.lock().unwrap().is_empty());
        lines
    }
}

/// One way of a line.
async fn carry(from: Arc<Memory>, to: Arc<Memory>, line: Arc<Line>, mut random: Random, delay_max: u64) {
    let mut piece = vec![0; PIECE_BYTES as usize];
    loop {
        // In memory nothing fails.
        let _ = from.readable().await;
        let bytes = if random.percent(20) { random.within(1..=24) } else { PIECE_BYTES };
        let count = from.try_read(&mut piece[..bytes as usize]).unwrap_or(0);
        if !random.percent(30) {
            sleep(random.millis(0..=delay_max)).await;
        }
        while line.fate() == Fate::Stalls {
            sleep(LOOK_EVERY).await;
        }
        match (line.fate(), count) {
            // Also that somebody has gone.
            (Fate::Loses, 0) => std::future::pending().await,
            (Fate::Loses, _) => {}
            (_, 0) => return to.finish(),
            (_, count) => {
                let mut unsent = &piece[..count];
                while !unsent.is_empty() {
                    let _ = to.writable().await;
                    match to.try_write(unsent) {
                        Ok(written) => unsent = &unsent[written..],
                        Err(_) => return,
                    }
                }
            }
        }
    }
}
