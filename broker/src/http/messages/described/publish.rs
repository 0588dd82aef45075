//! Publishing: parameters, bodies, answers, and an example of each.

use serde_json::{Value, json};

use crate::http::messages::asked::BATCH;
use crate::http::openapi::{Example, Operation, QUIZ, header_field, only_one, problem, query};
use crate::publication::KEY_BYTES_MAX;
use crate::settings::Settings;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

/// `POST /v1/messages`.
pub(in crate::http) fn publish(settings: &Settings) -> Operation {
    let limits = &settings.limits;
    let description = format!(
        "Answered when the message is on the disk. The body is published byte for byte, up to {} bytes \
         (`limits.body_bytes`); its `Content-Type` travels as the header `content-type`.\n\n\
         Under `{BATCH}` it is a batch: up to {} messages, as JSON up to {} bytes, stored together or not at all \
         (`limits.transaction_messages`, `limits.transaction_bytes`). Its query takes `destination` alone, for the \
         messages without one.\n\n\
         A client that goes away after its last byte has its message stored. One that never had its answer repeats the \
         request with the same `Idempotency-Key`.",
        limits.body_bytes, limits.transaction_messages, limits.transaction_bytes
    );
    let operation =
        Operation::new("publish", "messages", "Publish, one message or a batch", &description).for_anybody();
    let operation = parameters(settings).into_iter().fold(operation, Operation::parameter);
    let operation = operation
        .body("The message, or a batch.", bodies(settings))
        .answers(
            201,
            "It is on the disk.",
            &["Cache-Control", "Location"],
            json!({ JSON: { "schema": { "anyOf": [
                { "$ref": "#/components/schemas/Published" },
                { "$ref": "#/components/schemas/PublishedBatch" },
            ] } } }),
        )
        .answers(
            202,
            "It was shown to those who are here, and is not stored.",
            &["Cache-Control"],
            json!({ JSON: { "schema": { "$ref": "#/components/schemas/Published" } } }),
        )
        .refused([problem::SENSELESS, problem::NOWHERE, problem::SLOW, problem::CONFLICT, problem::TOO_LARGE])
        .refused([problem::NO_SUCH_TYPE, problem::TOO_MUCH, problem::FAULT, problem::NOT_NOW]);
    stored().into_iter().chain(others()).chain(refusals()).fold(operation, Operation::example)
}

fn parameters(settings: &Settings) -> Vec<Value> {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let limits = &settings.limits;
    vec![
        only_one(
            "Where it goes: a channel of a classroom, `/queue/{name}`, `/user/{user}/queue/{name}`, or the `reply-to` \
             of a question as it stands. A batch may leave it out if each of its messages has its own.",
        ),
        query(
            "persistent",
            "`false`: shown to those who are here, and not stored. A queue stores it all the same.",
            &json!({ "type": "boolean", "default": true }),
        ),
        query("expires", "After this it is shown to nobody.", &json!({ "$ref": "#/components/schemas/Milliseconds" })),
        query("expiration", "The same, in milliseconds from now.", &count),
        query("correlation-id", "Travels with it.", &text),
        query(
            "reply-to",
            "Travels with it. A `/temp-queue/` belongs to a STOMP connection and is refused here.",
            &text,
        ),
        query(
            "header",
            &format!(
                "`name:value`, a header of your own, as often as needed; up to {} headers and {} bytes in all \
                 (`limits.header_count`, `limits.header_bytes`), without control characters.",
                limits.header_count, limits.header_bytes
            ),
            &json!({
                "type": "array", "maxItems": limits.header_count,
                "items": { "type": "string", "pattern": "^[^:]+:", "maxLength": limits.header_bytes },
            }),
        ),
        header_field(
            "Idempotency-Key",
            "Makes a repetition harmless: the same key as over STOMP, of this user, in this classroom or queue.",
            &json!({ "type": "string", "minLength": 1, "maxLength": KEY_BYTES_MAX }),
        ),
    ]
}

fn bodies(settings: &Settings) -> Value {
    let text = json!({ "schema": { "type": "string", "maxLength": settings.limits.body_bytes } });
    let anything = json!({ "schema": {} });
    json!({
        JSON: anything, TEXT: text, "*/*": anything,
        BATCH: { "schema": { "$ref": "#/components/schemas/Batch" } },
    })
}

fn published(position: Option<&str>, duplicate: bool) -> Value {
    json!({ "position": position, "duplicate": duplicate })
}

fn ask(name: &'static str, summary: &'static str) -> Example {
    let question = json!({ "text": "What is 7 x 8?", "type": "question" });
    Example::new(name, summary).with("destination", QUIZ).body(JSON, question)
}

fn stored() -> Vec<Example> {
    let batch = json!([{ "body": "What is 7 x 8?" }, { "destination": "/topic/8a/quiz", "body_base64": "AP8=" }]);
    vec![
        ask("question", "A question for class 7b").with("Idempotency-Key", "lesson-12-q1").answer(
            201,
            JSON,
            published(Some("81234:1"), false),
        ),
        ask("retry", "The same again: it is stored once")
            .after(["question"])
            .with("Idempotency-Key", "lesson-12-q1")
            .answer(201, JSON, published(Some("81234:1"), true)),
        Example::new("answer", "An answer with headers, as text")
            .after(["question"])
            .with("destination", "/topic/7b/answers")
            .with("correlation-id", "q1")
            .with("reply-to", "/topic/7b/marks")
            .with("header", json!(["x-seat:12"]))
            .body(TEXT, "56")
            .answer(201, JSON, published(Some("81234:2"), false)),
        Example::new("deadline", "A hint that nobody needs after a minute")
            .with("destination", "/topic/7b/hints")
            .with("expiration", 60_000)
            .body(TEXT, "7 x 8 = 7 x 4 x 2")
            .answer(201, JSON, published(Some("81234:1"), false)),
        Example::new("task", "A task for one of those who consume a queue")
            .with("destination", "/queue/marking")
            .with("expires", 4_102_444_800_000_u64)
            .body(TEXT, "sheet 12")
            .answer(201, JSON, published(Some("81234:1"), false)),
        Example::new("batch", "Two messages in two classrooms, both or none")
            .with("destination", QUIZ)
            .body(BATCH, batch)
            .answer(201, JSON, json!({ "positions": ["81234:1", "90210:1"], "duplicate": false })),
    ]
}

fn others() -> Vec<Example> {
    vec![
        Example::new("pointer", "A pointer that moves, for those who look now")
            .with("destination", "/topic/7b/pointer")
            .with("persistent", false)
            .body(TEXT, "120,80")
            .answer(202, JSON, published(None, false)),
    ]
}

fn refusals() -> Vec<Example> {
    vec![
        ask("connectionsOwn", "A reply queue belongs to a STOMP connection").with("reply-to", "/temp-queue/x").problem(
            problem::SENSELESS,
            "bad request",
            "reply-to names a /temp-queue/, which belongs to a STOMP connection",
            "Name a queue in reply-to, such as /queue/answers, or send the question over STOMP.",
        ),
        Example::new("nowhere", "No such destination").with("destination", "/nowhere").body(TEXT, "hello").nowhere(),
        Example::new("keyInUse", "A key that another message has")
            .after(["question"])
            .with("destination", QUIZ)
            .with("Idempotency-Key", "lesson-12-q1")
            .body(TEXT, "What is 7 x 9?")
            .problem(
                problem::CONFLICT,
                "idempotency-key in use",
                "refused: the idempotency key was used for another message, at 81234:1",
                "Use a new idempotency-key for each message, and the same one only to retry that message.",
            ),
    ]
}
