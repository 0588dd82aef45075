//! TLS as a client that wants to know why it fails: what certificate was shown is kept, whatever is thought of it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, ProtocolVersion, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::time::Time;

use super::line::{Fault, WITHIN, reach};
use super::measurements::{Handshake, Shown, Tls};
use super::target::Target;
use crate::commands::Failure;
use crate::commands::reach::Trust;
use crate::transport::tls::pair::names;

/// How to speak with one host.
#[derive(Clone, Debug)]
pub(super) struct Encryption {
    name: ServerName<'static>,
    witness: Arc<Witness>,
    config: Arc<ClientConfig>,
}

/// Names of a certificate that are told.
const NAMES_MAX: usize = 5;
/// Characters of a peer's text that are told.
const CHARACTERS_MAX: usize = 200;

impl Encryption {
    /// With a host whose certificate these authorities vouch for.
    ///
    /// # Errors
    /// That nobody is trusted, or that no certificate can be for this name.
    pub(super) fn with(host: &str, trust: &Trust) -> Result<Encryption, Failure> {
        Encryption::new(host, Some(trust.verifier()?))
    }

    /// With nobody: whatever certificate is shown is refused.
    ///
    /// # Errors
    /// That no certificate can be for this name.
    pub(super) fn with_nobody(host: &str) -> Result<Encryption, Failure> {
        Encryption::new(host, None)
    }

    fn new(host: &str, judge: Option<Arc<WebPkiServerVerifier>>) -> Result<Encryption, Failure> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Failure::usage(format!("{host} is no name of a host that TLS could ask for.")))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let witness = Arc::new(Witness { judge, provider: provider.clone(), shown: Mutex::default() });
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("the cipher suites that are built in go with both versions");
        let mut config = config.dangerous().with_custom_certificate_verifier(witness.clone()).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Encryption { name, witness, config: Arc::new(config) })
    }

    /// Shakes hands, for HTTP/1.1.
    pub(super) async fn over(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(self.config.clone()).connect(self.name.clone(), stream).await
    }

    /// Shakes hands as a browser does, which would rather speak HTTP/2.
    async fn examine(&self, stream: TcpStream) -> Tls {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let connecting = TlsConnector::from(Arc::new(config)).connect(self.name.clone(), stream);
        let mut tls = match tokio::time::timeout(WITHIN, connecting).await {
            Ok(Ok(stream)) => agreed(&stream),
            Ok(Err(error)) => failed(&error),
            Err(_) => Tls { is: Handshake::Silent, ..Tls::default() },
        };
        tls.certificate = self.witness.shown();
        tls
    }
}

/// What comes of TLS with a target under `https://`.
///
/// # Errors
/// That it cannot even be reached.
pub(super) async fn examine(target: &Target) -> Result<Tls, Fault> {
    let Some(encryption) = &target.encryption else { return Ok(Tls::default()) };
    let tls = encryption.examine(reach(target).await?).await;
    // Some servers close without a word when they are greeted with TLS and have none.
    let is_wordless = matches!(tls.is, Handshake::Closed | Handshake::Silent) && tls.certificate.is_none();
    if is_wordless && super::doors::answers(&target.in_the_clear()).await {
        return Ok(Tls { is: Handshake::Plain, ..tls });
    }
    Ok(tls)
}

/// Whether a port that was spoken to in the clear speaks TLS.
pub(super) async fn is_spoken(target: &Target) -> bool {
    let Ok(encryption) = Encryption::with_nobody(&target.host) else { return false };
    let Ok(stream) = reach(target).await else { return false };
    encryption.examine(stream).await.certificate.is_some()
}

fn agreed(stream: &TlsStream<TcpStream>) -> Tls {
    let (_, connection) = stream.get_ref();
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS 1.2",
    };
    let http = if connection.alpn_protocol() == Some(b"h2") { "HTTP/2" } else { "HTTP/1.1" };
    let (version, http) = (Some(version.to_owned()), Some(http.to_owned()));
    Tls { is: Handshake::Works, version, http, ..Tls::default() }
}

fn failed(error: &io::Error) -> Tls {
    let because = |is, reason: &dyn std::fmt::Debug| {
        let reason = Some(harmless(&format!("{reason:?}")));
        Tls { is, reason, ..Tls::default() }
    };
    match error.get_ref().and_then(|cause| cause.downcast_ref()) {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(error)))) => {
            because(Handshake::Unusable, error)
        }
        Some(Error::InvalidCertificate(error)) => because(of_certificate(error), error),
        Some(error @ Error::InvalidMessage(_)) => because(Handshake::Plain, error),
        Some(Error::AlertReceived(alert)) => because(Handshake::Refused, alert),
        Some(error) => because(Handshake::Refused, error),
        None => Tls { is: Handshake::Closed, ..Tls::default() },
    }
}

fn of_certificate(error: &CertificateError) -> Handshake {
    use CertificateError::*;
    match error {
        // An authority that was made anew under its old name signs with another key, perhaps of another kind.
        UnknownIssuer | BadSignature | UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Handshake::Untrusted,
        NotValidForName | NotValidForNameContext { .. } => Handshake::WrongName,
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => Handshake::Untimely,
        _ => Handshake::Unusable,
    }
}

/// Remembers the last certificate that was shown, and leaves it to others what to think of it.
#[derive(Debug)]
struct Witness {
    /// Without one every certificate is refused.
    judge: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    shown: Mutex<Option<CertificateDer<'static>>>,
}

impl Witness {
    fn shown(&self) -> Option<Shown> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let certificate = Certificate::from_der(&shown).ok()?;
        let day = |time: &Time| {
            let time = time.to_date_time();
            format!("{}-{:02}-{:02}", time.year(), time.month(), time.day())
        };
        let (inside, names) = (&certificate.tbs_certificate, names(&certificate));
        let names = if names.is_empty() { "nobody".to_owned() } else { names[..names.len().min(NAMES_MAX)].join(", ") };
        let (from, until) = (day(&inside.validity.not_before), day(&inside.validity.not_after));
        Some(Shown { issuer: harmless(&inside.issuer.to_string()), names: harmless(&names), from, until })
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(leaf.clone().into_owned());
        match &self.judge {
            Some(judge) => judge.verify_server_cert(leaf, others, name, stapled, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A peer's text without what could move a cursor, turn a line around or be taken for a blank.
fn harmless(text: &str) -> String {
    let is_harmless = |character: &char| {
        (character.is_alphanumeric() || character.is_ascii_graphic() || *character == ' ') && !"{}".contains(*character)
    };
    text.chars().filter(is_harmless).take(CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_of_itself_does_no_harm() {
        assert_eq!(harmless("CN=Schülerschutz {url}\u{1b}[2J\r\n\u{202e}"), "CN=Schülerschutz url[2J");
        assert_eq!(harmless(&"x".repeat(10_000)).len(), CHARACTERS_MAX);
    }
}
