//! `homeroom token`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;

use super::access::{lifetime, print};
use super::{ConfigFlag, Failure};
use crate::auth::token::{Signer, Statement, secret_of};
use crate::auth::{names, private_text};
use crate::settings::{Sources, load};

#[derive(Args, Debug)]
#[command(after_help = "\
Makes a token (JWT) that the broker believes, for a trial or a script; in a school the
server that knows who is signed in makes them. It is signed with the secret of
access.jwt (HS256), or with the private key that --key names (RS256, ES256 or EdDSA, as
the key says). The token alone goes to standard output; a client sends it as passcode,
or as `Authorization: Bearer …`. Issuer and audience are those of access.jwt.

Examples:
  homeroom token --user alice --role student --classroom 7b --expires 8h
  homeroom token --user ms-smith --role teacher --classroom 7b --classroom 8a --name 'Ms Smith'
  homeroom token --user alice --role student --key private.pem --key-id 2026-09

Exit codes:
  0  done
  1  the token cannot be signed
  2  the command line or the configuration is wrong")]
pub(super) struct Flags {
    /// Whose token it is: `sub`
    #[arg(long, value_name = "USER")]
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
    /// For how long, such as 8h
    #[arg(long, value_name = "DURATION", default_value = "8h", value_parser = lifetime)]
    expires: Duration,
    /// Sign with this private key (PEM) instead of the secret
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Name the key in the token: `kid`
    #[arg(long, value_name = "ID", requires = "key")]
    key_id: Option<String>,
    #[command(flatten)]
    config: ConfigFlag,
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let jwt = load(&Sources::of_process(flags.config.config.clone(), Vec::new()))?.settings.access.jwt;
    flags.check()?;
    let signer = match &flags.key {
        Some(path) => {
            let wrong = |what: &dyn std::fmt::Display| Failure::usage(format!("--key {}: {what}", path.display()));
            let pem = private_text(path).map_err(|what| wrong(&what))?;
            Signer::of_pem(&pem).map_err(|error| wrong(&error))?.named(flags.key_id.clone())
        }
        None => {
            let secret = secret_of(&jwt).map_err(|fault| Failure::usage(fault.to_string()))?.ok_or_else(|| {
                Failure::usage(
                    "The configuration has no secret to sign with: set access.jwt.secret_file, or name a private key \
                     with --key.",
                )
            })?;
            Signer::of_secret(&secret).map_err(|error| Failure::usage(error.to_string()))?
        }
    };
    let statement = Statement {
        user: flags.user.clone(),
        name: flags.name.clone(),
        roles: flags.role.clone(),
        classrooms: flags.classroom.clone(),
        issuer: jwt.issuer.clone(),
        audience: jwt.audience.iter().cloned().collect(),
        lifetime: flags.expires,
    };
    let token = signer.sign(&statement, &jwt.claims, SystemTime::now());
    let token = token.map_err(|error| Failure::new(error.to_string()))?;
    print(&format!("{}\n", token.expose()))
}

impl Flags {
    /// The broker would refuse a token with such names.
    fn check(&self) -> Result<(), Failure> {
        let wrong = |flag: &'static str| move |what: &str| Failure::usage(format!("{flag} {what}."));
        names::user(&self.user).map_err(wrong("--user"))?;
        self.role.iter().try_for_each(|role| names::role(role)).map_err(wrong("--role"))?;
        self.classroom.iter().try_for_each(|name| names::classroom(name)).map_err(wrong("--classroom"))?;
        self.name.as_deref().map_or(Ok(()), names::called).map_err(wrong("--name"))
    }
}
