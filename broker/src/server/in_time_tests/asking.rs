//! Requests on one line, as a client of either HTTP makes them.

use std::future::pending;
use std::sync::Arc;

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{copy_bidirectional, duplex};
use tokio::sync::Notify;

use super::listener::SIP_BYTES;
use super::school::School;
use crate::transport::memory::Memory;

/// What one stream may be ahead of its reader over HTTP/2, and all streams of a line together.
const WINDOW_BYTES: u32 = 16 * 1024;
const WINDOWS_BYTES: u32 = 1024 * 1024;

/// A connection to the broker.
pub(super) enum Line {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Line {
    pub(super) async fn to(school: &School) -> Line {
        Line::over(school.http()).await
    }

    pub(super) async fn over(socket: Memory) -> Line {
        let mut builder = http1::Builder::new();
        let (sender, connection) = builder.max_buf_size(2 * SIP_BYTES).handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        Line::One(sender)
    }

    /// A line of HTTP/2, whose socket nobody reads any more once `stop` is told.
    pub(super) async fn of_many(mut socket: Memory, stop: Arc<Notify>) -> Line {
        let (near, mut far) = duplex(SIP_BYTES);
        tokio::spawn(async move {
            tokio::select! {
                _ = copy_bidirectional(&mut socket, &mut far) => {}
                () = stop.notified() => pending().await,
            }
        });
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOWS_BYTES);
        let (sender, connection) = builder.handshake(TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        Line::Two(sender)
    }

    pub(super) async fn ask(&mut self, mut request: Request<Full<Bytes>>) -> Response<Incoming> {
        match self {
            Line::One(line) => {
                line.ready().await.unwrap();
                line.send_request(request).await.unwrap()
            }
            Line::Two(line) => {
                let whole = format!("http://127.0.0.1{}", request.uri());
                *request.uri_mut() = Uri::try_from(whole).unwrap();
                request.headers_mut().remove(HOST);
                line.ready().await.unwrap();
                line.send_request(request).await.unwrap()
            }
        }
    }

    /// Whether the broker has closed it.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Line::One(line) => line.is_closed(),
            Line::Two(line) => line.is_closed(),
        }
    }
}

/// What a request is answered with, by whoever has this token.
pub(super) async fn once(school: &School, method: &str, path: &str, token: &str, body: &str) -> (StatusCode, u64) {
    let answer = Line::to(school).await.ask(request(method, path, body, Some(token))).await;
    let status = answer.status();
    (status, if status.is_success() { 0 } else { problem(answer).await })
}

pub(super) fn request_as(token: &str, path: &str, accept: &str) -> Request<Full<Bytes>> {
    let mut request = request("GET", path, "", Some(token));
    request.headers_mut().insert("accept", accept.parse().unwrap());
    request
}

pub(super) fn request(method: &str, path: &str, body: &str, token: Option<&str>) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(method).uri(path).header(HOST, "127.0.0.1");
    let builder =
        token.into_iter().fold(builder, |builder, token| builder.header("authorization", format!("Bearer {token}")));
    builder.body(Full::new(Bytes::from(body.to_owned()))).unwrap()
}

pub(super) async fn problem(answer: Response<Incoming>) -> u64 {
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    problem["code"].as_u64().unwrap()
}
