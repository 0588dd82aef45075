//! `homeroom openapi`.

use std::io::Write;

use clap::Args;

use super::failure::of_output;
use super::{ConfigFlag, Failure};
use crate::http::description;
use crate::settings::{Sources, load};

#[derive(Args, Debug)]
#[command(after_help = "\
Reads the configuration that `homeroom serve` would read, since the limits in it
are part of the description.

Examples:
  homeroom openapi > homeroom.json                         for a program that makes clients
  homeroom openapi --config /etc/homeroom.toml             with the limits of this file")]
pub(super) struct Flags {
    #[command(flatten)]
    config: ConfigFlag,
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let loaded = load(&Sources::of_process(flags.config.config.clone(), Vec::new()))?;
    let text = format!("{:#}\n", description(&loaded.settings));
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| of_output(&error))
}
