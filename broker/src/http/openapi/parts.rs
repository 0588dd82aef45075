//! Parameters and headers that several operations have.

use serde_json::{Value, json};

use crate::router::destination;

/// A position in examples: the second message of a log.
pub(in crate::http) const POSITION: &str = "81234:2";
/// Where the examples happen.
pub(in crate::http) const QUIZ: &str = "/topic/7b/quiz";
/// The longest destination.
pub(in crate::http) const DESTINATION_BYTES: usize = destination::BYTES_MAX;

/// A parameter in the query.
pub(in crate::http) fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

/// A header of the request.
pub(in crate::http) fn header_field(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "header", "description": description, "schema": schema })
}

/// A segment of the path.
pub(in crate::http) fn path(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema })
}

/// The one destination of a request.
pub(in crate::http) fn only_one(description: &str) -> Value {
    query("destination", description, &json!({ "type": "string", "minLength": 1, "maxLength": DESTINATION_BYTES }))
}

/// Headers of answers, for `components`. What stands behind a dot tells variants of a header apart.
pub(super) fn headers() -> Value {
    let seconds = json!({ "type": "integer", "minimum": 1 });
    json!({
        "Cache-Control": {
            "description": "Whether a cache may keep it: `no-cache`, but ask each time, or `no-store`.",
            "required": true,
            "schema": { "enum": ["no-cache", "no-store"] },
        },
        "ETag": {
            "description": "Names this very answer, for `If-None-Match`.",
            "required": true,
            "schema": { "type": "string" },
        },
        "ETag.OfPages": {
            "description": "Names this page, for `If-None-Match`. A stream has none.",
            "schema": { "type": "string" },
        },
        "Location": {
            "description": "Where the message can be read again; only where it went to a classroom.",
            "schema": { "type": "string", "format": "uri-reference" },
        },
        "Retry-After": {
            "description": "The same request may be sent again after so many seconds.",
            "required": true,
            "schema": seconds,
        },
        "Retry-After.IfRetryable": {
            "description": "The same request may be sent again after so many seconds, where `retryable` is true.",
            "schema": seconds,
        },
        "X-Accel-Buffering": {
            "description": "`no` with a stream: proxies are to hand on each piece as it comes.",
            "schema": { "const": "no" },
        },
    })
}
