//! Another server that we ask over HTTP: a connection to it, in the clear or under TLS. Redirects are not followed: the
//! address is the operator's decision.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Body;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::settings::ServerUrl;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("it cannot be reached: {0}")]
    Unreachable(#[from] std::io::Error),
    #[error("it is no name of a host")]
    Name,
    #[error("the conversation broke: {0}")]
    Http(#[from] hyper::Error),
}

/// One other server.
pub(crate) struct OtherServer {
    url: ServerUrl,
    /// `None` where there is no TLS to speak.
    tls: Option<TlsConnector>,
}

/// What moves the bytes of a connection, until its requests are dropped.
pub(crate) type Moving = Pin<Box<dyn Future<Output = ()> + Send>>;

impl OtherServer {
    /// `authorities` are those whose certificates are believed.
    pub(crate) fn new(url: ServerUrl, authorities: RootCertStore) -> OtherServer {
        let connector = || {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let versions = versions.expect("the provider speaks TLS 1.2 and 1.3");
            TlsConnector::from(Arc::new(versions.with_root_certificates(authorities).with_no_client_auth()))
        };
        let tls = url.is_https().then(connector);
        OtherServer { url, tls }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// A connection for requests, and the future that has to be polled for them to go out.
    ///
    /// # Errors
    /// It is out of reach, or not trusted.
    pub(crate) async fn connect<B>(&self) -> Result<(SendRequest<B>, Moving), ConnectError>
    where
        B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>, Data: Send> + Send + 'static,
    {
        let stream = TcpStream::connect((self.url.host(), self.url.port())).await?;
        // A question is one small write, and somebody waits for its answer.
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return speak(stream).await };
        let name = ServerName::try_from(self.url.host().to_owned()).map_err(|_| ConnectError::Name)?;
        speak(tls.connect(name, stream).await?).await
    }
}

async fn speak<B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(SendRequest<B>, Moving), ConnectError>
where
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    let moving = async move {
        // How it ended is told to whoever waits for an answer.
        let _ = connection.await;
    };
    Ok((sender, Box::pin(moving)))
}

/// The authorities that this machine trusts; none where there is no TLS to speak.
///
/// # Errors
/// If it trusts none, in words for the operator.
pub(crate) fn authorities(url: &ServerUrl) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    if !url.is_https() {
        return Ok(store);
    }
    let found = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        return Err("this machine has no certificates of authorities to trust: install them (on Debian, `apt install \
                    ca-certificates`), or name a file in SSL_CERT_FILE."
            .to_owned());
    }
    Ok(store)
}

impl fmt::Debug for OtherServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)
    }
}
