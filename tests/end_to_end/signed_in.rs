//! Classrooms whose subscriptions are durable without a header: existing pages
//! gain replay unchanged.

use homeroom_tests::{Broker, Client};

const SETTINGS: &str = "[[classrooms]]\nmatch = \"7b\"\ndurable = \"signed-in\"\n[delivery]\nping_after = \"50ms\"";

/// A tab of a page that knows nothing of durable subscriptions.
async fn tab(broker: &Broker, login: &[(&str, &str)]) -> Client {
    let mut client = Client::websocket(broker, &["v12.stomp"]).await;
    client.connect(login).await;
    client.subscribe("sub-0", "/topic/7b/quiz", &[("ack", "client")]).await;
    client
}

const ALICE: &[(&str, &str)] = &[("login", "alice")];

async fn publish(broker: &Broker, bodies: &[&str]) {
    let mut publisher = Client::signed_in(broker, "publisher").await;
    for body in bodies {
        publisher.publish("/topic/7b/quiz", body).await;
    }
}

#[tokio::test]
async fn a_page_that_asks_for_nothing_gets_what_it_missed() {
    let broker = Broker::start_with(SETTINGS).await;
    tab(&broker, ALICE).await.disconnect().await;
    publish(&broker, &["1", "2"]).await;
    let broker = broker.killed_and_restarted().await;
    let mut alice = tab(&broker, ALICE).await;
    assert_eq!(alice.bodies(2).await, ["1", "2"]);
}

#[tokio::test]
async fn two_tabs_stand_beside_each_other_and_the_lower_one_counts() {
    let broker = Broker::start_with(SETTINGS).await;
    let mut first = tab(&broker, ALICE).await;
    let mut second = tab(&broker, ALICE).await;
    publish(&broker, &["1", "2", "3"]).await;
    let seen = first.messages(3).await;
    first.ack(&seen[2]).await;
    let seen = second.messages(3).await;
    second.ack(&seen[0]).await;
    first.hang_up().await;
    second.hang_up().await;
    let mut again = tab(&broker, ALICE).await;
    assert_eq!(again.bodies(2).await, ["2", "3"]);
}

#[tokio::test]
async fn who_is_not_signed_in_and_other_classrooms_are_as_ever() {
    let broker = Broker::start_with(SETTINGS).await;
    tab(&broker, &[]).await.disconnect().await;
    let mut elsewhere = Client::signed_in(&broker, "alice").await;
    elsewhere.subscribe("s", "/topic/8a", &[("ack", "client")]).await;
    elsewhere.disconnect().await;
    publish(&broker, &["missed"]).await;
    let mut publisher = Client::signed_in(&broker, "publisher").await;
    publisher.publish("/topic/8a", "missed").await;

    let mut nobody = tab(&broker, &[]).await;
    let mut elsewhere = Client::signed_in(&broker, "alice").await;
    elsewhere.subscribe("s", "/topic/8a", &[("ack", "client")]).await;
    publish(&broker, &["new"]).await;
    publisher.publish("/topic/8a", "new").await;
    assert_eq!(nobody.message().await.text(), "new");
    assert_eq!(elsewhere.message().await.text(), "new");
}
