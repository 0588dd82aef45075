//! One GET, bounded in bytes and time. Redirects are not followed: the address is the operator's decision.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use rustls::RootCertStore;

use crate::other_server::{ConnectError, OtherServer};
use crate::settings::ServerUrl;

/// A set of keys takes a few kilobytes.
const BYTES_MAX: usize = 256 << 10;

/// Why an address gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("it did not answer within {0:?}")]
    Slow(Duration),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the conversation broke: {0}")]
    Http(#[from] hyper::Error),
    #[error("the answer broke off, or is larger than {} KiB", BYTES_MAX >> 10)]
    Body,
    #[error("it answered {0}")]
    Status(StatusCode),
}

/// Fetches from one address.
pub(super) struct Fetcher {
    server: OtherServer,
    within: Duration,
}

impl Fetcher {
    /// `authorities` are those whose certificates are believed; `within` is from the name's look-up to the last byte.
    pub(super) fn new(url: ServerUrl, authorities: RootCertStore, within: Duration) -> Fetcher {
        Fetcher { server: OtherServer::new(url, authorities), within }
    }

    pub(super) fn url(&self) -> &ServerUrl {
        self.server.url()
    }

    pub(super) async fn fetch(&self) -> Result<Bytes, FetchError> {
        tokio::time::timeout(self.within, self.answer()).await.unwrap_or(Err(FetchError::Slow(self.within)))
    }

    async fn answer(&self) -> Result<Bytes, FetchError> {
        let (mut sender, connection) = self.server.connect().await?;
        // Ends with the request: it is dropped when this function's future is.
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(connection);
        let url = self.server.url();
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
}
