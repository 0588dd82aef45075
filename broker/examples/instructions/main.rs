//! The paths whose instructions are counted, to be run under callgrind by `tests/instructions/run`.
//!
//! One program for all crates, so that each is compiled as it is for the broker.

mod deliver;
#[path = "../../src/connection/gate.rs"]
#[allow(dead_code, reason = "the broker uses more of it than is counted here")]
mod gate;
mod measured;
mod stomp;
mod store;

// What the gate finds above itself in the broker.
use homeroom::classroom;

/// The locks of the gate.
mod sync {
    pub(super) use std::sync::{Mutex, MutexGuard};
}

fn main() {
    measured::run(&[&stomp::ROWS[..], &store::ROWS, &deliver::ROWS].concat());
}
