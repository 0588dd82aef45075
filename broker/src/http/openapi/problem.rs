//! Problem documents (RFC 9457), as descriptions show them.

use serde_json::{Value, json};

use crate::refusals::code;

/// Of every problem.
pub(in crate::http) const MEDIA_TYPE: &str = "application/problem+json";

/// What is told with one status.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Kind {
    pub(in crate::http) status: u16,
    code: u16,
    when: &'static str,
    retryable: Retryable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retryable {
    Always,
    Sometimes,
    Never,
}

const fn kind(status: u16, code: u16, retryable: Retryable, when: &'static str) -> Kind {
    Kind { status, code, when, retryable }
}

pub(in crate::http) const SENSELESS: Kind = kind(
    400,
    code::BAD_REQUEST,
    Retryable::Sometimes,
    "The request makes no sense, or names no host, or several: `detail` names what, `remedy` says what to write.",
);
pub(in crate::http) const MISNAMED: Kind = kind(
    400,
    code::BAD_REQUEST,
    Retryable::Never,
    "The request names no host, or several, or none that there could be.",
);
pub(in crate::http) const STRANGER: Kind = kind(
    401,
    code::UNAUTHORIZED,
    Retryable::Never,
    "Nothing shows who asks, or what does is not valid; `code` is 109 for what has expired.",
);
pub(in crate::http) const FOREIGN: Kind = kind(
    403,
    code::PERMISSION_DENIED,
    Retryable::Never,
    "A page of an origin that `http.allowed_origins` does not list, or a host that is no name of the \
     broker's: `http.hosts`, or loopback where it listens there. \
     Nothing was done.",
);
pub(in crate::http) const NOWHERE: Kind = kind(
    404,
    code::UNKNOWN_DESTINATION,
    Retryable::Never,
    "There is no such destination, or nothing of this kind at it.",
);
pub(in crate::http) const SLOW: Kind = kind(
    408,
    code::BAD_REQUEST,
    Retryable::Always,
    "The body did not come within `http.upgrade_timeout`, and a second for each 16 KiB of it that came.",
);
pub(in crate::http) const CONFLICT: Kind =
    kind(409, code::DUPLICATE, Retryable::Never, "The `Idempotency-Key` was used for another message.");
pub(in crate::http) const ERASING: Kind =
    kind(409, code::NOT_AVAILABLE, Retryable::Always, "Another erasure is under way: ask again when it is done.");
pub(in crate::http) const GONE: Kind = kind(
    410,
    code::UNRECOVERABLE,
    Retryable::Never,
    "The position is gone: what followed it was removed by retention, or no log of today has it. `kept` says behind \
     which position all that is left follows.",
);
pub(in crate::http) const TOO_LARGE: Kind =
    kind(413, code::LIMIT, Retryable::Never, "Too large: the body, the headers, the batch. `detail` names the limit.");
pub(in crate::http) const NO_SUCH_TYPE: Kind = kind(
    415,
    code::BAD_REQUEST,
    Retryable::Never,
    "The `Content-Type` begins with `application/vnd.homeroom.` and is none that the broker reads.",
);
pub(in crate::http) const TOO_MUCH: Kind = kind(
    429,
    code::LIMIT,
    Retryable::Always,
    "Too much now: too many classrooms, a full queue, too many bytes on their way in.",
);
pub(in crate::http) const NO_PLACE: Kind = kind(
    429,
    code::LIMIT,
    Retryable::Sometimes,
    "As many measure as `limits.doctor_probes` allows; if it is 0, nobody may.",
);
pub(in crate::http) const FAULT: Kind = kind(
    500,
    code::INTERNAL,
    Retryable::Sometimes,
    "A fault of the broker or its disk; `remedy` says whether to ask again.",
);
pub(in crate::http) const NOT_NOW: Kind = kind(
    503,
    code::NOT_AVAILABLE,
    Retryable::Always,
    "Not now: the disk is full, the broker stops, it has all connections that it may have, or the service that decides \
     (`access.hook`) gave no decision.",
);

impl Kind {
    /// The response object.
    pub(super) fn response(self) -> Value {
        let Kind { status, code, when, retryable } = self;
        let mut members = json!({ "status": { "const": status }, "code": { "const": code } });
        let mut response = json!({ "description": format!("{when} `code` is {code}.") });
        if retryable != Retryable::Sometimes {
            members["retryable"] = json!({ "const": retryable == Retryable::Always });
        }
        match retryable {
            Retryable::Never => {}
            Retryable::Always => response["headers"]["Retry-After"]["$ref"] = "#/components/headers/Retry-After".into(),
            Retryable::Sometimes => {
                response["headers"]["Retry-After"]["$ref"] = "#/components/headers/Retry-After.IfRetryable".into();
            }
        }
        let schema = json!({ "allOf": [{ "$ref": "#/components/schemas/Problem" }, { "properties": members }] });
        response["content"][MEDIA_TYPE]["schema"] = schema;
        response
    }

    /// A problem document of this kind; one that is worth asking again only where all are.
    pub(in crate::http) fn document(self, title: &str, detail: &str, remedy: &str) -> Value {
        json!({
            "type": "about:blank", "title": title, "status": self.status, "detail": detail,
            "code": self.code, "retryable": self.retryable == Retryable::Always, "remedy": remedy,
        })
    }
}
