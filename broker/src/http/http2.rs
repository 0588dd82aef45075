//! HTTP/2, agreed on under TLS or with prior knowledge (RFC 9113, 3.2 and 3.3): a browser's limit of six event streams for each host does not
//! bite there. WebSockets stay with HTTP/1.1.
//!
//! Every connection begins as HTTP/1.1. What begins with the preface of HTTP/2 instead is begun again here, with
//! the bytes that were read: nobody else pays for the question.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use bytes::{Buf, Bytes};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::lease::END_WITHIN;
use super::serve::{Activity, Deadlines};
use crate::shutdown::Shutdown;
use crate::transport::Socket;

/// RFC 9113, 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Requests that one connection may have under way: streams, mostly.
const STREAMS_MAX: u32 = 100;
/// A peer that answers no Ping is gone.
const PING_EVERY: Duration = Duration::from_secs(20);

/// Whether a connection speaks HTTP/2.
pub(super) fn begins(read: &[u8]) -> bool {
    read.starts_with(PREFACE)
}

/// Serves one connection until it ends or is idle for too long.
pub(super) async fn serve<F>(
    stream: Socket,
    read: Bytes,
    deadlines: Deadlines,
    activity: &Activity,
    shutdown: &Shutdown,
    answer: impl Fn(Request<Incoming>) -> F,
) where
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let header_bytes = u32::try_from(deadlines.header_bytes).unwrap_or(u32::MAX);
    let mut connection = std::pin::pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(header_bytes)
            .keep_alive_interval(PING_EVERY)
            .serve_connection(TokioIo::new(Rewound { read, stream }), service_fn(answer))
    );
    loop {
        let until = activity.idle_until(deadlines.idle).unwrap_or_else(|| Instant::now() + deadlines.idle);
        tokio::select! {
            // A broken connection or a vanished peer is the peer's affair.
            _ = connection.as_mut() => return,
            () = shutdown.begun() => {
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(deadlines.idle, connection.as_mut()).await;
                return;
            }
            // Its other streams come back, each to be looked at again.
            () = activity.over.notified() => {
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(END_WITHIN, connection.as_mut()).await;
                return;
            }
            () = tokio::time::sleep_until(until) => {
                if activity.idle_until(deadlines.idle).is_some_and(|until| until <= Instant::now()) {
                    return;
                }
            }
        }
    }
}

/// A stream of which the beginning was read already.
struct Rewound {
    read: Bytes,
    stream: Socket,
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read[..count]);
        self.read.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
