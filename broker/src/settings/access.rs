//! `[access]`: who may come in.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::values::one_of;
use super::{Hook, ParseValueError, ServerUrl};
use crate::auth::{Secret, names};
use crate::router::Rule;

/// `[access]`: who may come in. While nothing is set, everybody may.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// The file of users with passwords; `None` is none.
    pub users: Option<PathBuf>,
    /// The file of services' keys; `None` is none.
    pub keys: Option<PathBuf>,
    /// The role of those who bring nothing; `None` lets them in nowhere.
    pub anonymous: Option<Role>,
    /// Wrong passwords for one user within a minute; beyond, none is looked at.
    pub login_failures_per_account: usize,
    /// The same from one address.
    pub login_failures_per_address: usize,
    /// A password that was right needs no new hash for so long.
    pub passwords_remembered: Duration,
    /// Passwords that are hashed at once, with 19 MiB each.
    pub hashes_at_once: usize,
    /// Tokens.
    pub jwt: Jwt,
    /// Who may do what; empty is what is usual.
    pub rules: Vec<Rule>,
    /// A service that is asked as well.
    pub hook: Hook,
}

impl Default for Access {
    fn default() -> Access {
        Access {
            users: None,
            keys: None,
            anonymous: None,
            login_failures_per_account: 10,
            login_failures_per_address: 60,
            passwords_remembered: Duration::from_secs(3600),
            hashes_at_once: 1,
            jwt: Jwt::default(),
            rules: Vec::new(),
            hook: Hook::default(),
        }
    }
}

impl Access {
    /// Whether anybody has to show who they are.
    pub fn is_asked_for(&self) -> bool {
        self.users.is_some() || self.keys.is_some() || self.jwt.has_keys()
    }
}

/// `[access.jwt]`: whose tokens are believed, and what they must say.
#[derive(Clone, Debug, PartialEq)]
pub struct Jwt {
    /// The secret of HS256.
    pub secret: Option<Secret>,
    /// The file that holds it.
    pub secret_file: Option<PathBuf>,
    /// Files of public keys.
    pub public_keys: Vec<FileName>,
    /// Where public keys can be fetched.
    pub jwks_url: Option<ServerUrl>,
    /// How often they are.
    pub jwks_refresh: Duration,
    /// Allows an address without TLS on another machine.
    pub jwks_over_http: bool,
    /// What tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// `iss`, if it must be this.
    pub issuer: Option<String>,
    /// `aud` must name one of these; empty is not looked at.
    pub audience: BTreeSet<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// The cookie that may hold a token; `None` is not looked at.
    pub cookie: Option<CookieName>,
    /// What the claims are called.
    pub claims: Claims,
}

impl Default for Jwt {
    fn default() -> Jwt {
        Jwt {
            secret: None,
            secret_file: None,
            public_keys: Vec::new(),
            jwks_url: None,
            jwks_refresh: Duration::from_secs(600),
            jwks_over_http: false,
            algorithms: Algorithm::ALL.to_vec(),
            issuer: None,
            audience: BTreeSet::new(),
            leeway: Duration::from_secs(30),
            cookie: None,
            claims: Claims::default(),
        }
    }
}

impl Jwt {
    /// Whether any token can be believed.
    pub fn has_keys(&self) -> bool {
        self.has_secret() || self.has_public_keys()
    }

    pub(super) fn has_secret(&self) -> bool {
        self.secret.is_some() || self.secret_file.is_some()
    }

    pub(crate) fn has_public_keys(&self) -> bool {
        !self.public_keys.is_empty() || self.jwks_url.is_some()
    }
}

/// `[access.jwt.claims]`: what the claims are called; dots lead into objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The user.
    pub user: String,
    /// One role or a list.
    pub role: String,
    /// A list of classrooms.
    pub classrooms: String,
    /// What the user is called among people.
    pub name: String,
    /// By what the token can be revoked.
    pub id: String,
}

impl Default for Claims {
    fn default() -> Claims {
        let [user, role, classrooms, name, id] = ["sub", "role", "classrooms", "name", "jti"].map(str::to_owned);
        Claims { user, role, classrooms, name, id }
    }
}

/// What tokens are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: one secret signs and checks.
    Hs256,
    /// RSA with SHA-256.
    Rs256,
    /// The curve P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 4] = [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Algorithm::Hs256 => "HS256",
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
        })
    }
}

impl FromStr for Algorithm {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Algorithm, ParseValueError> {
        one_of(text, &Algorithm::ALL)
    }
}

/// The path of a file in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(PathBuf);

impl FileName {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role(Box<str>);

/// The name of a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(Box<str>);

/// Values that are a text of a certain form: how they are shown, and read.
macro_rules! text_forms {
    ($($kind:ident: $read:expr, $shown:expr;)*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let shown: fn(&$kind) -> String = $shown;
                f.write_str(&shown(self))
            }
        }

        impl FromStr for $kind {
            type Err = ParseValueError;

            fn from_str(text: &str) -> Result<$kind, ParseValueError> {
                let read: fn(&str) -> Result<$kind, &'static str> = $read;
                read(text).map_err(ParseValueError::new)
            }
        }
    )*};
}

text_forms! {
    FileName: |text| match text {
        "" => Err("write the path of a file, for example \"/etc/homeroom/school.pem\""),
        path => Ok(FileName(path.into())),
    }, |name| name.0.display().to_string();
    Role: |text| match names::role(text) {
        Ok(()) => Ok(Role(text.into())),
        Err(_) => Err("write a role of at most 64 bytes, for example \"student\", or \"off\" to let nobody in"),
    }, |role| role.0.to_string();
    CookieName: |text| match !text.is_empty() && text.bytes().all(is_token) {
        true => Ok(CookieName(text.into())),
        false => Err("write the name of a cookie, for example \"session\", or \"off\""),
    }, |name| name.0.to_string();
}

/// RFC 6265: the name of a cookie is a token of HTTP.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
