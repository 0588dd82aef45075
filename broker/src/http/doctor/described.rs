//! `/v1/doctor/…` as `/openapi.json` has it.

use serde_json::{Value, json};

use super::{ECHO_BYTES_MAX, SECONDS_MAX};
use crate::http::openapi::{Example, Operation, problem, query};

const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

/// `GET ticks`.
pub(in crate::http) fn ticks() -> Operation {
    let description = "What holds answers back hands the events on together. Do they come one by one?";
    events("readTicks", "Something every second", description, "`tick` at once and every second.")
        .example(lasting("ticks", "For a second", 1.0).answer(200, EVENTS, [event("tick"), event("tick")].concat()))
}

/// `GET quiet`.
pub(in crate::http) fn quiet() -> Operation {
    let description = "What cuts silent connections does so before the last event. Does it come?";
    events("readQuiet", "Silence between two events", description, "`begin` at once, `end` behind the silence.")
        .example(lasting("silence", "A short one", 0.2).answer(200, EVENTS, [event("begin"), event("end")].concat()))
}

/// `GET wait`.
pub(in crate::http) fn wait() -> Operation {
    let description = "The answer is begun when the time is over, as that of a long poll.";
    timed("readLate", "A late answer", description)
        .answers(
            200,
            "The time when it was begun.",
            &["Cache-Control"],
            json!({ JSON: { "schema": { "$ref": "#/components/schemas/Time" } } }),
        )
        .example(lasting("late", "A little late", 0.2).answer(
            200,
            JSON,
            json!({ "server_time": 1_790_000_000_000_u64 }),
        ))
}

/// `POST echo`.
pub(in crate::http) fn echo() -> Operation {
    const BYTES: &str = "application/octet-stream";
    let description = format!("Up to {ECHO_BYTES_MAX} bytes. Does anything change them on their way?");
    let said = "Is anybody there?\n";
    let anything = json!({ "schema": {} });
    Operation::new("echo", "doctor", "The body, as it came", &description)
        .body(
            "Anything.",
            json!({ "*/*": anything, TEXT: { "schema": { "type": "string", "maxLength": ECHO_BYTES_MAX } } }),
        )
        .answers(200, "What came, byte for byte.", &["Cache-Control"], json!({ BYTES: anything }))
        .refused([problem::SENSELESS, problem::SLOW, problem::TOO_LARGE, problem::TOO_MUCH])
        .example(Example::new("echo", "A call").body(TEXT, said).answer(200, BYTES, said))
}

fn events(id: &str, summary: &str, description: &str, said: &str) -> Operation {
    let said = format!("{said} The `data` of each is a `Time`, as JSON.");
    timed(id, summary, description).answers(
        200,
        "A stream of events, as long as was asked for.",
        &["Cache-Control", "X-Accel-Buffering"],
        json!({ EVENTS: { "schema": { "type": "string", "description": said } } }),
    )
}

fn timed(id: &str, summary: &str, description: &str) -> Operation {
    let description = format!(
        "{description} Counts as a connection; `limits.doctor_probes` says how many measure at a time. Parameters that \
         begin with `_` are ignored, for those who outwit caches."
    );
    Operation::new(id, "doctor", summary, &description).parameter(seconds()).refused([
        problem::SENSELESS,
        problem::NO_PLACE,
        problem::NOT_NOW,
    ])
}

fn seconds() -> Value {
    let schema = json!({ "type": "number", "minimum": 0, "maximum": SECONDS_MAX });
    let mut seconds = query("seconds", "How long it takes.", &schema);
    seconds["required"] = true.into();
    seconds
}

fn event(name: &str) -> String {
    format!("event: {name}\ndata: {}\n\n", json!({ "server_time": 1_790_000_000_000_u64 }))
}

fn lasting(name: &'static str, summary: &'static str, seconds: f64) -> Example {
    Example::new(name, summary).with("seconds", seconds)
}
