//! `homeroom completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::failure::of_output;
use super::{Cli, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  homeroom completions bash > /etc/bash_completion.d/homeroom
  homeroom completions zsh > ~/.zfunc/_homeroom
  homeroom completions fish > ~/.config/fish/completions/homeroom.fish")]
pub(super) struct Flags {
    /// The shell to write it for
    shell: Shell,
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut Cli::command(), "homeroom", &mut script);
    std::io::Write::write_all(&mut std::io::stdout(), &script).map_err(|error| of_output(&error))
}
