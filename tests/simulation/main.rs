//! Worlds that are worse than ours: disks that forget.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod power_cut;
mod recording;
mod trace;
mod transactions;
