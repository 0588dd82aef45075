//! What a seed stands for.

use super::random::Random;

/// The people of a school and what may befall it.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) seed: u64,
    pub(super) classrooms: u64,
    pub(super) publishers: u64,
    pub(super) readers: u64,
    /// Seconds in which things go wrong.
    pub(super) lessons: u64,
    /// Milliseconds between two bursts of a publisher, at most.
    pub(super) pace_max: u64,
    /// Milliseconds that bytes are under way, at most.
    pub(super) delay_max: u64,
    /// Milliseconds between two misfortunes, at most.
    pub(super) trouble_max: u64,
    /// Classes are written to by their dispatchers.
    pub(super) dispatches: bool,
}

impl Options {
    pub(super) fn of(seed: u64) -> Options {
        let mut random = Random::seeded(seed ^ 0x0053_4545_4453);
        Options {
            seed,
            classrooms: random.within(1..=3),
            publishers: random.within(2..=4),
            readers: random.within(4..=8),
            lessons: random.within(20..=60),
            pace_max: random.within(400..=4_000),
            delay_max: random.within(1..=80),
            trouble_max: random.within(1_000..=8_000),
            dispatches: random.percent(50),
        }
    }

    /// The classroom of somebody.
    pub(super) fn classroom(&self, number: u64) -> String {
        format!("c{}", number % self.classrooms)
    }
}
