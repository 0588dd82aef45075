//! `homeroom store erase` and `homeroom store compact`.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use clap::Args;
use homeroom_storage::erase::{self, EraseError, Erased, Erasure};
use homeroom_storage::inspect;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Directory, unopened};
use crate::commands::Failure;
use crate::erasure::{self, Whose};

pub(super) const HELP: &str = "\
A classroom, by its name in tokens, has /topic/{classroom}/** (wherever destinations.classrooms
says that classrooms are) and the queues named after it, /queue/{classroom} and
/queue/{classroom}/**: all their messages, dead letters, cursors and idempotency keys.

A user has what they published anywhere, with its idempotency keys and what became of it as a
dead letter; /user/{user}/** with all that others sent there; their cursors, on every device.
The places of their messages stay taken, and readers pass over them. A transaction goes whole.

Copies that were set aside as damaged (quarantine-…) go with either. What stays is written
beside the old files, read back, and put in their place, so that takes room; killed at any
moment, it leaves the old files or the new ones, and the next start removes what is over.
Old files are removed, not overwritten: what a disk or a backup keeps of them is not erased.

First keep the user out (POST /v1/revocations, homeroom user remove), then erase: whoever is
connected leaves new traces. On a running broker: POST /v1/erasures.

Examples:
  homeroom store erase --user alice --data /var/lib/homeroom
  homeroom store erase --classroom 7b --yes --json

Exit codes:
  0  done, also if there was nothing to erase
  1  nothing was erased: the directory cannot be opened, or has no room for the new files
  2  the command line or the configuration is wrong, or nobody said yes";

#[derive(Args, Debug)]
pub(super) struct Flags {
    #[command(flatten)]
    whose: WhoseFlags,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    directory: Directory,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct WhoseFlags {
    /// The classroom, as it is written in tokens
    #[arg(long, value_name = "NAME")]
    classroom: Option<String>,
    /// The user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let WhoseFlags { classroom, user } = &flags.whose;
    let whose = Whose::new(classroom.as_deref(), user.as_deref());
    let whose = whose.map_err(|wrong| Failure::usage(format!("Nothing was erased: {wrong}.")))?;
    let path = flags.directory.path()?;
    if !flags.yes {
        ask(&path, &whose)?;
    }
    let erased = rewrite(&path, &whose.erasure())?;
    flags.directory.print(&whose.object(&erased), &whose.text(&erased))
}

pub(super) fn compact(directory: &Directory) -> Result<(), Failure> {
    let erased = rewrite(&directory.path()?, &Erasure::nothing())?;
    let Erased { disk_bytes_before: before, disk_bytes_after: after, took, .. } = &erased;
    let text = format!("on disk: {after} bytes, {before} before; it took {:.1} s\n", took.as_secs_f64());
    directory.print(&erasure::object(&erased), &text)
}

fn rewrite(path: &Path, what: &Erasure) -> Result<Erased, Failure> {
    let bar = bar();
    let erased = erase::erase(path, what, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    erased.map_err(|error| match error {
        EraseError::Open(error) => unopened(&error),
        error => Failure::new(format!("{}: {}.", path.display(), error.to_string().trim_end_matches('.'))),
    })
}

/// On a terminal only: elsewhere nothing is drawn.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes} copied and read back, {eta} left");
    ProgressBar::new(0).with_style(style.expect("the template is fixed"))
}

/// Says what goes whole, and waits for a yes.
fn ask(path: &Path, whose: &Whose) -> Result<(), Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failure::usage("Nothing was erased: nobody can be asked here. Add --yes."));
    }
    let stats = inspect::stats(path).map_err(|error| unopened(&error))?;
    for log in stats.logs.iter().filter(|log| whose.has_log(&log.name)) {
        eprintln!("goes whole: {} with {} records", log.name, log.records);
    }
    for name in inspect::set_aside(path).map_err(|error| unopened(&error))? {
        eprintln!("goes whole: {name}, a copy that was set aside as damaged");
    }
    if matches!(whose, Whose::User(_)) {
        eprintln!("goes: what the user published in {} logs, and the user's cursors", stats.logs.len());
    }
    eprint!("It cannot be undone. Write \"yes\" to erase: ");
    let mut answer = String::new();
    let read = std::io::stderr().flush().and_then(|()| input.read_line(&mut answer));
    match read {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => Err(Failure::usage("Nothing was erased.")),
    }
}
