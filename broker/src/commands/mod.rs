//! What the `homeroom` program can do, one file for each command.
//!
//! A command gets parsed flags and ends with success or a [`Failure`]. Never
//! here: how anything is done that a broker does by itself.

mod access;
mod bench;
mod certificate;
mod check;
mod client;
mod completions;
mod doctor;
mod failure;
mod key;
mod openapi;
mod publish;
mod reach;
mod serve;
mod sign_in;
mod store;
mod subscribe;
mod token;
mod user;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use failure::Failure;

/// The central broker of live lessons: STOMP over WebSocket, with a durable log for every classroom.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "homeroom", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Flags,
}

const AFTER_HELP: &str = "\
Examples:
  homeroom                                             serve on 127.0.0.1:8080, data in ./data
  homeroom publish /topic/7b/quiz 'Is 91 prime?'       send one message and wait until it is stored
  homeroom subscribe '/topic/7b/**' --rewind 10        see the last ten messages and what follows
  homeroom doctor http://lessons.school.example:8080   do lessons get through from here?
  homeroom check --config homeroom.toml                is the configuration right?
  homeroom user add alice --role student --classroom 7b
                                                       who may come in, once access.users names a file

Exit codes:
  0  done
  1  something failed; standard error says what, and what to do
  2  the command line or the configuration is wrong: the same again would fail again";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker.
    Serve(serve::Flags),
    /// Send messages, and wait until each is stored.
    Publish(publish::Flags),
    /// Print messages as they come.
    Subscribe(subscribe::Flags),
    /// Say whether the configuration is right, and what holds.
    Check(check::Flags),
    /// Look into a data directory while no broker has it open, erase from it, or make it small.
    Store(store::Flags),
    /// Add, remove and list users with passwords.
    User(user::Flags),
    /// Add, remove and list keys of services.
    Key(key::Flags),
    /// Make a token for somebody.
    Token(token::Flags),
    /// Put a load on a broker and say what it costs, to size a machine or to compare.
    Bench(bench::Flags),
    /// Say what stands between here and a broker: which ways work, and what to ask of the school's IT.
    Doctor(doctor::Flags),
    /// Print the description of the HTTP interface, as /openapi.json has it.
    Openapi(openapi::Flags),
    /// Print a script that completes commands and flags in a shell.
    Completions(completions::Flags),
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// With one paragraph for the person who typed the command, and an exit code.
    pub fn run(self) -> Result<(), Failure> {
        match self.command.unwrap_or(Command::Serve(self.serve)) {
            Command::Serve(flags) => serve::run(&flags),
            Command::Publish(flags) => publish::run(flags),
            Command::Subscribe(flags) => subscribe::run(&flags),
            Command::Check(flags) => check::run(&flags),
            Command::Store(flags) => store::run(&flags),
            Command::User(flags) => user::run(&flags),
            Command::Key(flags) => key::run(&flags),
            Command::Token(flags) => token::run(&flags),
            Command::Bench(flags) => bench::run(&flags),
            Command::Doctor(flags) => doctor::run(&flags),
            Command::Openapi(flags) => openapi::run(&flags),
            Command::Completions(flags) => completions::run(&flags),
        }
    }
}

/// Where the configuration is.
#[derive(Args, Clone, Debug, Default)]
struct ConfigFlag {
    /// The configuration file [default: homeroom.toml in the working directory, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[cfg(test)]
mod conversation_tests;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        for command in Cli::command().get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example"), "{}", command.get_name());
        }
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("Examples:") && help.contains("Exit codes:"));
    }

    #[test]
    fn no_command_serves() {
        for line in [vec!["homeroom"], vec!["homeroom", "--listen", "127.0.0.1:0", "--open-to-anyone"]] {
            assert!(Cli::try_parse_from(&line).unwrap().command.is_none(), "{line:?}");
        }
        assert!(Cli::try_parse_from(["homeroom", "--listen", "127.0.0.1:0", "check"]).is_err());
    }
}
