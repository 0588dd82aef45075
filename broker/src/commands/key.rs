//! `homeroom key`.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Failure;
use super::access::{self, FileFlags, Place, lifetime, now, print, table};
use crate::auth::keys::{Key, KeyFile, generate};
use crate::auth::register::Register;
use crate::auth::users::UserFile;
use crate::router::Rules;
use crate::settings::Access;

#[derive(Args, Debug)]
#[command(after_help = "\
The file is the one that access.keys names; a running broker reads it again within a
second. A service sends its key as passcode, or as `Authorization: Bearer hr_…`.

Examples:
  homeroom key add quiz-service --send '/topic/**' --subscribe /queue/grading
  homeroom key add archive --role admin --expires 90d
  homeroom key list
  homeroom key remove quiz-service

Exit codes:
  0  done
  1  the file cannot be read or changed, or there is no such key
  2  the command line or the configuration is wrong")]
pub(super) struct Flags {
    #[command(subcommand)]
    change: Change,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Add a service and print its key, this once
    #[command(after_help = "\
The key alone goes to standard output. It is not kept: whoever loses it needs a new one.

Examples:
  homeroom key add quiz-service --send '/topic/**' --subscribe /queue/grading
  homeroom key add grading --subscribe /queue/grading --expires 90d > grading.key")]
    Add(Add),
    /// Remove a service: its key is worth nothing within a second
    #[command(after_help = "\
Examples:
  homeroom key remove quiz-service")]
    Remove {
        /// The service
        service: String,
        #[command(flatten)]
        file: FileFlags,
    },
    /// Show all services
    #[command(after_help = "\
Examples:
  homeroom key list
  homeroom key list --json | jq -r '.[].name'")]
    List {
        #[command(flatten)]
        file: FileFlags,
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
struct Add {
    /// The service: the sender of its messages
    service: String,
    /// Where it may send, beside what its role gives; may be given several times
    #[arg(long, value_name = "DESTINATION")]
    send: Vec<String>,
    /// What it may subscribe to, beside what its role gives; may be given several times
    #[arg(long, value_name = "DESTINATION")]
    subscribe: Vec<String>,
    /// A role whose rules hold for it; may be given several times
    #[arg(long, value_name = "ROLE", default_value = "service")]
    role: Vec<String>,
    /// A classroom that rules mean by {classroom}; may be given several times
    #[arg(long, value_name = "CLASSROOM")]
    classroom: Vec<String>,
    /// For how long, such as 90d [default: until it is removed]
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    expires: Option<Duration>,
    #[command(flatten)]
    file: FileFlags,
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    match &flags.change {
        Change::Add(new) => add(new),
        Change::Remove { service, file } => access::remove::<KeyFile>(&place(file)?, service),
        Change::List { file, json } => list(&place(file)?, *json),
    }
}

fn place(file: &FileFlags) -> Result<Place, Failure> {
    file.place("access.keys", |access: &Access| [&access.keys, &access.users])
}

fn add(new: &Add) -> Result<(), Failure> {
    let place = place(&new.file)?;
    let (secret, sha256) = generate().map_err(Failure::new)?;
    let key = Key {
        name: new.service.clone(),
        sha256,
        roles: new.role.clone(),
        classrooms: new.classroom.clone(),
        send: new.send.clone(),
        subscribe: new.subscribe.clone(),
        expires: new.expires.map(|lifetime| now() + lifetime.as_secs()),
    };
    KeyFile::check(&key).map_err(|what| Failure::usage(format!("The key cannot be added: {what}.")))?;
    destinations(&key)?;
    place.refuse_if_other_has::<UserFile>(&key.name)?;
    place.change::<KeyFile, ()>(|keys| {
        if keys.iter().any(|other| other.name == key.name) {
            let name = &key.name;
            return Err(format!(
                "The service {name:?} is there already: add one of another name, use it, and then `homeroom key remove {name}`."
            ));
        }
        keys.push(key);
        Ok(())
    })?;
    eprintln!("{} is added to {}. This is its key; it is shown this once:", new.service, place.path.display());
    print(&format!("{}\n", secret.expose()))
}

/// A grant that leads nowhere would be found out by the service, later.
fn destinations(key: &Key) -> Result<(), Failure> {
    let rules = Rules::new(None, &[], &[]).map_err(|error| Failure::new(error.to_string()))?;
    let wrong = |flag: &str, place: &str, error: &dyn std::fmt::Display| {
        Failure::usage(format!("{flag} {place:?} names no destination: {error}. Write one such as '/topic/7b/**'."))
    };
    for (flag, places) in [("--send", &key.send), ("--subscribe", &key.subscribe)] {
        for place in places {
            rules.subscribable(place, Some(&key.name)).map_err(|error| wrong(flag, place, &error))?;
        }
    }
    Ok(())
}

fn list(place: &Place, as_json: bool) -> Result<(), Failure> {
    let keys = place.entries::<KeyFile>()?;
    if as_json {
        let object = |key: &Key| {
            json!({
                "name": key.name, "roles": key.roles, "classrooms": key.classrooms,
                "send": key.send, "subscribe": key.subscribe, "expires": key.expires,
            })
        };
        return print(&format!("{}\n", keys.iter().map(object).collect::<serde_json::Value>()));
    }
    let heading = ["SERVICE", "ROLES", "CLASSROOMS", "SEND", "SUBSCRIBE", "EXPIRES"].map(str::to_owned).to_vec();
    let row = |key: &Key| {
        vec![
            key.name.clone(),
            key.roles.join(", "),
            key.classrooms.join(", "),
            key.send.join(", "),
            key.subscribe.join(", "),
            expiry(key.expires, now()),
        ]
    };
    print(&table(&std::iter::once(heading).chain(keys.iter().map(row)).collect::<Vec<_>>()))
}

/// How long that is from `now`, in its largest unit.
fn expiry(expires: Option<u64>, now: u64) -> String {
    let left = match expires {
        None => return "never".to_owned(),
        Some(expires) if expires <= now => return "expired".to_owned(),
        Some(expires) => expires - now,
    };
    match left {
        172_800.. => format!("in {} days", left / 86_400),
        7_200.. => format!("in {} hours", left / 3_600),
        _ => format!("in {} minutes", left.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_key_s_life_is_told_in_words() {
        for (left, told) in [(1, "in 1 minutes"), (7_200, "in 2 hours"), (90 * 86_400, "in 90 days")] {
            assert_eq!(expiry(Some(1_000 + left), 1_000), told);
        }
        assert_eq!((expiry(None, 1).as_str(), expiry(Some(1), 1).as_str()), ("never", "expired"));
    }
}
