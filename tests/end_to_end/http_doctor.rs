//! What networks are measured with: `/v1/doctor/…` says what it says when it should, and nobody can make it a burden;
//! `homeroom doctor` stays calm whatever answers.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use homeroom_tests::{
    Answer, Broker, Client, DEADLINE, binary, eventually, exchange, get, metric, post, request, within,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// A request whose answer is under way.
async fn asked(broker: &Broker, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(broker.http()).await.expect("the broker listens");
    stream.write_all(&request("GET", broker.http(), path, &[], b"")).await.expect("it is taken");
    stream
}

/// Waits until the stream has said this, and says when.
async fn said(stream: &mut TcpStream, words: &str) -> Instant {
    let mut came = Vec::new();
    within(words, DEADLINE, async {
        while !String::from_utf8_lossy(&came).contains(words) {
            assert_ne!(stream.read_buf(&mut came).await.expect("bytes"), 0, "{}", String::from_utf8_lossy(&came));
        }
    })
    .await;
    Instant::now()
}

#[tokio::test]
async fn each_answer_is_late_on_purpose_and_no_more() {
    let broker = Broker::start().await;
    let began = Instant::now();
    let mut quiet = asked(&broker, "/v1/doctor/quiet?seconds=1").await;
    let first = said(&mut quiet, "event: begin\ndata: {\"server_time\":").await;
    let last = said(&mut quiet, "event: end\n").await;
    assert!(last - first > Duration::from_millis(900), "{:?}", last - first);
    let ticks = get(broker.http(), "/v1/doctor/ticks?seconds=1").await;
    assert_eq!(ticks.body.matches("event: tick\n").count(), 2, "{ticks:?}");
    assert_eq!(ticks.header("content-type"), Some("text/event-stream"), "{ticks:?}");
    let asked = Instant::now();
    let waited = get(broker.http(), "/v1/doctor/wait?seconds=0.5&_=17").await;
    assert!(asked.elapsed() >= Duration::from_millis(500) && waited.json()["server_time"].is_u64(), "{waited:?}");
    assert!(began.elapsed() < DEADLINE);
    let echoed = post(broker.http(), "/v1/doctor/echo", &[("Content-Type", "text/html")], "<b>ü</b>").await;
    assert_eq!((echoed.status, &*echoed.body), (200, "<b>ü</b>"), "{echoed:?}");
    assert_eq!(echoed.header("content-type"), Some("application/octet-stream"), "no page of ours: {echoed:?}");
    for answer in [&ticks, &waited, &echoed] {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    }
    assert_eq!(post(broker.http(), "/v1/doctor/echo", &[], vec![b'x'; 4097]).await.status, 413);
    let wrong = get(broker.http(), "/v1/doctor/wait?seconds=601").await;
    assert!(wrong.status == 400 && wrong.body.contains("0 to 600"), "{wrong:?}");
}

#[tokio::test]
async fn few_measure_at_a_time_and_count_as_connections() {
    let broker = Broker::start_with("[limits]\ndoctor_probes = 2\nconnections = 3").await;
    let mut first = asked(&broker, "/v1/doctor/quiet?seconds=600").await;
    said(&mut first, "event: begin").await;
    let mut second = asked(&broker, "/v1/doctor/ticks?seconds=600").await;
    said(&mut second, "event: tick").await;
    let refused = get(broker.http(), "/v1/doctor/wait?seconds=0").await;
    assert_eq!((refused.status, &refused.json()["code"]), (429, &106.into()), "{refused:?}");
    assert!(refused.body.contains("limits.doctor_probes") && refused.header("retry-after").is_some(), "{refused:?}");
    let metrics = get(broker.management(), "/metrics").await.body;
    assert_eq!(metric(&metrics, "homeroom_connections_turned_away_total{limit=\"doctor_probes\"}"), Some(1.0));
    // A lesson has what they leave.
    let _third = Client::signed_in(&broker, "alice").await;
    drop(first);
    eventually("a free place", DEADLINE, || async {
        (get(broker.http(), "/v1/doctor/wait?seconds=0").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn pages_of_other_sites_do_not_measure_and_a_stop_ends_it() {
    let mut broker = Broker::start().await;
    for (method, path) in [("GET", "/v1/doctor/quiet?seconds=0"), ("POST", "/v1/doctor/echo")] {
        let bytes = request(method, broker.http(), path, &[("Origin", "https://evil.example")], b"");
        let answer: Answer = exchange(broker.http(), &bytes).await.expect("an answer");
        assert_eq!((answer.status, &answer.json()["code"]), (403, &103.into()), "{answer:?}");
    }
    let mut quiet = asked(&broker, "/v1/doctor/quiet?seconds=600").await;
    said(&mut quiet, "event: begin").await;
    broker.terminate();
    assert!(broker.exited().await.success());
}

/// Something that answers each connection with these bytes, once, again and again, or drop by drop for ever.
async fn hostile(bytes: &'static [u8], manner: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut question = [0; 1024];
                let _ = stream.read(&mut question).await;
                while stream.write_all(bytes).await.is_ok() && manner == Manner::Endless {}
                while manner == Manner::Drips && stream.write_all(b":").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    url
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Once,
    Endless,
    Drips,
}

async fn doctor(url: &str) -> Output {
    let mut command = Command::new(binary());
    command.args(["doctor", url, "--idle", "1s"]).stdin(Stdio::null()).kill_on_drop(true);
    within("the doctor's end", Duration::from_secs(120), command.output()).await.expect("the binary runs")
}

#[tokio::test]
async fn whatever_answers_the_command_ends_and_keeps_the_terminal_clean() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX: \r\n\r\n{\"server_time\":";
    const EVENTS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let runs = [
        (EVENTS, Manner::Drips),
        (b"".as_slice(), Manner::Once),
        (b"HTTP/1.1 200 OK\r\nX-Endless: yes\r\n", Manner::Once),
        (b"X-Endless: yes\r\n", Manner::Endless),
        (HEAD, Manner::Endless),
        (
            b"HTTP/1.1 403 \x1b[2J\x07\r\nContent-Type: application/problem+json\r\n\r\n{\"code\":99999999999}",
            Manner::Once,
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x1b[31m",
            Manner::Endless,
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n\x1b]0;\x07", Manner::Endless),
    ];
    let runs = runs.map(|(bytes, manner)| async move {
        let output = doctor(&hostile(bytes, manner).await).await;
        let shown = [output.stdout, output.stderr].concat();
        let shown = String::from_utf8(shown).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{shown}");
        assert!(shown.contains("Findings"), "{shown}");
        assert!(!shown.chars().any(|character| character.is_control() && character != '\n'), "{shown:?}");
    });
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn the_command_says_which_address_to_write() {
    for (url, remedy) in [("wss://127.0.0.1:99999/ws", "1 to 65535"), ("http://127.0.0.1:1/a/b", "as a whole")] {
        let output = doctor(url).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(remedy), "{stderr}");
    }
    let mut command = Command::new(binary());
    command.args(["doctor", "http://127.0.0.1:1", "--json"]).env("http_proxy", "http://127.0.0.1:2");
    let output = command.output().await.expect("the binary runs");
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings: Vec<&Value> = said["findings"].as_array().expect("findings").iter().map(|one| &one["id"]).collect();
    assert_eq!((output.status.code(), findings), (Some(1), vec![&"unreachable".into(), &"proxy-unused".into()]));
}
