//! `/v1/erasures` as `/openapi.json` has it, where it is.

use std::time::Duration;

use homeroom_storage::erase::Erased;
use serde_json::{Value, json};

use crate::erasure::Whose;
use crate::http::openapi::{Example, Operation, problem};

const JSON: &str = "application/json";

/// `POST /v1/erasures`.
pub(in crate::http) fn erase() -> Operation {
    let description = "What a classroom or a user left: messages, dead letters, cursors, idempotency keys. Afterwards no \
                       byte of it is in the data directory. Revoke the user first: whoever is connected leaves new \
                       traces. The store is written anew, which may take minutes; meanwhile `/health/ready` says \
                       `storage recovering` and messages are refused, to be sent again. It is answered when it is done, \
                       and done also if nobody waits. For admins.";
    Operation::new("erase", "access", "Erase what was left", description)
        .for_users()
        .body("Whose traces go.", json!({ JSON: { "schema": asked() } }))
        .answers(200, "They are gone.", &["Cache-Control"], json!({ JSON: { "schema": said() } }))
        .refused([problem::SENSELESS, problem::SLOW, problem::ERASING, problem::TOO_LARGE, problem::TOO_MUCH])
        .refused([problem::NOT_NOW])
        .example(
            Example::new("pupil-leaves", "A pupil leaves the school").body(JSON, json!({ "user": "alice" })).answer(
                200,
                JSON,
                told(),
            ),
        )
}

/// As the broker says it.
fn told() -> Value {
    let (logs, records, messages, cursors, keys) = (1, 214, 214, 3, 12);
    let (disk_bytes_before, disk_bytes_after) = (69_206_016, 67_633_152);
    let took = Duration::from_millis(400);
    let counted = Erased { logs, records, messages, cursors, keys, took, ..Erased::default() };
    Whose::User("alice".into()).object(&Erased { disk_bytes_before, disk_bytes_after, ..counted })
}

fn asked() -> Value {
    let name = |bytes: usize| json!({ "type": "string", "minLength": 1, "maxLength": bytes });
    json!({
        "type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
        "properties": { "classroom": name(255), "user": name(128) },
    })
}

fn said() -> Value {
    let count = |of: &str| json!({ "type": "integer", "minimum": 0, "description": of });
    let names = json!({ "type": "array", "items": { "type": "string" } });
    let properties = json!({
        "logs": count("Logs that went whole."), "records": count("Records that went."),
        "messages": count("Messages in them."), "cursors": count("Cursors that went."),
        "keys": count("Idempotency keys that went."),
        "unreadable": count("Damaged pieces that could not be told apart, and went."),
        "set_aside": names, "disk_bytes_before": count("Bytes of the data directory."),
        "disk_bytes_after": count("The same afterwards."), "bytes_given_back": count("What that is less."),
        "seconds": { "type": "number" }, "left": names,
    });
    let required: Vec<&String> = properties.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}
