//! `homeroom check`.

use std::io::Write;

use clap::Args;

use super::failure::of_output;
use super::{ConfigFlag, Failure, access, certificate};
use crate::access::hook::Hook;
use crate::auth::{Authenticator, Unusable};
use crate::settings::{Sources, load};
use crate::telemetry;

#[derive(Args, Debug)]
#[command(after_help = "\
Reads what `homeroom serve` would read: the file, then variables such as
HOMEROOM__LISTEN__HTTP, and the files that they name: of [tls], of users, keys and
secrets. Run it as the user that the broker runs as. Everything that is wrong is
reported at once.

Examples:
  homeroom check                                  homeroom.toml in the working directory
  homeroom check --config /etc/homeroom.toml      another file
  homeroom check --print                          every setting that holds, and who said so

Exit codes:
  0  the configuration is right
  2  it is not; standard error says where and what to write instead")]
pub(super) struct Flags {
    #[command(flatten)]
    config: ConfigFlag,
    /// Print all settings that hold as TOML, each with its source
    #[arg(long)]
    print: bool,
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let sources = Sources::of_process(flags.config.config.clone(), Vec::new());
    let loaded = load(&sources)?;
    for warning in certificate::right(&loaded)? {
        eprintln!("Warning: {warning}");
    }
    // What is right and yet unwise is said in the words of a running broker.
    telemetry::init(&loaded.settings.log, None).map_err(|error| Failure::usage(error.to_string()))?;
    let access = &loaded.settings.access;
    let mut faults = Authenticator::open(access).err().map(|Unusable(faults)| faults).unwrap_or_default();
    faults.extend(Hook::open(&access.hook).err());
    if !faults.is_empty() {
        return Err(access::problems(Unusable(faults), &loaded.entries).into());
    }
    let text = match (flags.print, &sources.file) {
        (true, _) => loaded.to_string(),
        (false, Some(file)) => format!("The configuration is right: {}\n", file.display()),
        (false, None) => "The configuration is right: no file, so the defaults hold.\n".to_owned(),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| of_output(&error))
}
