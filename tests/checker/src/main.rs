//! `homeroom-checker`: judges the history of a run.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use homeroom_checker::{judge, read};

/// Decides from what everybody did and saw whether a broker kept its promises
#[derive(Parser)]
#[command(after_help = "\
A history is one file of JSON lines for each actor, for example:
  {\"at\":17,\"actor\":\"alice\",\"step\":0,\"did\":{\"send\":{\"id\":\"alice#0\",\"log\":\"topic/7b\",\"digest\":\"cbf29ce484222325\"}}}

Exit codes:
  0  every promise was kept
  1  a promise was broken: what follows are the events that prove it
  2  the history cannot be judged")]
struct Flags {
    /// Files, or folders of *.jsonl files
    #[arg(required = true, value_name = "HISTORY")]
    history: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    match read(&flags.history) {
        Ok(entries) => {
            let verdict = judge(&entries);
            println!("{verdict}");
            if verdict.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
