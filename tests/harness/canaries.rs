//! What a log must never hold: whatever a test shows, sends or makes up as a secret is remembered here, and looked for
//! in all that its brokers wrote at TRACE.
//!
//! The list belongs to the process, since a body or a token passes through many hands before it reaches a broker.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::frame::Frame;

/// Shorter ones are words of any log.
const LETTERS_MIN: usize = 8;
/// A leak that is cut short is one too.
const LETTERS_MAX: usize = 32;
/// Whoever sends more than this sends the same again and again.
const CANARIES_MAX: usize = 50_000;
/// Where these are, a secret is, whoever made it.
const MARKS: [&str; 5] = ["eyJ", "$argon2", "hr_", "Bearer ", "Basic "];
/// What a frame says about itself; all else in SEND may be an answer.
const OPEN_HEADERS: [&str; 9] = [
    "destination",
    "receipt",
    "content-type",
    "content-length",
    "transaction",
    "id",
    "reply-to",
    "persistent",
    "expires",
];
/// What shows who somebody is in a request.
const SECRET_HEADERS: [&str; 2] = ["authorization", "cookie"];

/// What scripts expect the broker to say.
const ITS_OWN_WORDS: [&str; 1] = ["unknown destination"];

static CANARIES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Remembers a text that no log may hold. Of a long one its beginning stands for all of it.
pub fn canary(text: &str) {
    let plain = |letter: &char| letter.is_alphanumeric() || " .,;:-_+*/=?!()×~".contains(*letter);
    // What a log escapes would not be found again.
    let runs = text.split(|letter| !plain(&letter));
    let Some(run) = runs.map(str::trim).find(|run| run.chars().count() >= LETTERS_MIN) else { return };
    let mut canaries = CANARIES.lock().unwrap_or_else(PoisonError::into_inner);
    if canaries.len() < CANARIES_MAX {
        canaries.insert(run.chars().take(LETTERS_MAX).collect());
    }
}

/// Remembers a body: as it is, and each text in it where it is JSON.
pub(crate) fn canary_body(body: &[u8]) {
    let Ok(text) = std::str::from_utf8(body) else { return };
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => canary_leaves(&value),
        _ => canary(text),
    }
}

/// Remembers what is secret in a frame.
pub(crate) fn canary_frame(frame: &Frame) {
    match &*frame.command {
        "CONNECT" | "STOMP" => frame.header("passcode").into_iter().for_each(canary),
        "SEND" => {
            canary_body(&frame.body);
            let said = frame.headers.iter().filter(|(name, _)| !OPEN_HEADERS.contains(&&**name));
            said.for_each(|(_, value)| canary(value));
        }
        _ => {}
    }
}

/// Remembers what is secret in a request.
pub(crate) fn canary_request(path: &str, headers: &[(&str, &str)], body: &[u8]) {
    let secret = headers.iter().filter(|(name, _)| SECRET_HEADERS.contains(&&*name.to_ascii_lowercase()));
    secret.for_each(|(_, value)| canary(value.split_once([' ', '=']).map_or(value, |(_, rest)| rest)));
    path.split(['?', '&']).filter_map(|pair| pair.strip_prefix("ticket=")).for_each(canary);
    canary_body(body);
}

/// Remembers what a script sends: each text in it that is more than a word.
pub(crate) fn canary_script(source: &str) {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with(['/', '*', '#']));
    let texts = lines.flat_map(|line| line.split(['"', '`', '\'']).skip(1).step_by(2));
    let sent = |text: &&str| text.contains(' ') && !text.contains("${") && !ITS_OWN_WORDS.contains(text);
    texts.filter(sent).for_each(canary);
}

/// What a log holds and should not: each canary, or mark of a secret, and the line it is in.
pub fn leaks(log: &str) -> Vec<String> {
    let canaries = CANARIES.lock().unwrap_or_else(PoisonError::into_inner);
    let marks = MARKS.iter().filter(|mark| log.contains(**mark)).map(|mark| (*mark, (*mark).to_owned()));
    let windows: HashSet<&[u8]> = log.as_bytes().windows(LETTERS_MIN).collect();
    let spelled = canaries.iter().flat_map(|canary| spellings(canary).map(move |spelled| (&**canary, spelled)));
    let found = spelled.filter(|(_, spelled)| windows.contains(&spelled.as_bytes()[..LETTERS_MIN]));
    let leaks = marks.chain(found).filter_map(|(canary, spelled)| {
        let line = log.lines().find(|line| line.contains(&spelled))?;
        Some(format!("{canary:?} is in the log: {line}"))
    });
    leaks.collect()
}

/// As a text, and as the two ways in which bytes are shown.
fn spellings(canary: &str) -> [String; 3] {
    let first = canary.as_bytes()[..LETTERS_MIN].iter();
    let hexadecimal = first.clone().map(|byte| format!("{byte:02x}")).collect();
    [canary.to_owned(), hexadecimal, first.map(u8::to_string).collect::<Vec<_>>().join(", ")]
}

fn canary_leaves(value: &Value) {
    match value {
        // A place is no secret.
        Value::String(text) if !text.starts_with('/') => canary(text),
        Value::Array(values) => values.iter().for_each(canary_leaves),
        Value::Object(fields) => fields.values().for_each(canary_leaves),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_found_however_it_is_spelled() {
        let send = Frame::new("SEND").with("destination", "/topic/of-this-test").with("x-vote", "zebra crossing");
        canary_frame(&send.body("{\"answer\":\"okapi \\\"and\\\" tapir\",\"n\":7}"));
        canary_frame(&Frame::new("CONNECT").with("login", "wombat-keeper").with("passcode", "quokka-of-perth"));
        canary_request("/v1/messages?ticket=numbat-1234", &[("Authorization", "Bearer echidna.beak")], b"short");
        canary_script("    send(place, \"a narwhal's tusk\"); // nothing else");
        for (log, secrets) in [
            ("nothing of /topic/of-this-test, wombat-keeper or short", 0),
            ("x-vote=zebra crossing", 1),
            ("INFO body=\"okapi \\\"and\\\" tapir\"", 0),
            ("passcode: quokka-of-perth\nticket numbat-1234", 2),
            ("token echidna.beak", 1),
            ("bytes 71756f6b6b612d6f66", 1),
            ("bytes [113, 117, 111, 107, 107, 97, 45, 111, 102]", 1),
            ("key hr_0123456789", 1),
        ] {
            assert_eq!(leaks(log).len(), secrets, "{log}: {:?}", leaks(log));
        }
    }

    #[test]
    fn of_a_long_text_its_beginning_is_looked_for() {
        canary(&"capybara ".repeat(1000));
        assert_eq!(leaks(&format!("body {}…", "capybara ".repeat(5))).len(), 1);
    }
}
