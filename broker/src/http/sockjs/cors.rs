//! Pages of other sites: those whose origin is allowed, and no others.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::http::Door;
use crate::http::asked::Asked;

/// How long a browser may keep what it was allowed, in seconds: a year.
const KEEP: &str = "31536000";
/// For browsers that know `Expires` alone.
pub(super) const NEVER_EXPIRES: HeaderValue = HeaderValue::from_static("Thu, 31 Dec 2099 23:59:59 GMT");
/// What never changes.
pub(super) const KEEP_LONG: HeaderValue = HeaderValue::from_static("public, max-age=31536000");

/// An origin that may ask; `None` is a request of no page, or of the broker's own.
#[derive(Debug)]
pub(super) struct Cors(Option<HeaderValue>);

impl Cors {
    /// Whether a request may be answered.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn check(door: &Door, head: &Parts) -> Result<Cors, String> {
        let asked = Asked::beside(&head.extensions);
        door.origins.admit(&head.headers, &asked).map(|()| Cors(head.headers.get(header::ORIGIN).cloned()))
    }

    /// Says who may read the answer.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = &self.0 {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            // The client asks with credentials, whether there are any or not.
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// The answer to OPTIONS.
    pub(super) fn preflight(&self, method: &Method, asked: &HeaderMap) -> Response {
        let methods = if *method == Method::GET { "OPTIONS, GET" } else { "OPTIONS, POST" };
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, KEEP_LONG);
        headers.insert(header::EXPIRES, NEVER_EXPIRES);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(KEEP));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).filter(|names| !names.is_empty()) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        self.apply(headers);
        response
    }
}
