//! HTTP: the way to a WebSocket, the lesson page, messages, and what services ask.
//!
//! Our own accept loop on hyper: every connection has a deadline for its
//! headers and one for doing something at all, and nothing outlives a stop.

mod absent;
mod access;
mod asked;
mod body;
mod cors;
mod cursors;
mod doctor;
mod erasures;
mod forwarded;
mod guest;
mod http2;
mod lease;
mod messages;
mod openapi;
pub mod origin;
pub mod page;
mod problem;
mod query;
mod serve;
mod sockjs;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::any;
use homeroom_protocol::{self as stomp, Version};
use tokio::sync::Semaphore;

use self::body::Intake;
pub(crate) use self::guest::credentials;
use self::openapi::{Api, Route};
pub use self::origin::Origins;
use self::page::is_known as known_tag;
pub(crate) use self::problem::Problem;
pub use self::serve::{Deadlines, Site, serve};
use crate::classroom::now_millis;
use crate::connection::Services;
use crate::refusals::{code, refusal};
use crate::settings::Settings;
use crate::shutdown::{Tracked, TurnedAway};

/// What HTTP handlers share.
#[derive(Debug)]
pub struct Door {
    /// What all connections share.
    services: Arc<Services>,
    /// Whose pages may connect.
    origins: Origins,
    /// What comes of all bodies.
    intake: Arc<Intake>,
    /// Who measures a network.
    doctor: doctor::Desk,
    /// Whose turn it is to erase something.
    erasing: Arc<Semaphore>,
    /// SockJS sessions.
    sockjs: Arc<sockjs::Sessions>,
    /// What a session is told when the subprotocol has named its version.
    sessions: [(Version, Arc<stomp::Settings>); Version::ALL.len()],
}

impl Door {
    /// A door to these services, for pages of these origins.
    pub fn new(services: Arc<Services>, origins: Origins) -> Arc<Door> {
        let speaking = |version| stomp::Settings { versions: vec![version], ..(*services.session).clone() };
        let sessions = Version::ALL.map(|version| (version, Arc::new(speaking(version))));
        let sockjs = sockjs::Sessions::new(services.settings.limits.connections, services.settings.sockjs.gone_after);
        // It waits for the disk, as what the store was handed does.
        let waiting_max = usize::try_from(services.settings.storage.queue_bytes_max).unwrap_or(usize::MAX);
        let doctor = doctor::Desk::new(services.settings.limits.doctor_probes);
        let intake = Intake::new(waiting_max, services.metrics.hits().clone());
        let erasing = Arc::new(Semaphore::new(1));
        Arc::new(Door { services, origins, intake, doctor, erasing, sockjs, sessions })
    }

    /// Counts a request as a connection.
    ///
    /// # Errors
    /// There are too many, which is counted too.
    fn track(&self, peer: SocketAddr) -> Result<Tracked, TurnedAway> {
        let turned_away = |why: &TurnedAway| self.services.metrics.turned_away(why.limit());
        self.services.shutdown.track(peer.ip()).inspect_err(turned_away)
    }

    /// What a session is told that speaks `version`, or whatever its CONNECT agrees on.
    fn session(&self, version: Option<Version>) -> Arc<stomp::Settings> {
        let named = self.sessions.iter().find(|(known, _)| Some(*known) == version);
        named.map_or(&self.services.session, |(_, session)| session).clone()
    }
}

/// What the public listener answers beside the ways to a WebSocket, which never get here. The setting
/// `http.websocket_paths` refuses what is answered here: a new route is added to its list.
fn routes(door: Arc<Door>) -> Router {
    let guard = middleware::from_fn_with_state(door.clone(), cors::guard);
    let settings = &door.services.settings;
    absent::told(api(settings).router(settings), "/openapi.json lists what there is.")
        .layer(guard)
        // They say themselves which pages may ask, as their protocol has it.
        .route("/ws/", any(sockjs::answer))
        .route("/ws/{*rest}", any(sockjs::answer))
        .with_state(door)
        .merge(page::routes())
}

/// What programs ask for, each route with its description.
fn api(settings: &Settings) -> Api {
    let api = Api::default()
        .at("/v1/time", [Route::get(time, openapi::about::time())])
        .at("/v1/info", [Route::get(info, openapi::about::about())])
        .at(
            "/v1/messages",
            [
                Route::get(messages::read, messages::described::read()),
                Route::post(messages::publish, messages::described::publish(settings)),
            ],
        )
        .at(
            "/v1/cursors/{name}",
            [
                Route::get(cursors::show, cursors::described::show()),
                Route::put(cursors::put, cursors::described::put()),
                Route::delete(cursors::delete, cursors::described::delete()),
            ],
        );
    let api = doctor::beside(api);
    if settings.access.is_asked_for() { erasures::beside(access::beside(api)) } else { api }
}

/// What `/openapi.json` of a broker with these settings says.
pub fn description(settings: &Settings) -> serde_json::Value {
    api(settings).document(settings)
}

/// The broker's clock, for countdowns that all see alike.
async fn time() -> impl IntoResponse {
    json(&serde_json::json!({ "server_time": now_millis() }))
}

/// What this broker is and what its store promises.
async fn info(State(door): State<Arc<Door>>) -> impl IntoResponse {
    let caps = door.services.registry.store().caps();
    json(&serde_json::json!({
        "server": door.services.server,
        "engine": caps.engine,
        "confirmed_survives": caps.survives,
        "idempotency_keys_remembered_seconds": caps.keys_remembered.as_secs(),
        "record_bytes_max": caps.record_bytes_max,
    }))
}

/// What is said when there are as many connections as are allowed.
fn busy() -> Problem {
    let reason = "the broker has as many connections as limits.connections allows, or is stopping";
    Problem::new(refusal(code::NOT_AVAILABLE, "busy", reason, true, "Try again in a few seconds."))
}

fn json(value: &serde_json::Value) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], value.to_string())
}
