//! Windows for operators, on a listener of their own: health and metrics.
//! Everything here only looks.
//!
//! | Request | Who may ask |
//! | --- | --- |
//! | `/health/live`, `/health/ready` | anybody: load balancers show nothing |
//! | `/metrics` | on loopback anybody; elsewhere an admin, or who has the role `metrics` |

mod figures;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::get;
use homeroom_storage::Health;

use crate::connection::Services;

/// What is here, for whoever asks for something else.
pub const THERE_IS: &str =
    "Here are /health/live, /health/ready and /metrics. /openapi.json of the public listener lists what is there.";

/// Everything the management listener answers.
pub fn routes(services: Arc<Services>) -> Router {
    let guard = middleware::from_fn_with_state(services.clone(), figures::guard);
    Router::new()
        .route("/metrics", get(metrics))
        .route_layer(guard)
        .route("/health/live", get(async || "live\n"))
        .route("/health/ready", get(ready))
        .with_state(services)
}

/// Whether new work should be sent here, and if not, why.
async fn ready(State(services): State<Arc<Services>>) -> impl IntoResponse {
    let reason = if services.shutdown.is_stopping() {
        Some("stopping".to_owned())
    } else {
        let health = services.registry.store().health().borrow().clone();
        match health {
            Health::Ready => None,
            Health::Full { reason } => Some(format!("storage full: {reason}")),
            Health::Recovering { reason } => Some(format!("storage recovering: {reason}")),
            Health::Failed { reason } => Some(format!("storage failed: {reason}")),
        }
    };
    match reason {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn metrics(State(services): State<Arc<Services>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], services.metrics.render())
}
