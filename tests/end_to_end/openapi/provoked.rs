//! Refusals that no example of one request can show: each is provoked, and is what the document says of it.

use homeroom_tests::{Broker, Client, DEADLINE, HttpStream, eventually, exchange, request};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

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
        // Parameters that are unknown, in the tests of the document itself; hosts, below.
        "400" | "403" => true,
        "404" => is_about_a_place(operation),
        "408" | "413" => matches!(operation.id(), "publish" | "echo"),
        "415" => operation.id() == "publish",
        "429" => is_about_a_place(operation) || measures(operation) || operation.id() == "echo",
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

/// Whether it is an answer that takes its time, for the network doctor.
fn measures(operation: &Operation<'_>) -> bool {
    operation.parameters("query").any(|parameter| parameter["name"] == "seconds")
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
async fn requests_that_name_no_host_or_two_are_refused_everywhere() {
    let broker = Broker::start().await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    for operation in described.operations() {
        let target = target(&operation, QUIZ);
        let two =
            request(&operation.method, broker.http(), &target, &[("Host", "localhost"), ("Host", "evil.example")], b"");
        let none = format!("{} {target} HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", operation.method);
        for (bytes, told) in [(two, "several"), (none.into_bytes(), "no Host")] {
            let answer = exchange(broker.http(), &bytes).await.expect("an answer");
            assert_eq!((answer.status, answer.header("content-type")), (400, Some(PROBLEM)), "{answer:?}");
            let problem = answer.json();
            assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(told)), "{problem}");
            judge.expect(&format!("{}/schema", operation.answer_at(400, PROBLEM)), &problem).await;
        }
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
    for operation in described.operations().into_iter().filter(measures) {
        refused(&mut judge, &broker, &operation, &target(&operation, "seconds=0"), &[], "", 503).await;
    }
}

#[tokio::test]
async fn whoever_measures_when_all_places_are_taken_is_refused() {
    for places in [1, 0] {
        let broker = Broker::start_with(&format!("[limits]\ndoctor_probes = {places}")).await;
        let described = Described::by(&broker).await;
        let mut judge = Judge::of(&described).await;
        let only = HttpStream::get(broker.http(), "/v1/doctor/quiet?seconds=600", &[]).await;
        assert_eq!(only.status, if places == 1 { 200 } else { 429 });
        for operation in described.operations().into_iter().filter(measures) {
            let target = target(&operation, "seconds=0");
            let problem = refused(&mut judge, &broker, &operation, &target, &[], "", 429).await;
            assert_eq!(problem["retryable"], places == 1, "{problem}");
        }
    }
}

#[tokio::test]
async fn a_body_is_not_sent_back_while_too_much_is_on_its_way_in() {
    const MIB: usize = 1024 * 1024;
    let broker = Broker::start_with("[limits]\nbody_bytes = \"1MiB\"\n[storage]\nqueue_bytes_max = \"1MiB\"").await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    let (echo, length) = (described.operation("echo"), MIB.to_string());
    let all_but_one = "x".repeat(MIB - 1);
    let mut half = TcpStream::connect(broker.http()).await.expect("it listens");
    let head = request("POST", broker.http(), &format!("/v1/messages?{QUIZ}"), &[("Content-Length", &length)], b"");
    half.write_all(&head).await.expect("it is taken");
    half.write_all(all_but_one.as_bytes()).await.expect("it is taken");
    // What was written may still be on its way.
    eventually("no more room", DEADLINE, || async {
        let answer = HttpStream::post(broker.http(), echo.path, &[], "four").await;
        (answer.status == 429).then_some(())
    })
    .await;
    refused(&mut judge, &broker, &echo, echo.path, &[], "four", 429).await;
}

#[tokio::test]
async fn bodies_that_are_too_large_too_slow_broken_or_of_no_type_are_refused() {
    let broker =
        Broker::start_with("[limits]\nbody_bytes = \"1KB\"\n[http]\nheader_timeout = \"1s\"\nupgrade_timeout = \"1s\"")
            .await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    let (publish, echo) = (described.operation("publish"), described.operation("echo"));
    let target = target(&publish, QUIZ);
    let unknown = [("Content-Type", "application/vnd.homeroom.bach+json")];
    refused(&mut judge, &broker, &publish, &target, &unknown, "[]", 415).await;
    for (operation, target, bytes_max) in [(&publish, &*target, 1024), (&echo, echo.path, 4096)] {
        refused(&mut judge, &broker, operation, target, &[], &"x".repeat(bytes_max + 1), 413).await;
        let (half, broken) = (("Content-Length", "10"), ("Transfer-Encoding", "chunked"));
        for (header, body, status) in [(half, "half", 408), (broken, "no length\r\n", 400)] {
            let bytes = request("POST", broker.http(), target, &[header], body.as_bytes());
            let answer = exchange(broker.http(), &bytes).await.expect("an answer");
            assert_eq!((answer.status, answer.header("retry-after").is_some()), (status, true), "{answer:?}");
            judge.expect(&format!("{}/schema", operation.answer_at(status, PROBLEM)), &answer.json()).await;
        }
    }
}
