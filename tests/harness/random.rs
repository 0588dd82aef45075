//! Randomness that can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

/// A small generator (SplitMix64): the same seed gives the same test.
pub struct Random(u64);

impl Random {
    /// From `HOMEROOM_SEED`, or else from the clock. Prints the seed, so that a failure can be repeated.
    pub fn printed(test: &str) -> Self {
        let seed = std::env::var("HOMEROOM_SEED")
            .ok()
            .map_or_else(from_clock, |text| text.parse().expect("HOMEROOM_SEED is a whole number"));
        println!("{test}: repeat with HOMEROOM_SEED={seed}");
        Self(seed)
    }

    /// From a known seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// A number from `start` to `end`, both possible.
    pub fn between(&mut self, start: u64, end: u64) -> u64 {
        start + self.below(end - start + 1)
    }

    /// A generator of its own for an actor, so that actors do not disturb each other's numbers.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.number())
    }
}

fn from_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_nanos() as u64
}
