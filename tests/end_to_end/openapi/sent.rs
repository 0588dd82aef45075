//! Examples, sent. What is answered is compared with the example, word for word, and with the schema.
//!
//! Epochs are different in each run, and times as well: what stands for them in the document is put in their place.

use homeroom_tests::{Broker, HttpStream};
use serde_json::Value;

use super::described::{Described, Operation};
use super::judge::Judge;

/// `alice:`, where a user is asked for.
const ALICE: (&str, &str) = ("Authorization", "Basic YWxpY2U6");
/// Where a time is told, in answers.
const TIMES: [&str; 2] = ["\"time\":", "\"server_time\":"];

/// Sends an example to a new broker, behind those that it comes after.
pub(super) async fn with_all_before(described: &Described, judge: &mut Judge, name: &str) {
    let broker = Broker::start().await;
    let operation = described.with_example(name);
    let mut epochs = Epochs::default();
    for before in operation.told(name)["after"].as_array().expect("a list") {
        let before = before.as_str().expect("a name");
        send(&broker, described, judge, &mut epochs, &described.with_example(before), before).await;
    }
    send(&broker, described, judge, &mut epochs, &operation, name).await;
}

async fn send(
    broker: &Broker,
    described: &Described,
    judge: &mut Judge,
    epochs: &mut Epochs,
    operation: &Operation<'_>,
    name: &str,
) {
    let told = operation.told(name);
    let status = told["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
    let (mut answer, target) = answer(broker, operation, name, epochs).await;
    assert_eq!(answer.status, status, "{name}: {} {target}", operation.method);
    let response = operation.response(status);
    for (header, about) in response["headers"].as_object().into_iter().flatten() {
        let is_required = described.resolved(about)["required"] == true;
        assert!(answer.header(header).is_some() || !is_required, "{name}: {header} is missing");
    }
    let Some(media_type) = told["answer"].as_str() else {
        assert_eq!(answer.text().await, "", "{name}");
        return;
    };
    assert_eq!(answer.header("content-type"), Some(media_type), "{name}");
    let expected = &response["content"][media_type]["examples"][name]["value"];
    let at = operation.answer_at(status, media_type);
    if let Some(expected) = expected.as_str() {
        let mut heard = String::new();
        while heard.len() < epochs.put_in(expected).len() || heard.lines().count() < expected.lines().count() {
            let line = answer.line().await.unwrap_or_else(|| panic!("{name}: the stream ends after {heard:?}"));
            heard.push_str(&format!("{line}\n"));
            epochs.learn(expected, &heard);
        }
        if response["content"][media_type]["x-line"].is_object() {
            for line in heard.lines() {
                judge.expect(&format!("{at}/x-line"), &serde_json::from_str(line).expect("JSON")).await;
            }
        }
        assert_eq!(epochs.timeless(&heard), epochs.timeless(expected), "{name}");
        return;
    }
    let heard: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    judge.expect(&format!("{at}/schema"), &heard).await;
    let (heard, expected) = (heard.to_string(), expected.to_string());
    epochs.learn(&expected, &heard);
    assert_eq!(epochs.timeless(&heard), epochs.timeless(&expected), "{name}");
}

/// Sends an example as it stands, and waits for the head of the answer.
pub(super) async fn answer(
    broker: &Broker,
    operation: &Operation<'_>,
    name: &str,
    epochs: &Epochs,
) -> (HttpStream, String) {
    let (target, headers, body) = request(operation, name, epochs);
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    (HttpStream::ask(&operation.method, broker.http(), &target, &headers, &body).await, target)
}

type Headers = Vec<(String, String)>;

fn request(operation: &Operation<'_>, name: &str, epochs: &Epochs) -> (String, Headers, String) {
    let value = |parameter: &Value| parameter["examples"].get(name).map(|example| example["value"].clone());
    let mut target = operation.path.to_owned();
    for parameter in operation.parameters("path") {
        let value = text(&value(parameter).expect("a path is complete"));
        target = target.replace(&format!("{{{}}}", parameter["name"].as_str().expect("a name")), &encoded(&value));
    }
    let mut pairs = Vec::new();
    for parameter in operation.parameters("query") {
        let values = match value(parameter) {
            Some(Value::Array(values)) => values,
            other => other.into_iter().collect(),
        };
        let key = parameter["name"].as_str().expect("a name");
        pairs.extend(values.iter().map(|value| format!("{key}={}", encoded(&epochs.put_in(&text(value))))));
    }
    if !pairs.is_empty() {
        target = format!("{target}?{}", pairs.join("&"));
    }
    let mut headers = Vec::new();
    for parameter in operation.parameters("header") {
        let key = parameter["name"].as_str().expect("a name").to_owned();
        headers.extend(value(parameter).map(|value| (key, epochs.put_in(&text(&value)))));
    }
    let told = operation.told(name);
    if let (Some(media_type), true) = (told["answer"].as_str(), told["status"] == 200) {
        headers.push(("Accept".to_owned(), media_type.to_owned()));
    }
    if operation.list("security").any(|way| way["user"].is_array()) {
        headers.push((ALICE.0.to_owned(), ALICE.1.to_owned()));
    }
    let body = told["body"].as_str().map(|media_type| {
        headers.push(("Content-Type".to_owned(), media_type.to_owned()));
        text(&operation.value["requestBody"]["content"][media_type]["examples"][name]["value"])
    });
    (target, headers, body.unwrap_or_default())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn encoded(text: &str) -> String {
    let byte =
        |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(byte).collect()
}

/// Epochs of the document, each with the one that it stands for.
#[derive(Default)]
pub(super) struct Epochs(Vec<(String, String)>);

impl Epochs {
    /// Compares an answer with the example of it, as far as it has come.
    fn learn(&mut self, expected: &str, heard: &str) {
        for (example, real) in epochs(expected).into_iter().zip(epochs(heard)) {
            if example != real && self.0.iter().all(|(known, _)| *known != example) {
                self.0.push((example, real));
            }
        }
    }

    /// With the epochs of this run.
    fn put_in(&self, text: &str) -> String {
        let put = |text: String, (example, real): &(String, String)| {
            text.replace(&format!("{example}:"), &format!("{real}:"))
        };
        self.0.iter().fold(text.to_owned(), put)
    }

    /// With the epochs of this run, and without times.
    fn timeless(&self, text: &str) -> String {
        TIMES.iter().fold(self.put_in(text), |text, before| {
            let mut parts = text.split(before);
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |text, part| {
                format!("{text}{before}T{}", part.trim_start_matches(|digit: char| digit.is_ascii_digit()))
            })
        })
    }
}

/// The digits before each `:` that has digits on both sides.
fn epochs(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(':') {
        let digits = text[..at].bytes().rev().take_while(u8::is_ascii_digit).count();
        if digits > 0 && text[at + 1..].starts_with(|next: char| next.is_ascii_digit()) {
            found.push(text[at - digits..at].to_owned());
        }
    }
    found
}
