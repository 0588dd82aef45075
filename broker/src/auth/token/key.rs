//! A key bound to its one algorithm: what a token says of itself never decides how it is checked.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};

use crate::auth::Basis;
use crate::settings::Algorithm;

/// RFC 7518, 3.2: "A key of the same size as the hash output [...] or larger MUST be used".
const SECRET_BYTES_MIN: usize = 32;
/// RFC 7518, 3.3: "A key of size 2048 bits or larger MUST be used".
const MODULUS_BYTES_MIN: usize = 256;
/// Beyond, the library checks nothing.
const MODULUS_BYTES_MAX: usize = 1024;

/// A key that checks signatures of one algorithm.
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    /// Its name in a set of keys.
    pub(super) id: Option<Box<str>>,
    /// What tokens rest on that it signed; none if it came from an address.
    pub(super) basis: Option<Basis>,
    key: DecodingKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Key {
    /// The secret of a file, which may end its only line.
    pub(super) fn of_secret_file(text: &str) -> Result<Key, String> {
        Key::of_secret(without_line_end(text))
    }

    /// A secret that signs and checks.
    pub(super) fn of_secret(secret: &str) -> Result<Key, String> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(format!(
                "A secret of tokens has at least {SECRET_BYTES_MIN} bytes, or it can be guessed: make one with \
                 `openssl rand -base64 48`."
            ));
        }
        let basis = Some(Basis::of("secret", secret.as_bytes()));
        Ok(Key { algorithm: Algorithm::Hs256, id: None, basis, key: DecodingKey::from_secret(secret.as_bytes()) })
    }

    /// The public key of a PEM file.
    pub(super) fn of_pem(pem: &str) -> Result<Key, String> {
        let wrong = "Write a public key as PEM, `-----BEGIN PUBLIC KEY-----`: RSA of 2048 bits or more, P-256 or \
                     Ed25519.";
        if pem.contains("PRIVATE KEY") {
            return Err("This is a private key, which only the server that makes the tokens should have. Name the \
                        file of its public key: `openssl pkey -in private.pem -pubout -out public.pem`."
                .to_owned());
        }
        if pem.matches("-----BEGIN ").count() > 1 {
            return Err("There is more than one key in this file: give each a file of its own.".to_owned());
        }
        if !["-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----"].iter().any(|begin| pem.contains(begin)) {
            return Err(wrong.to_owned());
        }
        let kinds = [
            (Algorithm::Rs256, DecodingKey::from_rsa_pem as fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>),
            (Algorithm::Es256, DecodingKey::from_ec_pem),
            (Algorithm::EdDsa, DecodingKey::from_ed_pem),
        ];
        let of_kind = kinds.into_iter().find_map(|(algorithm, read)| Some((algorithm, read(pem.as_bytes()).ok()?)));
        let (algorithm, key) = of_kind.ok_or(wrong)?;
        let bytes = key.try_get_as_bytes().map_err(|_| wrong)?;
        let fits = match algorithm {
            // The sequence that holds modulus and exponent.
            Algorithm::Rs256 => bytes.len() > MODULUS_BYTES_MIN,
            Algorithm::Es256 => bytes.len() == 65,
            _ => bytes.len() == 32,
        };
        let basis = Some(Basis::of("public key", bytes));
        if fits { Ok(Key { algorithm, id: None, basis, key }) } else { Err(wrong.to_owned()) }
    }

    /// A key of a set, if it is one that checks signatures of an algorithm that we know.
    pub(super) fn of_jwk(jwk: &Jwk) -> Option<Key> {
        let (common, bytes) = (&jwk.common, |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        let signs = common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
        let verifies = common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
        let (algorithm, named, fits) = match &jwk.algorithm {
            AlgorithmParameters::RSA(key) => {
                let size = bytes(&key.n)?.iter().skip_while(|byte| **byte == 0).count();
                (Algorithm::Rs256, KeyAlgorithm::RS256, (MODULUS_BYTES_MIN..=MODULUS_BYTES_MAX).contains(&size))
            }
            AlgorithmParameters::EllipticCurve(key) => {
                let fits = key.curve == EllipticCurve::P256 && bytes(&key.x)?.len() == 32 && bytes(&key.y)?.len() == 32;
                (Algorithm::Es256, KeyAlgorithm::ES256, fits)
            }
            AlgorithmParameters::OctetKeyPair(key) => {
                let fits = key.curve == EllipticCurve::Ed25519 && bytes(&key.x)?.len() == 32;
                (Algorithm::EdDsa, KeyAlgorithm::EdDSA, fits)
            }
            // A secret that anybody can fetch is none.
            _ => return None,
        };
        if !(signs && verifies && fits) || common.key_algorithm.is_some_and(|written| written != named) {
            return None;
        }
        let id = common.key_id.as_deref().map(Box::from);
        Some(Key { algorithm, id, basis: None, key: DecodingKey::from_jwk(jwk).ok()? })
    }

    /// Whether this key made the signature.
    pub(super) fn verifies(&self, signed: &str, signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &self.key, self.algorithm.into()).unwrap_or(false)
    }
}

/// The secret that a file holds.
fn without_line_end(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
        match algorithm {
            Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}
