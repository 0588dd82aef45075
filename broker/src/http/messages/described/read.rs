//! Reading: parameters, kinds of answers, and an example of each.

use serde_json::{Value, json};

use crate::connection::POSITIONS_MAX;
use crate::http::messages::ask::{LIMIT, LIMIT_MAX, WAIT_MAX};
use crate::http::messages::stream::{RETRY, SILENCE_MAX};
use crate::http::openapi::{DESTINATION_BYTES, Example, Operation, POSITION, QUIZ, header_field, problem, query};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const LINES: &str = "application/x-ndjson";

const DESCRIPTION: &str = "\
One resource, four ways to read it:

| Ask for | With | Answer |
| --- | --- | --- |
| history, short polling | nothing more | a page with an `ETag`, 304 while nothing is new |
| long polling | `wait` | the same page as soon as something is on it, an empty one when the time is over |
| events | `Accept: text/event-stream` | Server-Sent Events, for the browser's own `EventSource` |
| lines | `Accept: application/x-ndjson` | one JSON object in a line, as they come |

Begin where one of `after`, `rewind`, `from`, `cursor` or `last_event_id` says. Between classrooms there is no order; \
a page sorts by time. Queues are consumed over STOMP. Parameters that begin with `_` are ignored, for those who outwit \
caches.";

/// `GET /v1/messages`.
pub(in crate::http) fn read() -> Operation {
    let operation = Operation::new("readMessages", "messages", "Read, once or as it comes", DESCRIPTION).for_anybody();
    let operation = parameters().into_iter().fold(operation, Operation::parameter);
    let headers = ["Cache-Control", "ETag.OfPages", "X-Accel-Buffering"];
    let operation = operation
        .answers(200, "A page, or a stream that does not end.", &headers, answers())
        .answers(304, "The page is the one that you have.", &["Cache-Control", "ETag"], Value::Null)
        .refused([problem::SENSELESS, problem::NOWHERE, problem::GONE])
        .refused([problem::TOO_MUCH, problem::FAULT, problem::NOT_NOW]);
    let examples = pages().into_iter().chain(polls()).chain(streams()).chain(refusals());
    examples.fold(operation, Operation::example)
}

fn parameters() -> Vec<Value> {
    let text = json!({ "type": "string" });
    let place = json!({ "$ref": "#/components/schemas/Place" });
    let destinations = json!({
        "type": "array", "minItems": 1, "maxItems": POSITIONS_MAX,
        "items": { "type": "string", "maxLength": DESTINATION_BYTES },
    });
    let mut destination =
        query("destination", "What to read, once or more often. `*` is one segment, `**` the rest.", &destinations);
    destination["required"] = true.into();
    vec![
        destination,
        query("after", "Behind this position, or these, one for each log.", &place),
        query(
            "rewind",
            "The newest so many messages, `10`, or those of a time, `2m`.",
            &json!({ "type": "string", "pattern": "^[0-9]" }),
        ),
        query(
            "from",
            "Where each log begins, or what comes next. Without any position a page begins at `first`, and what waits \
             at `next`.",
            &json!({ "enum": ["first", "next"] }),
        ),
        query("cursor", "Behind the kept place of this name: see `/v1/cursors/{name}`.", &text),
        query(
            "limit",
            "Messages on a page.",
            &json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT }),
        ),
        query(
            "reverse",
            "The newest first, in one classroom; goes with `limit` and `before` alone.",
            &json!({ "type": "boolean", "default": false }),
        ),
        query("before", "With `reverse`: before this position.", &json!({ "$ref": "#/components/schemas/Position" })),
        query(
            "wait",
            "Seconds to wait for something, in a page.",
            &json!({ "type": "integer", "minimum": 0, "maximum": WAIT_MAX.as_secs() }),
        ),
        query(
            "as",
            "In events: `message` for the whole message as JSON.",
            &json!({ "enum": ["body", "message"], "default": "body" }),
        ),
        query("last_event_id", "As `after`, for an `EventSource` that begins somewhere.", &place),
        header_field(
            "Last-Event-ID",
            "As `after`, and stronger: a browser that comes back sends it. Streams alone.",
            &place,
        ),
        header_field("If-None-Match", "The `ETag` of the page that you have.", &text),
    ]
}

fn answers() -> Value {
    let events = format!(
        "`id` is the position in all logs that are read, `event` the channel behind the classroom, `data` the body, \
         line by line; a body that is no UTF-8 is base64. Begins with `{}` and where it begins. What retention took is \
         `event: gap` with the offsets, or `unknown`. Something comes at least every {} s.",
        RETRY.trim(),
        SILENCE_MAX.as_secs()
    );
    json!({
        JSON: { "schema": { "anyOf": [
            { "$ref": "#/components/schemas/Page" },
            { "$ref": "#/components/schemas/PageBackwards" },
        ] } },
        EVENTS: { "schema": { "type": "string", "description": events } },
        LINES: {
            "schema": {
                "type": "string",
                "description": format!(
                    "Each line is what `x-line` describes, or empty, at least every {} s.", SILENCE_MAX.as_secs()
                ),
            },
            "x-line": { "anyOf": [
                { "$ref": "#/components/schemas/Beginning" },
                { "$ref": "#/components/schemas/Message" },
            ] },
        },
    })
}

/// The message of the example "question".
fn question() -> Value {
    json!({
        "position": "81234:1", "destination": QUIZ, "time": 1_790_000_000_000_u64, "user": "alice",
        "headers": { "content-type": "application/json", "idempotency-key": "lesson-12-q1" },
        "body": r#"{"text":"What is 7 x 8?","type":"question"}"#,
    })
}

/// The message of the example "answer".
fn answer() -> Value {
    json!({
        "position": POSITION, "destination": "/topic/7b/answers", "time": 1_790_000_000_000_u64, "user": "alice",
        "headers": {
            "content-type": "text/plain", "correlation-id": "q1", "reply-to": "/topic/7b/marks", "x-seat": "12",
        },
        "body": "56",
    })
}

fn page(messages: &[Value], position: &str) -> Value {
    json!({ "messages": messages, "position": position, "more": false })
}

fn pages() -> Vec<Example> {
    let backwards = json!({ "messages": [answer()], "position": POSITION, "before": POSITION });
    let oldest = json!({ "messages": [question()], "position": POSITION, "before": null });
    vec![
        Example::new("history", "All that a classroom keeps")
            .after(["question"])
            .with("destination", json!(["/topic/7b/**"]))
            .answer(200, JSON, page(&[question()], "81234:1")),
        Example::new("nextPage", "What is behind a position")
            .after(["question", "answer"])
            .with("destination", json!(["/topic/7b/quiz", "/topic/7b/answers"]))
            .with("after", "81234:1")
            .with("limit", 10)
            .answer(200, JSON, page(&[answer()], POSITION)),
        Example::new("firstPage", "From the first message on")
            .after(["question"])
            .with("destination", json!([QUIZ]))
            .with("from", "first")
            .answer(200, JSON, page(&[question()], "81234:1")),
        Example::new("lastTen", "The ten newest messages, in their order")
            .after(["question", "answer"])
            .with("destination", json!(["/topic/7b/**"]))
            .with("rewind", "10")
            .answer(200, JSON, page(&[question(), answer()], POSITION)),
        Example::new("newest", "The newest message")
            .after(["question", "answer"])
            .with("destination", json!(["/topic/7b/**"]))
            .with("reverse", true)
            .with("limit", 1)
            .answer(200, JSON, backwards),
        Example::new("goBack", "What was before it")
            .after(["question", "answer"])
            .with("destination", json!(["/topic/7b/**"]))
            .with("reverse", true)
            .with("before", POSITION)
            .answer(200, JSON, oldest),
        Example::new("nothingNew", "The page has not changed")
            .after(["question"])
            .with("destination", json!(["/topic/7b/**"]))
            .with("If-None-Match", "W/\"81234:1+1\"")
            .status(304),
    ]
}

fn polls() -> Vec<Example> {
    vec![
        Example::new("longPoll", "Something is there: it is answered at once")
            .after(["question"])
            .with("destination", json!([QUIZ]))
            .with("from", "first")
            .with("wait", 25)
            .answer(200, JSON, page(&[question()], "81234:1")),
        Example::new("longPollInVain", "Nothing came while it waited")
            .after(["question"])
            .with("destination", json!([QUIZ]))
            .with("after", "81234:1")
            .with("wait", 1)
            .answer(200, JSON, page(&[], "81234:1")),
        Example::new("goOn", "Where the kept place \"lesson\" stands")
            .after(["question", "answer", "move"])
            .with("destination", json!(["/topic/7b/**"]))
            .with("cursor", "lesson")
            .answer(200, JSON, page(&[answer()], POSITION)),
    ]
}

fn streams() -> Vec<Example> {
    let quiz = "id: 81234:1\nevent: quiz\ndata: {\"text\":\"What is 7 x 8?\",\"type\":\"question\"}\n\n";
    let whole = format!("{RETRY}id: 81234:0\n\nid: 81234:1\nevent: quiz\ndata: {}\n\n", question());
    let answered = format!("{RETRY}id: 81234:1\n\nid: {POSITION}\nevent: answers\ndata: 56\n\n");
    let lines = format!("{}\n{}\n", json!({ "position": "81234:0", "gap": null }), question());
    vec![
        Example::new("events", "A stream from the first message on")
            .after(["question"])
            .with("destination", json!(["/topic/7b/**"]))
            .with("from", "first")
            .answer(200, EVENTS, format!("{RETRY}id: 81234:0\n\n{quiz}")),
        Example::new("wholeMessages", "The same, each message with all that is known of it")
            .after(["question"])
            .with("destination", json!(["/topic/7b/**"]))
            .with("from", "first")
            .with("as", "message")
            .answer(200, EVENTS, whole),
        Example::new("eventsResumed", "A browser that was cut off")
            .after(["question", "answer"])
            .with("destination", json!(["/topic/7b/**"]))
            .with("Last-Event-ID", "81234:1")
            .answer(200, EVENTS, answered.clone()),
        Example::new("eventsFromHere", "An `EventSource` that begins behind a position")
            .after(["question", "answer"])
            .with("destination", json!(["/topic/7b/**"]))
            .with("last_event_id", "81234:1")
            .answer(200, EVENTS, answered),
        Example::new("lines", "For programs")
            .after(["question"])
            .with("destination", json!(["/topic/7b/**"]))
            .with("from", "first")
            .answer(200, LINES, lines),
    ]
}

fn refusals() -> Vec<Example> {
    let mut gone = problem::GONE.document(
        "unrecoverable position",
        "no log of today has it",
        "Begin again behind the position that kept names: all that is still there follows it.",
    );
    gone["gap"] = "unknown".into();
    gone["kept"] = json!([{ "destination": "/topic/7b", "after": "81234:0", "head": "81234:1" }]);
    vec![
        Example::new("contradiction", "What cannot be had together")
            .with("destination", json!([QUIZ]))
            .with("reverse", true)
            .with("wait", 25)
            .problem(
                problem::SENSELESS,
                "bad request",
                "reverse goes with limit and before alone",
                "With reverse=true write before=POSITION to go further back.",
            ),
        Example::new("nowhereToRead", "No such destination").with("destination", json!(["/nowhere"])).nowhere(),
        Example::new("gone", "A position of a log that is no more")
            .after(["question"])
            .with("destination", json!([QUIZ]))
            .with("after", "1:7")
            .answer(410, problem::MEDIA_TYPE, gone),
    ]
}
