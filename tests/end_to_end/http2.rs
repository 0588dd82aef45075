//! HTTP/2 with prior knowledge: many event streams on one connection, and HTTP/1.1 as ever beside it.

use std::process::Stdio;

use homeroom_tests::{Broker, Client, DEADLINE, eventually, get, metric, within};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const QUIZ: &str = "/topic/7b/quiz";
/// A browser opens six connections to one host, and so has six event streams over HTTP/1.1.
const STREAMS: usize = 20;
/// Opens them with Node's own HTTP/2 client and prints what comes.
const READER: &str = "
    const session = require('node:http2').connect(`http://${process.argv[1]}`);
    for (let stream = 0; stream < 20; stream++) {
        const request = session.request({ ':path': '/v1/messages?destination=/topic/7b/**', accept: 'text/event-stream' });
        request.setEncoding('utf8').on('data', (text) => process.stdout.write(text));
    }
";

#[tokio::test]
async fn many_event_streams_share_one_connection() {
    let broker = Broker::start().await;
    let mut node = Command::new("node")
        .args(["-e", READER, broker.http()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("Node is installed");
    let mut lines = BufReader::new(node.stdout.take().expect("its output")).lines();
    eventually("all streams are open", DEADLINE, async || {
        let metrics = get(broker.management(), "/metrics").await.body;
        (metric(&metrics, "homeroom_http_readers") == Some(STREAMS as f64)).then_some(())
    })
    .await;
    let mut service = Client::signed_in(&broker, "service").await;
    service.publish(QUIZ, "to everybody").await;
    let mut seen = 0;
    while seen < STREAMS {
        let line = within("a line", DEADLINE, lines.next_line()).await.expect("text").expect("the streams go on");
        seen += usize::from(line == "data: to everybody");
    }
    assert_eq!(connections(&broker), 1, "all of them on one connection");
}

/// How many TCP connections the broker's HTTP listener has, but for the WebSocket of this test.
fn connections(broker: &Broker) -> usize {
    let port: u16 = broker.http().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the system's connections");
    let local = format!("0100007F:{port:04X}");
    let established = table.lines().filter(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1) == Some(&&*local) && fields.get(3) == Some(&"01")
    });
    established.count() - 1
}

#[tokio::test]
async fn each_version_has_the_same_answers() {
    let broker = Broker::start().await;
    let mut service = Client::signed_in(&broker, "service").await;
    let position = service.publish(QUIZ, "Is 91 prime?").await;
    for (flag, version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let url = format!("http://{}/v1/messages?destination={QUIZ}", broker.http());
        let mut curl = Command::new("curl");
        curl.args([flag, "--silent", "--write-out", "%{http_version} %{http_code}", &url]);
        let output = curl.output().await.expect("curl is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(&position) && text.ends_with(&format!("{version} 200")), "{flag}: {text}");
    }
}
