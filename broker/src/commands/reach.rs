//! From a host and a port to a stream that can be spoken on, under TLS where the address asks for it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::uri::Authority;
use clap::Args;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use super::Failure;
use crate::transport::Socket;

/// Whose word a client takes for who a server is: that of the authorities the machine trusts, and of these.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Trust {
    /// Also trust the authorities in this file (PEM), for a broker whose certificate the machine does not know
    #[arg(long = "ca", env = "HOMEROOM_CA", value_name = "FILE")]
    pub(super) authorities: Option<PathBuf>,
}

/// Where to, and whether nobody may read along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// A name or an address, IPv6 in brackets or not.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) secure: bool,
}

/// Why there is no stream.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nobody takes connections there.
    Unreachable(io::Error),
    /// Told as it is.
    Otherwise(Failure),
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Failed {
        Failed::Otherwise(failure)
    }
}

impl Place {
    /// Connects, and shakes hands where it is secure. HTTP/1.1 is what will be spoken, if anything has to be said.
    ///
    /// # Errors
    /// What kept it from being reached, with what to do where that is not plain.
    pub(super) async fn connect(&self, trust: &Trust) -> Result<Socket, Failed> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, self.port)).await.map_err(Failed::Unreachable)?;
        if !self.secure {
            return Ok(Socket::Plain(stream));
        }
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| Failure::usage(format!("{} is no name of a host that TLS could ask for.", self.host)))?;
        let connector = TlsConnector::from(trust.config()?);
        let stream = connector.connect(name, stream).await.map_err(|error| self.distrusted(&error))?;
        Ok(Socket::Secure(Box::new(TlsStream::Client(stream))))
    }

    fn distrusted(&self, error: &io::Error) -> Failure {
        use rustls::Error::{InvalidCertificate, InvalidMessage};
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        let remedy = match cause {
            Some(InvalidCertificate(_)) => {
                " Name the authority that issued the certificate with --ca FILE, and the broker as the certificate does."
            }
            Some(InvalidMessage(_)) => " Does it speak TLS on this port at all?",
            _ => "",
        };
        Failure::new(format!("TLS with {}:{} failed: {error}.{remedy}", self.host, self.port))
    }
}

/// The port that an address names, or the `usual` one; `None` if what it names is no port.
pub(super) fn port(authority: &Authority, usual: u16) -> Option<u16> {
    // `Authority` takes a port that is none for no port.
    let place = authority.as_str().rsplit('@').next()?;
    match place.strip_prefix(authority.host())? {
        "" => Some(usual),
        named => named.strip_prefix(':')?.parse().ok().filter(|port| *port != 0),
    }
}

impl Trust {
    fn config(&self) -> Result<Arc<ClientConfig>, Failure> {
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions();
        let config = config.expect("the cipher suites that are built in go with both versions");
        let mut config = config.with_webpki_verifier(self.verifier()?).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Who looks at the certificates of servers.
    ///
    /// # Errors
    /// That `--ca` cannot be read, or that nobody is trusted at all.
    pub(super) fn verifier(&self) -> Result<Arc<WebPkiServerVerifier>, Failure> {
        let mut roots = RootCertStore::empty();
        // What the machine has and cannot be read is no authority; with none at all that is told.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = &self.authorities {
            roots.add_parsable_certificates(authorities(file)?);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        verifier.map_err(|_| {
            Failure::new(
                "This machine trusts no certificate authority: install ca-certificates, or name one with --ca FILE.",
            )
        })
    }
}

fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let wrong = |what: String| Failure::usage(format!("--ca {} {what}.", file.display()));
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Err(error) => Err(wrong(format!("cannot be read ({error}): name a file of certificates in PEM"))),
        Ok(none) if none.is_empty() => {
            Err(wrong("holds no certificate: name a file of certificates in PEM".to_owned()))
        }
        Ok(all) => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_authorities_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [file.path(), Path::new("/nowhere/ca.pem")] {
            let trust = Trust { authorities: Some(path.to_owned()) };
            let failure = trust.config().unwrap_err().to_string();
            assert!(failure.contains("--ca") && failure.contains(&*path.to_string_lossy()), "{failure}");
        }
    }
}
