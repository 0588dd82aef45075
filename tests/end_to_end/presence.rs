//! Who is here.

use homeroom_tests::{Broker, Client};
use serde_json::Value;

const QUICK: &str = "[presence]\ngrace = \"300ms\"\ncoalesce = \"50ms\"";

async fn notice(watcher: &mut Client) -> Value {
    let message = watcher.message().await;
    assert_eq!(message.header("offset"), None, "a roster is not in the log: {message}");
    serde_json::from_str(message.text()).expect("JSON")
}

/// Reads notices until one says so of `user` under `key`.
async fn until(watcher: &mut Client, key: &str, user: &str) {
    loop {
        let notice = notice(watcher).await;
        let names = notice[key].as_array().map(Vec::as_slice).unwrap_or_default();
        if names.iter().any(|name| name == user || name["user"] == user) {
            return;
        }
    }
}

#[tokio::test]
async fn the_roster_begins_with_a_snapshot_and_goes_on_with_changes() {
    let broker = Broker::start_with(QUICK).await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("s", "/topic/7b/quiz", &[]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.subscribe("roster", "/topic/7b/$presence", &[]).await;
    let snapshot = notice(&mut teacher).await;
    assert_eq!(snapshot["type"], "snapshot", "{snapshot}");
    let here = snapshot["here"].as_array().expect("a list");
    assert!(here.iter().any(|person| person["user"] == "alice" && person["connections"] == 1), "{snapshot}");

    let mut bob = Client::signed_in(&broker, "bob").await;
    bob.subscribe("s", "/topic/7b/quiz", &[]).await;
    until(&mut teacher, "joined", "bob").await;
    bob.disconnect().await;
    until(&mut teacher, "left", "bob").await;
}

#[tokio::test]
async fn who_drops_and_returns_within_the_grace_never_left() {
    let broker = Broker::start_with("[presence]\ngrace = \"20s\"\ncoalesce = \"50ms\"").await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.subscribe("roster", "/topic/7b/$presence", &[]).await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("s", "/topic/7b", &[]).await;
    until(&mut teacher, "joined", "alice").await;
    drop(alice);
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("s", "/topic/7b", &[]).await;
    let mut carol = Client::signed_in(&broker, "carol").await;
    carol.subscribe("s", "/topic/7b", &[]).await;
    loop {
        let notice = notice(&mut teacher).await;
        let left = notice["left"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(left.iter().all(|name| name != "alice"), "{notice}");
        if notice["joined"].as_array().is_some_and(|joined| joined.iter().any(|name| name == "carol")) {
            break;
        }
    }
}

#[tokio::test]
async fn people_without_a_name_are_counted() {
    let broker = Broker::start_with(QUICK).await;
    let mut nobody = Client::tcp(&broker).await;
    nobody.connect(&[]).await;
    nobody.subscribe("s", "/topic/7b", &[]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.subscribe("roster", "/topic/7b/$presence", &[]).await;
    assert_eq!(notice(&mut teacher).await["anonymous"], 1);
    drop(nobody);
    while notice(&mut teacher).await["anonymous"] != 0 {}
}
