//! The one place that builds every part and takes them down again.

#[cfg(test)]
mod in_time_tests;
mod parts;
#[cfg(test)]
mod simulation;
mod ways_in;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use homeroom_storage::{Health, OpenError, Store};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::access::RevocationError;
use crate::access::hook::Hook;
use crate::auth::{Authenticator, Credentials, Unusable};
use crate::classroom::registry::Registry;
use crate::connection::{self, Services};
use crate::http::{Door, Origins, Site};
use crate::metrics::Metrics;
use crate::rate::Publishing;
use crate::replies::Directory;
use crate::settings::{Listener, Settings};
use crate::shutdown::Shutdown;
use crate::transport::Link;
use crate::transport::admission::Admission;
use crate::transport::listener::{self, Pace};
use crate::transport::tls;
use crate::{admin, http};

pub(crate) use self::parts::tls_files;
use self::ways_in::WaysIn;

/// The name in CONNECTED and at `/v1/info`.
const SERVER: &str = concat!("homeroom/", env!("CARGO_PKG_VERSION"));

/// Where the broker listens, once it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// HTTP and WebSocket.
    pub http: SocketAddr,
    /// STOMP over TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stomp: Option<SocketAddr>,
    /// Health and metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management: Option<SocketAddr>,
}

/// Why the broker did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A listener's address cannot be bound.
    #[error("cannot listen on {address} (listen.{key}): {source}. Choose another address, or stop what uses it.")]
    Bind {
        /// The setting.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The audit log cannot be opened.
    #[error("the audit log {path} (log.audit) cannot be opened: {source}. Choose another file, or \"off\".")]
    Audit {
        /// Where.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What was revoked cannot be read.
    #[error(transparent)]
    Revocations(#[from] RevocationError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The certificate or its key cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Certificate(Vec<tls::Fault>),
    /// A destination shape of the settings makes no sense.
    #[error("destinations.classrooms: {0}")]
    Rules(#[from] crate::router::DestinationError),
    /// Nothing can be said about who may come in.
    #[error(transparent)]
    Access(#[from] Unusable),
    /// A write or sync failed; what was confirmed is safe, nothing more was taken.
    #[error("the store failed and took nothing more: {0}. Look at the disk before starting again.")]
    StoreFailed(String),
}

/// Runs a broker: `started` is called once everything is bound, `shutdown`
/// ends it gracefully.
///
/// # Errors
/// What kept it from starting, or that its store failed.
pub async fn run(
    settings: Settings,
    started: impl FnOnce(&Addresses),
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let settings = Arc::new(settings);
    let authenticator = Arc::new(Authenticator::open(&settings.access)?);
    let listeners = Listeners::bind(&settings)?;
    let addresses = listeners.addresses();
    let store = open_store(&settings).await?;
    let services = services(settings.clone(), &store, authenticator.clone())?;
    let mut tasks = JoinSet::new();
    tasks.spawn(authenticator.keep_fresh());
    if let Some(access) = services.access.clone() {
        tasks.spawn(access.keep_watch());
    }
    let ways_in = WaysIn::open(&services, &mut tasks).map_err(RunError::Certificate)?;
    tracing::info!("the lesson page is at {}://{}", ways_in.scheme(), addresses.http);
    listeners.serve(&services, &ways_in, &mut tasks);
    started(&addresses);
    let failure = tokio::select! {
        () = shutdown => None,
        reason = failed(&store) => Some(reason),
    };
    stop(&services, &settings).await;
    tasks.shutdown().await;
    store.close().await;
    failure.map_or(Ok(()), |reason| Err(RunError::StoreFailed(reason)))
}

/// All sockets, bound.
struct Listeners {
    http: TcpListener,
    stomp: Option<TcpListener>,
    management: Option<TcpListener>,
}

impl Listeners {
    fn bind(settings: &Settings) -> Result<Listeners, RunError> {
        let listen = &settings.listen;
        Ok(Listeners {
            http: bind("http", listen.http)?,
            stomp: listen.stomp.map(|address| bind("stomp", address)).transpose()?,
            management: listen.management.map(|address| bind("management", address)).transpose()?,
        })
    }

    fn addresses(&self) -> Addresses {
        let address = |listener: &TcpListener| listener.local_addr().expect("a bound socket has an address");
        Addresses {
            http: address(&self.http),
            stomp: self.stomp.as_ref().map(address),
            management: self.management.as_ref().map(address),
        }
    }

    fn serve(self, services: &Arc<Services>, ways_in: &WaysIn, tasks: &mut JoinSet<()>) {
        let settings = &services.settings;
        // The operator's own listener is not kept waiting by a flood of others.
        let pace = Some(Pace::new(settings.limits.accepts_per_second, services.metrics.hits().clone()));
        let loopback_only = self.http.local_addr().is_ok_and(|address| address.ip().is_loopback());
        let allowed = settings.http.allowed_origins.iter().map(|origin| origin.as_str().to_owned()).collect();
        let door = Door::new(services.clone(), Origins::new(allowed, settings.http.hosts.clone(), loopback_only));
        let site = Site::public(door, parts::deadlines(settings), parts::proxies(settings));
        tasks.spawn(serve_http(self.http, pace.clone(), ways_in.of(Listener::Http), site, services.clone()));
        if let (Some(listener), Some(address)) = (self.management, settings.listen.management) {
            let routes = admin::routes(services.clone());
            let origins = Origins::of_operators(&settings.http.hosts, address.ip());
            let site = Site::plain(routes, admin::THERE_IS, origins, parts::deadlines(settings), services);
            tasks.spawn(serve_http(listener, None, ways_in.of(Listener::Management), site, services.clone()));
        }
        if let Some(listener) = self.stomp {
            tasks.spawn(serve_stomp(listener, pace, ways_in.of(Listener::Stomp), services.clone()));
        }
    }
}

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, RunError> {
    listener::bind(address).map_err(|source| RunError::Bind { key, address, source })
}

async fn serve_http(
    listener: TcpListener,
    pace: Option<Pace>,
    admission: Admission,
    site: Arc<Site>,
    services: Arc<Services>,
) {
    let (tuning, shutdown) = (parts::tuning(&services.settings), services.shutdown.clone());
    listener::accept(listener, (tuning, pace), admission, shutdown, move |socket, peer| {
        http::serve(site.clone(), socket, peer)
    })
    .await;
}

async fn serve_stomp(listener: TcpListener, pace: Option<Pace>, admission: Admission, services: Arc<Services>) {
    let (tuning, shutdown) = (parts::tuning(&services.settings), services.shutdown.clone());
    listener::accept(listener, (tuning, pace), admission, shutdown, move |socket, peer| {
        connection::serve(services.clone(), services.session.clone(), Link::tcp(socket, peer), Credentials::Nothing)
    })
    .await;
}

pub(crate) async fn open_store(settings: &Settings) -> Result<Store, RunError> {
    let wanted = parts::storage(&settings.storage);
    let opened = tokio::task::spawn_blocking(move || homeroom_storage::open(&wanted)).await;
    let store = opened.expect("opening catches its panics")?;
    let caps = store.caps();
    tracing::info!(engine = caps.engine, survives = caps.survives, "store open");
    for (log, damage) in store.damaged() {
        tracing::error!(%log, damage, "a damaged log is fenced off; the others work");
    }
    Ok(store)
}

pub(crate) fn services(
    settings: Arc<Settings>,
    store: &Store,
    authenticator: Arc<Authenticator>,
) -> Result<Arc<Services>, RunError> {
    let rooms = parts::rooms(&settings);
    let hook = Hook::open(&settings.access.hook).map_err(|fault| Unusable(vec![fault]))?;
    let counters = hook.as_ref().map(|hook| hook.counters());
    let metrics = Metrics::new(store.clone(), rooms.tally.clone(), authenticator.clone(), counters);
    let access = parts::access(&settings, authenticator, metrics.hits().clone(), hook)?;
    let retention_of = {
        let settings = settings.clone();
        Arc::new(move |name: &str| crate::router::policy(&settings, name).retention)
    };
    let rules = Arc::new(parts::rules(&settings)?);
    let registry = Registry::new(store.clone(), rules, rooms, retention_of, settings.limits.classrooms);
    let services = Arc::new(Services {
        registry,
        session: Arc::new(parts::session(&settings)),
        metrics,
        shutdown: Shutdown::new(
            settings.shutdown.spread,
            settings.limits.connections,
            settings.limits.connections_per_address,
        ),
        server: SERVER,
        publishing: Publishing::new(&settings.limits, access.is_some()),
        turns: connection::Turns::default(),
        arrivals: connection::Arrivals::default(),
        access,
        audit: parts::audit(&settings)?,
        recent_refusals: connection::RecentRefusals::default(),
        replies: Directory::new(parts::replies(&settings)),
        settings,
    });
    services.metrics.count_held_with(parts::held(&services));
    Ok(services)
}

/// Resolves when the store can take nothing more for good.
async fn failed(store: &Store) -> String {
    let mut health = store.health();
    loop {
        if let Health::Failed { reason } = &*health.borrow_and_update() {
            return reason.clone();
        }
        if health.changed().await.is_err() {
            // A store that was closed does not fail any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Tells everybody, and waits until all have gone or the deadline is over.
async fn stop(services: &Services, settings: &Settings) {
    tracing::info!(connections = services.shutdown.count(), "stopping");
    services.shutdown.begin();
    let deadline = settings.shutdown.deadline.max(Duration::from_secs(1));
    if tokio::time::timeout(deadline, services.shutdown.all_gone()).await.is_err() {
        tracing::warn!(connections = services.shutdown.count(), "some connections were cut off");
    }
}
