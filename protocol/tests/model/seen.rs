//! What a session said, in the words of the model, and whether it is what the model says.

use homeroom_protocol::{Acknowledge, Ending, Headers, MessageReference, Operation, Send};

use crate::oracle::Expected;

/// What a session said, in the words of the model.
#[derive(Debug)]
pub(crate) enum Seen {
    Event(String),
    Frame { command: String, headers: Vec<(String, String)>, body: String },
    Beat,
    Closed(&'static str),
}

pub(crate) fn fit(seen: &Seen, expected: &Expected) -> bool {
    match (seen, expected) {
        (Seen::Event(seen), Expected::Event(expected)) => seen == expected,
        (Seen::Beat, Expected::Beat) => true,
        (Seen::Closed(seen), Expected::Closed(expected)) => seen == expected,
        (Seen::Frame { command, headers, body }, Expected::Frame { command: other, headers: more, body: text }) => {
            command == other && headers == more && body == text
        }
        (
            Seen::Frame { command, headers, body },
            Expected::Error { codes, retryable, receipt_id: expected_receipt, version },
        ) => {
            let header = |name: &str| headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
            let code = header("code").and_then(|code| code.parse().ok()).unwrap_or_default();
            let message = if code == 106 { "limit exceeded" } else { "bad request" };
            command == "ERROR"
                && codes.contains(&code)
                && header("message") == Some(message)
                && header("retryable") == Some(if *retryable { "true" } else { "false" })
                && header("receipt-id") == expected_receipt.as_deref()
                && header("content-type") == Some("text/plain;charset=utf-8")
                && header("version") == version.then_some("1.0,1.1,1.2")
                && header("reason").is_some_and(|reason| !reason.is_empty())
                && !body.is_empty()
        }
        _ => false,
    }
}

/// One transmission: a frame, its headers sorted and without `content-length`, which must be right; or an end of line.
pub(crate) fn frame(bytes: &[u8]) -> Seen {
    if bytes == b"\n" {
        return Seen::Beat;
    }
    let text = std::str::from_utf8(bytes).expect("all that the tests say is UTF-8");
    let (head, body) = text.strip_suffix('\0').and_then(|text| text.split_once("\n\n")).expect("one whole frame");
    let mut lines = head.split('\n');
    let command = lines.next().unwrap_or_default().to_owned();
    let mut headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').expect("a header has a colon"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    headers.retain(|(name, value)| {
        assert!(name != "content-length" || *value == body.len().to_string(), "{text:?}");
        name != "content-length"
    });
    headers.sort();
    Seen::Frame { command, headers, body: body.to_owned() }
}

pub(crate) fn closed(ending: &Ending) -> Seen {
    match ending {
        Ending::Disconnected => Seen::Closed("disconnected"),
        Ending::Silent => Seen::Closed("silent"),
        Ending::Refused { .. } => Seen::Closed("refused"),
    }
}

pub(crate) fn told_operation(operation: &Operation) -> String {
    match operation {
        Operation::Send(send) => told_send(send),
        Operation::Acknowledge(acknowledge) => told_acknowledge(acknowledge),
    }
}

pub(crate) fn told_send(send: &Send) -> String {
    let body = std::str::from_utf8(&send.body).expect("all that the tests say is UTF-8");
    format!("send {:?}{} {body:?}", send.destination, listed(&send.headers))
}

pub(crate) fn told_acknowledge(acknowledge: &Acknowledge) -> String {
    let verb = if acknowledge.negative { "nack" } else { "ack" };
    let message = match &acknowledge.message {
        MessageReference::Ack(id) => id.clone(),
        MessageReference::MessageId { message_id, subscription } => format!("{message_id} of {subscription:?}"),
    };
    format!("{verb} {message:?}{}", listed(&acknowledge.headers))
}

pub(crate) fn listed(headers: &Headers) -> String {
    headers
        .iter()
        .filter(|(name, _)| *name != "content-length")
        .map(|(name, value)| format!(" {name}={value:?}"))
        .collect()
}
