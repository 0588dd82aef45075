//! Sockets that take connections: bound before anything is announced, patient
//! when the system has no descriptors left.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

use super::Socket;
use super::admission::Admission;
use crate::metrics::{Hits, Limit};
use crate::rate::{Meter, Rate};
use crate::shutdown::Shutdown;

/// Connections the kernel holds until they are taken: a whole school may return in the same second.
const BACKLOG: i32 = 4096;
/// After a failed accept, for instance without descriptors, so long nothing is taken.
const BACK_OFF: Duration = Duration::from_millis(100);
/// After so many, all others have a turn: those who were taken are first, and a running class is between them.
const ACCEPTED_AT_ONCE: u64 = 16;
/// A peer that is gone without a word is noticed on an idle connection.
const KEEP_ALIVE: TcpKeepalive = TcpKeepalive::new().with_time(Duration::from_secs(60));

/// Binds an address; port 0 lets the system choose.
///
/// # Errors
/// Those of the system, such as an address in use.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// How accepted sockets are set up.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Unsent bytes the kernel may hold for one connection.
    pub not_sent_low_water: u32,
}

impl Tuning {
    /// Sets up a socket. Whatever the system does not offer is done without.
    fn apply(self, stream: &TcpStream) {
        let socket = SockRef::from(stream);
        let _ = stream.set_nodelay(true);
        let _ = socket.set_tcp_keepalive(&KEEP_ALIVE);
        // Without it the kernel keeps up to 4 MiB for each reader that stands still.
        #[cfg(target_os = "linux")]
        let _ = socket.set_tcp_notsent_lowat(self.not_sent_low_water);
    }
}

/// How fast connections are taken, by all listeners that have this together.
#[derive(Clone, Debug)]
pub struct Pace {
    rate: Option<Rate>,
    meter: Arc<Meter>,
    hits: Hits,
}

impl Pace {
    /// So many in a second, if there is a limit.
    pub fn new(per_second: Option<usize>, hits: Hits) -> Pace {
        Pace { rate: per_second.map(Rate::per_second), meter: Arc::default(), hits }
    }

    /// Resolves when the next may be taken, after one was.
    async fn passed(&self) {
        let Some(rate) = self.rate else { return };
        let wait = self.meter.pass(rate, 1, Duration::MAX).unwrap_or_default();
        if !wait.is_zero() {
            self.hits.hit(Limit::AcceptsPerSecond);
            tokio::time::sleep(wait).await;
        }
    }
}

/// Takes connections until the broker stops, each in a task of its own. `admission` comes before `serve`.
pub async fn accept<Serve, Served>(
    listener: TcpListener,
    (tuning, pace): (Tuning, Option<Pace>),
    admission: Admission,
    shutdown: Arc<Shutdown>,
    serve: Serve,
) where
    Serve: Fn(Socket, SocketAddr) -> Served + Send + Sync + 'static,
    Served: Future<Output = ()> + Send + 'static,
{
    let (admission, serve) = (Arc::new(admission), Arc::new(serve));
    for taken in 1_u64.. {
        if taken.is_multiple_of(ACCEPTED_AT_ONCE) {
            tokio::task::yield_now().await;
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.begun() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                tuning.apply(&stream);
                take(stream, peer, &admission, &serve);
                let Some(pace) = &pace else { continue };
                // Whoever comes meanwhile waits in the kernel, which keeps their order.
                tokio::select! {
                    () = pace.passed() => {}
                    () = shutdown.begun() => return,
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection; trying again");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

fn take<Serve, Served>(stream: TcpStream, peer: SocketAddr, admission: &Arc<Admission>, serve: &Arc<Serve>)
where
    Serve: Fn(Socket, SocketAddr) -> Served + Send + Sync + 'static,
    Served: Future<Output = ()> + Send + 'static,
{
    if admission.is_open() {
        tokio::spawn(serve(Socket::Plain(stream), peer));
        return;
    }
    let (admission, serve) = (admission.clone(), serve.clone());
    tokio::spawn(async move {
        if let Some((socket, peer)) = admission.admit(stream, peer).await {
            // In a task of its own, which has no room for what was needed before.
            tokio::spawn(serve(socket, peer));
        }
    });
}
