//! What `user`, `key`, `token`, `check` and `serve` share: which files say who may come in, and what is wrong with them.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use super::failure::of_output;
use super::{ConfigFlag, Failure};
use crate::auth::register::{self, Register};
use crate::auth::{Secret, Unusable, users};
use crate::settings::{Access, Entry, Problem, Problems, Source, Sources, load};

/// Which file of users or keys.
#[derive(Args, Debug)]
pub(super) struct FileFlags {
    /// The file [default: what the configuration says]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFlag,
}

/// A file of users or keys, and the other one beside it.
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) other: Option<PathBuf>,
}

impl FileFlags {
    /// The file that is meant. A named one needs no configuration.
    pub(super) fn place(&self, key: &str, of: fn(&Access) -> [&Option<PathBuf>; 2]) -> Result<Place, Failure> {
        if let Some(path) = &self.file {
            return Ok(Place { path: path.clone(), other: None });
        }
        let settings = load(&Sources::of_process(self.config.config.clone(), Vec::new()))?.settings;
        let [own, other] = of(&settings.access);
        let path = own.clone().ok_or_else(|| {
            Failure::usage(format!(
                "The configuration names no file: set {key} = \"/etc/homeroom/{}.toml\", or name one with --file.",
                key.trim_start_matches("access.")
            ))
        })?;
        Ok(Place { path, other: other.clone() })
    }
}

impl Place {
    /// Changes the file.
    pub(super) fn change<R: Register, T>(
        &self,
        change: impl FnOnce(&mut Vec<R::Entry>) -> Result<T, String>,
    ) -> Result<T, Failure> {
        register::change::<R, T>(&self.path, change).map_err(Failure::new)
    }

    /// All entries of the file.
    pub(super) fn entries<R: Register>(&self) -> Result<Vec<R::Entry>, Failure> {
        read::<R>(&self.path).map_err(|what| Failure::new(format!("{}: {what}", self.path.display())))
    }

    /// A user and a service of the same name would be one sender to everybody.
    pub(super) fn refuse_if_other_has<R: Register>(&self, name: &str) -> Result<(), Failure> {
        let Some(other) = self.other.as_deref().filter(|other| other.exists()) else { return Ok(()) };
        let entries = read::<R>(other).map_err(|what| Failure::new(format!("{}: {what}", other.display())))?;
        match entries.iter().any(|entry| R::name_of(entry) == name) {
            true => Err(Failure::usage(format!(
                "The name {name:?} stands in {} already: choose another one.",
                other.display()
            ))),
            false => Ok(()),
        }
    }
}

fn read<R: Register>(path: &Path) -> Result<Vec<R::Entry>, String> {
    register::parse::<R>(crate::auth::private_text(path)?.expose())
}

/// Removes the entry of a name.
pub(super) fn remove<R: Register>(place: &Place, name: &str) -> Result<(), Failure> {
    place.change::<R, ()>(|entries| {
        let before = entries.len();
        entries.retain(|entry| R::name_of(entry) != name);
        match entries.len() == before {
            true => Err(format!("There is no {name:?} in {}.", place.path.display())),
            false => Ok(()),
        }
    })?;
    print(&format!("{name} is removed from {}.\n", place.path.display()))
}

/// Writes to standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| of_output(&error))
}

/// A table with a heading, its columns as wide as they must be.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Fewer are soon guessed.
const PASSWORD_CHARACTERS_MIN: usize = 8;

/// A new password: the first line of standard input, or typed twice at the terminal.
pub(super) fn new_password(from_stdin: bool) -> Result<Secret, Failure> {
    let password = if from_stdin { first_line()? } else { typed_twice()? };
    let characters = password.expose().chars().count();
    if characters < PASSWORD_CHARACTERS_MIN || password.expose().len() > users::PASSWORD_BYTES_MAX {
        return Err(Failure::usage(format!(
            "A password has at least {PASSWORD_CHARACTERS_MIN} characters and at most {} bytes.",
            users::PASSWORD_BYTES_MAX
        )));
    }
    Ok(password)
}

fn first_line() -> Result<Secret, Failure> {
    let mut line = String::new();
    let mut bounded = std::io::Read::take(std::io::stdin().lock(), 64 << 10);
    bounded.read_line(&mut line).map_err(|error| Failure::new(format!("Standard input cannot be read: {error}.")))?;
    let password = Secret::from(line.trim_end_matches(['\r', '\n']));
    zeroize::Zeroize::zeroize(&mut line);
    Ok(password)
}

fn typed_twice() -> Result<Secret, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("Standard input is no terminal: give --password-stdin and the password there."));
    }
    let ask = |prompt: &str| {
        let typed = rpassword::prompt_password(prompt);
        typed.map(Secret::from).map_err(|error| Failure::new(format!("The password cannot be read: {error}.")))
    };
    let (first, second) = (ask("Password: ")?, ask("Once more: ")?);
    if first == second { Ok(first) } else { Err(Failure::usage("The two are not the same: try again.")) }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

/// A duration such as `8h` or `90d`.
pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    let parsed = crate::settings::parse_duration(text).filter(|lifetime| lifetime.as_secs() > 0);
    let parsed = parsed.filter(|lifetime| *lifetime <= Duration::from_secs(100 * 365 * 24 * 3600));
    parsed.ok_or_else(|| "write a duration with its unit, such as 8h or 90d, of at most 100 years".to_owned())
}

/// What cannot be used, with the lines that said so.
pub(super) fn problems(unusable: Unusable, entries: &[Entry]) -> Problems {
    let problem = |fault: crate::auth::Fault| {
        let entry = entries.iter().find(|entry| entry.key == fault.key);
        Problem {
            source: entry.map_or(Source::Default, |entry| entry.source.clone()),
            key: fault.key.to_owned(),
            value: Some(format!("{:?}", fault.value)),
            remedy: fault.remedy,
        }
    };
    Problems::sorted(unusable.0.into_iter().map(problem).collect())
}
