//! `homeroom user`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Failure;
use super::access::{self, FileFlags, Place, new_password, print, table};
use crate::auth::keys::KeyFile;
use crate::auth::register::Register;
use crate::auth::users::{User, UserFile, hash};
use crate::settings::Access;

#[derive(Args, Debug)]
#[command(after_help = "\
The file is the one that access.users names; a running broker reads it again within a
second. Passwords are kept as argon2id hashes.

Examples:
  homeroom user add alice --role student --classroom 7b
  homeroom user list
  homeroom user passwd alice
  homeroom user remove alice

Exit codes:
  0  done
  1  the file cannot be read or changed, or there is no such user
  2  the command line or the configuration is wrong")]
pub(super) struct Flags {
    #[command(subcommand)]
    change: Change,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Add a user; asks for the password
    #[command(after_help = "\
Examples:
  homeroom user add alice --role student --classroom 7b --classroom chess --name 'Alice Example'
  pwgen 16 1 | tee alice.txt | homeroom user add alice --role student --classroom 7b --password-stdin")]
    Add(Add),
    /// Give a user a new password; asks for it
    #[command(after_help = "\
Examples:
  homeroom user passwd alice")]
    Passwd {
        /// The user
        user: String,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        file: FileFlags,
    },
    /// Remove a user
    #[command(after_help = "\
Examples:
  homeroom user remove alice")]
    Remove {
        /// The user
        user: String,
        #[command(flatten)]
        file: FileFlags,
    },
    /// Show all users
    #[command(after_help = "\
Examples:
  homeroom user list
  homeroom user list --json | jq -r '.[].name'")]
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
    /// The name to sign in with
    user: String,
    /// A role whose rules hold for the user; may be given several times
    #[arg(long, value_name = "ROLE", required = true)]
    role: Vec<String>,
    /// A classroom the user belongs to; may be given several times
    #[arg(long, value_name = "CLASSROOM")]
    classroom: Vec<String>,
    /// What the user is called among people
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    file: FileFlags,
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    match &flags.change {
        Change::Add(new) => add(new),
        Change::Passwd { user, password_stdin, file } => passwd(&place(file)?, user, *password_stdin),
        Change::Remove { user, file } => access::remove::<UserFile>(&place(file)?, user),
        Change::List { file, json } => list(&place(file)?, *json),
    }
}

fn place(file: &FileFlags) -> Result<Place, Failure> {
    file.place("access.users", |access: &Access| [&access.users, &access.keys])
}

fn add(new: &Add) -> Result<(), Failure> {
    let place = place(&new.file)?;
    let mut user = User {
        name: new.user.clone(),
        // Replaced below; it stands in so that all else is checked before anybody types a password.
        password: UNUSED_HASH.to_owned(),
        roles: new.role.clone(),
        classrooms: new.classroom.clone(),
        called: new.name.clone(),
    };
    UserFile::check(&user).map_err(|what| Failure::usage(format!("The user cannot be added: {what}.")))?;
    place.refuse_if_other_has::<KeyFile>(&user.name)?;
    user.password = hash(&new_password(new.password_stdin)?).map_err(Failure::new)?;
    let name = user.name.clone();
    place.change::<UserFile, ()>(|users| {
        if users.iter().any(|other| other.name == user.name) {
            let name = &user.name;
            return Err(format!(
                "The user {name:?} is there already: `homeroom user passwd {name}` changes the password."
            ));
        }
        users.push(user);
        Ok(())
    })?;
    print(&format!("{name} is added to {}.\n", place.path.display()))
}

const UNUSED_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn passwd(place: &Place, name: &str, from_stdin: bool) -> Result<(), Failure> {
    if !place.entries::<UserFile>()?.iter().any(|user| user.name == name) {
        return Err(Failure::new(format!("There is no user {name:?} in {}.", place.path.display())));
    }
    let password = hash(&new_password(from_stdin)?).map_err(Failure::new)?;
    place.change::<UserFile, ()>(|users| {
        let user = users.iter_mut().find(|user| user.name == name);
        user.ok_or_else(|| format!("Somebody has just removed {name:?}."))?.password = password;
        Ok(())
    })?;
    print(&format!("{name} has a new password.\n"))
}

fn list(place: &Place, as_json: bool) -> Result<(), Failure> {
    let users = place.entries::<UserFile>()?;
    if as_json {
        let object = |user: &User| json!({ "name": user.name, "roles": user.roles, "classrooms": user.classrooms, "called": user.called });
        return print(&format!("{}\n", users.iter().map(object).collect::<serde_json::Value>()));
    }
    let heading = ["USER", "ROLES", "CLASSROOMS", "CALLED"].map(str::to_owned).to_vec();
    let row = |user: &User| {
        let called = user.called.clone().unwrap_or_default();
        vec![user.name.clone(), user.roles.join(", "), user.classrooms.join(", "), called]
    };
    print(&table(&std::iter::once(heading).chain(users.iter().map(row)).collect::<Vec<_>>()))
}
