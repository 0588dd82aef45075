//! A certificate authority of the test's own, and clients that trust nobody else.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::canaries::canary;

/// An authority, and the connector of those who trust it.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    connector: TlsConnector,
}

impl Authority {
    /// A new one.
    pub fn new() -> Arc<Self> {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names are right");
        params.distinguished_name.push(DnType::CommonName, "the tests' authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        let connector = connector(certificate.der().clone());
        Arc::new(Self { issuer: Issuer::new(params, key), pem: certificate.pem(), connector })
    }

    /// Writes a new certificate for this machine, and its key.
    pub fn issue(&self, certificate: &Path, key: &Path) {
        self.issue_otherwise(certificate, key, |_| {});
    }

    /// The same with something changed in it.
    pub fn issue_otherwise(&self, certificate: &Path, key: &Path, change: impl FnOnce(&mut CertificateParams)) {
        let own = KeyPair::generate().expect("a key");
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, "the tests' broker");
        change(&mut params);
        let issued = params.signed_by(&own, &self.issuer).expect("a signature");
        own.serialize_pem().lines().filter(|line| !line.starts_with('-')).for_each(canary);
        // As careful operators do: nobody reads half a file.
        for (path, text) in [(certificate, issued.pem()), (key, own.serialize_pem())] {
            let new = path.with_extension("new");
            std::fs::write(&new, text).expect("written");
            std::fs::set_permissions(&new, Permissions::from_mode(0o600)).expect("its own");
            std::fs::rename(&new, path).expect("put in place");
        }
    }

    /// Its own certificate as a file in `directory`, for clients that are told whom to trust.
    pub fn file(&self, directory: &Path) -> PathBuf {
        let path = directory.join("authority.pem");
        std::fs::write(&path, &self.pem).expect("written");
        path
    }

    /// A stream to `address` (`host:port`).
    ///
    /// # Errors
    /// The socket's, or what TLS has against the other side.
    pub async fn connect(&self, address: &str) -> std::io::Result<TlsStream<TcpStream>> {
        self.over(TcpStream::connect(address).await?).await
    }

    /// TLS over a stream on which something else may have been said before.
    ///
    /// # Errors
    /// What TLS has against the other side.
    pub async fn over(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        stream.set_nodelay(true)?;
        self.connector.connect(ServerName::try_from("localhost").expect("a name"), stream).await
    }
}

/// What a peer showed.
pub fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    shown.expect("a server shows a certificate").clone().into_owned()
}

fn connector(trusted: CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).expect("it is an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("both versions are built in")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
