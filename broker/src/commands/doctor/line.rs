//! One connection of HTTP/1.1 to whatever answers there. It may be hostile: every step has its time, and what is
//! kept of an answer its size.

use std::time::Duration;

use axum::http::{HeaderMap, Method, Request, Response, header};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::measurements::{Door, Outcome};
use super::target::Target;
use crate::refusals::code;
use crate::transport::Socket;

/// To be connected, and to have the head of an answer that is not late on purpose.
pub(super) const WITHIN: Duration = Duration::from_secs(5);
/// Bytes that are kept of one answer.
pub(super) const BYTES_MAX: usize = 64 * 1024;

/// Why there is no answer, or no more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The name leads nowhere.
    UnknownName,
    /// No connection.
    Unreachable,
    /// It broke off.
    Broken,
    /// Nothing came in time.
    Silent,
    /// More came than anything of ours has.
    TooLarge,
}

/// A connection.
pub(super) struct Line {
    target: Target,
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A stream to be spoken on, under TLS where the address asks for it.
pub(super) async fn connect(target: &Target) -> Result<Socket, Fault> {
    let stream = reach(target).await?;
    let Some(encryption) = &target.encryption else { return Ok(Socket::Plain(stream)) };
    let shaken = tokio::time::timeout(WITHIN, encryption.over(stream)).await.map_err(|_| Fault::Silent)?;
    Ok(Socket::Secure(Box::new(shaken.map_err(|_| Fault::Broken)?.into())))
}

/// A connected socket, on which nothing was said yet.
pub(super) async fn reach(target: &Target) -> Result<TcpStream, Fault> {
    let resolving = tokio::time::timeout(WITHIN, tokio::net::lookup_host((&*target.host, target.port))).await;
    let addresses: Vec<_> = resolving.ok().and_then(Result::ok).map(Iterator::collect).unwrap_or_default();
    if addresses.is_empty() {
        return Err(Fault::UnknownName);
    }
    let connecting = tokio::time::timeout(WITHIN, TcpStream::connect(&addresses[..])).await;
    let stream = connecting.ok().and_then(Result::ok).ok_or(Fault::Unreachable)?;
    // A small question must not wait for the one before it.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

impl Line {
    pub(super) async fn open(target: &Target) -> Result<Line, Fault> {
        let stream = connect(target).await?;
        let building = http1::Builder::new().max_buf_size(BYTES_MAX).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = building.map_err(|_| Fault::Broken)?;
        // How it ends is told by the answers.
        let driver = tokio::spawn(async { drop(connection.await) });
        Ok(Line { target: target.clone(), sender, driver })
    }

    /// Asks as a page of this origin would, and has the head of the answer.
    pub(super) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: &'static str,
        within: Duration,
    ) -> Result<Response<Incoming>, Fault> {
        let mut request = Request::new(Full::new(Bytes::from_static(body.as_bytes())));
        *request.uri_mut() = path.parse().expect("our own paths are right");
        let headers = request.headers_mut();
        let text = |text: &str| text.parse().expect("a host has no character that a header has not");
        headers.insert(header::HOST, text(&self.target.authority()));
        if method != Method::GET {
            headers.insert(header::ORIGIN, text(&self.target.origin()));
        }
        *request.method_mut() = method;
        let asking = async {
            if self.sender.ready().await.is_err() {
                // Not everything keeps connections open between two questions.
                *self = Line::open(&self.target).await?;
            }
            self.sender.send_request(request).await.map_err(|_| Fault::Broken)
        };
        tokio::time::timeout(within, asking).await.map_err(|_| Fault::Silent)?
    }
}

/// The next bytes of an answer; `None` at its end.
pub(super) async fn piece(body: &mut Incoming) -> Result<Option<Bytes>, Fault> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| Fault::Broken)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// All of an answer that is not late on purpose.
pub(super) async fn whole(mut body: Incoming, within: Duration) -> Result<Bytes, Fault> {
    let reading = async {
        let mut whole = BytesMut::new();
        while let Some(bytes) = piece(&mut body).await? {
            if whole.len() + bytes.len() > BYTES_MAX {
                return Err(Fault::TooLarge);
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(within, reading).await.map_err(|_| Fault::Silent)?
}

/// What an answer comes to that is not the one hoped for.
pub(super) async fn refused(response: Response<Incoming>) -> Door {
    let (status, is_ours) = (response.status(), is_problem(response.headers()));
    let body = whole(response.into_body(), WITHIN).await.unwrap_or_default();
    let number = serde_json::from_slice::<serde_json::Value>(&body).ok().and_then(|body| body["code"].as_u64());
    let is = match number.and_then(|number| u16::try_from(number).ok()).filter(|_| is_ours) {
        Some(code::PERMISSION_DENIED) => Outcome::TurnedAway,
        Some(code::LIMIT | code::NOT_AVAILABLE) => Outcome::Busy,
        _ => Outcome::Refused,
    };
    Door { status: Some(status.as_u16()), ..Door::is(is) }
}

/// What a fault comes to where an answer is not late on purpose.
pub(super) fn failed(fault: Fault) -> Door {
    Door::is(match fault {
        Fault::UnknownName | Fault::Unreachable => Outcome::Refused,
        Fault::Broken => Outcome::Cut,
        Fault::Silent => Outcome::Silent,
        Fault::TooLarge => Outcome::Foreign,
    })
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json")
}
