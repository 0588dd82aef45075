//! What a token says, as a [`Principal`]. All of it is checked, and the clock is an argument.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::Invalid;
use crate::auth::names::{self, CLASSROOMS_MAX, ROLES_MAX};
use crate::auth::{Denied, Principal, Source};
use crate::settings::{Claims, Jwt};

/// The end of the year 9999: later times are mistakes.
const SECONDS_MAX: u64 = 253_402_300_799;
/// Beyond so many names an audience is no list that a person wrote.
const AUDIENCES_MAX: usize = 256;

/// What a token must say.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    issuer: Option<String>,
    audience: BTreeSet<String>,
    leeway: Duration,
    names: Claims,
}

impl From<&Jwt> for Rules {
    fn from(settings: &Jwt) -> Rules {
        Rules {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            leeway: settings.leeway,
            names: settings.claims.clone(),
        }
    }
}

impl Rules {
    /// Who the token says it is, if all holds at `now`.
    pub(super) fn principal(&self, claims: &Map<String, Value>, now: SystemTime) -> Result<Principal, Denied> {
        let expires = self.times(claims, now)?;
        self.issuer_and_audience(claims)?;
        let names = &self.names;
        let user = required(claims, &names.user)?;
        let user = user.as_str().ok_or_else(|| wrong(&names.user, "must be a text"))?;
        names::user(user).map_err(|what| wrong(&names.user, what))?;
        Ok(Principal {
            user: Some(user.into()),
            name: optional(claims, &names.name, names::called)?.map(Arc::from),
            roles: texts(claims, &names.role, ROLES_MAX, true, names::role)?,
            classrooms: texts(claims, &names.classrooms, CLASSROOMS_MAX, false, names::classroom)?,
            grants: Arc::default(),
            expires: Some(expires),
            proof: optional(claims, &names.id, names::called)?.map(Arc::from),
            source: Source::Proof,
            basis: None,
        })
    }

    /// Until when the token holds. The leeway is a part of that: a token that is taken is not ended at once.
    fn times(&self, claims: &Map<String, Value>, now: SystemTime) -> Result<SystemTime, Denied> {
        let expires = seconds("exp", required(claims, "exp")?)? + self.leeway;
        if expires <= now {
            return Err(Denied::Expired);
        }
        if let Some(begins) = claims.get("nbf")
            && seconds("nbf", begins)? > now + self.leeway
        {
            return Err(Invalid::NotYet.into());
        }
        Ok(expires)
    }

    fn issuer_and_audience(&self, claims: &Map<String, Value>) -> Result<(), Denied> {
        if let Some(issuer) = &self.issuer
            && required(claims, "iss")?.as_str() != Some(issuer)
        {
            return Err(Invalid::Issuer.into());
        }
        if self.audience.is_empty() {
            return Ok(());
        }
        let is_ours = |value: &Value| value.as_str().is_some_and(|text| self.audience.contains(text));
        let found = match required(claims, "aud")? {
            Value::Array(all) if all.len() <= AUDIENCES_MAX && all.iter().all(Value::is_string) => {
                all.iter().any(is_ours)
            }
            one => is_ours(one),
        };
        if found { Ok(()) } else { Err(Invalid::Audience.into()) }
    }
}

fn wrong(name: &str, what: &'static str) -> Denied {
    Invalid::Claim(name.into(), what).into()
}

/// A claim by its name; where no claim has the name, dots in it lead into objects (`realm_access.roles`).
fn found<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let inside = || {
        let mut steps = name.split('.');
        let first = claims.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.as_object()?.get(step))
    };
    claims.get(name).or_else(inside).filter(|value| !value.is_null())
}

fn required<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a Value, Denied> {
    found(claims, name).ok_or_else(|| Invalid::Missing(name.into()).into())
}

/// Whole seconds since 1970: a token that writes its times in another way was made by mistake, or by somebody else.
fn seconds(name: &str, value: &Value) -> Result<SystemTime, Denied> {
    let seconds = value.as_u64().ok_or_else(|| wrong(name, "must be a whole number of seconds"))?;
    match seconds {
        1..=SECONDS_MAX => Ok(UNIX_EPOCH + Duration::from_secs(seconds)),
        _ => Err(wrong(name, "must lie between 1970 and 9999")),
    }
}

fn optional<'a>(
    claims: &'a Map<String, Value>,
    name: &str,
    check: fn(&str) -> Result<(), &'static str>,
) -> Result<Option<&'a str>, Denied> {
    let Some(value) = found(claims, name) else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| wrong(name, "must be a text"))?;
    check(text).map_err(|what| wrong(name, what))?;
    Ok(Some(text))
}

fn texts(
    claims: &Map<String, Value>,
    name: &str,
    count_max: usize,
    one_will_do: bool,
    check: fn(&str) -> Result<(), &'static str>,
) -> Result<Arc<[Box<str>]>, Denied> {
    let all = match found(claims, name) {
        None => return Ok(Arc::default()),
        Some(Value::Array(all)) if all.len() <= count_max => all.as_slice(),
        Some(Value::Array(_)) => return Err(wrong(name, "holds too many")),
        Some(one) if one_will_do => std::slice::from_ref(one),
        Some(_) => return Err(wrong(name, "must be a list of texts")),
    };
    let text = |value: &Value| {
        let text = value.as_str().ok_or_else(|| wrong(name, "must hold texts only"))?;
        check(text).map_err(|what| wrong(name, what))?;
        Ok(Box::from(text))
    };
    all.iter().map(text).collect()
}
