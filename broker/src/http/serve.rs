//! One HTTP connection: hyper with deadlines of our own.
//!
//! hyper's deadline covers headers that were begun. A connection that says
//! nothing at all, before its first request or between two, is ours to end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::upgrade::Peer;
use crate::shutdown::Shutdown;

/// hyper takes no smaller buffer.
const BUFFER_BYTES_MIN: usize = 8 * 1024;

/// How long and how much one connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// From the first byte of a request to the end of its headers.
    pub headers: Duration,
    /// Without any request.
    pub idle: Duration,
    /// Bytes of a request's headers.
    pub header_bytes: usize,
}

/// When something was last asked on a connection, and how much is being answered.
#[derive(Debug)]
struct Activity {
    born: Instant,
    last_millis: AtomicU64,
    answering: AtomicU32,
}

impl Activity {
    fn touch(&self) {
        let millis = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_millis.store(millis, Ordering::Relaxed);
    }

    /// When the connection has been idle for too long, if nothing is asked until then.
    fn idle_until(&self, idle: Duration) -> Option<Instant> {
        let last = self.born + Duration::from_millis(self.last_millis.load(Ordering::Relaxed));
        (self.answering.load(Ordering::Relaxed) == 0).then(|| last + idle)
    }
}

/// Serves one connection until it ends, is upgraded or is idle for too long.
pub async fn serve(stream: TcpStream, peer: SocketAddr, routes: Router, deadlines: Deadlines, shutdown: Arc<Shutdown>) {
    let activity =
        Arc::new(Activity { born: Instant::now(), last_millis: AtomicU64::new(0), answering: AtomicU32::new(0) });
    let routes = TowerToHyperService::new(routes);
    let answer = {
        let activity = activity.clone();
        service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            activity.answering.fetch_add(1, Ordering::Relaxed);
            let (answer, activity) = (routes.call(request), activity.clone());
            async move {
                let answer = answer.await;
                activity.touch();
                activity.answering.fetch_sub(1, Ordering::Relaxed);
                answer
            }
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(deadlines.headers)
        .max_buf_size(deadlines.header_bytes.max(BUFFER_BYTES_MIN))
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut connection = pin!(connection);
    loop {
        let until = activity.idle_until(deadlines.idle).unwrap_or_else(|| Instant::now() + deadlines.idle);
        tokio::select! {
            // A broken request or a vanished peer is the peer's affair; hyper has answered what it could.
            _ = &mut connection => return,
            () = shutdown.begun() => {
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(deadlines.idle, &mut connection).await;
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
