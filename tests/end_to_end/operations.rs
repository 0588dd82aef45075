//! What operators see: health, metrics, mistakes and their explanations.

use std::time::Duration;

use homeroom_tests::{Broker, Client, Setup, WebSocket, eventually, get, metric, post};
use tokio::net::TcpStream;
use tokio::time::Instant;

#[tokio::test]
async fn health_says_alive_and_ready() {
    let broker = Broker::start().await;
    assert_eq!(get(broker.management(), "/health/live").await.status, 200);
    assert_eq!(get(broker.management(), "/health/ready").await.status, 200);
}

#[tokio::test]
async fn metrics_follow_what_happens() {
    let broker = Broker::start().await;
    let _first = Client::signed_in(&broker, "first").await;
    let text = get(broker.management(), "/metrics").await.body;
    assert!(text.contains("# TYPE "), "{text}");
    assert!(text.trim_end().ends_with("# EOF"), "OpenMetrics ends in EOF");
    let mut names: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    names.sort_unstable();
    assert!(names.iter().all(|name| name.starts_with("homeroom_")), "{names:?}");

    let connections = names.iter().find(|name| name.contains("connections")).expect("a metric of connections");
    let open = || async { metric(&get(broker.management(), "/metrics").await.body, connections).unwrap_or_default() };
    let before = open().await;
    let mut clients = Vec::new();
    for number in 0..5 {
        clients.push(Client::signed_in(&broker, &format!("student-{number}")).await);
    }
    eventually("five more connections", Duration::from_secs(5), || async {
        (open().await - before >= 5.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_management_door_is_apart() {
    let broker = Broker::start().await;
    for path in ["/metrics", "/health/ready"] {
        assert_eq!(get(broker.http(), path).await.status, 404, "{path} on the public door");
    }
    let absent = get(broker.management(), "/ws").await;
    assert_eq!((absent.status, &absent.json()["title"]), (404, &"no such path".into()), "{absent:?}");
    assert!(absent.body.contains("/health/ready"), "it says what is here: {absent:?}");
    let posted = post(broker.management(), "/metrics", &[], "").await;
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET,HEAD")), "{posted:?}");
    assert_eq!(posted.json()["title"], "no such method", "{posted:?}");
}

#[tokio::test]
async fn two_brokers_cannot_share_a_directory() {
    let broker = Broker::start().await;
    let second = Setup::default().data(broker.setup().data_directory());
    let start = Instant::now();
    let refused = second.try_start().await.err().expect("the second one must not start");
    assert!(!refused.status.success());
    assert!(start.elapsed() < Duration::from_secs(10), "took {:?}", start.elapsed());
    let directory = broker.setup().data_directory().display().to_string();
    assert!(refused.stderr.contains(&directory), "it names the directory: {}", refused.stderr);
    Client::signed_in(&broker, "alice").await.publish("/topic/7b", "the first one lives").await;
}

#[tokio::test]
async fn mistakes_in_the_configuration_are_told_all_at_once() {
    let setup = Setup::default().config("[storage]\nbalast = \"1MB\"\n[limits]\nconnections = \"many\"");
    let refused = setup.try_start().await.err().expect("it must not start");
    assert!(!refused.status.success());
    for word in ["balast", "ballast", "connections", "homeroom.toml"] {
        assert!(refused.stderr.contains(word), "no {word} in: {}", refused.stderr);
    }
}

#[tokio::test]
async fn a_wrong_flag_or_variable_is_named() {
    let refused = Setup::default().flag("--no-such-flag").try_start().await.err().expect("it must not start");
    assert!(refused.stderr.contains("--no-such-flag"), "{}", refused.stderr);
    let wrong = Setup::default().environment("HOMEROOM__STOMP__CONNECT_WITHIN", "soon");
    let refused = wrong.try_start().await.err().expect("it must not start");
    assert!(refused.stderr.to_lowercase().contains("connect_within"), "{}", refused.stderr);
}

#[tokio::test]
async fn environment_and_flags_win_over_the_file() {
    let setup = Setup::default().config("[limits]\nsubscriptions = 1");
    let broker = setup.environment("HOMEROOM__LIMITS__SUBSCRIPTIONS", "2").start().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.subscribe("0", "/topic/7b", &[]).await;
    client.subscribe("1", "/topic/7b", &[]).await;
}

#[tokio::test]
async fn it_does_not_listen_to_the_world_unless_told() {
    let open = Setup::default().flag("--listen").flag("0.0.0.0:0");
    let refused = open.try_start().await.err().expect("it must not start");
    assert!(refused.stderr.contains("--open-to-anyone"), "{}", refused.stderr);
    open.flag("--open-to-anyone").start().await;
}

#[tokio::test]
async fn websockets_are_offered_at_further_paths_where_the_settings_name_them() {
    const FURTHER: [&str; 2] = ["/websocket/websocket", "/api/ws/websocket"];
    let named = Broker::start_with(&format!("[http]\nwebsocket_paths = {FURTHER:?}")).await;
    for path in ["/ws", "/stomp"].iter().chain(&FURTHER) {
        let stream = TcpStream::connect(named.http()).await.expect("it listens");
        let mut client = Client::upgraded(stream, path, &["v12.stomp"]).await;
        client.connect(&[]).await;
        client.publish("/topic/7b/quiz", path).await;
        client.disconnect().await;
        refused(&named, path, &[("Origin", "https://evil.example")], 403).await;
        // At /ws, clients of SockJS look for a greeting.
        let plain = if *path == "/ws" { 200 } else { 426 };
        assert_eq!(get(named.http(), path).await.status, plain, "{path}");
    }
    let unnamed = Broker::start().await;
    for (broker, path) in [(&named, "/websocket"), (&named, "/websocket/websocket/"), (&unnamed, FURTHER[0])] {
        refused(broker, path, &[], 404).await;
    }
    let with_a_query = upgrade(&named, "/websocket/websocket?access_token=x", &[]).await;
    assert!(with_a_query.is_ok(), "what follows a question mark is not part of the path");
}

/// An upgraded WebSocket, or the head of the answer.
async fn upgrade(broker: &Broker, path: &str, headers: &[(&str, &str)]) -> Result<WebSocket, String> {
    let stream = TcpStream::connect(broker.http()).await.expect("it listens");
    WebSocket::open(stream, path, &["v12.stomp"], headers).await
}

async fn refused(broker: &Broker, path: &str, headers: &[(&str, &str)], status: u16) {
    let head = upgrade(broker, path, headers).await.err().unwrap_or_else(|| panic!("{path} {headers:?} was let in"));
    assert!(head.contains(&format!(" {status}")), "{path} {headers:?}: {head}");
}

#[tokio::test]
async fn pages_of_other_sites_are_turned_away() {
    let broker = Broker::start_with("[http]\nallowed_origins = [\"https://school.example\"]").await;
    for (origin, allowed) in [
        (format!("http://{}", broker.http()), true),
        ("https://school.example".to_owned(), true),
        ("https://evil.example".to_owned(), false),
        ("https://school.example.evil.example".to_owned(), false),
        ("http://school.example".to_owned(), false),
        ("null".to_owned(), false),
    ] {
        let from = [("Origin", origin.as_str())];
        match allowed {
            true => assert!(upgrade(&broker, "/ws", &from).await.is_ok(), "{origin} was turned away"),
            false => refused(&broker, "/ws", &from, 403).await,
        }
    }
}

#[tokio::test]
async fn no_answer_and_no_passcode_is_written_to_the_log() {
    let setup = Setup::default().environment("HOMEROOM__LOG__FILTER", "trace");
    let mut broker = setup.start().await;
    let mut client = Client::websocket(&broker, &["v12.stomp"]).await;
    client.connect(&[("login", "alice"), ("passcode", "canary-passcode")]).await;
    client.subscribe("s", "/topic/7b", &[]).await;
    client.publish("/topic/7b", "canary-answer").await;
    client.message().await;
    broker.terminate();
    broker.exited().await;
    let log = broker.stderr();
    // Bytes dumped in hexadecimal or decimal are the same leak.
    let bytes = "canary".bytes();
    let dumps = [
        "canary".to_owned(),
        bytes.clone().map(|byte| format!("{byte:02x}")).collect(),
        bytes.clone().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", "),
    ];
    for dump in dumps {
        assert!(!log.contains(&dump), "{dump:?} is in the log");
    }
}
