//! A token's three parts, and its header.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use super::{BYTES_MAX, Invalid, strict};
use crate::settings::Algorithm;

/// Longer names of keys are no names.
const KEY_ID_BYTES_MAX: usize = 256;

/// A token in which nothing has been checked yet but its form.
pub(super) struct Parsed<'a> {
    /// Header and claims as they were signed.
    pub(super) signed: &'a str,
    /// The signature as it was written.
    pub(super) signature: &'a str,
    /// What the token says it was signed with.
    pub(super) algorithm: Algorithm,
    /// Which key it says that was.
    pub(super) key: Option<Box<str>>,
    claims: &'a str,
}

/// Whether this has the form of a token: three parts of base64url, the first of which begins a JSON object.
pub fn looks_like_one(text: &str) -> bool {
    let is_part = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    // `{"` is `ey` in base64url.
    text.starts_with("ey") && text.split('.').count() == 3 && text.split('.').all(is_part)
}

impl<'a> Parsed<'a> {
    pub(super) fn read(token: &'a str) -> Result<Parsed<'a>, Invalid> {
        if token.len() > BYTES_MAX {
            return Err(Invalid::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Invalid::Shape)?;
        let (header, claims) = signed.split_once('.').ok_or(Invalid::Shape)?;
        // Only one spelling of each part is base64url: without padding, blanks, or bits left over.
        BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| Invalid::Shape)?;
        let header = BASE64URL_NOPAD.decode(header.as_bytes()).map_err(|_| Invalid::Shape)?;
        let header = strict::object(&header).ok_or(Invalid::Header)?;
        if header.contains_key("crit") {
            return Err(Invalid::Critical);
        }
        let kind_fits = header.get("typ").is_none_or(|kind| kind.as_str().is_some_and(is_kind));
        // Where keys can be had (jku, x5u) and the keys themselves (jwk, x5c) are never taken from a token.
        let algorithm = header.get("alg").and_then(Value::as_str).filter(|_| kind_fits).ok_or(Invalid::Header)?;
        let algorithm = algorithm.parse().map_err(|_| Invalid::Algorithm)?;
        Ok(Parsed { signed, signature, algorithm, key: key_id(&header)?, claims })
    }

    /// What the token says. To be asked for once its signature was checked.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, Invalid> {
        let claims = BASE64URL_NOPAD.decode(self.claims.as_bytes()).map_err(|_| Invalid::Shape)?;
        strict::object(&claims).ok_or(Invalid::Claims)
    }
}

/// Tokens of access, not those that tell of a logout or prove a key.
fn is_kind(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt")
}

fn key_id(header: &Map<String, Value>) -> Result<Option<Box<str>>, Invalid> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) if id.len() <= KEY_ID_BYTES_MAX && !id.contains(char::is_control) => {
            Ok(Some(id.as_str().into()))
        }
        Some(_) => Err(Invalid::Header),
    }
}
