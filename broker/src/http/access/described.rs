//! `/v1/tickets` and `/v1/revocations` as `/openapi.json` has them, where they are.

use serde_json::{Value, json};

use crate::http::openapi::{Operation, problem, query};

/// `POST /v1/tickets`.
pub(in crate::http) fn ticket() -> Operation {
    let description = "For `EventSource` and WebSocket in browsers, which can send no header: add `ticket=…` to their \
                       address. It is good once, for a minute.";
    let said = json!({ "type": "object", "required": ["ticket", "expires_in"], "properties": {
        "ticket": { "type": "string" }, "expires_in": { "type": "integer", "description": "Seconds." },
        "user": { "type": "string", "description": "Who asks; absent for nobody in particular." },
        "signed_in_for": { "type": "integer",
            "description": "Seconds until what was shown holds no more; absent if it has no end." } } });
    Operation::new("makeTicket", "access", "A ticket for an address", description)
        .for_users()
        .answers(201, "The ticket.", &["Cache-Control"], json!({ "application/json": { "schema": said } }))
        .refused([problem::SENSELESS, problem::TOO_MUCH, problem::NOT_NOW])
}

/// `GET /v1/revocations`.
pub(in crate::http) fn list() -> Operation {
    let one = json!({ "type": "object", "properties": {
        "user": { "type": "string" }, "classroom": { "type": "string" }, "token": { "type": "string" } } });
    let said = json!({ "type": "object", "required": ["revocations"], "properties": {
        "revocations": { "type": "array", "items": one } } });
    Operation::new("readRevocations", "access", "What is revoked", "For admins.")
        .for_users()
        .answers(200, "All of it.", &["Cache-Control"], json!({ "application/json": { "schema": said } }))
        .refused([problem::SENSELESS, problem::NOT_NOW])
}

/// `POST /v1/revocations`.
pub(in crate::http) fn revoke() -> Operation {
    let description = "A user, a token, or a user's place in a classroom. Whoever it concerns is told within a second, \
                       on every door. It outlives a restart. Teachers may remove users from their own classrooms.";
    let said = json!({ "type": "object", "required": ["told"], "properties": {
        "told": { "type": "integer", "description": "How many connections it concerned." } } });
    named("revoke", "Take rights back", description)
        .answers(200, "It holds.", &[], json!({ "application/json": { "schema": said } }))
        .refused([problem::TOO_LARGE, problem::NOT_NOW])
}

/// `DELETE /v1/revocations`.
pub(in crate::http) fn restore() -> Operation {
    named("restore", "Give rights back", "Whoever was sent away may come again.")
        .answers(204, "It is not revoked any more.", &[], Value::Null)
        .refused([problem::NOWHERE, problem::NOT_NOW])
}

fn named(id: &str, summary: &str, description: &str) -> Operation {
    let text = json!({ "type": "string", "minLength": 1 });
    Operation::new(id, "access", summary, description)
        .for_users()
        .parameter(query("user", "The user.", &text))
        .parameter(query("classroom", "With `user`: only the place in this classroom.", &text))
        .parameter(query("token", "Alone: the `jti` of a token, or the name of a key.", &text))
        .refused([problem::SENSELESS])
}
