//! What the document says of itself, and of the operations that need no room of their own.

use serde_json::{Value, json};

use super::operation::{Example, Operation};
use super::parts::header_field;

const OVERVIEW: &str = "\
Homeroom is the broker of live lessons. A classroom is one ordered, durable log, and everything that reads is a cursor \
on it: what is published and read here are the messages that STOMP clients send and get, with the same positions, \
rules and limits.

**Other doors.** STOMP over WebSocket is at `/ws` and `/stomp`; below `/ws/` is SockJS, for networks that let no \
WebSocket through. OpenAPI has no words for either; see the tags.

**Errors** are problem documents (RFC 9457) with a `code` for programs and a `remedy` for people. A path that \
is not described here is answered with 404, another method of a path with 405 and `Allow`, both with the `code` 107. \
Every `GET` may be a `HEAD`.

**Pages of other sites** may use all of this if their origin is in `http.allowed_origins`; others get 403. Cookies are \
never set, and never needed.

**Examples** with the same name belong together; `x-examples` says how: the example's `status`, the media types of its \
`body` and `answer`, and what was asked `after`. They hold, word for word, for a broker that has just started and was \
asked nothing else, but for times and for epochs, such as the 81234 of `81234:2`.";

/// Who this is.
pub(super) fn info() -> Value {
    json!({
        "title": "Homeroom",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": "The broker of live lessons, over HTTP.",
        "description": OVERVIEW,
        "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
    })
}

/// What there is, and what there is beside it.
pub(super) fn tags() -> Value {
    json!([
        { "name": "messages", "description": "The logs: publishing and reading." },
        { "name": "cursors", "description": "How far somebody has come, kept by the broker." },
        { "name": "access", "description": "Tickets and revocations, where not everybody may do everything." },
        { "name": "about", "description": "The broker itself." },
        {
            "name": "doctor",
            "description": "What a network is measured with, from where a user sits: the page `/doctor` and \
                            `homeroom doctor` do. Nothing is stored.",
        },
        {
            "name": "WebSocket",
            "description": "STOMP 1.0, 1.1 and 1.2 at `/ws`, `/stomp` and the paths of `http.websocket_paths`, with \
                            the subprotocols `v12.stomp`, `v11.stomp`, `v10.stomp` or none.",
            "externalDocs": {
                "description": "STOMP as spoken here.",
                "url": concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/protocol/README.md"),
            },
        },
        {
            "name": "SockJS",
            "description": "The same conversations below `/ws/`, for `sockjs-client` with `/ws` as its address.",
            "externalDocs": {
                "description": "The protocol, as a test suite.",
                "url": "https://sockjs.github.io/sockjs-protocol/sockjs-protocol-0.3.3.html",
            },
        },
    ])
}

/// How whoever asks shows who they are.
pub(super) fn security(is_asked: bool) -> Value {
    if !is_asked {
        let description = "The user is taken at its word, and the password is not looked at: a name without proof, as \
                           `login` is in STOMP. Without it, nobody in particular asks.";
        return json!({ "user": { "type": "http", "scheme": "basic", "description": description } });
    }
    let user = "A token (JWT), or the key of a service. `Basic` with a user and a password and, where \
                `access.jwt.cookie` names one, a cookie do as well.";
    let ticket = "From `POST /v1/tickets`: good once, where no header can be sent.";
    json!({
        "user": { "type": "http", "scheme": "bearer", "description": user },
        "ticket": { "type": "apiKey", "in": "query", "name": "ticket", "description": ticket },
    })
}

/// `GET /v1/time`.
pub(in crate::http) fn time() -> Operation {
    Operation::new("readTime", "about", "The broker's clock", "For countdowns that all see alike.")
        .answers(200, "The time now.", &["Cache-Control"], json_of("Time"))
        .example(Example::new("time", "What time it is").answer(
            200,
            "application/json",
            json!({ "server_time": 1_790_000_000_000_u64 }),
        ))
}

/// `GET /v1/info`.
pub(in crate::http) fn about() -> Operation {
    let description = "What this broker is, and what its store promises.";
    Operation::new("readInfo", "about", "The broker and its promises", description)
        .answers(200, "What holds here.", &["Cache-Control"], json_of("Info"))
        .example(Example::new("info", "A broker with its records on a disk").answer(
            200,
            "application/json",
            json!({
                "server": concat!("homeroom/", env!("CARGO_PKG_VERSION")),
                "engine": "sled",
                "confirmed_survives": "power loss",
                "idempotency_keys_remembered_seconds": 86400,
                "record_bytes_max": 8_388_608,
            }),
        ))
}

/// `GET /openapi.json`.
pub(super) fn document() -> Operation {
    let description = "Made from the routes of this very broker, with the limits of its settings. `homeroom openapi` \
                       prints the same without a broker.";
    Operation::new("readDescription", "about", "This document", description)
        .parameter(header_field(
            "If-None-Match",
            "The `ETag` of the document that you have.",
            &json!({ "type": "string" }),
        ))
        .answers(
            200,
            "An OpenAPI 3.1 document.",
            &["Cache-Control", "ETag"],
            json!({ "application/json": { "schema": { "type": "object", "required": ["openapi", "info", "paths"] } } }),
        )
        .answers(304, "It is the one that you have.", &["Cache-Control", "ETag"], Value::Null)
        .example(Example::new("unchanged", "Any will do").with("If-None-Match", "*").status(304))
}

fn json_of(schema: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}
