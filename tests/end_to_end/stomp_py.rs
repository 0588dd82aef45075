//! stomp.py over TCP, as services use it.

use homeroom_tests::{Broker, python};
use serde_json::json;

#[tokio::test]
async fn every_version_converses() {
    let broker = Broker::start().await;
    for version in ["1.0", "1.1", "1.2"] {
        let mut script = python("conversation.py", &[broker.stomp(), version]);
        let connected = script.until("connected").await;
        assert_eq!(connected["headers"]["version"].as_str().unwrap_or("1.0"), version);
        let modes: &[&str] =
            if version == "1.0" { &["auto", "client"] } else { &["auto", "client", "client-individual"] };
        for mode in modes {
            let said = script.until("acknowledged").await;
            let expected: Vec<String> = (0..3).map(|number| format!("{mode} {number}")).collect();
            assert_eq!(said["bodies"], json!(expected), "{version} {mode}");
            let expected: Vec<String> = (0..3).map(|number| format!("{mode}-{number}")).collect();
            assert_eq!(said["receipts"], json!(expected), "{version} {mode}");
        }
        let said = script.until("transaction").await;
        assert_eq!(said["bodies"], json!(["committed 0", "committed 1"]), "{version}");
        script.until("gone").await;
        assert!(script.ended().await.success());
    }
}

#[tokio::test]
async fn a_durable_subscription_gets_what_it_missed() {
    let broker = Broker::start().await;
    let mut script = python("durable.py", &[broker.stomp()]);
    let said = script.until("returned").await;
    assert_eq!(said["bodies"], json!(["two", "three"]));
    assert_eq!((&said["first"]["resumed"], &said["second"]["resumed"]), (&json!("false"), &json!("true")));
    assert_eq!(said["second"]["missed"], "2");
    assert!(script.ended().await.success());
}
