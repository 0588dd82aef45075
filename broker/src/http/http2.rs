//! HTTP/2, agreed on under TLS or with prior knowledge (RFC 9113, 3.2 and 3.3): a browser's limit of six event streams for each host does not
//! bite there. WebSockets stay with HTTP/1.1.
//!
//! Every connection begins as HTTP/1.1. What begins with the preface of HTTP/2 instead is begun again here, with
//! the bytes that were read: nobody else pays for the question.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use bytes::{Buf, Bytes};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

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

tokio::task_local! {
    static OWN_STREAM: Arc<Notify>;
}

/// What to tell so that the stream that is being answered is cut, and no other; `None` over HTTP/1.1.
pub(super) fn own_stream() -> Option<Arc<Notify>> {
    OWN_STREAM.try_with(Arc::clone).ok()
}

/// Runs each stream of a connection in a task of its own, from which it can be cut.
#[derive(Clone, Debug)]
struct Streams;

impl<S> hyper::rt::Executor<S> for Streams
where
    S: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: S) {
        let cut = Arc::new(Notify::new());
        tokio::spawn(OWN_STREAM.scope(cut.clone(), async move {
            let mut stream = std::pin::pin!(stream);
            tokio::select! {
                () = stream.as_mut() => return,
                () = cut.notified() => {}
            }
            // hyper does not ask a stream for more that has no room left. With the stream goes what waits for room.
            let _ = timeout(END_WITHIN, stream).await;
        }));
    }
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
    let written = Arc::new(Written::default());
    let stream = Rewound { read, stream, written: written.clone() };
    let mut connection = std::pin::pin!(
        http2::Builder::new(Streams)
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(header_bytes)
            .keep_alive_interval(PING_EVERY)
            .serve_connection(TokioIo::new(stream), service_fn(answer))
    );
    loop {
        let until = activity.idle_until(deadlines.idle).unwrap_or_else(|| Instant::now() + deadlines.idle);
        tokio::select! {
            // A broken connection or a vanished peer is the peer's affair.
            _ = connection.as_mut() => return,
            () = shutdown.begun() => {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(deadlines.idle, connection.as_mut()).await;
                return;
            }
            // A stream is taken back but for the frame that is being written. Where that does not leave, no other
            // stream goes on either.
            () = activity.over.notified() => {
                let before = written.flushes();
                if timeout(END_WITHIN, connection.as_mut()).await.is_ok() || written.is_stuck_since(before) {
                    return;
                }
            }
            () = tokio::time::sleep_until(until) => {
                if activity.idle_until(deadlines.idle).is_some_and(|until| until <= Instant::now()) {
                    return;
                }
            }
        }
    }
}

/// Whether what was written has left.
#[derive(Debug, Default)]
struct Written {
    waits: AtomicBool,
    flushes: AtomicU64,
}

impl Written {
    fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }

    /// Whether something has been waiting all the time.
    fn is_stuck_since(&self, flushes: u64) -> bool {
        self.waits.load(Ordering::Relaxed) && self.flushes() == flushes
    }
}

/// A stream of which the beginning was read already.
struct Rewound {
    read: Bytes,
    stream: Socket,
    written: Arc<Written>,
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
        self.written.waits.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.written.waits.store(false, Ordering::Relaxed);
            self.written.flushes.fetch_add(1, Ordering::Relaxed);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
