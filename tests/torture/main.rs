//! The real binary under faults of the machine it runs on, judged by the histories of a class that goes on meanwhile.
//!
//! ```text
//!   class        publishers, and readers with cursors, who come back whatever becomes of their broker
//!   shim         a layer below the broker that fails, delays and lies: `shim.c`, loaded before the C library
//!
//!   frozen       stopped for a while, and killed in it
//!   bad_disk     a sync or a write fails, is slow, or finds no room
//!   damaged      a bit of the data directory flips
//!   directories  two brokers on one, or one that cannot be written, or is somebody else's
//!   descriptors  there are no more of them
//!   clock        the time of day jumps
//!   rolling      restarted again and again
//! ```
//!
//! Killed brokers and full disks are in `end_to_end/`, power cuts in `simulation/`.

mod bad_disk;
mod class;
mod clock;
mod damaged;
mod descriptors;
mod directories;
mod frozen;
mod rolling;
mod shim;

/// A number from the environment, for longer runs.
fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}
