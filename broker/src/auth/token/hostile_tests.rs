//! Tokens that nobody may come in with, and those that one can.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use data_encoding::{BASE64URL, BASE64URL_NOPAD};
use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::key::Key;
use super::testing::{NOW, OURS, SECRET, THEIRS, fetching, good, now, settings, signed, signs, token, verifier, with};
use super::{Invalid, Verifier};
use crate::auth::Denied;
use crate::settings::{Algorithm, Jwt};

const HS: Algorithm = Algorithm::Hs256;

fn encoded(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

/// Signed with our own secret under a header of any kind: only what the header says is wrong with it.
fn under(header: &str) -> String {
    signed(header, &good().to_string(), HS, &signs(HS, &OURS))
}

/// Signed with our own secret, with claims of any text.
fn saying(claims: &str) -> String {
    signed(r#"{"alg":"HS256"}"#, claims, HS, &signs(HS, &OURS))
}

/// Says it is HS256 and is signed with a public key as the secret.
fn confused(secret: &str) -> String {
    signed(r#"{"alg":"HS256"}"#, &good().to_string(), HS, &EncodingKey::from_secret(secret.as_bytes()))
}

/// Signed by somebody else under a header that says where their key is.
fn theirs(header: &Value) -> String {
    signed(&header.to_string(), &good().to_string(), Algorithm::Rs256, &signs(Algorithm::Rs256, &THEIRS))
}

fn hostile_headers() -> Vec<(String, String)> {
    let none = |alg: Value| format!("{}.{}.", encoded(&json!({ "alg": alg })), encoded(&good()));
    let whole = token(HS, &good());
    let (message, signature) = whole.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let der = |pem: &str| pem.lines().filter(|line| !line.starts_with("---")).collect::<String>();
    let mut all: Vec<(&str, String)> = vec![
        ("alg none", none(json!("none"))),
        ("alg None", none(json!("None"))),
        ("alg NONE", none(json!("NONE"))),
        ("alg empty", none(json!(""))),
        ("alg null", none(Value::Null)),
        ("alg a number", none(json!(256))),
        ("alg a list", none(json!(["HS256"]))),
        ("alg missing, signed", under("{}")),
        ("alg none, signed", under(r#"{"alg":"none"}"#)),
        ("alg hs256 in lower case", under(r#"{"alg":"hs256"}"#)),
        ("alg HS512", under(r#"{"alg":"HS512"}"#)),
        ("alg PS256", under(r#"{"alg":"PS256"}"#)),
        ("alg twice", under(r#"{"alg":"HS256","alg":"none"}"#)),
        ("alg twice, escaped", under(r#"{"alg":"HS256","\u0061lg":"HS256"}"#)),
        ("RS256 signed with the secret", under(r#"{"alg":"RS256"}"#)),
        ("ES256 signed with the secret", under(r#"{"alg":"ES256"}"#)),
        ("EdDSA signed with the secret", under(r#"{"alg":"EdDSA"}"#)),
        ("RSA's PEM as the secret", confused(&OURS.rsa.public)),
        ("RSA's PEM without its last line end", confused(OURS.rsa.public.trim_end())),
        ("RSA's DER as the secret", confused(&der(&OURS.rsa.public))),
        ("EC's PEM as the secret", confused(&OURS.ec.public)),
        ("Ed25519's PEM as the secret", confused(&OURS.ed.public)),
        ("an empty secret", confused("")),
        ("another secret", confused("another secret of forty bytes, for tests.")),
        ("the secret cut", confused(&SECRET[..SECRET.len() - 1])),
        ("crit", under(r#"{"alg":"HS256","crit":["exp"]}"#)),
        ("crit empty", under(r#"{"alg":"HS256","crit":[]}"#)),
        ("crit b64", under(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#)),
        ("typ of a logout", under(r#"{"alg":"HS256","typ":"logout+jwt"}"#)),
        ("typ of a proof", under(r#"{"alg":"HS256","typ":"dpop+jwt"}"#)),
        ("typ a number", under(r#"{"alg":"HS256","typ":1}"#)),
        ("kid a number", under(r#"{"alg":"HS256","kid":1}"#)),
        ("kid with a NUL", under(r#"{"alg":"HS256","kid":"a\u0000b"}"#)),
        ("kid of 257 bytes", under(&json!({ "alg": "HS256", "kid": "k".repeat(257) }).to_string())),
        ("kid of 1 MiB", under(&json!({ "alg": "HS256", "kid": "k".repeat(1 << 20) }).to_string())),
        ("kid a path", theirs(&json!({ "alg": "RS256", "kid": "../../../../dev/null" }))),
        ("kid SQL", theirs(&json!({ "alg": "RS256", "kid": "x' UNION SELECT 'key" }))),
        ("kid a command", theirs(&json!({ "alg": "RS256", "kid": "|/bin/sh" }))),
        ("kid an address", theirs(&json!({ "alg": "RS256", "kid": "https://evil.example/key" }))),
        ("jku", theirs(&json!({ "alg": "RS256", "jku": "https://evil.example/jwks.json" }))),
        ("x5u", theirs(&json!({ "alg": "RS256", "x5u": "https://evil.example/chain.pem" }))),
        ("jwk", theirs(&json!({ "alg": "RS256", "jwk": THEIRS.rsa.jwk }))),
        ("x5c", theirs(&json!({ "alg": "RS256", "x5c": [der(&THEIRS.rsa.public)] }))),
        ("header a list", under("[]")),
        ("header a text", under("\"HS256\"")),
        ("header empty", under("")),
        ("header no JSON", under("{alg:HS256}")),
        ("header of 100,000 brackets", under(&format!("{{\"alg\":\"HS256\",\"x\":{}", "[".repeat(100_000)))),
        ("header of 5,000 brackets", under(&format!("{{\"alg\":\"HS256\",\"x\":{}", "[".repeat(5_000)))),
        ("empty", String::new()),
        ("dots", "..".to_owned()),
        ("one part", header.to_owned()),
        ("unsigned, two parts", message.to_owned()),
        ("unsigned, three parts", format!("{message}.")),
        ("four parts", format!("{whole}.")),
        ("five parts, as if encrypted", format!("{whole}.{signature}.{signature}")),
        ("no header", format!(".{claims}.{signature}")),
        ("no claims", format!("{header}..{signature}")),
        ("signature cut", whole[..whole.len() - 1].to_owned()),
        ("signature of another token", format!("{header}.{}.{signature}", encoded(&with("sub", json!("bob"))))),
        ("signature in standard base64", format!("{message}.{}", "+/".repeat(21) + "A")),
        ("padding", format!("{whole}=")),
        ("padded throughout", format!("{}.{claims}.{signature}", BASE64URL.encode(br#"{"alg":"HS256" }"#))),
        ("a blank in front", format!(" {whole}")),
        ("a blank behind", format!("{whole} ")),
        ("a line end behind", format!("{whole}\n")),
        ("a line end inside", format!("{header}.\n{claims}.{signature}")),
        ("Bearer in front", format!("Bearer {whole}")),
        ("1 MiB", "a".repeat(1 << 20)),
        ("1 MiB of dots", ".".repeat(1 << 20)),
        ("17 KiB, signed", token(HS, &with("extra", json!("x".repeat(17 << 10))))),
        ("an emoji", format!("{header}.{claims}.😀")),
        ("a NUL", format!("{whole}\0")),
    ];
    // A change of the last character that only touches bits nobody reads would be a second spelling.
    let last = signature.as_bytes()[signature.len() - 1];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.iter().position(|letter| *letter == last).unwrap();
    let other = alphabet[at ^ 1] as char;
    all.push(("bits left over", format!("{}{other}", &whole[..whole.len() - 1])));
    all.into_iter().map(|(name, token)| (name.to_owned(), token)).collect()
}

fn hostile_claims() -> Vec<(String, String)> {
    let changed: Vec<(&str, Value)> = vec![
        ("exp", Value::Null),
        ("exp", json!((NOW + 600).to_string())),
        ("exp", json!(NOW as f64 + 600.5)),
        ("exp", json!(NOW as f64 + 600.0)),
        ("exp", json!(-1)),
        ("exp", json!(i64::MIN)),
        ("exp", json!(0)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(253_402_300_800u64)),
        ("exp", json!(1e300)),
        ("exp", json!(true)),
        ("exp", json!([NOW + 600])),
        ("exp", json!({ "at": NOW + 600 })),
        ("exp", json!(NOW - 30)),
        ("exp", json!((NOW + 600) * 1000)),
        ("nbf", json!(NOW + 31)),
        ("nbf", json!("tomorrow")),
        ("nbf", json!(NOW as f64 - 0.5)),
        ("nbf", json!(-1)),
        ("iss", Value::Null),
        ("iss", json!("https://evil.example")),
        ("iss", json!("https://school.example/")),
        ("iss", json!(["https://school.example"])),
        ("iss", json!("")),
        ("aud", Value::Null),
        ("aud", json!("other")),
        ("aud", json!("HOMEROOM")),
        ("aud", json!("homeroom2")),
        ("aud", json!([])),
        ("aud", json!(["other", "another"])),
        ("aud", json!(["homeroom", 1])),
        ("aud", json!([["homeroom"]])),
        ("aud", json!({ "homeroom": true })),
        ("aud", json!(vec!["x"; 300])),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("sub", json!(["alice"])),
        ("sub", json!("ali\nce")),
        ("sub", json!("alice\0")),
        ("sub", json!("\u{9b}31m")),
        ("sub", json!("x".repeat(129))),
        ("role", json!(1)),
        ("role", json!({ "student": true })),
        ("role", json!("")),
        ("role", json!(["student", 1])),
        ("role", json!(["student", ""])),
        ("role", json!(["a\r\nb"])),
        ("role", json!("r".repeat(65))),
        ("role", json!(vec!["student"; 33])),
        ("classrooms", json!("7b")),
        ("classrooms", json!({ "7b": true })),
        ("classrooms", json!(["7b", null])),
        ("classrooms", json!([["7b"]])),
        ("classrooms", json!([""])),
        ("classrooms", json!(["7b\u{7}"])),
        ("classrooms", json!(vec!["7b"; 257])),
        ("name", json!(1)),
        ("name", json!("A\u{1b}[2J")),
        ("name", json!("n".repeat(257))),
        ("jti", json!(1)),
        ("jti", json!("")),
    ];
    let changed = changed.into_iter().map(|(name, value)| (format!("{name} {value}"), token(HS, &with(name, value))));
    let good = good().to_string();
    let inner = &good[1..good.len() - 1];
    let texts = [
        ("sub twice", format!("{{{inner},\"sub\":\"bob\"}}")),
        ("exp twice", format!("{{\"exp\":1,{inner}}}")),
        ("twice inside", format!("{{{inner},\"x\":{{\"a\":1,\"a\":2}}}}")),
        ("exp 1e10", good.replace(&(NOW + 600).to_string(), "1e10")),
        ("exp -0", good.replace(&(NOW + 600).to_string(), "-0")),
        ("claims a list", format!("[{good}]")),
        ("claims a text", "\"alice\"".to_owned()),
        ("claims empty", String::new()),
        ("claims cut", good[..good.len() - 1].to_owned()),
        ("claims and more", format!("{good}{good}")),
        ("deep", format!("{{{inner},\"x\":{}1{}}}", "[".repeat(500), "]".repeat(500))),
        ("NaN", format!("{{{inner},\"x\":NaN}}")),
        ("half a surrogate", format!("{{{inner},\"x\":\"\\ud800\"}}")),
    ];
    changed.chain(texts.map(|(name, claims)| (name.to_owned(), saying(&claims)))).collect()
}

#[test]
fn every_hostile_token_is_refused() {
    let verifier = verifier();
    assert!(verifier.check(&token(HS, &good()), now()).is_ok());
    let mut reasons = String::new();
    let all: Vec<_> = hostile_headers().into_iter().chain(hostile_claims()).collect();
    assert!(all.len() >= 140, "{}", all.len());
    for (name, token) in all {
        let name: String = name.chars().take(60).collect();
        let denied = verifier.check(&token, now()).expect_err(&name);
        let text = format!("{denied} {denied:?} {}", denied.remedy());
        let parts = token.split('.').filter(|part| part.len() > 8);
        assert!(parts.into_iter().all(|part| !text.contains(part)), "{name}: {text}");
        writeln!(reasons, "{name:60} {} {denied}", denied.code()).unwrap();
    }
    insta::assert_snapshot!("hostile", reasons.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_algorithm_lets_in_with_its_own_key_alone() {
    for algorithm in Algorithm::ALL {
        let own = token(algorithm, &good());
        let principal = verifier().check(&own, now()).unwrap();
        assert_eq!((principal.user.as_deref(), principal.name.as_deref()), (Some("alice"), Some("Alice")));
        assert_eq!((&*principal.roles, &*principal.classrooms), (&["student".into()][..], &["7b".into()][..]));
        assert_eq!(principal.expires, Some(UNIX_EPOCH + Duration::from_secs(NOW + 630)), "with the leeway");
        assert_eq!(principal.proof.as_deref(), Some("t-1"));
        let others = Algorithm::ALL.into_iter().filter(|other| *other != algorithm).collect();
        let without = Jwt { algorithms: others, ..settings() };
        let keys = vec![Key::of_secret(SECRET).unwrap(), Key::of_pem(&OURS.rsa.public).unwrap()];
        let denied = Verifier::new(keys, None, &without).check(&own, now()).unwrap_err();
        assert_eq!(denied, Denied::Token(Invalid::Algorithm));
        if algorithm != HS {
            let header = json!({ "alg": algorithm.to_string() }).to_string();
            let stranger = signed(&header, &good().to_string(), algorithm, &signs(algorithm, &THEIRS));
            assert_eq!(verifier().check(&stranger, now()), Err(Denied::Token(Invalid::Signature)));
        }
    }
}

#[test]
fn good_tokens_come_in_many_forms() {
    let verifier = verifier();
    for claims in [
        with("aud", json!(["other", "homeroom"])),
        with("role", json!(["student", "helper"])),
        with("role", Value::Null),
        with("classrooms", Value::Null),
        with("classrooms", json!([])),
        with("classrooms", json!((0..256).map(|number| number.to_string()).collect::<Vec<_>>())),
        with("name", Value::Null),
        with("jti", Value::Null),
        with("sub", json!("alice@school.de")),
        with("sub", json!("Zoë 😀")),
        with("sub", json!("x".repeat(128))),
        with("nbf", json!(NOW + 30)),
        with("nbf", json!(NOW - 1000)),
        with("exp", json!(NOW - 29)),
        with("exp", json!(253_402_300_799u64)),
        with("iat", json!(NOW as f64)),
        with("extra", json!({ "a": [1, 2.5, null] })),
    ] {
        assert!(verifier.check(&token(HS, &claims), now()).is_ok(), "{claims}");
    }
    // `null` says no more than nothing.
    assert!(verifier.check(&saying(&good().to_string().replace("\"Alice\"", "null")), now()).is_ok());
    for header in [
        r#"{"alg":"HS256"}"#,
        r#"{"typ":"jwt","alg":"HS256"}"#,
        r#"{"typ":"at+jwt","alg":"HS256"}"#,
        r#"{"typ":"application/at+JWT","alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":"2026-09"}"#,
        r#"{"alg":"HS256","jku":"https://evil.example/","x5u":"file:///etc/passwd","jwk":{"kty":"oct","k":"AA"}}"#,
    ] {
        assert!(verifier.check(&under(header), now()).is_ok(), "{header}");
    }
}

#[test]
fn a_token_that_has_expired_says_so_with_a_number_of_its_own() {
    let denied = verifier().check(&token(HS, &with("exp", json!(NOW - 30))), now()).unwrap_err();
    assert_eq!((denied.clone(), denied.code()), (Denied::Expired, 109));
    // Who made it up learns nothing about time.
    let forged = confused("another secret of forty bytes, for tests.");
    assert_eq!(verifier().check(&forged, now()).unwrap_err().code(), 101);
}

#[test]
fn claims_can_have_other_names() {
    let mut jwt = settings();
    jwt.claims.user = "preferred_username".to_owned();
    jwt.claims.role = "realm_access.roles".to_owned();
    jwt.claims.classrooms = "https://school.example/rooms".to_owned();
    let verifier = Verifier::new(vec![Key::of_secret(SECRET).unwrap()], None, &jwt);
    let mut claims = with("sub", json!("f3a1"));
    claims["preferred_username"] = json!("alice");
    claims["realm_access"] = json!({ "roles": ["teacher"] });
    claims["https://school.example/rooms"] = json!(["8a"]);
    let principal = verifier.check(&token(HS, &claims), now()).unwrap();
    assert_eq!((principal.user.as_deref(), &*principal.roles), (Some("alice"), &["teacher".into()][..]));
    assert_eq!(&*principal.classrooms, &["8a".into()][..]);
    claims["realm_access"] = json!("teacher");
    assert_eq!(verifier.check(&token(HS, &claims), now()).unwrap().roles.len(), 0);
}

#[test]
fn without_keys_no_token_is_looked_at() {
    let verifier = Verifier::open(&Jwt::default()).unwrap();
    assert!(!verifier.has_keys());
    assert_eq!(verifier.check(&token(HS, &good()), now()), Err(Denied::Token(Invalid::NotAccepted)));
}

#[test]
fn keys_that_are_none_or_too_weak_are_refused() {
    let short = SECRET[..31].to_owned();
    assert!(Key::of_secret(&short).is_err_and(|what| what.contains("32 bytes") && !what.contains(&short)));
    let both = format!("{}{}", OURS.rsa.public, OURS.ec.public);
    for (pem, named) in [
        (OURS.rsa.private.as_str(), "private key"),
        (&both, "more than one"),
        ("", "BEGIN PUBLIC KEY"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "BEGIN PUBLIC KEY"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "BEGIN PUBLIC KEY"),
        (RSA_1024, "2048 bits"),
        (P_384, "P-256"),
    ] {
        let what = Key::of_pem(pem).unwrap_err();
        assert!(what.contains(named), "{pem}: {what}");
    }
}

const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCoHgNfTEzhTK9RRnYQgsekGB9V
jOElCVMAc5zceCqcSM4HSR+FYrDm8CiRe8KO+UtIua+E9josEN1bJRMRYmRcyTHF
YGidrRTdQUVFl8xJvSJJPxSp9M2D1Au0N7U61Um9sSLQkAkwkozebbLRKaSuXazI
uYmDy3mj3K5y1daW9QIDAQAB
-----END PUBLIC KEY-----
";

const P_384: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEso9Mv2qch5gkk4qGc+csgd6+xzbzoKwP
Bsbkqr15feLOgeukxnzbzf+XOdtvT5NyAGWft3TLBtG2qR5qJXKFmeHjht9Kt3yC
fqAiD00PXMGjtl4VehVGB9JwCulH/Cf8
-----END PUBLIC KEY-----
";

#[test]
fn what_is_signed_here_is_believed_here() {
    use super::{Signer, Statement};
    let statement = Statement {
        user: "alice".to_owned(),
        roles: vec!["student".to_owned(), "helper".to_owned()],
        classrooms: vec!["7b".to_owned()],
        issuer: Some("https://school.example".to_owned()),
        audience: vec!["homeroom".to_owned()],
        lifetime: Duration::from_secs(60),
        ..Statement::default()
    };
    let mut jwt = settings();
    jwt.claims.role = "realm_access.roles".to_owned();
    let pems = [&OURS.rsa, &OURS.ec, &OURS.ed].map(|pair| (&pair.private, &pair.public));
    for (private, public) in pems {
        let signer = Signer::of_pem(&private.as_str().into()).unwrap().named(Some("k".to_owned()));
        let token = signer.sign(&statement, &jwt.claims, now()).unwrap();
        let verifier = Verifier::new(vec![Key::of_pem(public).unwrap()], None, &jwt);
        let principal = verifier.check(token.expose(), now()).unwrap();
        assert_eq!((principal.roles.len(), principal.proof.is_some()), (2, true));
        assert!(!format!("{signer:?} {token:?} {verifier:?}").contains(token.expose()));
    }
    assert!(Signer::of_pem(&OURS.rsa.public.as_str().into()).is_err());
    assert!(Signer::of_secret(&"short".into()).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text: String, header: String, claims in any::<Vec<u8>>()) {
        let made = format!("{}.{}.c2ln", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(&claims));
        for token in [text, made, under(&header), saying(&String::from_utf8_lossy(&claims))] {
            prop_assert!(verifier().check(&token, now()).is_err());
            let _ = super::looks_like_one(&token);
        }
    }

    #[test]
    fn no_byte_of_a_token_can_be_changed(at in 0usize..1000, to in any::<char>()) {
        let whole = token(HS, &good());
        let mut letters: Vec<char> = whole.chars().collect();
        let at = at % letters.len();
        prop_assume!(letters[at] != to);
        letters[at] = to;
        prop_assert!(verifier().check(&letters.into_iter().collect::<String>(), now()).is_err());
    }
}

#[test]
fn a_broker_that_has_never_fetched_keys_asks_for_them() {
    let url = "http://127.0.0.1:1/".parse().unwrap();
    let verifier = fetching(super::Jwks::trusting(url, Duration::MAX, rustls::RootCertStore::empty(), Duration::MAX));
    let rsa = token(Algorithm::Rs256, &good());
    assert_eq!(verifier.check(&rsa, now()), Err(Denied::Token(Invalid::UnknownKey)));
    assert_eq!(verifier.check(&token(HS, &good()), now()), Err(Denied::Token(Invalid::Signature)));
}
