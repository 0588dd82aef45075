//! One GET, bounded in bytes and time. Redirects are not followed: the address is the operator's decision.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::settings::JwksUrl;

/// A set of keys takes a few kilobytes.
const BYTES_MAX: usize = 256 << 10;

/// Why an address gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("it did not answer within {0:?}")]
    Slow(Duration),
    #[error("it cannot be reached: {0}")]
    Unreachable(#[from] std::io::Error),
    #[error("it is no name of a host")]
    Name,
    #[error("this machine has no certificates of authorities to trust")]
    NobodyTrusted,
    #[error("the conversation broke: {0}")]
    Http(#[from] hyper::Error),
    #[error("the answer broke off, or is larger than {} KiB", BYTES_MAX >> 10)]
    Body,
    #[error("it answered {0}")]
    Status(StatusCode),
}

/// Fetches from one address.
pub(super) struct Fetcher {
    url: JwksUrl,
    /// `None` where there is no TLS to speak.
    tls: Option<TlsConnector>,
    within: Duration,
}

impl Fetcher {
    /// `authorities` are those whose certificates are believed; `within` is from the name's look-up to the last byte.
    pub(super) fn new(url: JwksUrl, authorities: RootCertStore, within: Duration) -> Fetcher {
        let connector = || {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let versions = versions.expect("the provider speaks TLS 1.2 and 1.3");
            TlsConnector::from(Arc::new(versions.with_root_certificates(authorities).with_no_client_auth()))
        };
        let tls = url.is_https().then(connector);
        Fetcher { url, tls, within }
    }

    pub(super) fn url(&self) -> &JwksUrl {
        &self.url
    }

    pub(super) async fn fetch(&self) -> Result<Bytes, FetchError> {
        tokio::time::timeout(self.within, self.answer()).await.unwrap_or(Err(FetchError::Slow(self.within)))
    }

    async fn answer(&self) -> Result<Bytes, FetchError> {
        let stream = TcpStream::connect((self.url.host(), self.url.port())).await?;
        let Some(tls) = &self.tls else { return get(stream, &self.url).await };
        let name = ServerName::try_from(self.url.host().to_owned()).map_err(|_| FetchError::Name)?;
        get(tls.connect(name, stream).await?, &self.url).await
    }
}

async fn get(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, url: &JwksUrl) -> Result<Bytes, FetchError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the request: it is dropped when this function's future is.
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    let request = Request::get(url.path())
        .header(HOST, url.authority())
        .header(ACCEPT, "application/jwk-set+json, application/json")
        .header(USER_AGENT, concat!("homeroom/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .expect("the parts of an address that was read are those of a request");
    let answer = sender.send_request(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status()));
    }
    let body = Limited::new(answer.into_body(), BYTES_MAX).collect().await.map_err(|_| FetchError::Body)?;
    Ok(body.to_bytes())
}

/// The authorities that this machine trusts.
pub(super) fn trusted() -> Result<RootCertStore, FetchError> {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() { Err(FetchError::NobodyTrusted) } else { Ok(store) }
}
