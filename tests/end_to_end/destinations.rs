//! Where a message goes: spellings, wildcards, and places that do not exist.

use homeroom_tests::{Broker, Client, Frame};

/// Says which of `published` a subscription to `pattern` gets.
async fn reach(broker: &Broker, pattern: &str, published: &[&str]) -> Vec<String> {
    let mut reader = Client::signed_in(broker, "reader").await;
    reader.subscribe("s", pattern, &[]).await;
    let mut publisher = Client::signed_in(broker, "publisher").await;
    for destination in published {
        publisher.publish(destination, destination).await;
    }
    // Order between logs is not promised, so each log that could match gets a last word.
    let mut reached = Vec::new();
    let mut fence = Client::signed_in(broker, "fence").await;
    reader.subscribe("fence", "/topic/fence", &[]).await;
    fence.publish("/topic/fence", "end").await;
    loop {
        let message = reader.message().await;
        if message.need("subscription") == "fence" {
            break;
        }
        reached.push(message.text().to_owned());
    }
    reached.sort_unstable();
    reached
}

#[tokio::test]
async fn dots_and_slashes_separate_alike() {
    let broker = Broker::start().await;
    for pattern in ["/topic/7b.quiz", "/topic/7b/quiz"] {
        let reached = reach(&broker, pattern, &["/topic/7b.quiz", "/topic/7b/quiz", "/topic/7b/other"]).await;
        assert_eq!(reached, ["/topic/7b.quiz", "/topic/7b/quiz"], "for {pattern}");
    }
}

#[tokio::test]
async fn a_message_carries_its_destination_as_the_publisher_spelled_it() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.subscribe("s", "/topic/7b/**", &[]).await;
    for (sent, carried) in [
        ("/topic/7b.quiz", "/topic/7b.quiz"),
        ("/topic/7b/quiz", "/topic/7b/quiz"),
        ("/exchange/amq.topic/7b.quiz", "/topic/7b.quiz"),
    ] {
        client.publish(sent, "x").await;
        assert_eq!(client.message().await.header("destination"), Some(carried));
    }
}

#[tokio::test]
async fn wildcards_reach_what_they_say() {
    let broker = Broker::start().await;
    let all = ["/topic/7b", "/topic/7b/quiz", "/topic/7b/quiz/1", "/topic/8a/quiz", "/topic/8a/chat"];
    for (pattern, expected) in [
        ("/topic/7b/*", &["/topic/7b/quiz"][..]),
        ("/topic/7b.*", &["/topic/7b/quiz"]),
        ("/topic/7b/**", &["/topic/7b", "/topic/7b/quiz", "/topic/7b/quiz/1"]),
        ("/topic/7b/#", &["/topic/7b", "/topic/7b/quiz", "/topic/7b/quiz/1"]),
        ("/topic/7b/>", &["/topic/7b", "/topic/7b/quiz", "/topic/7b/quiz/1"]),
        ("/topic/*/quiz", &["/topic/7b/quiz", "/topic/8a/quiz"]),
        ("/topic/7b/*/1", &["/topic/7b/quiz/1"]),
        ("/topic/7b", &["/topic/7b"]),
    ] {
        assert_eq!(reach(&broker, pattern, &all).await, expected, "for {pattern}");
    }
}

#[tokio::test]
async fn a_wildcard_covers_classrooms_that_come_later() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "inspector").await;
    client.subscribe("s", "/topic/*/quiz", &[]).await;
    for classroom in ["1a", "1b", "1c"] {
        client.publish(&format!("/topic/{classroom}/quiz"), classroom).await;
    }
    let mut bodies = client.bodies(3).await;
    bodies.sort_unstable();
    assert_eq!(bodies, ["1a", "1b", "1c"]);
}

#[tokio::test]
async fn percent_escapes_are_undone_once_and_then_literal() {
    let broker = Broker::start().await;
    let reached = reach(&broker, "/topic/7b/a%2Fb", &["/topic/7b/a/b", "/topic/7b/a%2fb"]).await;
    assert_eq!(reached, ["/topic/7b/a%2fb"]);
    let reached = reach(&broker, "/topic/8a/%2A", &["/topic/8a/quiz", "/topic/8a/%2a"]).await;
    assert_eq!(reached, ["/topic/8a/%2a"], "a decoded star is no wildcard");
}

#[tokio::test]
async fn what_the_broker_makes_cannot_be_sent_to() {
    let broker = Broker::start().await;
    for destination in ["/topic/7b/$presence", "/topic/$secret", "/topic/7b/a/$b"] {
        let mut client = Client::signed_in(&broker, "mallory").await;
        client.send(&Frame::new("SEND").with("destination", destination).body("forged")).await;
        let error = client.error().await;
        assert!(matches!(error.header("code"), Some("102" | "103" | "107")), "{destination}: {error}");
    }
}

#[tokio::test]
async fn wildcards_do_not_match_what_the_broker_makes() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.subscribe("s", "/topic/7b/**", &[]).await;
    let mut other = Client::signed_in(&broker, "bob").await;
    other.subscribe("s", "/topic/7b/$presence", &[]).await;
    other.message().await;
    client.publish("/topic/7b", "the first").await;
    assert_eq!(client.message().await.text(), "the first");
}

#[tokio::test]
async fn places_that_do_not_exist_are_unknown_destinations() {
    let broker = Broker::start().await;
    for (destination, code) in [
        ("/app/homework", "102"),
        ("/queue/", "102"),
        ("7b", "102"),
        ("/topics/7b", "102"),
        ("", "102 107"),
        ("/topic/", "102 107"),
        ("/topic//quiz", "102 107"),
        ("/topic/7b/\u{7}", "102 107"),
    ] {
        for command in ["SEND", "SUBSCRIBE"] {
            let mut client = Client::signed_in(&broker, "alice").await;
            client.send(&Frame::new(command).with("id", "s").with("destination", destination)).await;
            let error = client.error().await;
            assert!(code.contains(error.need("code")), "{command} {destination:?}: {error}");
        }
    }
    let mut client = Client::signed_in(&broker, "alice").await;
    client.send(&Frame::new("SEND").with("destination", "/topic/7b/*").body("x")).await;
    client.error().await;
}

#[tokio::test]
async fn destinations_have_a_longest_form() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.publish(&format!("/topic/{}", "x".repeat(200)), "fits").await;
    client.publish(&format!("/topic/{}", ["x"; 16].join("/")), "fits").await;
    for destination in [format!("/topic/{}", "x".repeat(300)), format!("/topic/{}", ["x"; 17].join("/"))] {
        let mut client = Client::signed_in(&broker, "alice").await;
        client.send(&Frame::new("SEND").with("destination", destination).body("x")).await;
        let error = client.error().await;
        assert!(matches!(error.header("code"), Some("102" | "106" | "107")), "{error}");
    }
}

#[tokio::test]
async fn a_destination_without_prefix_means_what_the_operator_says() {
    let broker = Broker::start_with("[destinations]\nunprefixed = \"topic\"").await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.subscribe("s", "/topic/7b/quiz", &[]).await;
    client.publish("7b.quiz", "short").await;
    assert_eq!(client.message().await.text(), "short");
}

#[tokio::test]
async fn no_local_leaves_out_ones_own() {
    let broker = Broker::start().await;
    for name in ["no-local", "activemq.noLocal"] {
        let mut alice = Client::signed_in(&broker, "alice").await;
        alice.subscribe("s", "/topic/7b", &[(name, "true")]).await;
        let mut bob = Client::signed_in(&broker, "bob").await;
        alice.publish("/topic/7b", "from alice").await;
        bob.publish("/topic/7b", "from bob").await;
        assert_eq!(alice.message().await.text(), "from bob", "with {name}");
    }
}

#[tokio::test]
async fn one_connection_may_subscribe_twice_and_hears_everything_twice() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.subscribe("a", "/topic/7b/quiz", &[]).await;
    client.subscribe("b", "/topic/7b/**", &[]).await;
    client.publish("/topic/7b/quiz", "x").await;
    let mut subscriptions: Vec<String> =
        client.messages(2).await.iter().map(|message| message.need("subscription").to_owned()).collect();
    subscriptions.sort_unstable();
    assert_eq!(subscriptions, ["a", "b"]);
}
