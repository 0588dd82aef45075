//! What each part is told of the settings.

use std::sync::Arc;

use homeroom_protocol as stomp;
use tokio::runtime::Handle;

use super::RunError;
use crate::access::hook::Hook;
use crate::access::{Access, RevocationError};
use crate::audit::Audit;
use crate::auth::Authenticator;
use crate::classroom::{self, pages, recent};
use crate::connection::Services;
use crate::http::Deadlines;
use crate::metrics::{Held, Hits};
use crate::replies;
use crate::router::{Kind, Rules};
use crate::settings::{Engine, Settings, Storage, Tls, TlsVersion, Unprefixed};
use crate::transport::admission::Proxies;
use crate::transport::listener::Tuning;
use crate::transport::tls::{Files, accept};

/// What the store is told of the settings.
pub(super) fn storage(storage: &Storage) -> homeroom_storage::Settings {
    homeroom_storage::Settings {
        engine: match storage.engine {
            Engine::Sled => homeroom_storage::EngineKind::Sled,
            Engine::Memory => homeroom_storage::EngineKind::Memory,
        },
        path: storage.path.clone(),
        free_space_min: storage.free_space_min,
        ballast_bytes: storage.ballast,
        cursor_ttl: storage.cursor_ttl,
        cache_bytes: storage.cache_bytes,
        queue_bytes_max: in_memory(storage.queue_bytes_max),
        open_timeout: storage.open_timeout,
        scrub_after: storage.scrub_after,
    }
}

/// What classrooms are told of the settings.
pub(super) fn rooms(settings: &Settings) -> classroom::Settings {
    let delivery = &settings.delivery;
    classroom::Settings {
        recent: recent::Limits { messages: delivery.recent_messages, bytes: in_memory(delivery.recent_bytes) },
        pages: pages::Limits {
            room_bytes: in_memory(delivery.pages_bytes_per_classroom),
            all: pages::Allowance::new(in_memory(delivery.pages_bytes)),
        },
        presence_grace: settings.presence.grace,
        presence_coalesce: settings.presence.coalesce,
        deliveries_max: u32::try_from(settings.queues.max_deliveries).unwrap_or(u32::MAX),
        queue_bytes_max: settings.queues.bytes,
        tally: Arc::default(),
    }
}

/// How much waits for those who asked.
pub(super) fn replies(settings: &Settings) -> replies::Limits {
    let limits = &settings.limits;
    replies::Limits { queues: limits.reply_queues, replies: limits.replies, bytes: in_memory(limits.reply_bytes) }
}

/// How destinations are read.
///
/// # Errors
/// A shape that makes no sense.
pub(super) fn rules(settings: &Settings) -> Result<Rules, RunError> {
    let unprefixed = match settings.destinations.unprefixed {
        Unprefixed::Refused => None,
        Unprefixed::Queue => Some(Kind::Queue),
        Unprefixed::Topic => Some(Kind::Topic),
    };
    let templates: Vec<String> = settings.destinations.classrooms.iter().map(ToString::to_string).collect();
    let private: Vec<String> = settings.destinations.private.iter().cloned().collect();
    Ok(Rules::new(unprefixed, &templates, &private)?)
}

/// Who may come in; `None` where everybody may.
///
/// # Errors
/// The revocations that were kept cannot be read.
pub(super) fn access(
    settings: &Settings,
    authenticator: Arc<Authenticator>,
    hits: Hits,
    hook: Option<Arc<Hook>>,
) -> Result<Option<Arc<Access>>, RevocationError> {
    if authenticator.is_open() {
        return Ok(None);
    }
    let kept_in = match settings.storage.engine {
        Engine::Sled => Some(settings.storage.path.join("revocations.json")),
        Engine::Memory => None,
    };
    let per_user_max = settings.limits.connections_per_user;
    let rules = &settings.access.rules;
    Access::open(authenticator, rules, kept_in.as_deref(), per_user_max, hits, hook).map(Arc::new).map(Some)
}

/// Where it is kept what happened.
///
/// # Errors
/// The file cannot be opened.
pub(super) fn audit(settings: &Settings) -> Result<Option<Audit>, RunError> {
    let Some(path) = &settings.log.audit else { return Ok(None) };
    Audit::open(path).map(Some).map_err(|source| RunError::Audit { path: path.clone(), source })
}

/// Says what is held now, as long as there is something.
pub(super) fn held(services: &Arc<Services>) -> impl Fn() -> Held + Send + Sync + 'static {
    let (services, runtime) = (Arc::downgrade(services), Handle::current());
    move || {
        let Some(services) = services.upgrade() else { return Vec::new() };
        let rooms = services.registry.held();
        vec![
            ("tasks", runtime.metrics().num_alive_tasks()),
            ("connections", services.shutdown.count()),
            ("classrooms", services.registry.open_count()),
            ("subscribers", rooms.listeners),
            ("durable_subscriptions", rooms.durables),
            ("groups", rooms.groups),
            ("people", rooms.people),
            ("reply_queues", services.replies.count()),
        ]
    }
}

/// What a STOMP session is told of the settings.
pub(super) fn session(settings: &Settings) -> stomp::Settings {
    let (limits, beats) = (&settings.limits, &settings.stomp);
    stomp::Settings {
        limits: stomp::Limits {
            header_bytes_max: in_memory(limits.header_bytes),
            headers_max: limits.header_count,
            body_bytes_max: in_memory(limits.body_bytes),
            connect_bytes_max: in_memory(limits.bytes_before_connected),
            identifier_bytes_max: in_memory(limits.identifier_bytes),
            subscriptions_max: limits.subscriptions,
            receipts_pending_max: limits.receipts,
            transactions_max: limits.transactions,
            transaction_operations_max: limits.transaction_messages,
            transaction_bytes_max: in_memory(limits.transaction_bytes),
            transaction_age_max: limits.transaction_age,
        },
        heart_beat_send: beats.heartbeat_send,
        heart_beat_receive: beats.heartbeat_receive,
        heart_beat_tolerance: beats.heartbeat_tolerance,
        connect_within: beats.connect_within,
        versions: Vec::new(),
    }
}

/// How long the HTTP listeners wait.
pub(super) fn deadlines(settings: &Settings) -> Deadlines {
    let http = &settings.http;
    Deadlines {
        headers: http.header_timeout,
        idle: http.upgrade_timeout,
        header_bytes: in_memory(http.header_bytes_max),
    }
}

/// What every accepted socket is told.
pub(super) fn tuning(settings: &Settings) -> Tuning {
    let low_water = settings.delivery.not_sent_low_water;
    Tuning { not_sent_low_water: u32::try_from(low_water).unwrap_or(u32::MAX) }
}

/// The files of the certificate, if there is to be TLS.
pub(crate) fn tls_files(tls: &Tls) -> Option<Files> {
    Some(Files { certificate: tls.certificate.clone()?, key: tls.key.clone()? })
}

/// What listeners under TLS are told of the settings.
pub(super) fn tls_rules(settings: &Settings) -> accept::Rules {
    let tls = &settings.tls;
    accept::Rules {
        only_1_3: tls.minimum_version == TlsVersion::V1_3,
        within: tls.handshake_timeout,
        handshakes: tls.handshakes,
        handshakes_per_address: settings.limits.handshakes_per_address,
        waiting: settings.limits.connections,
    }
}

/// The proxies that are believed.
pub(super) fn proxies(settings: &Settings) -> Proxies {
    Proxies::new(settings.proxies.trusted.iter().map(|network| network.as_net()))
}

/// A size as memory counts it.
fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_store_waits_with_its_scrub_as_long_as_the_settings_say() {
        let settings = Storage { scrub_after: Duration::from_secs(7), ..Storage::default() };
        assert_eq!(storage(&settings).scrub_after, Duration::from_secs(7));
        let default = storage(&Storage::default()).scrub_after;
        assert_eq!(default, homeroom_storage::Settings::default().scrub_after);
    }

    #[test]
    fn classrooms_keep_as_many_pages_as_the_settings_say() {
        let mut settings = Settings::default();
        let pages = |settings: &Settings| {
            let pages = rooms(settings).pages;
            (pages.room_bytes, pages.all.bytes())
        };
        let default = pages::Limits::default();
        assert_eq!(pages(&settings), (default.room_bytes, default.all.bytes()));
        (settings.delivery.pages_bytes_per_classroom, settings.delivery.pages_bytes) = (1, 2);
        assert_eq!(pages(&settings), (1, 2));
    }
}
