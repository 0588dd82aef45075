//! Keys from an address that fails in every way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::RootCertStore;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::testing::{OURS, THEIRS, fetching, good, now, signed, signs};
use super::{Invalid, Jwks, Verifier};
use crate::auth::Denied;
use crate::settings::Algorithm;

/// What the server of the keys does with the next requests.
#[derive(Clone)]
enum Does {
    Answers(String),
    Hangs,
    HangsUp,
    Drips,
}

struct Server {
    does: Arc<Mutex<Does>>,
    asked: Arc<Mutex<usize>>,
    url: String,
}

impl Server {
    async fn start(does: Does) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (does, asked) = (Arc::new(Mutex::new(does)), Arc::new(Mutex::new(0)));
        let server = Server { does: does.clone(), asked: asked.clone(), url };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let does = does.lock().unwrap().clone();
                *asked.lock().unwrap() += 1;
                tokio::spawn(async move {
                    let mut request = [0; 1024];
                    let _ = stream.read(&mut request).await;
                    match does {
                        Does::Answers(text) => drop(stream.write_all(text.as_bytes()).await),
                        Does::Hangs => std::future::pending().await,
                        Does::HangsUp => {}
                        Does::Drips => {
                            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{").await;
                            while stream.write_all(b" ").await.is_ok() {
                                tokio::time::sleep(Duration::from_millis(50)).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    fn now_does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    fn verifier(&self) -> Verifier {
        self.verifier_that_waits(Duration::from_secs(60))
    }

    fn verifier_that_waits(&self, within: Duration) -> Verifier {
        let url = self.url.parse().unwrap();
        fetching(Jwks::trusting(url, Duration::from_secs(600), RootCertStore::empty(), within))
    }
}

fn answer(body: &str) -> Does {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    Does::Answers(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn named(jwk: &Value, id: &str) -> Value {
    let mut jwk = jwk.clone();
    jwk["kid"] = json!(id);
    jwk
}

fn set(keys: &[Value]) -> Does {
    answer(&json!({ "keys": keys }).to_string())
}

fn token(algorithm: Algorithm, id: &str) -> String {
    let header = json!({ "alg": algorithm.to_string(), "kid": id }).to_string();
    signed(&header, &good().to_string(), algorithm, &signs(algorithm, &OURS))
}

#[tokio::test]
async fn all_kinds_of_keys_are_found_by_their_names() {
    let keys = [
        named(&OURS.rsa.jwk, "r"),
        named(&OURS.ec.jwk, "e"),
        named(&OURS.ed.jwk, "d"),
        named(&THEIRS.rsa.jwk, "other"),
        json!({ "kty": "oct", "kid": "o", "k": "c2VjcmV0" }),
        json!({ "kty": "something new" }),
        json!("no key"),
    ];
    let verifier = Server::start(set(&keys)).await.verifier();
    for (algorithm, id) in [(Algorithm::Rs256, "r"), (Algorithm::Es256, "e"), (Algorithm::EdDsa, "d")] {
        assert!(verifier.principal(&token(algorithm, id), now()).await.is_ok(), "{id}");
        // Under the name of another key it is not this key's.
        assert!(verifier.principal(&token(algorithm, "other"), now()).await.is_err(), "{id}");
    }
    let nameless =
        token(Algorithm::Rs256, "r").split_once('.').map(|_| super::testing::token(Algorithm::Rs256, &good()));
    assert!(verifier.principal(&nameless.unwrap(), now()).await.is_ok());
}

#[tokio::test]
async fn a_secret_in_the_set_signs_nothing() {
    let secret = "a secret that anybody can fetch from there";
    let k = data_encoding::BASE64URL_NOPAD.encode(secret.as_bytes());
    let keys = [named(&OURS.rsa.jwk, "r"), json!({ "kty": "oct", "kid": "o", "alg": "HS256", "k": k })];
    let verifier = Server::start(set(&keys)).await.verifier();
    let own = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    let forged = signed(r#"{"alg":"HS256","kid":"o"}"#, &good().to_string(), Algorithm::Hs256, &own);
    assert_eq!(verifier.principal(&forged, now()).await, Err(Denied::Token(Invalid::Signature)));
}

#[tokio::test]
async fn a_new_key_is_fetched_when_the_first_token_names_it_and_then_not_soon_again() {
    let server = Server::start(set(&[named(&THEIRS.rsa.jwk, "old")])).await;
    let verifier = server.verifier();
    verifier.jwks().unwrap().fetch().await;
    server.now_does(set(&[named(&THEIRS.rsa.jwk, "old"), named(&OURS.rsa.jwk, "new")]));
    assert!(verifier.principal(&token(Algorithm::Rs256, "new"), now()).await.is_ok());
    assert_eq!(server.asked(), 2);
    for number in 0..50 {
        let unknown = token(Algorithm::Rs256, &format!("unknown-{number}"));
        assert_eq!(verifier.principal(&unknown, now()).await, Err(Denied::Token(Invalid::UnknownKey)));
    }
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_crowd_with_an_unknown_key_costs_one_request() {
    let server = Server::start(set(&[named(&OURS.rsa.jwk, "r")])).await;
    let verifier = Arc::new(server.verifier());
    let crowd: Vec<_> = (0..100)
        .map(|_| {
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.principal(&token(Algorithm::Rs256, "r"), now()).await.is_ok() })
        })
        .collect();
    for student in crowd {
        assert!(student.await.unwrap());
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn what_was_fetched_last_survives_every_outage() {
    let good_set = json!({ "keys": [named(&OURS.rsa.jwk, "r")] }).to_string();
    let server = Server::start(answer(&good_set)).await;
    let verifier = server.verifier();
    let jwks = verifier.jwks().unwrap().clone();
    jwks.fetch().await;
    assert!(jwks.age().is_some() && !jwks.fails());
    let many: Vec<Value> = (0..65).map(|number| named(&OURS.rsa.jwk, &number.to_string())).collect();
    let mut private_use = named(&OURS.rsa.jwk, "r");
    private_use["use"] = json!("enc");
    let mut short = named(&OURS.rsa.jwk, "r");
    short["n"] = json!("AQAB");
    let mut wrong_algorithm = named(&OURS.ec.jwk, "r");
    wrong_algorithm["alg"] = json!("RS256");
    for outage in [
        Does::HangsUp,
        answer(""),
        answer("<html>Welcome to the school's network</html>"),
        answer("{\"keys\":[]}"),
        answer("{\"keys\":{}}"),
        answer("[]"),
        answer(&format!("{}{good_set}", " ".repeat(300 << 10))),
        answer(&"[".repeat(100_000)),
        set(&many),
        set(&[private_use]),
        set(&[short]),
        set(&[wrong_algorithm]),
        Does::Answers("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_owned()),
        Does::Answers(
            "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
        Does::Answers(format!("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{good_set}")),
        Does::Answers("SSH-2.0-OpenSSH\r\n".to_owned()),
    ] {
        server.now_does(outage);
        jwks.fetch().await;
        assert!(jwks.fails());
        assert!(verifier.principal(&token(Algorithm::Rs256, "r"), now()).await.is_ok());
    }
    server.now_does(answer(&good_set));
    jwks.fetch().await;
    assert!(!jwks.fails());
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    for does in [Does::Hangs, Does::Drips] {
        let server = Server::start(does).await;
        let verifier = server.verifier_that_waits(Duration::from_millis(200));
        let answer = verifier.principal(&token(Algorithm::Rs256, "r"), now()).await;
        assert_eq!((answer, verifier.jwks().unwrap().age()), (Err(Denied::Unavailable), None));
    }
}

#[tokio::test]
async fn keys_that_go_are_gone() {
    let server = Server::start(set(&[named(&OURS.rsa.jwk, "r")])).await;
    let verifier = server.verifier();
    verifier.jwks().unwrap().fetch().await;
    server.now_does(set(&[named(&THEIRS.rsa.jwk, "next")]));
    verifier.jwks().unwrap().fetch().await;
    assert!(verifier.principal(&token(Algorithm::Rs256, "r"), now()).await.is_err());
}

/// A server of keys over TLS, with a certificate that its own authority has signed for that name.
async fn over_tls(name: &str) -> (String, rustls::pki_types::CertificateDer<'static>) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let Does::Answers(text) = set(&[named(&OURS.rsa.jwk, "r")]) else { return };
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (format!("https://localhost:{port}/keys"), cert.der().clone())
}

#[tokio::test]
async fn over_tls_only_a_certificate_that_is_trusted_and_of_that_name_will_do() {
    for (name, is_trusted, works) in
        [("localhost", true, true), ("localhost", false, false), ("other.example", true, false)]
    {
        let (url, certificate) = over_tls(name).await;
        let mut authorities = RootCertStore::empty();
        if is_trusted {
            authorities.add(certificate).unwrap();
        }
        let jwks = Jwks::trusting(url.parse().unwrap(), Duration::from_secs(600), authorities, Duration::from_secs(60));
        jwks.fetch().await;
        assert_eq!(!jwks.fails(), works, "{name} {is_trusted}");
    }
}
