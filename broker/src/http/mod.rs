//! HTTP: the way to a WebSocket, the lesson page, and what services ask.
//!
//! Our own accept loop on hyper: every connection has a deadline for its
//! headers and one for doing something at all, and nothing outlives a stop.

pub mod origin;
pub mod page;
mod serve;
mod upgrade;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

pub use self::origin::Origins;
pub use self::serve::{Deadlines, serve};
use crate::classroom::now_millis;
use crate::connection::Services;

/// What HTTP handlers share.
#[derive(Debug)]
pub struct Door {
    /// What all connections share.
    pub services: Arc<Services>,
    /// Whose pages may connect.
    pub origins: Origins,
}

/// Everything the public listener answers.
pub fn routes(door: Arc<Door>) -> Router {
    Router::new()
        .route("/ws", get(upgrade::websocket))
        .route("/stomp", get(upgrade::websocket))
        .route("/v1/time", get(time))
        .route("/v1/info", get(info))
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

fn json(value: &serde_json::Value) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], value.to_string())
}
