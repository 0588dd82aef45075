//! HTTP: the way to a WebSocket, the lesson page, and what services ask.
//!
//! Our own accept loop on hyper: every connection has a deadline for its
//! headers and one for doing something at all, and nothing outlives a stop.

mod messages;
pub mod origin;
pub mod page;
mod problem;
mod serve;
mod sockjs;
mod upgrade;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use homeroom_protocol::{self as stomp, Version};

pub use self::origin::Origins;
use self::page::is_known as known_tag;
use self::problem::Problem;
pub use self::serve::{Deadlines, Site, serve};
use crate::auth::Identity;
use crate::classroom::now_millis;
use crate::connection::Services;
use crate::connection::disconnect::{code, refusal};

/// What HTTP handlers share.
#[derive(Debug)]
pub struct Door {
    /// What all connections share.
    services: Arc<Services>,
    /// Whose pages may connect.
    origins: Origins,
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
        Arc::new(Door { services, origins, sockjs, sessions })
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
    Router::new()
        .route("/v1/time", get(time))
        .route("/v1/info", get(info))
        .route("/v1/messages", get(messages::read))
        .route("/ws/", any(sockjs::answer))
        .route("/ws/{*rest}", any(sockjs::answer))
        .with_state(door)
        .merge(page::routes())
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

/// Who asks. Until rights arrive, the name is taken at its word, as STOMP's `login` is.
fn person(headers: &HeaderMap) -> Identity {
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let encoded =
        basic.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let decoded = encoded.and_then(|(_, encoded)| data_encoding::BASE64.decode(encoded.trim().as_bytes()).ok());
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    Identity::new(text.split_once(':').map(|(user, _)| user), None)
}

/// What is said when there are as many connections as are allowed.
fn busy() -> Problem {
    let reason = "the broker has as many connections as limits.connections allows, or is stopping";
    Problem::new(refusal(code::NOT_AVAILABLE, "busy", reason, true, "Try again in a few seconds."))
}

fn json(value: &serde_json::Value) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], value.to_string())
}
