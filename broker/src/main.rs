//! The `homeroom` program.

use std::process::ExitCode;

use clap::Parser;
use homeroom::commands::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.exit_code() != ExitCode::SUCCESS {
                eprintln!("{failure}");
            }
            failure.exit_code()
        }
    }
}
