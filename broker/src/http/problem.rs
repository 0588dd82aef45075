//! What is said over HTTP when something cannot be had: problem documents (RFC 9457) with the numbers and
//! words of ERROR frames.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use homeroom_protocol::Refusal;
use serde_json::{Map, Value, json};

use crate::rate::TooFast;
use crate::refusals::code;

/// Seconds after which something that is not available now may be asked for again, if nobody knows better.
const RETRY_AFTER: u64 = 2;

/// A refusal on its way to a client over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    refusal: Refusal,
    status: StatusCode,
    more: Map<String, Value>,
    retry_after: u64,
    closes: bool,
}

impl Problem {
    /// The status is that of the refusal's number.
    pub(super) fn new(refusal: Refusal) -> Problem {
        let status = match (refusal.code, refusal.retryable) {
            (code::UNAUTHORIZED | code::EXPIRED, _) => StatusCode::UNAUTHORIZED,
            (code::TOO_MANY_REQUESTS, _) => StatusCode::TOO_MANY_REQUESTS,
            (code::UNKNOWN_DESTINATION, _) => StatusCode::NOT_FOUND,
            (code::LIMIT, true) => StatusCode::TOO_MANY_REQUESTS,
            (code::LIMIT, false) => StatusCode::PAYLOAD_TOO_LARGE,
            (code::PERMISSION_DENIED, _) => StatusCode::FORBIDDEN,
            (code::BAD_REQUEST, _) => StatusCode::BAD_REQUEST,
            (code::DUPLICATE, _) => StatusCode::CONFLICT,
            (code::NOT_AVAILABLE, _) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem { refusal, status, more: Map::new(), retry_after: RETRY_AFTER, closes: false }
    }

    /// The same with another status.
    pub(super) fn with_status(self, status: StatusCode) -> Problem {
        Problem { status, ..self }
    }

    /// The same with one more member.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// The same, and nothing more is read of the connection: the rest of a body may still be on its way.
    pub(super) fn closing(self) -> Problem {
        Problem { closes: true, ..self }
    }
}

impl From<TooFast> for Problem {
    fn from(too_fast: TooFast) -> Problem {
        Problem { retry_after: too_fast.seconds(), ..Problem::new(too_fast.refusal()) }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        Problem::new(refusal)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Refusal { code, message, reason, retryable, remedy } = self.refusal;
        let mut document = json!({
            "type": "about:blank", "title": message, "status": self.status.as_u16(), "detail": reason,
            "code": code, "retryable": retryable, "remedy": remedy,
        });
        if let Value::Object(members) = &mut document {
            members.extend(self.more);
        }
        let mut response = (self.status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1: a 401 says how to show who one is.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if retryable {
            headers.insert(header::RETRY_AFTER, self.retry_after.into());
        }
        if self.closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusals::refusal;

    #[test]
    fn a_refusal_has_the_status_that_says_what_to_do() {
        for (number, retryable, status) in [
            (code::UNKNOWN_DESTINATION, false, 404),
            (code::LIMIT, false, 413),
            (code::LIMIT, true, 429),
            (code::PERMISSION_DENIED, false, 403),
            (code::BAD_REQUEST, false, 400),
            (code::DUPLICATE, false, 409),
            (code::NOT_AVAILABLE, true, 503),
            (code::INTERNAL, false, 500),
        ] {
            let response = Problem::new(refusal(number, "m", "r", retryable, "do")).into_response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), retryable);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
    }
}
