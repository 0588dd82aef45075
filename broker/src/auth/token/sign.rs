//! New tokens, for `homeroom token` and for trials.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value, json};

use super::key::Key;
use crate::auth::Secret;
use crate::settings::{Algorithm, Claims};

/// Why a token cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key cannot be used.
    #[error("{0}")]
    Key(String),
    /// The library could not sign with it.
    #[error("The key does not sign: {0}.")]
    Sign(String),
}

/// What a new token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// Whose token it is.
    pub user: String,
    /// What they are called among people.
    pub name: Option<String>,
    /// Their roles.
    pub roles: Vec<String>,
    /// Their classrooms.
    pub classrooms: Vec<String>,
    /// Who makes it.
    pub issuer: Option<String>,
    /// For whom it is made.
    pub audience: Vec<String>,
    /// From `now` on it holds for so long.
    pub lifetime: Duration,
}

/// A key that makes tokens.
pub struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    id: Option<String>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Signer {
    /// Signs with the secret that the broker checks with.
    ///
    /// # Errors
    /// If it is too short.
    pub fn of_secret(secret: &Secret) -> Result<Signer, SignError> {
        Key::of_secret(secret.expose()).map_err(SignError::Key)?;
        let key = EncodingKey::from_secret(secret.expose().as_bytes());
        Ok(Signer { algorithm: Algorithm::Hs256, key, id: None })
    }

    /// Signs with the private key of a PEM file: RSA, P-256 or Ed25519.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn of_pem(pem: &Secret) -> Result<Signer, SignError> {
        let bytes = pem.expose().as_bytes();
        let wrong = "Write a private key as PEM, `-----BEGIN PRIVATE KEY-----`: RSA of 2048 bits or more, P-256 or \
                     Ed25519. `openssl genpkey -algorithm ed25519` makes one, `openssl pkcs8 -topk8 -nocrypt` turns \
                     an older form into this.";
        if !pem.expose().contains("PRIVATE KEY-----") {
            return Err(SignError::Key(wrong.to_owned()));
        }
        let kinds = [
            (Algorithm::Rs256, EncodingKey::from_rsa_pem as fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>),
            (Algorithm::Es256, EncodingKey::from_ec_pem),
            (Algorithm::EdDsa, EncodingKey::from_ed_pem),
        ];
        let of_kind = kinds.into_iter().find_map(|(algorithm, read)| Some((algorithm, read(bytes).ok()?)));
        let (algorithm, key) = of_kind.ok_or_else(|| SignError::Key(wrong.to_owned()))?;
        Ok(Signer { algorithm, key, id: None })
    }

    /// Names the key in its tokens, for those who check them with a set of keys.
    #[must_use]
    pub fn named(mut self, id: Option<String>) -> Signer {
        self.id = id;
        self
    }

    /// A token that says this, with a random id by which it can be revoked.
    ///
    /// # Errors
    /// If the key is not what its file says.
    pub fn sign(&self, statement: &Statement, names: &Claims, now: SystemTime) -> Result<Secret, SignError> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut claims = Map::new();
        claims.insert("iat".to_owned(), now.as_secs().into());
        claims.insert("exp".to_owned(), (now + statement.lifetime).as_secs().into());
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| SignError::Sign(error.to_string()))?;
        put(&mut claims, &names.id, HEXLOWER.encode(&id).into());
        put(&mut claims, &names.user, statement.user.clone().into());
        put(&mut claims, &names.role, one_or_all(&statement.roles));
        put(&mut claims, &names.classrooms, statement.classrooms.clone().into());
        if let Some(name) = &statement.name {
            put(&mut claims, &names.name, name.clone().into());
        }
        if let Some(issuer) = &statement.issuer {
            claims.insert("iss".to_owned(), issuer.clone().into());
        }
        if !statement.audience.is_empty() {
            claims.insert("aud".to_owned(), one_or_all(&statement.audience));
        }
        let mut header = Header::new(self.algorithm.into());
        header.kid.clone_from(&self.id);
        let signed = jsonwebtoken::encode(&header, &claims, &self.key);
        signed.map(Secret::from).map_err(|error| SignError::Sign(error.to_string()))
    }
}

fn one_or_all(texts: &[String]) -> Value {
    match texts {
        [one] => one.clone().into(),
        all => json!(all),
    }
}

/// Under its name; dots lead into objects, as they do when the token is read, but for names that are addresses.
fn put(claims: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        Some((first, rest)) if !name.contains("://") => {
            let inner = claims.entry(first).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
        _ => {
            claims.insert(name.to_owned(), value);
        }
    }
}
