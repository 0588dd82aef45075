//! `homeroom store`.

use clap::Args;

use super::Failure;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  homeroom store stats --data ./data")]
pub(super) struct Flags {}

pub(super) fn run(_flags: &Flags) -> Result<(), Failure> {
    Ok(())
}
