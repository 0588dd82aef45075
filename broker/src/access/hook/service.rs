//! Questions over HTTP, on connections that are kept.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use rustls::RootCertStore;
use tokio::time::Instant;

use crate::auth::Secret;
use crate::other_server::{ConnectError, OtherServer};
use crate::settings::ServerUrl;

/// A decision takes a few dozen bytes.
const BYTES_MAX: usize = 64 << 10;
/// A connection that was not used for so long may be gone without a word, behind a firewall for example.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("it did not answer within {0:?} (access.hook.timeout)")]
    Slow(Duration),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the conversation broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error("it answered {0} and not 200 OK")]
    Status(StatusCode),
    #[error("the answer broke off, or is larger than {} KiB", BYTES_MAX >> 10)]
    Body,
    #[error("the answer is no JSON such as {{\"allow\": true}}")]
    NoAnswer,
}

/// Whoever decides.
pub(super) trait Service: fmt::Debug + Send + Sync {
    /// What it says to a question, however long that takes.
    fn answer(&self, question: Bytes) -> Pin<Box<dyn Future<Output = Result<Bytes, Failure>> + Send + '_>>;
}

/// A server that answers POST.
pub(super) struct HttpService {
    server: OtherServer,
    authorization: Option<HeaderValue>,
    /// Connections that nobody uses, the one used last at the end.
    idle: Mutex<Vec<(Instant, SendRequest<Full<Bytes>>)>>,
    idle_max: usize,
}

impl HttpService {
    /// Keeps at most `idle_max` connections that nobody uses.
    pub(super) fn new(
        url: ServerUrl,
        authorities: RootCertStore,
        authorization: Option<HeaderValue>,
        idle_max: usize,
    ) -> HttpService {
        HttpService { server: OtherServer::new(url, authorities), authorization, idle: Mutex::default(), idle_max }
    }

    async fn decide(&self, question: Bytes) -> Result<Bytes, Failure> {
        while let Some(mut kept) = self.kept() {
            match self.ask(&mut kept, question.clone()).await {
                // The server closed it just then: to ask once more does no harm.
                Err(Failure::Broken(_)) => {}
                answer => return self.done(kept, answer),
            }
        }
        let (mut sender, moving) = self.server.connect().await?;
        tokio::spawn(moving);
        let answer = self.ask(&mut sender, question).await;
        self.done(sender, answer)
    }

    async fn ask(&self, sender: &mut SendRequest<Full<Bytes>>, question: Bytes) -> Result<Bytes, Failure> {
        sender.ready().await?;
        let url = self.server.url();
        let mut request = Request::post(url.path())
            .header(HOST, url.authority())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("homeroom/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(question));
        let request = request.expect("the parts of an address that was read are those of a request");
        let answer = sender.send_request(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(Failure::Status(answer.status()));
        }
        let body = Limited::new(answer.into_body(), BYTES_MAX).collect().await.map_err(|_| Failure::Body)?;
        Ok(body.to_bytes())
    }

    /// Only a connection whose answer was read to its end is used again.
    fn done(&self, sender: SendRequest<Full<Bytes>>, answer: Result<Bytes, Failure>) -> Result<Bytes, Failure> {
        let mut idle = self.idle();
        if answer.is_ok() && !sender.is_closed() && idle.len() < self.idle_max {
            idle.push((Instant::now(), sender));
        }
        answer
    }

    /// The connection used last, if it is still there.
    fn kept(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle();
        idle.retain(|(since, sender)| since.elapsed() < IDLE_MAX && !sender.is_closed());
        idle.pop().map(|(_, sender)| sender)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, SendRequest<Full<Bytes>>)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for HttpService {
    fn answer(&self, question: Bytes) -> Pin<Box<dyn Future<Output = Result<Bytes, Failure>> + Send + '_>> {
        Box::pin(self.decide(question))
    }
}

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}

/// The header that shows a token.
///
/// # Errors
/// A token that fits into none.
pub(super) fn authorization(token: &Secret) -> Result<HeaderValue, String> {
    let written = zeroize::Zeroizing::new(format!("Bearer {}", token.expose()));
    let is_word = !token.is_empty() && token.expose().bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::from_str(&written).ok().filter(|_| is_word);
    let mut value = value.ok_or(
        "It goes into a header, so it is one word of ASCII letters, digits and signs, such as `openssl rand -base64 48` \
         prints: write another.",
    )?;
    value.set_sensitive(true);
    Ok(value)
}
