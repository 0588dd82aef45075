//! The one place that builds every part and takes them down again.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use homeroom_protocol as stomp;
use homeroom_storage::{Health, OpenError, Store};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::classroom;
use crate::classroom::recent;
use crate::classroom::registry::Registry;
use crate::connection::{self, Services};
use crate::http::{Deadlines, Door, Origins, Site};
use crate::metrics::Metrics;
use crate::router::Rules;
use crate::settings::{Engine, Settings, Unprefixed};
use crate::shutdown::Shutdown;
use crate::transport::Link;
use crate::transport::listener::{self, Tuning};
use crate::{admin, http};

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
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A destination shape of the settings makes no sense.
    #[error("destinations.classrooms: {0}")]
    Rules(#[from] crate::router::DestinationError),
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
    let listeners = Listeners::bind(&settings)?;
    let addresses = listeners.addresses();
    let store = open_store(&settings).await?;
    let services = services(settings.clone(), &store)?;
    let mut tasks = JoinSet::new();
    listeners.serve(&services, &mut tasks);
    tracing::info!("the lesson page is at http://{}", addresses.http);
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

    fn serve(self, services: &Arc<Services>, tasks: &mut JoinSet<()>) {
        let settings = &services.settings;
        let loopback_only = self.http.local_addr().is_ok_and(|address| address.ip().is_loopback());
        let allowed = settings.http.allowed_origins.iter().map(|origin| origin.as_str().to_owned()).collect();
        let door = Door::new(services.clone(), Origins::new(allowed, loopback_only));
        tasks.spawn(serve_http(self.http, Site::public(door, deadlines(settings)), services.clone()));
        if let Some(listener) = self.management {
            let routes = admin::routes(services.clone());
            let site = Site::plain(routes, deadlines(settings), services.shutdown.clone());
            tasks.spawn(serve_http(listener, site, services.clone()));
        }
        if let Some(listener) = self.stomp {
            tasks.spawn(serve_stomp(listener, services.clone()));
        }
    }
}

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, RunError> {
    listener::bind(address).map_err(|source| RunError::Bind { key, address, source })
}

async fn serve_http(listener: TcpListener, site: Arc<Site>, services: Arc<Services>) {
    listener::accept(listener, tuning(&services), services.shutdown.clone(), move |stream, peer| {
        http::serve(site.clone(), stream, peer)
    })
    .await;
}

fn deadlines(settings: &Settings) -> Deadlines {
    let http = &settings.http;
    Deadlines {
        headers: http.header_timeout,
        idle: http.upgrade_timeout,
        header_bytes: usize::try_from(http.header_bytes_max).unwrap_or(usize::MAX),
    }
}

async fn serve_stomp(listener: TcpListener, services: Arc<Services>) {
    listener::accept(listener, tuning(&services), services.shutdown.clone(), move |stream, peer| {
        connection::serve(services.clone(), services.session.clone(), Link::tcp(stream, peer))
    })
    .await;
}

fn tuning(services: &Services) -> Tuning {
    let low_water = services.settings.delivery.not_sent_low_water;
    Tuning { not_sent_low_water: u32::try_from(low_water).unwrap_or(u32::MAX) }
}

async fn open_store(settings: &Settings) -> Result<Store, RunError> {
    let storage = &settings.storage;
    let wanted = homeroom_storage::Settings {
        engine: match storage.engine {
            Engine::Sled => homeroom_storage::EngineKind::Sled,
            Engine::Memory => homeroom_storage::EngineKind::Memory,
        },
        path: storage.path.clone(),
        free_space_min: storage.free_space_min,
        ballast_bytes: storage.ballast,
        cursor_ttl: storage.cursor_ttl,
        cache_bytes: storage.cache_bytes,
        queue_bytes_max: usize::try_from(storage.queue_bytes_max).unwrap_or(usize::MAX),
        open_timeout: storage.open_timeout,
        ..homeroom_storage::Settings::default()
    };
    let opened = tokio::task::spawn_blocking(move || homeroom_storage::open(&wanted)).await;
    let store = opened.expect("opening catches its panics")?;
    let caps = store.caps();
    tracing::info!(engine = caps.engine, survives = caps.survives, "store open");
    for (log, damage) in store.damaged() {
        tracing::error!(%log, damage, "a damaged log is fenced off; the others work");
    }
    Ok(store)
}

fn services(settings: Arc<Settings>, store: &Store) -> Result<Arc<Services>, RunError> {
    let rooms = classroom::Settings {
        recent: recent::Limits {
            messages: settings.delivery.recent_messages,
            bytes: usize::try_from(settings.delivery.recent_bytes).unwrap_or(usize::MAX),
        },
        pages: classroom::pages::Limits::default(),
        presence_grace: settings.presence.grace,
        presence_coalesce: settings.presence.coalesce,
    };
    let retention_of = {
        let settings = settings.clone();
        Arc::new(move |name: &str| settings.classroom(name).retention)
    };
    let rules = Arc::new(rules(&settings)?);
    let registry = Registry::new(store.clone(), rules, rooms, retention_of, settings.limits.classrooms);
    Ok(Arc::new(Services {
        registry,
        session: Arc::new(session(&settings)),
        metrics: Metrics::new(store.clone()),
        shutdown: Shutdown::new(
            settings.shutdown.spread,
            settings.limits.connections,
            settings.limits.connections_per_address,
        ),
        server: SERVER,
        turns: connection::Turns::default(),
        arrivals: connection::Arrivals::default(),
        settings,
    }))
}

fn rules(settings: &Settings) -> Result<Rules, RunError> {
    let unprefixed = match settings.destinations.unprefixed {
        Unprefixed::Refused => None,
        Unprefixed::Queue => Some("/queue/"),
        Unprefixed::Topic => Some("/topic/"),
    };
    let templates: Vec<String> = settings.destinations.classrooms.iter().map(ToString::to_string).collect();
    Ok(Rules::new(unprefixed, &templates)?)
}

/// What a STOMP session is told of the settings.
fn session(settings: &Settings) -> stomp::Settings {
    let (limits, beats) = (&settings.limits, &settings.stomp);
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    stomp::Settings {
        limits: stomp::Limits {
            header_bytes_max: bytes(limits.header_bytes),
            headers_max: limits.header_count,
            body_bytes_max: bytes(limits.body_bytes),
            connect_bytes_max: bytes(limits.bytes_before_connected),
            identifier_bytes_max: bytes(limits.identifier_bytes),
            subscriptions_max: limits.subscriptions,
            receipts_pending_max: limits.receipts,
            transactions_max: limits.transactions,
            transaction_operations_max: limits.transaction_messages,
            transaction_bytes_max: bytes(limits.transaction_bytes),
            transaction_age_max: limits.transaction_age,
        },
        heart_beat_send: beats.heartbeat_send,
        heart_beat_receive: beats.heartbeat_receive,
        heart_beat_tolerance: beats.heartbeat_tolerance,
        connect_within: beats.connect_within,
        versions: Vec::new(),
    }
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
