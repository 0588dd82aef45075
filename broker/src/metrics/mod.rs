//! What is counted. A registry is a value: several brokers run in one process.
//! No label carries a user or a classroom; their number has no limit.

mod access;
mod groups;
mod held;
mod hook;
mod limits;
mod store;
mod tls;

use std::sync::Arc;

use homeroom_protocol::Version;
use homeroom_storage::Store;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use self::access::AccessCounters;
use self::groups::GroupCounters;
pub use self::held::Held;
use self::held::HeldCounters;
pub use self::hook::HookCounters;
pub use self::limits::{Hits, Limit};
use self::store::StoreCounters;
pub use self::tls::{Handshake, TlsCounters};
use crate::auth::Authenticator;
use crate::classroom::group::Tally;
use crate::transport::Kind;

/// All counters of one broker.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    connections: Family<Transport, Gauge>,
    opened: Family<Transport, Counter>,
    closed: Family<Closed, Counter>,
    connected: Family<Connected, Counter>,
    refused: Family<Refused, Counter>,
    delayed: Counter,
    published: Family<Published, Counter>,
    delivered: Family<Transport, Counter>,
    dispatched: Family<Transport, Counter>,
    turned_away: Family<TurnedAway, Counter>,
    readers: Family<Reader, Gauge>,
    replies_dropped: Counter,
    sockjs_sessions: Gauge,
    held: HeldCounters,
    hits: Hits,
    tls: TlsCounters,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Transport {
    transport: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Closed {
    transport: &'static str,
    ending: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connected {
    transport: &'static str,
    version: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    code: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Published {
    persistent: &'static str,
}

/// How somebody reads over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reads {
    /// A long poll.
    Poll,
    /// An event stream, or lines of JSON.
    Stream,
}

/// Somebody reads over HTTP, or a session over HTTP is there, as long as this lives.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reader {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TurnedAway {
    limit: &'static str,
}

impl Metrics {
    /// Everything at nought; what `store`, `tally`, `access` and `hook` count is read when it is asked for.
    pub fn new(
        store: Store,
        tally: Arc<Tally>,
        access: Arc<Authenticator>,
        hook: Option<&HookCounters>,
    ) -> Arc<Metrics> {
        let mut registry = Registry::with_prefix("homeroom");
        registry.register_collector(Box::new(StoreCounters(store)));
        registry.register_collector(Box::new(GroupCounters(tally)));
        registry.register_collector(Box::new(AccessCounters(access)));
        let connections = Family::<Transport, Gauge>::default();
        for kind in Kind::ALL {
            // There from the first scrape on, at nought.
            drop(connections.get_or_create(&transport(kind)));
        }
        registry.register("connections", "STOMP connections now", connections.clone());
        let opened = Family::default();
        registry.register("connections_opened", "STOMP connections opened", opened.clone());
        let closed = Family::default();
        registry.register("connections_closed", "STOMP connections closed, by reason", closed.clone());
        let connected = Family::default();
        registry.register("sessions", "STOMP sessions begun, by version", connected.clone());
        let refused = Family::default();
        registry.register("errors", "ERROR frames sent, by code", refused.clone());
        let delayed = Counter::default();
        let help = "Of those, ERROR frames that waited, for one who was refused the same way again and again";
        registry.register("errors_delayed", help, delayed.clone());
        let published = Family::default();
        registry.register("messages_published", "Messages taken in", published.clone());
        let delivered = Family::default();
        registry.register("messages_delivered", "Messages written to subscribers", delivered.clone());
        let dispatched = Family::default();
        let help = "Of those, messages that a classroom's dispatcher wrote, without waking a task";
        registry.register("messages_dispatched", help, dispatched.clone());
        let turned_away = Family::default();
        registry.register("connections_turned_away", "Connections refused by a limit", turned_away.clone());
        let replies_dropped = Counter::default();
        let help = "Replies for sessions that were gone";
        registry.register("replies_dropped", help, replies_dropped.clone());
        let readers = Family::<Reader, Gauge>::default();
        registry.register("http_readers", "Long polls and streams over HTTP now", readers.clone());
        let sockjs_sessions = Gauge::default();
        registry.register("sockjs_sessions", "SockJS sessions with a name now", sockjs_sessions.clone());
        let held = HeldCounters::default();
        registry.register_collector(Box::new(held.clone()));
        let tls = TlsCounters::registered(&mut registry);
        let hits = Hits::default();
        hits.register(&mut registry);
        if let Some(hook) = hook {
            hook.register(&mut registry);
        }
        Arc::new(Metrics {
            registry,
            readers,
            connections,
            opened,
            closed,
            connected,
            refused,
            delayed,
            published,
            delivered,
            dispatched,
            turned_away,
            replies_dropped,
            sockjs_sessions,
            held,
            hits,
            tls,
        })
    }

    /// What is counted of TLS.
    pub fn tls(&self) -> &TlsCounters {
        &self.tls
    }

    /// Somebody reads over HTTP until what this gives is dropped.
    pub fn reads(&self, kind: Reads) -> Counted {
        let kind = match kind {
            Reads::Poll => "poll",
            Reads::Stream => "stream",
        };
        counted(&self.readers.get_or_create(&Reader { kind }))
    }

    /// A SockJS session is there until what this gives is dropped.
    pub fn sockjs_session(&self) -> Counted {
        counted(&self.sockjs_sessions)
    }

    /// Has `count` say at each scrape what the broker holds.
    pub fn count_held_with(&self, count: impl Fn() -> Held + Send + Sync + 'static) {
        self.held.count_with(count);
    }

    /// A link is open.
    pub fn opened(&self, kind: Kind) {
        self.opened.get_or_create(&transport(kind)).inc();
        self.connections.get_or_create(&transport(kind)).inc();
    }

    /// A link is closed.
    pub fn closed(&self, kind: Kind, ending: &'static str) {
        self.connections.get_or_create(&transport(kind)).dec();
        self.closed.get_or_create(&Closed { transport: kind.name(), ending }).inc();
    }

    /// A session has begun.
    pub fn connected(&self, kind: Kind, version: Version) {
        self.connected.get_or_create(&Connected { transport: kind.name(), version: version.number() }).inc();
    }

    /// An ERROR was sent.
    pub fn refused(&self, code: u16) {
        self.refused.get_or_create(&Refused { code: code.into() }).inc();
    }

    /// An ERROR waits.
    pub fn delayed(&self) {
        self.delayed.inc();
    }

    /// Messages were taken in.
    pub fn published(&self, persistent: bool, count: u64) {
        let persistent = if persistent { "true" } else { "false" };
        self.published.get_or_create(&Published { persistent }).inc_by(count);
    }

    /// Messages were written.
    pub fn delivered(&self, kind: Kind, count: u64) {
        if count > 0 {
            self.delivered.get_or_create(&transport(kind)).inc_by(count);
        }
    }

    /// Messages were written by a classroom's dispatcher.
    pub fn dispatched(&self, kind: Kind, count: u64) {
        self.delivered(kind, count);
        if count > 0 {
            self.dispatched.get_or_create(&transport(kind)).inc_by(count);
        }
    }

    /// A connection was refused by a limit of the settings.
    pub fn turned_away(&self, limit: Limit) {
        self.turned_away.get_or_create(&TurnedAway { limit: limit.label() }).inc();
        self.hit(limit);
    }

    /// A limit of the settings made somebody wait or be refused.
    pub fn hit(&self, limit: Limit) {
        self.hits.hit(limit);
    }

    /// How often limits were hit.
    pub fn hits(&self) -> &Hits {
        &self.hits
    }

    /// Nobody waited for a reply any more.
    pub fn reply_dropped(&self) {
        self.replies_dropped.inc();
    }

    /// Everything as OpenMetrics text, which Prometheus reads.
    pub fn render(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("writing to a String cannot fail");
        out
    }
}

fn counted(gauge: &Gauge) -> Counted {
    gauge.inc();
    Counted(gauge.clone())
}

fn transport(kind: Kind) -> Transport {
    Transport { transport: kind.name() }
}
