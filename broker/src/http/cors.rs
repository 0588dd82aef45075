//! Pages of other sites: which may ask, and what browsers are told about it.
//!
//! | Request | Answer |
//! | --- | --- |
//! | of no page | as if this were not here |
//! | of a page that may ask | `Access-Control-Allow-Origin` with its origin, never `*` |
//! | of any other page | 403, before anything is done |
//! | `OPTIONS` before a request | which methods and headers may come |
//!
//! Cookies are never asked for, so that a page cannot act as somebody who does not know of it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Door;
use super::asked::Asked;
use super::problem::Problem;
use crate::refusals::{code, refusal};

const METHODS: &str = "GET, HEAD, POST, PUT, DELETE";
/// Those that the routes read, beside what browsers send without asking.
const REQUEST_HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID";
/// Those that pages may read, beside what browsers always show.
const RESPONSE_HEADERS: &str = "ETag, Link, Location, Retry-After";
/// Seconds for which a browser need not ask again; none remembers it for longer.
const MAX_AGE: &str = "7200";

/// Around all routes that pages of other sites may use.
pub(super) async fn guard(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    if let Err(reason) = door.origins.admit(request.headers(), &Asked::beside(request.extensions())) {
        return varying(foreign(reason).into_response());
    }
    let Some(origin) = request.headers().get(ORIGIN).cloned() else { return varying(next.run(request).await) };
    let asks_first =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks_first { permission() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
    varying(response)
}

/// The answer to a browser that asks before it sends.
fn permission() -> Response {
    let about = [
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ];
    (StatusCode::NO_CONTENT, about).into_response()
}

fn foreign(reason: String) -> Problem {
    let remedy = "Ask from a page that may, or have its origin added to http.allowed_origins.";
    denied(reason, remedy)
}

/// The answer to whoever asks for a host that the broker is not.
pub(super) fn misdirected(reason: String) -> Problem {
    denied(reason, "Ask for one of the broker's names, or have this one added to http.hosts.")
}

fn denied(reason: String, remedy: &str) -> Problem {
    Problem::new(refusal(code::PERMISSION_DENIED, "permission denied", reason, false, remedy))
}

/// Whatever a cache keeps holds for one origin.
fn varying(mut response: Response) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    response
}
