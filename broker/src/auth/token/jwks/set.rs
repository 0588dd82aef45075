//! The keys in what an address answers.

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;

use super::super::key::Key;

/// More keys than any school's server has.
const KEYS_MAX: usize = 64;

/// Why an answer holds no keys for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SetError {
    #[error("the answer is no set of keys (JWKS)")]
    NoSet,
    #[error("the set has more than {KEYS_MAX} keys")]
    TooMany,
    #[error("none of the {0} keys checks RS256, ES256 or EdDSA signatures")]
    NoneFits(usize),
}

#[derive(Deserialize)]
struct Written {
    keys: Vec<Value>,
}

/// The keys that check signatures. Others (for encryption, of algorithms we do not know, secrets) are passed over.
pub(super) fn read(text: &[u8]) -> Result<Vec<Key>, SetError> {
    let Written { keys } = serde_json::from_slice(text).map_err(|_| SetError::NoSet)?;
    if keys.len() > KEYS_MAX {
        return Err(SetError::TooMany);
    }
    let all = keys.len();
    let read = |key: Value| Key::of_jwk(&serde_json::from_value::<Jwk>(key).ok()?);
    let fitting: Vec<Key> = keys.into_iter().filter_map(read).collect();
    if fitting.is_empty() { Err(SetError::NoneFits(all)) } else { Ok(fitting) }
}
