//! The lesson page.

use axum::Router;

/// Nothing yet.
pub fn routes() -> Router {
    Router::new()
}
