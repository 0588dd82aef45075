//! Every STOMP client that people use, unmodified, goes through one conversation in each version it speaks.
//!
//! `tests/clients/conversation/` holds it for Node's clients, `tests/clients/stomp.py/` for Python's. What a
//! client cannot do is skipped with the reason; the table in `tests/README.md` says it, and is compared here.

use std::collections::BTreeMap;

use homeroom_tests::{Broker, Script, node_client, python};

/// Short, so that both sides soon notice silence.
const SETTINGS: &str = r#"
    [stomp]
    heartbeat_send = "1s"
    heartbeat_receive = "1s"
"#;

/// What every client says something about, in each version.
const STEPS: [&str; 31] = [
    "connect",
    "heart-beats",
    "receipt of SEND",
    "receipt of SUBSCRIBE",
    "receipt of UNSUBSCRIBE",
    "receipt of DISCONNECT",
    "ack auto",
    "ack client",
    "ack client-individual",
    "nack",
    "transactions",
    "ack in a transaction",
    "durable subscription",
    "work queue",
    "dead letters",
    "browse a queue",
    "private destination",
    "request and reply",
    "1 MiB",
    "1 MiB in 8 KiB chunks",
    "binary body",
    "unicode body",
    "unicode header",
    "escaped header",
    "refused SUBSCRIBE",
    "refused SEND",
    "whole ERROR",
    "send and leave",
    "unsubscribe",
    "two subscriptions",
    "frozen broker",
];

const ALL: &[&str] = &["1.0", "1.1", "1.2"];

#[tokio::test]
async fn stompjs_7() {
    converse("stompjs 7", ALL, |addresses| node_client("stompjs", "converse.js", addresses)).await;
}

#[tokio::test]
async fn stompjs_5() {
    converse("stompjs 5", ALL, |addresses| node_client("stompjs-5", "converse.js", addresses)).await;
}

#[tokio::test]
async fn rx_stomp() {
    converse("rx-stomp", ALL, |addresses| node_client("rx-stomp", "converse.js", addresses)).await;
}

#[tokio::test]
async fn webstomp_client() {
    converse("webstomp-client", ALL, |addresses| node_client("webstomp-client", "converse.js", addresses)).await;
}

#[tokio::test]
async fn stompit() {
    converse("stompit", ALL, |addresses| node_client("stompit", "converse.js", addresses)).await;
}

#[tokio::test]
async fn stomp_py_over_tcp() {
    converse("stomp.py, TCP", ALL, |[url, tcp]| python("converse.py", &["tcp", url, tcp])).await;
}

#[tokio::test]
async fn stomp_py_over_websocket() {
    converse("stomp.py, WebSocket", &["1.2"], |[url, tcp]| python("converse.py", &["ws", url, tcp])).await;
}

/// Versions by step and outcome.
type Outcomes = BTreeMap<(String, String), Vec<String>>;

async fn converse(client: &str, versions: &[&str], start: impl FnOnce(&[&str; 2]) -> Script) {
    let broker = Broker::start_with(SETTINGS).await;
    let mut script = start(&[&format!("ws://{}/ws", broker.http()), broker.stomp()]);
    let (mut outcomes, mut failures, mut reasons) = (Outcomes::new(), Vec::new(), Vec::new());
    loop {
        let said = script.says().await;
        let word = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        match said["event"].as_str() {
            Some("step") => {
                outcomes.entry((word("step"), word("outcome"))).or_default().push(word("version"));
                match said["outcome"].as_str() {
                    Some("failed") => {
                        failures.push(format!("{client}, {} in {}: {}", word("step"), word("version"), word("why")));
                    }
                    Some("skipped") => reasons.push(word("why")),
                    _ => {}
                }
            }
            Some("freeze") => {
                broker.freeze();
                script.tell("frozen").await;
            }
            _ => break,
        }
    }
    assert!(script.ended().await.success(), "{client} ends in order");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let column = STEPS.map(|step| cell(&mut outcomes, step, versions));
    assert!(outcomes.is_empty(), "{client} has steps that nobody knows: {outcomes:?}");
    compare_with_the_table(client, &column, &reasons);
}

/// What the table says of a step: `yes`, `no`, or the versions in which it passed.
fn cell(outcomes: &mut Outcomes, step: &str, versions: &[&str]) -> String {
    let mut of = |outcome: &str| outcomes.remove(&(step.to_owned(), outcome.to_owned())).unwrap_or_default();
    let (mut passed, skipped) = (of("passed"), of("skipped"));
    passed.sort();
    let mut all = [&passed[..], &skipped].concat();
    all.sort();
    assert_eq!(all, versions, "\"{step}\" is taken or skipped once in each version");
    match (passed.is_empty(), skipped.is_empty()) {
        (true, _) => "no".to_owned(),
        (_, true) => "yes".to_owned(),
        _ => passed.join(", "),
    }
}

fn compare_with_the_table(client: &str, column: &[String], reasons: &[String]) {
    let readme = include_str!("../README.md");
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .skip_while(|line| !line.starts_with("| Step |"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let at = rows[0].iter().position(|heading| *heading == client);
    let at = at.unwrap_or_else(|| panic!("tests/README.md has no column for {client}"));
    let told: Vec<(&str, &str)> = rows[2..].iter().map(|row| (row[0], row[at])).collect();
    let seen: Vec<(&str, &str)> = STEPS.iter().copied().zip(column.iter().map(String::as_str)).collect();
    assert_eq!(told, seen, "the table in tests/README.md and what {client} did");
    let prose = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for reason in reasons {
        assert!(prose.contains(reason.as_str()), "tests/README.md does not say: {reason}");
    }
}
