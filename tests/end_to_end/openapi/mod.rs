//! `/openapi.json` says what the broker does: its examples are sent, and its schemas are those of the answers.

mod beyond;
mod described;
mod judge;
mod provoked;
mod sent;

use std::collections::BTreeSet;

use homeroom_tests::{Broker, HttpStream, node_client};
use serde_json::Value;

use self::described::{Described, METHODS};
use self::judge::Judge;

const SCHOOL: &str = "https://lessons.school.example";

#[tokio::test]
async fn the_document_is_openapi_and_its_examples_are_what_its_schemas_say() {
    let broker = Broker::start().await;
    let described = Described::by(&broker).await;
    assert_eq!(described.0["openapi"], "3.1.1");
    let mut judge = Judge::of(&described).await;
    for (at, value) in described.example_values() {
        judge.expect(&at, &value).await;
    }
}

#[tokio::test]
async fn it_is_asked_for_again_at_no_cost_and_by_allowed_pages() {
    let broker = Broker::start_with(&format!("[http]\nallowed_origins = [\"{SCHOOL}\"]")).await;
    let answer = HttpStream::get(broker.http(), "/openapi.json", &[("Origin", SCHOOL)]).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(SCHOOL)));
    assert_eq!(
        (answer.header("content-type"), answer.header("cache-control")),
        (Some("application/json"), Some("no-cache"))
    );
    let tag = answer.header("etag").expect("a tag").to_owned();
    let again = HttpStream::get(broker.http(), "/openapi.json", &[("If-None-Match", &tag)]).await;
    assert_eq!((again.status, again.text().await), (304, String::new()));
}

#[tokio::test]
async fn the_program_prints_what_the_broker_serves() {
    let broker = Broker::start_with("[limits]\nbody_bytes = \"12KB\"").await;
    let served = Described::by(&broker).await;
    let config = broker.setup().directory().join("homeroom.toml");
    let mut command = tokio::process::Command::new(homeroom_tests::binary());
    let printed = command.arg("openapi").arg("--config").arg(config).output().await.expect("the program runs");
    assert!(printed.status.success(), "{printed:?}");
    let printed: Value = serde_json::from_slice(&printed.stdout).expect("JSON");
    assert_eq!(printed, served.0);
    assert!(printed.to_string().contains("12000 bytes"), "its limits are those of the settings");
}

#[tokio::test]
async fn every_example_is_answered_as_it_says() {
    let broker = Broker::start().await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    for operation in described.operations() {
        assert!(!operation.examples().is_empty(), "{} has no example", operation.id());
        for name in operation.examples() {
            sent::with_all_before(&described, &mut judge, &name).await;
        }
    }
}

#[tokio::test]
async fn whatever_is_described_is_shown_or_provoked() {
    let broker = Broker::start().await;
    let described = Described::by(&broker).await;
    for operation in described.operations() {
        for parameter in operation.list("parameters") {
            assert!(parameter["examples"].is_object(), "{}: no example has {}", operation.id(), parameter["name"]);
        }
        for (media_type, content) in operation.value["requestBody"]["content"].as_object().into_iter().flatten() {
            assert!(
                content["examples"].is_object() || media_type == "*/*",
                "{}: no example of {media_type}",
                operation.id()
            );
        }
        let statuses: BTreeSet<String> =
            operation.examples().iter().map(|name| operation.told(name)["status"].to_string()).collect();
        for (status, response) in operation.value["responses"].as_object().expect("responses") {
            let is_shown = statuses.contains(status) || provoked::is_provoked(&operation, status);
            assert!(is_shown, "{}: nothing shows or provokes {status}", operation.id());
            for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                let is_shown = content["examples"].is_object() || provoked::is_provoked(&operation, status);
                assert!(is_shown, "{}: nothing shows {status} with {media_type}", operation.id());
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_answered_that_is_not_described() {
    let broker = Broker::start().await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    for (path, item) in described.0["paths"].as_object().expect("paths") {
        let path = path.replace("{name}", "lesson");
        for method in METHODS.iter().filter(|method| item.get(method.to_lowercase()).is_none()) {
            let answer = HttpStream::ask(method, broker.http(), &path, &[], "").await;
            assert_eq!(answer.status, 405, "{method} {path}");
            let allowed: BTreeSet<&str> = answer.header("allow").expect("what is allowed").split(',').collect();
            let described = METHODS.iter().copied().filter(|method| item.get(method.to_lowercase()).is_some());
            let described: BTreeSet<&str> =
                described.flat_map(|method| if method == "GET" { vec!["GET", "HEAD"] } else { vec![method] }).collect();
            assert_eq!(allowed, described, "{path}");
            let problem = absent(&mut judge, answer, 405).await;
            assert_eq!(problem["detail"], format!("{method} is no method of \"{path}\""));
        }
    }
    for path in ["/v1", "/v1/", "/v1/nonsense", "/openapi", "/openapi.yaml", "/v1/openapi.json"] {
        for method in METHODS {
            let answer = HttpStream::ask(method, broker.http(), path, &[], "").await;
            let problem = absent(&mut judge, answer, 404).await;
            assert_eq!(problem["detail"], format!("there is nothing at \"{path}\""));
            assert!(problem["remedy"].as_str().is_some_and(|remedy| remedy.contains("/openapi.json")), "{problem}");
        }
    }
}

/// Expects the problem document of what is not there, and returns it.
async fn absent(judge: &mut Judge, answer: HttpStream, status: u16) -> Value {
    assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/problem+json")));
    let problem: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    judge.expect("#/components/schemas/Problem", &problem).await;
    assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &107.into()), "{problem}");
    problem
}

#[tokio::test]
async fn every_parameter_that_is_taken_is_described() {
    let broker = Broker::start().await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    for operation in described.operations() {
        let names: BTreeSet<&str> =
            operation.parameters("query").filter_map(|parameter| parameter["name"].as_str()).collect();
        if names.is_empty() {
            continue;
        }
        let path = format!("{}?boby=1", operation.path.replace("{name}", "lesson"));
        let problem = provoked::refused(&mut judge, &broker, &operation, &path, &[], "", 400).await;
        let remedy = problem["remedy"].as_str().expect("a remedy");
        let (known, _) =
            remedy.strip_prefix("Known are ").and_then(|known| known.split_once('.')).expect("what is known");
        assert_eq!(known.split(", ").collect::<BTreeSet<_>>(), names, "{}", operation.id());
    }
}

#[tokio::test]
async fn every_member_of_a_batch_that_is_taken_is_described() {
    let broker = Broker::start().await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    let publish = described.operation("publish");
    let batch = [("Content-Type", "application/vnd.homeroom.batch+json")];
    let problem =
        provoked::refused(&mut judge, &broker, &publish, "/v1/messages", &batch, r#"[{"boby":1}]"#, 400).await;
    let detail = problem["detail"].as_str().expect("a detail");
    let (_, known) = detail.split_once("a message has ").expect("what is known");
    let (known, _) = known.split_once(" at line").expect("where");
    let members = described.0["components"]["schemas"]["BatchMessage"]["properties"].as_object().expect("members");
    assert_eq!(known.split(", ").collect::<BTreeSet<_>>(), members.keys().map(String::as_str).collect());
}

#[tokio::test]
async fn a_client_that_was_generated_from_it_works() {
    let broker = Broker::start().await;
    let (address, directory) = (format!("http://{}", broker.http()), broker.setup().directory());
    let mut client = node_client("openapi", "generated.js", &[&address, directory.to_str().expect("UTF-8")]);
    for event in ["generated", "compiled"] {
        client.until(event).await;
    }
    let read = client.until("read").await;
    assert_eq!(read["body"], "What is 7 x 8?", "{read}");
    assert!(client.ended().await.success());
}
