//! The published test cases of sockjs-protocol for what is offered, in its order and under its names. Where it talks
//! to an echo, these talk to a topic that they are subscribed to.

mod over_websocket;
mod pages;
mod polling;
mod streaming;

use homeroom_tests::{Broker, Dialect, Frame, HttpStream, Sockjs};
use serde_json::Value;

const ECHO: &str = "/topic/echo";
const NOT_CACHED: &str = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
const ORIGIN: &str = "https://test.example";
const SETTINGS: &str = "[http]\nallowed_origins = [\"https://test.example\"]\n\
                        [sockjs]\nanswer_bytes = \"4KiB\"\nclient_url = \"/sockjs.js\"";

async fn broker() -> Broker {
    Broker::start_with(SETTINGS).await
}

async fn get(broker: &Broker, path: &str) -> HttpStream {
    HttpStream::get(broker.http(), path, &[]).await
}

fn send_echo(body: &str) -> String {
    text(&Frame::new("SEND").with("destination", ECHO).body(body))
}

fn text(frame: &Frame) -> String {
    String::from_utf8(frame.encode(Dialect::V1_2)).expect("text")
}

fn list(texts: &[String]) -> String {
    Value::from(texts.to_vec()).to_string()
}

/// A session that hears what it sends.
async fn echo(broker: &Broker) -> Sockjs {
    let mut session = Sockjs::signed_in(broker.http(), "alice").await;
    session.subscribe("s", ECHO, &[]).await;
    session
}

fn verify_not_cached(answer: &HttpStream) {
    assert_eq!(answer.header("cache-control"), Some(NOT_CACHED));
    assert_eq!((answer.header("expires"), answer.header("last-modified")), (None, None));
}

fn verify_cors(answer: &HttpStream) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
}

fn verify_type(answer: &HttpStream, expected: &str) {
    assert_eq!(answer.header("content-type").map(|value| value.replace(' ', "")).as_deref(), Some(expected));
}

fn verify_kept_long(answer: &HttpStream) {
    assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000"));
    assert!(answer.header("expires").is_some() && answer.header("last-modified").is_none());
}

async fn verify_options(broker: &Broker, path: &str, methods: &str) {
    let headers = [("Access-Control-Request-Method", methods), ("Origin", ORIGIN)];
    let answer = HttpStream::ask("OPTIONS", broker.http(), path, &headers, "").await;
    assert_eq!(answer.status, 204, "{path}");
    verify_kept_long(&answer);
    verify_cors(&answer);
    let age: u64 = answer.header("access-control-max-age").and_then(|age| age.parse().ok()).expect("an age");
    assert!(age > 1_000_000);
    assert_eq!(answer.header("access-control-allow-methods"), Some(methods));
    assert_eq!(answer.text().await, "");
}
