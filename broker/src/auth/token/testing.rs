//! Keys and tokens for tests, made on the spot.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use super::key::Key;
use super::{Jwks, Verifier};
use crate::settings::{Algorithm, Jwt};

/// The clock of these tests.
pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const SECRET: &str = "a secret of forty bytes, for tests alone.";

pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

/// One pair of each kind.
pub(super) struct Pairs {
    pub(super) rsa: Pair,
    pub(super) ec: Pair,
    pub(super) ed: Pair,
}

/// A private and a public key, as PEM and as JWK without a name.
pub(super) struct Pair {
    pub(super) private: String,
    pub(super) public: String,
    pub(super) jwk: Value,
}

pub(super) static OURS: LazyLock<Pairs> = LazyLock::new(Pairs::make);
pub(super) static THEIRS: LazyLock<Pairs> = LazyLock::new(Pairs::make);

impl Pairs {
    fn make() -> Pairs {
        Pairs { rsa: rsa(KeySize::Rsa2048), ec: ec(), ed: ed() }
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let lines: Vec<String> =
        BASE64.encode(der).as_bytes().chunks(64).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

fn rsa(size: KeySize) -> Pair {
    let pair = RsaKeyPair::generate(size).unwrap();
    let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    let numbers = [pair.public_key().modulus(), pair.public_key().exponent()];
    let [n, e] = numbers.map(|number| BASE64URL_NOPAD.encode(number.big_endian_without_leading_zero()));
    let jwk = json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "n": n, "e": e });
    Pair { private: pem("PRIVATE KEY", private.as_ref()), public: pem("PUBLIC KEY", public.as_ref()), jwk }
}

fn ec() -> Pair {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": BASE64URL_NOPAD.encode(x), "y": BASE64URL_NOPAD.encode(y) });
    Pair { private: pem("PRIVATE KEY", private.as_ref()), public: pem("PUBLIC KEY", public.as_ref()), jwk }
}

fn ed() -> Pair {
    let pair = Ed25519KeyPair::generate().unwrap();
    let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64URL_NOPAD.encode(pair.public_key().as_ref()) });
    Pair { private: pem("PRIVATE KEY", private.as_ref()), public: pem("PUBLIC KEY", public.as_ref()), jwk }
}

/// The key that signs for an algorithm.
pub(super) fn signs(algorithm: Algorithm, pairs: &Pairs) -> EncodingKey {
    match algorithm {
        Algorithm::Hs256 => EncodingKey::from_secret(SECRET.as_bytes()),
        Algorithm::Rs256 => EncodingKey::from_rsa_pem(pairs.rsa.private.as_bytes()).unwrap(),
        Algorithm::Es256 => EncodingKey::from_ec_pem(pairs.ec.private.as_bytes()).unwrap(),
        Algorithm::EdDsa => EncodingKey::from_ed_pem(pairs.ed.private.as_bytes()).unwrap(),
    }
}

/// A token of these two texts, whatever they are.
pub(super) fn signed(header: &str, claims: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let message =
        format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm.into()).unwrap();
    format!("{message}.{signature}")
}

/// A token with these claims, signed as it should be.
pub(super) fn token(algorithm: Algorithm, claims: &Value) -> String {
    let header = json!({ "alg": algorithm.to_string(), "typ": "JWT" });
    signed(&header.to_string(), &claims.to_string(), algorithm, &signs(algorithm, &OURS))
}

/// What a good token says.
pub(super) fn good() -> Value {
    json!({
        "sub": "alice", "role": "student", "classrooms": ["7b"], "name": "Alice", "jti": "t-1",
        "exp": NOW + 600, "iss": "https://school.example", "aud": "homeroom",
    })
}

/// A good token's claims with one of them changed; `null` leaves it out.
pub(super) fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

/// A broker that knows one key of each kind, and wants issuer and audience.
pub(super) fn settings() -> Jwt {
    Jwt {
        issuer: Some("https://school.example".to_owned()),
        audience: ["homeroom".to_owned()].into(),
        ..Jwt::default()
    }
}

pub(super) fn verifier() -> Verifier {
    let keys = vec![
        Key::of_secret(SECRET).unwrap(),
        Key::of_pem(&OURS.rsa.public).unwrap(),
        Key::of_pem(&OURS.ec.public).unwrap(),
        Key::of_pem(&OURS.ed.public).unwrap(),
    ];
    Verifier::new(keys, None, &settings())
}

/// One that has its keys from there.
pub(super) fn fetching(jwks: Jwks) -> Verifier {
    Verifier::new(Vec::new(), Some(jwks.into()), &settings())
}
