//! Refusals that no example of one request can show: each is provoked, and is what the document says of it.

use homeroom_tests::{Broker, Client, HttpStream, exchange, request};
use serde_json::Value;

use super::described::{Described, Operation};
use super::judge::Judge;

const QUIZ: &str = "destination=/topic/7b/quiz";
const ALICE: (&str, &str) = ("Authorization", "Basic YWxpY2U6");
const PROBLEM: &str = "application/problem+json";

/// Whether a test below provokes it, or another says why not.
pub(super) fn is_provoked(operation: &Operation<'_>, status: &str) -> bool {
    match status {
        // Every test begins with the document.
        "200" => operation.id() == "readDescription",
        // Parameters that are unknown, in the tests of the document itself.
        "400" => operation.parameters("query").next().is_some(),
        "403" => true,
        "404" | "429" => is_about_a_place(operation),
        "408" | "413" | "415" => operation.id() == "publish",
        // Needs a damaged store, which `simulation` and the tests of the storage have.
        "500" => true,
        // A cursor's needs a store that is not there: `disk_full`.
        "503" => true,
        _ => false,
    }
}

fn is_about_a_place(operation: &Operation<'_>) -> bool {
    operation.parameters("query").any(|parameter| parameter["name"] == "destination")
}

/// Sends a request that is refused with this status, as described, and returns the problem document.
pub(super) async fn refused(
    judge: &mut Judge,
    broker: &Broker,
    operation: &Operation<'_>,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
    status: u16,
) -> Value {
    let method = &operation.method;
    let answer = HttpStream::ask(method, broker.http(), target, headers, body).await;
    assert_eq!((answer.status, answer.header("content-type")), (status, Some(PROBLEM)), "{method} {target}");
    let retry_after = answer.header("retry-after").is_some();
    let problem: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    assert_eq!(problem["retryable"], retry_after, "{method} {target}: {problem}");
    judge.expect(&format!("{}/schema", operation.answer_at(status, PROBLEM)), &problem).await;
    problem
}

fn target(operation: &Operation<'_>, query: &str) -> String {
    let position = if operation.id() == "moveCursor" { "&position=1:1" } else { "" };
    format!("{}?{query}{position}", operation.path.replace("{name}", "lesson"))
}

#[tokio::test]
async fn pages_that_are_not_listed_are_refused_everywhere() {
    let broker = Broker::start().await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    let foreign = [("Origin", "https://evil.example")];
    for operation in described.operations() {
        refused(&mut judge, &broker, &operation, &target(&operation, QUIZ), &foreign, "", 403).await;
    }
}

#[tokio::test]
async fn destinations_that_are_none_are_refused_everywhere() {
    let broker = Broker::start().await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    for operation in described.operations().into_iter().filter(is_about_a_place) {
        let target = target(&operation, "destination=/nowhere");
        refused(&mut judge, &broker, &operation, &target, &[ALICE], "", 404).await;
    }
}

#[tokio::test]
async fn one_classroom_too_many_is_refused_everywhere() {
    let broker = Broker::start_with("[limits]\nclassrooms = 1").await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.subscribe("s", "/topic/8a/**", &[]).await;
    for operation in described.operations().into_iter().filter(is_about_a_place) {
        refused(&mut judge, &broker, &operation, &target(&operation, QUIZ), &[ALICE], "", 429).await;
    }
}

#[tokio::test]
async fn whoever_comes_when_all_connections_are_taken_is_told_to_come_again() {
    let broker = Broker::start_with("[limits]\nconnections = 1").await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    let _only = Client::signed_in(&broker, "teacher").await;
    let (read, publish) = (described.operation("readMessages"), described.operation("publish"));
    let wait = target(&read, &format!("{QUIZ}&wait=25"));
    refused(&mut judge, &broker, &read, &wait, &[], "", 503).await;
    refused(&mut judge, &broker, &publish, &target(&publish, QUIZ), &[], "B", 503).await;
}

#[tokio::test]
async fn bodies_that_are_too_large_too_slow_or_of_no_type_are_refused() {
    let broker =
        Broker::start_with("[limits]\nbody_bytes = \"1KB\"\n[http]\nheader_timeout = \"1s\"\nupgrade_timeout = \"1s\"")
            .await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    let publish = described.operation("publish");
    let target = target(&publish, QUIZ);
    refused(&mut judge, &broker, &publish, &target, &[], &"x".repeat(1025), 413).await;
    let unknown = [("Content-Type", "application/vnd.homeroom.bach+json")];
    refused(&mut judge, &broker, &publish, &target, &unknown, "[]", 415).await;
    // More is announced than comes.
    let half = request("POST", broker.http(), &target, &[("Content-Length", "10")], b"half");
    let answer = exchange(broker.http(), &half).await.expect("an answer");
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (408, true), "{answer:?}");
    judge.expect(&format!("{}/schema", publish.answer_at(408, PROBLEM)), &answer.json()).await;
}
