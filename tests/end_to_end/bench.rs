//! `homeroom bench`: each load runs, against the bare server and against the broker, and says what it found.

use std::process::{Output, Stdio};
use std::time::Duration;

use homeroom_tests::{Broker, Client, Dialect, Frame, binary, within};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const DEADLINE: Duration = Duration::from_secs(60);

/// The bare server. Killed when dropped.
struct Bare {
    process: Child,
    url: String,
}

impl Bare {
    async fn start(flags: &[&str]) -> Bare {
        let mut command = Command::new(binary());
        command.args(["bench", "raw", "--listen", "127.0.0.1:0"]).args(flags);
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("the binary runs");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let line = within("the first line", DEADLINE, lines.next_line()).await.expect("UTF-8").expect("a line");
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["event"], "listening");
        let url = format!("ws://{}/", line["http"].as_str().expect("an address"));
        Bare { process, url }
    }

    fn pid(&self) -> String {
        self.process.id().expect("it runs").to_string()
    }
}

async fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("bench").args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    within("the load's end", DEADLINE, command.output()).await.expect("the binary runs")
}

/// The results of a load that must succeed.
async fn results(load: &str, flags: &str, url: &str, pid: &str) -> Value {
    let mut arguments = vec![load];
    arguments.extend(flags.split_whitespace());
    arguments.extend(["--warm-up", "0.1", "--json", "--url", url, "--server-pid", pid]);
    let output = bench(&arguments).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!((&report["bench"], &report["url"]), (&Value::from(load), &Value::from(url)));
    assert!(report["settings"].is_object());
    report["results"].clone()
}

/// Small enough for a test, each with its flags and what must be in its results.
const LOADS: &[(&str, &str, &[&str])] = &[
    (
        "fanout",
        "--receivers 20 --messages 100",
        &["deliveries_per_second", "cpu_seconds_per_million_deliveries", "rss_bytes", "client_busy"],
    ),
    ("fanout", "--receivers 20 --rooms 3 --in-flight 7 --messages 100", &["deliveries_per_second"]),
    ("latency", "--receivers 20 --rate 100 --seconds 0.3", &["latency_us", "missing", "cpu_seconds"]),
    (
        "idle",
        "--connections 100",
        &["rss_bytes_per_connection", "cpu_seconds_per_1000_connects", "connects_per_second", "rss_bytes_after"],
    ),
    ("durable", "--publishers 2 --in-flight 10 --seconds 0.3", &["confirmed_per_second", "latency_us"]),
];

#[tokio::test]
async fn every_load_runs_against_the_bare_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = directory.path().join("store");
    for flags in [&[][..], &["--join", "64"], &["--store", store.to_str().expect("UTF-8"), "--threads", "1"]] {
        let bare = Bare::start(flags).await;
        for (load, flags, keys) in LOADS {
            let results = results(load, flags, &bare.url, &bare.pid()).await;
            keys.iter().for_each(|key| assert!(!results[key].is_null(), "{load}: no {key} in {results}"));
        }
    }
    let stored = std::fs::metadata(&store).expect("the file is there").len();
    assert!(stored > 0, "what was confirmed is in the file");
}

#[tokio::test]
async fn every_load_runs_against_the_broker() {
    let broker = Broker::start().await;
    let (url, pid) = (format!("ws://{}/ws", broker.http()), broker.process_id().to_string());
    for (load, flags, keys) in LOADS {
        let results = results(load, flags, &url, &pid).await;
        keys.iter().for_each(|key| assert!(!results[key].is_null(), "{load}: no {key} in {results}"));
    }
    let all = results("latency", "--receivers 10 --rate 100 --seconds 0.3 --durable", &url, &pid).await;
    assert_eq!(all["missing"], 0, "{all}");
}

#[tokio::test]
async fn everything_sent_arrives_once_and_is_counted() {
    let broker = Broker::start().await;
    let (url, pid) = (format!("ws://{}/ws", broker.http()), broker.process_id().to_string());
    let fanout = results("fanout", "--receivers 30 --rooms 3 --in-flight 5 --messages 60", &url, &pid).await;
    assert_eq!((&fanout["messages"], &fanout["deliveries"]), (&60.into(), &600.into()), "{fanout}");
    let late = results("late", "--students 3 --missed 150", &url, &pid).await;
    assert_eq!((&late["deliveries"], &late["repeated"], &late["out_of_order"]), (&450.into(), &0.into(), &0.into()));
    assert_eq!(late["latency_us"]["complete"]["count"], 3);
    let storm = "--students 20 --missed 100 --beside 5 --rate 500 --before 0.2";
    let storm = results("storm", storm, &url, &pid).await;
    assert!(storm["deliveries"].as_u64() >= Some(2000), "{storm}");
    assert_eq!((&storm["repeated"], &storm["out_of_order"]), (&0.into(), &0.into()), "{storm}");
    let complete = |name: &str| storm["complete_us"][name].as_u64().expect("a time");
    assert!(complete("first") <= complete("half") && complete("half") <= complete("last"), "{storm}");
}

#[tokio::test]
async fn pages_of_each_way_have_every_update_once() {
    let broker = Broker::start().await;
    let (url, pid) = (format!("ws://{}/ws", broker.http()), broker.process_id().to_string());
    for (way, polls, asks) in
        [("short", true, true), ("long", false, true), ("events", false, false), ("websocket", false, false)]
    {
        let flags = format!("--way {way} --clients 20 --every 0.2s --for 1s --poll 0.1s");
        let doors = results("doors", &flags, &url, &pid).await;
        assert_eq!(doors["way"], way);
        assert_eq!((&doors["deliveries"], &doors["missing"], &doors["repeated"]), (&100.into(), &0.into(), &0.into()));
        assert_eq!((&doors["connections"], &doors["latency_us"]["page"]["count"]), (&0.into(), &100.into()), "{doors}");
        let requests = doors["requests"].as_u64().expect("a count");
        match (polls, asks) {
            // Twenty pages ask ten times a second, the better part of which an answer takes to come.
            (true, _) => assert!((20..=200).contains(&requests), "{doors}"),
            // One question for each update of each page.
            (_, true) => assert_eq!(requests, 100, "{doors}"),
            _ => assert_eq!(requests, 0, "{doors}"),
        }
        assert!(doors["bytes_received"].as_u64() > Some(100 * 20), "{doors}");
        assert!(doors["thousand_hours"]["cpu_seconds"].is_f64(), "{doors}");
    }
    for _ in 0..2 {
        let flags = "--way short --clients 2 --every 0.1s --for 0.3s --poll 0.05s --destination /topic/shop";
        let again = results("doors", flags, &url, &pid).await;
        assert_eq!((&again["deliveries"], &again["repeated"]), (&6.into(), &0.into()), "{again}");
    }
    let nobody = results("doors", "--way events --clients 0 --every 0.1s --for 0.5s", &url, &pid).await;
    assert_eq!((&nobody["deliveries"], &nobody["bytes_sent"]), (&0.into(), &0.into()), "{nobody}");
}

#[tokio::test]
async fn a_broker_that_confirms_no_subscription_is_measured_all_the_same() {
    let bare = Bare::start(&["--no-receipts"]).await;
    let fanout = results("fanout", "--receivers 30 --rooms 3 --messages 30", &bare.url, &bare.pid()).await;
    assert_eq!(fanout["deliveries"], 300, "probes are not counted: {fanout}");
}

#[tokio::test]
async fn what_is_wrong_is_said_with_the_flag_and_the_remedy() {
    let bare = Bare::start(&[]).await;
    for (arguments, code, words) in [
        (&["fanout", "--url", "http://127.0.0.1:1/"][..], 2, &["--url", "ws://"][..]),
        (&["fanout", "--url", "ws://127.0.0.1:1/"], 1, &["ws://127.0.0.1:1/", "refused", "--url"]),
        (&["fanout", "--receivers", "2", "--rooms", "3"], 2, &["--rooms 3", "--receivers 2", "fewer"]),
        (&["fanout", "--receivers", "100000000"], 2, &["--receivers", "ulimit -Hn"]),
        (&["fanout", "--body", "3"], 2, &["--body", "16"]),
        (&["idle", "--server-pid", "4294967295"], 1, &["--server-pid", "/proc"]),
        (&["idle", "--durable", "--url", "nats+ws://127.0.0.1:1"], 2, &["--durable", "NATS"]),
        (&["storm", "--url", "nats+ws://127.0.0.1:1"], 2, &["--url", "STOMP"]),
        (&["doors", "--url", "nats+ws://127.0.0.1:1"], 2, &["--url", "ws://"]),
        (&["doors", "--url", "ws://127.0.0.1:1/"], 1, &["ws://127.0.0.1:1/", "refused", "--url"]),
        (&["doors", "--way", "short", "--url", bare.url.as_str()], 1, &["publisher", bare.url.as_str()]),
        (&["doors", "--poll", "2m"], 2, &["--poll", "such as 2s"]),
        (&["raw", "--listen", bare.url.trim_start_matches("ws://").trim_end_matches('/')], 1, &["--listen", "in use"]),
        (&["raw", "--store", "/nowhere/at/all"], 1, &["--store", "/nowhere/at/all"]),
    ] {
        let output = bench(arguments).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        words.iter().for_each(|word| assert!(stderr.contains(word), "{arguments:?}: no {word} in {stderr}"));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

/// What a subscriber of a fresh room gets: a message that is stored and one that is not.
async fn messages(url: &str) -> Vec<Frame> {
    let (address, path) = url.trim_start_matches("ws://").split_once('/').expect("an address and a path");
    let stream = TcpStream::connect(address).await.expect("it listens");
    let mut client = Client::upgraded(stream, &format!("/{path}"), &["v12.stomp"]).await;
    client.connect(&[]).await;
    client.subscribe("sub-0", "/topic/7b/quiz", &[]).await;
    for persistent in ["true", "false"] {
        let send = Frame::new("SEND").with("destination", "/topic/7b/quiz").with("content-type", "text/plain");
        client.request(send.with("persistent", persistent).with("x-mine", "a:b").body("Is 91 prime?")).await;
    }
    client.messages(2).await
}

/// A message's headers, but for the numbers in them.
fn without_digits(message: &Frame) -> Vec<(&str, String)> {
    let rest = |value: &str| value.split(|letter: char| letter.is_ascii_digit()).collect();
    message.headers.iter().map(|(name, value)| (name.as_str(), rest(value))).collect()
}

#[tokio::test]
async fn the_bare_server_writes_what_the_broker_writes_and_as_much() {
    let (broker, bare) = (Broker::start().await, Bare::start(&[]).await);
    let told = messages(&format!("ws://{}/ws", broker.http())).await;
    let bare = messages(&bare.url).await;
    for (told, bare) in told.iter().zip(&bare) {
        assert_eq!((without_digits(told), &told.body), (without_digits(bare), &bare.body));
        // An epoch is drawn by lot and stands in two headers, if the message has any.
        let drawn = |message: &Frame| message.header("epoch").map_or(0, |epoch| 2 * epoch.len());
        let bytes = |message: &Frame| message.encode(Dialect::V1_2).len() - drawn(message);
        assert_eq!(bytes(told), bytes(bare), "{told:?} and {bare:?}");
        assert!(drawn(bare).abs_diff(drawn(told)) <= 8, "an epoch of realistic length: {told:?} and {bare:?}");
    }
    assert!(bare[0].header("epoch").is_some() && bare[1].header("epoch").is_none(), "{bare:?}");
}

#[tokio::test]
async fn a_table_is_for_people() {
    let bare = Bare::start(&[]).await;
    let output = bench(&["fanout", "--receivers", "3", "--messages", "10", "--warm-up", "0", "--url", &bare.url]).await;
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && table.starts_with("fanout  ws://"), "{table}");
    assert!(table.lines().any(|line| line.trim().starts_with("deliveries ") && line.ends_with(" 30")), "{table}");
}
