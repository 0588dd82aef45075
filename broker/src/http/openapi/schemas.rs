//! What travels in bodies.

use serde_json::{Value, json};

use super::parts::DESTINATION_BYTES;
use crate::connection::POSITIONS_MAX;
use crate::refusals::code;
use crate::settings::Settings;

const ONE: &str = r"[0-9]+:[0-9]+(\.[0-9]+)?";

/// All schemas, for `components`.
pub(super) fn all(settings: &Settings) -> Value {
    let mut all = json!({
        "Position": {
            "description": "Where a message is: the epoch of its log and its offset there; a part of a transaction or \
                            batch has `.k` behind it. The same text over every door.",
            "type": "string",
            "pattern": format!("^{ONE}$"),
        },
        "Place": {
            "description": format!(
                "How far a reader has come: a position, or one for each of up to {POSITIONS_MAX} logs with commas \
                 between."
            ),
            "type": "string",
            "pattern": format!("^{ONE}(,{ONE}){{0,{}}}$", POSITIONS_MAX - 1),
        },
        "Milliseconds": { "description": "Milliseconds since 1970.", "type": "integer", "minimum": 0 },
        "Problem": problem(),
    });
    for more in [messages(), published(settings), others()] {
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
    }
    all
}

/// A reference to one of them.
fn the(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The same, or null.
fn the_or_null(name: &str) -> Value {
    json!({ "anyOf": [the(name), { "type": "null" }] })
}

/// The same, with what it means here.
fn told(mut schema: Value, description: &str) -> Value {
    schema["description"] = description.into();
    schema
}

fn problem() -> Value {
    json!({
        "description": "A problem document (RFC 9457). `title` and `code` are stable, and those of ERROR frames.",
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "retryable", "remedy"],
        "properties": {
            "type": { "const": "about:blank" },
            "title": { "type": "string", "description": "What it is, in the same words each time." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "What it is in this case." },
            "code": {
                "description": "What it is, for programs.",
                "enum": [
                    code::INTERNAL, code::UNKNOWN_DESTINATION, code::PERMISSION_DENIED, code::LIMIT, code::BAD_REQUEST,
                    code::NOT_AVAILABLE, code::UNRECOVERABLE, code::DUPLICATE,
                ],
            },
            "retryable": { "type": "boolean", "description": "Whether the same request may be sent again." },
            "remedy": { "type": "string", "description": "What to do." },
            "index": { "type": ["integer", "null"], "minimum": 0, "description": "Which message of a batch, from 0." },
            "member": { "type": "string", "description": "Which member of that message." },
            "gap": { "type": "string", "description": "The offsets that are gone, `A-B`, or `unknown`." },
            "kept": {
                "description": "What each log still keeps.",
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["destination", "after", "head"],
                    "properties": {
                        "destination": { "type": "string" },
                        "after": told(the("Position"), "Behind it comes all that is left."),
                        "head": told(the("Position"), "The newest."),
                    },
                    "additionalProperties": false,
                },
            },
        },
        "additionalProperties": false,
    })
}

/// What is read.
fn messages() -> Value {
    json!({
        "Message": {
            "type": "object",
            "required": ["position", "destination", "time"],
            "properties": {
                "position": told(the_or_null("Position"), "Null for a message that no log keeps."),
                "destination": { "type": "string", "description": "As it was sent there." },
                "time": told(the("Milliseconds"), "When the broker took it."),
                "user": { "type": "string", "description": "Who sent it, if somebody did." },
                "headers": {
                    "type": "object",
                    "description": "Those of the message; of repeated ones the first.",
                    "additionalProperties": { "type": "string" },
                },
                "body": { "type": "string", "description": "If it is UTF-8." },
                "body_base64": { "type": "string", "contentEncoding": "base64", "description": "If it is not." },
                "gap": { "type": "string", "description": "Offsets before it that nobody can read any more, `A-B`." },
            },
            "oneOf": [{ "required": ["body"] }, { "required": ["body_base64"] }],
            "additionalProperties": false,
        },
        "Page": {
            "type": "object",
            "required": ["messages", "position", "more"],
            "properties": {
                "messages": { "type": "array", "items": the("Message") },
                "position": told(the("Place"), "Ask again with it in `after`."),
                "more": { "type": "boolean", "description": "Whether there is more already." },
            },
            "additionalProperties": false,
        },
        "PageBackwards": {
            "description": "With `reverse=true`: the newest first.",
            "type": "object",
            "required": ["messages", "position", "before"],
            "properties": {
                "messages": { "type": "array", "items": the("Message") },
                "position": told(the("Position"), "The newest of the log."),
                "before": told(the_or_null("Position"), "Ask again with it in `before`; null at the oldest."),
            },
            "additionalProperties": false,
        },
        "Beginning": {
            "description": "The first line of a stream of lines: where it begins.",
            "type": "object",
            "required": ["position", "gap"],
            "properties": {
                "position": told(
                    the_or_null("Place"), &format!("Null over more than {POSITIONS_MAX} logs, and over none.")
                ),
                "gap": {
                    "enum": ["unknown", null],
                    "description": "`unknown` if no log of today has the position asked for.",
                },
            },
            "additionalProperties": false,
        },
    })
}

/// What is sent, and what is told of it.
fn published(settings: &Settings) -> Value {
    let limits = &settings.limits;
    json!({
        "Published": {
            "type": "object",
            "required": ["position", "duplicate"],
            "properties": {
                "position": told(the_or_null("Position"), "Null if no log keeps it."),
                "duplicate": {
                    "type": "boolean",
                    "description": "It had been stored before, under the same `Idempotency-Key`.",
                },
            },
            "additionalProperties": false,
        },
        "PublishedBatch": {
            "type": "object",
            "required": ["positions", "duplicate"],
            "properties": {
                "positions": {
                    "description": "Of each message, in their order; null in a duplicate for those in other \
                                    classrooms or queues than the first.",
                    "type": "array",
                    "items": the_or_null("Position"),
                },
                "duplicate": { "type": "boolean" },
            },
            "additionalProperties": false,
        },
        "Batch": {
            "description": "Stored together or not at all.",
            "type": "array",
            "minItems": 1,
            "maxItems": limits.transaction_messages,
            "items": the("BatchMessage"),
        },
        "BatchMessage": {
            "type": "object",
            "properties": {
                "destination": {
                    "type": "string", "maxLength": DESTINATION_BYTES, "description": "Else that of the query.",
                },
                "body": { "type": "string", "maxLength": limits.body_bytes, "description": "A text." },
                "body_base64": { "type": "string", "contentEncoding": "base64", "description": "Or bytes, instead." },
                "content_type": { "type": "string" },
                "headers": { "type": "object", "additionalProperties": { "type": "string" } },
                "correlation_id": { "type": "string" },
                "reply_to": { "type": "string" },
                "expires": told(the("Milliseconds"), "After this it is shown to nobody."),
                "expiration": { "type": "integer", "minimum": 0, "description": "The same, in milliseconds from now." },
            },
            "not": { "required": ["body", "body_base64"] },
            "additionalProperties": false,
        },
    })
}

fn others() -> Value {
    json!({
        "Cursor": {
            "type": "object",
            "required": ["position"],
            "properties": {
                "position": told(the("Position"), "All up to it was handled."),
            },
            "additionalProperties": false,
        },
        "Time": {
            "type": "object",
            "required": ["server_time"],
            "properties": { "server_time": the("Milliseconds") },
            "additionalProperties": false,
        },
        "Info": {
            "type": "object",
            "required": [
                "server", "engine", "confirmed_survives", "idempotency_keys_remembered_seconds", "record_bytes_max",
            ],
            "properties": {
                "server": { "type": "string", "pattern": "^homeroom/" },
                "engine": { "type": "string", "description": "What keeps the records." },
                "confirmed_survives": { "type": "string", "description": "What a confirmed message survives." },
                "idempotency_keys_remembered_seconds": { "type": "integer", "minimum": 0 },
                "record_bytes_max": { "type": "integer", "minimum": 1 },
            },
            "additionalProperties": false,
        },
    })
}
