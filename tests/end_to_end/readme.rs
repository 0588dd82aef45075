//! What the README shows is what works: its programs run as they stand there.

use homeroom_tests::{Broker, Client, node, python, readme_block};

/// The README's block, with the broker of this test in place of the default addresses.
fn program(broker: &Broker, language: &str, name: &str) -> std::path::PathBuf {
    let (host, port) = broker.stomp().split_once(':').expect("host:port");
    let text = readme_block(language)
        .replace("127.0.0.1:8080", broker.http())
        .replace("(\"127.0.0.1\", 61613)", &format!("(\"{host}\", {port})"));
    let path = broker.setup().directory().join(name);
    std::fs::write(&path, text).expect("a program");
    path
}

#[tokio::test]
async fn the_service_publishes_and_the_page_gets_it() {
    let broker = Broker::start().await;
    let service = program(&broker, "python", "service.py");
    assert!(python(service.to_str().expect("UTF-8"), &[]).ended().await.success());
    let mut reader = Client::signed_in(&broker, "reader").await;
    reader.subscribe("s", "/topic/7b/quiz", &[("x-stream-offset", "first")]).await;
    let message = reader.message().await;
    assert_eq!(message.text(), r#"{"type":"question","text":"What is 7 x 8?"}"#);
    assert_eq!(message.header("user-id"), Some("quiz-service"), "{message}");

    let page = program(&broker, "js", "page.mjs");
    let mut page = node("readme.js", &[page.to_str().expect("UTF-8")]);
    let shown = page.until("shown").await;
    assert!(shown["text"].as_str().is_some_and(|text| text.ends_with(message.text())), "{shown}");
}
