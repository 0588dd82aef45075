//! STOMP in plain requests and answers: what is promised over every other door holds here too.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use homeroom_tests::{Broker, Client, Frame, HttpStream, Setup, Sockjs, array, eventually, get, metric};
use tokio::net::TcpStream;

const QUIZ: &str = "/topic/7b/quiz";
const DURABLE: &[(&str, &str)] = &[("durable", "true")];

async fn teacher(broker: &Broker) -> Client {
    Client::signed_in_over_tcp(broker, "teacher").await
}

async fn sessions(broker: &Broker) -> Option<f64> {
    let text = get(broker.management(), "/metrics").await.body;
    metric(&text, "homeroom_connections{transport=\"sockjs\"}").or_else(|| {
        let line = text.lines().find(|line| line.starts_with("homeroom_connections{transport=\"sockjs\"}"))?;
        line.rsplit_once(' ')?.1.parse().ok()
    })
}

async fn gone(broker: &Broker) {
    eventually("the end of all sessions", Duration::from_secs(20), || async {
        (sessions(broker).await == Some(0.0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_lesson_goes_through_polls_alone() {
    let broker = Broker::start().await;
    let mut student = Sockjs::signed_in(broker.http(), "alice").await;
    let subscribed = student.subscribe("s", QUIZ, DURABLE).await;
    assert_eq!(subscribed.need("auto-confirm"), "browser", "{subscribed}");
    let mut teacher = teacher(&broker).await;
    for number in 0..50 {
        teacher.publish(QUIZ, &number.to_string()).await;
    }
    let expected: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    assert_eq!(student.bodies(50).await, expected);
    let send = Frame::new("SEND").with("destination", QUIZ).body("schön \u{2028}😀\r\n");
    student.request(send).await;
    assert_eq!(student.bodies(1).await, ["schön \u{2028}😀\r\n"]);
}

#[tokio::test]
async fn a_session_survives_the_gap_between_two_polls() {
    let broker = Broker::start().await;
    let mut student = Sockjs::signed_in(broker.http(), "alice").await;
    student.subscribe("s", QUIZ, &[]).await;
    let mut teacher = teacher(&broker).await;
    for number in ["1", "2"] {
        // Nobody polls now.
        teacher.publish(QUIZ, number).await;
    }
    assert_eq!(student.bodies(2).await, ["1", "2"]);
}

#[tokio::test]
async fn what_was_not_asked_for_again_comes_again() {
    let broker = Broker::start_with("[sockjs]\ngone_after = \"1s\"").await;
    let mut teacher = teacher(&broker).await;
    let mut student = Sockjs::signed_in(broker.http(), "alice").await;
    student.subscribe("s", QUIZ, DURABLE).await;
    teacher.publish(QUIZ, "1").await;
    assert_eq!(student.bodies(1).await, ["1"]);
    // The Ping behind it comes with a poll that nothing follows: "1" may be at the browser, and may be not.
    student.poll().await;
    gone(&broker).await;
    teacher.publish(QUIZ, "2").await;

    let mut back = Sockjs::signed_in(broker.http(), "alice").await;
    back.subscribe("s", QUIZ, DURABLE).await;
    assert_eq!(back.bodies(2).await, ["1", "2"]);
    // The Ping behind both, and a poll that answers it.
    back.poll().await;
    back.request(Frame::new("SEND").with("destination", "/topic/other")).await;
    gone(&broker).await;
    let mut again = Sockjs::signed_in(broker.http(), "alice").await;
    let subscribed = again.subscribe("s", QUIZ, DURABLE).await;
    assert_eq!(subscribed.need("missed"), "0", "{subscribed}");
}

#[tokio::test]
async fn a_request_that_breaks_off_ends_its_session() {
    let broker = Broker::start_with("[sockjs]\ngone_after = \"1m\"").await;
    for transport in ["xhr", "xhr_streaming"] {
        let student = Sockjs::signed_in(broker.http(), "alice").await;
        assert_eq!(sessions(&broker).await, Some(1.0));
        let path = student.at(transport);
        let served = HttpStream::begin("POST", broker.http(), &path, &[], "").await;
        let mut other = HttpStream::begin("POST", broker.http(), &path, &[], "").await;
        // One of the two is refused, and it does not matter which.
        let refused = async |stream: &TcpStream| {
            loop {
                stream.readable().await.expect("an answer");
                let mut said = vec![0; 16 * 1024];
                let count = stream.try_read(&mut said).unwrap_or_default();
                if String::from_utf8_lossy(&said[..count]).contains("c[2010,") {
                    return;
                }
            }
        };
        tokio::select! {
            () = refused(&served) => drop(std::mem::replace(&mut other, served)),
            () = refused(&other) => drop(served),
        }
        drop(other);
        gone(&broker).await;
        assert_eq!(student.send("[\"\\n\"]").await.0, 404, "{transport}");
    }
}

#[tokio::test]
async fn a_client_that_asks_for_nothing_is_gone_after_a_while() {
    let broker = Broker::start_with("[sockjs]\ngone_after = \"1s\"").await;
    let student = Sockjs::signed_in(broker.http(), "alice").await;
    gone(&broker).await;
    assert_eq!(student.poll().await, "o\n", "the name is free");
}

#[tokio::test]
async fn a_refusal_is_told_before_the_close_which_says_whether_to_come_back() {
    let broker = Broker::start().await;
    let mut student = Sockjs::signed_in(broker.http(), "alice").await;
    student.say(&Frame::new("SUBSCRIBE").with("id", "s").with("destination", "7b/quiz")).await;
    let frames = student.hear().await;
    assert_eq!((frames[0].command.as_str(), frames[0].need("code")), ("ERROR", "102"));
    let close = student.poll().await;
    assert!(close.starts_with("c[4502,"), "{close}");
    assert_eq!(student.send("[\"\\n\"]").await.0, 404);
}

#[tokio::test]
async fn who_says_good_bye_has_the_receipt() {
    let broker = Broker::start().await;
    let mut student = Sockjs::signed_in(broker.http(), "alice").await;
    student.request(Frame::new("DISCONNECT")).await;
    assert_eq!(student.poll().await, "c[3000,\"Go away!\"]\n");
    gone(&broker).await;
}

#[tokio::test]
async fn a_stop_ends_sessions_with_the_close_frame() {
    let mut broker = Broker::start().await;
    let (address, mut polls) = (broker.http().to_owned(), Vec::new());
    for number in 0..20 {
        let student = Sockjs::signed_in(&address, &format!("student-{number}")).await;
        polls.push(tokio::spawn(async move { student.poll().await }));
    }
    let streaming = Sockjs::signed_in(&address, "streaming").await;
    let mut stream = HttpStream::post(&address, &streaming.at("xhr_streaming"), &[], "").await;
    stream.line().await;
    broker.terminate();
    for poll in polls {
        let close = poll.await.expect("the poll is answered");
        assert_eq!(close, "c[1012,\"the broker is restarting\"]\n");
    }
    assert_eq!(stream.line().await.as_deref(), Some("c[1012,\"the broker is restarting\"]"));
    assert_eq!(stream.line().await, None);
    assert!(broker.exited().await.success());
}

#[tokio::test]
async fn a_body_that_is_no_text_comes_as_base64_and_says_so() {
    let broker = Broker::start().await;
    let mut student = Sockjs::signed_in(broker.http(), "alice").await;
    student.subscribe("s", QUIZ, &[]).await;
    let mut teacher = teacher(&broker).await;
    let send = Frame::new("SEND").with("destination", QUIZ).with("content-length", "3");
    teacher.request(send.body([0xff, 0x00, 0xfe])).await;
    let message = student.hear().await.remove(0);
    assert_eq!((message.need("content-transfer-encoding"), message.text()), ("base64", "/wD+"));
    assert_eq!(message.need("content-length"), "4");
}

#[tokio::test]
async fn two_thousand_poll_at_once() {
    let broker = Setup::default().config("[sockjs]\ngone_after = \"1m\"").start().await;
    let before = broker.resident_bytes();
    let join = |number: usize| {
        let address = broker.http().to_owned();
        async move {
            let mut student = Sockjs::signed_in(&address, &format!("student-{number}")).await;
            student.subscribe("s", QUIZ, &[]).await;
            student
        }
    };
    let students: Vec<Sockjs> = iter(0..2_000).map(join).buffer_unordered(50).collect().await;
    let each = broker.resident_bytes().saturating_sub(before) / 2_000;
    println!("{each} B for each of 2,000 sessions between two polls");
    assert_eq!(sessions(&broker).await, Some(2_000.0));
    teacher(&broker).await.publish(QUIZ, "hello").await;
    let bodies = iter(students).map(|mut student| async move { student.bodies(1).await }).buffer_unordered(200);
    let bodies: Vec<Vec<String>> = bodies.collect().await;
    assert!(bodies.len() == 2_000 && bodies.iter().all(|bodies| bodies == &["hello"]));
}

#[tokio::test]
async fn who_does_not_poll_holds_bounded_memory_and_delays_nobody() {
    const STALLED: u64 = 100;
    let broker = Setup::default().config("[sockjs]\ngone_after = \"1m\"").start().await;
    let mut stalled = Vec::new();
    for number in 0..STALLED {
        let mut student = Sockjs::signed_in(broker.http(), &format!("student-{number}")).await;
        student.subscribe("s", QUIZ, &[]).await;
        stalled.push(student);
    }
    let mut listener = Client::signed_in(&broker, "listener").await;
    listener.subscribe("s", QUIZ, &[]).await;
    let mut teacher = teacher(&broker).await;
    let body = "x".repeat(20_000);
    // What is shared by all is there before the measurement.
    for _ in 0..20 {
        teacher.publish(QUIZ, &body).await;
    }
    listener.messages(20).await;
    let before = broker.resident_bytes();
    for _ in 0..500 {
        teacher.publish(QUIZ, &body).await;
    }
    listener.messages(500).await;
    let each = broker.resident_bytes().saturating_sub(before) / STALLED;
    println!("{each} B more for each of {STALLED} that do not poll, after 10 MB");
    assert!(each < 256 * 1024, "{each} B for each of those who do not poll");
    // The log remembers.
    assert_eq!(stalled[0].bodies(520).await.len(), 520);
}

#[tokio::test]
async fn a_long_list_of_texts_is_taken_as_it_comes() {
    let broker = Broker::start().await;
    let mut publisher = Sockjs::signed_in(broker.http(), "service").await;
    let mut listener = Client::signed_in(&broker, "listener").await;
    listener.subscribe("s", QUIZ, &[]).await;
    let text = format!("SEND\ndestination:{QUIZ}\n\n{}\0", "ü\n\"".repeat(25_000));
    let list = serde_json::Value::from(vec![text; 100]).to_string();
    assert!(list.len() > 12_000_000, "{}", list.len());
    assert_eq!(publisher.send(&list).await.0, 204);
    publisher.request(Frame::new("SEND").with("destination", QUIZ).body("last")).await;
    assert_eq!(listener.messages(101).await[100].text(), "last");

    let (status, reason) = publisher.send(&format!("[\"{}\"]", "x".repeat(2 << 20))).await;
    assert_eq!(status, 413, "{reason}");
    assert!(reason.contains("limits.body_bytes"), "{reason}");
}

#[tokio::test]
async fn pages_of_other_sites_are_let_in_as_the_settings_say() {
    const ALLOWED: &str = "https://lessons.school.example";
    let broker = Broker::start_with(&format!("[http]\nallowed_origins = [\"{ALLOWED}\"]")).await;
    let session = Sockjs::new(broker.http());
    for (method, path) in [
        ("GET", "/ws/info".to_owned()),
        ("OPTIONS", "/ws/info".to_owned()),
        ("POST", session.at("xhr")),
        ("OPTIONS", session.at("xhr")),
        ("POST", session.at("xhr_send")),
        ("GET", session.at("eventsource")),
        ("GET", session.at("htmlfile?c=x")),
    ] {
        let headers = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")];
        let answer = HttpStream::ask(method, broker.http(), &path, &headers, "").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None), "{method} {path}");
    }
    let info = HttpStream::get(broker.http(), "/ws/info", &[("Origin", ALLOWED)]).await;
    assert_eq!((info.status, info.header("access-control-allow-origin")), (200, Some(ALLOWED)));
    assert_eq!(info.header("vary"), Some("origin"));
    let frame = HttpStream::get(broker.http(), &session.at("htmlfile?c=x"), &[]).await;
    let policy = format!("frame-ancestors 'self' {ALLOWED}");
    assert_eq!(frame.header("content-security-policy"), Some(policy.as_str()), "a frame has the broker's own origin");
}

#[tokio::test]
async fn a_stream_ends_after_a_while_so_that_the_next_request_confirms_it() {
    let broker = Broker::start_with("[sockjs]\nanswer_bytes = \"4KiB\"").await;
    let mut student = Sockjs::signed_in(broker.http(), "alice").await;
    student.subscribe("s", QUIZ, DURABLE).await;
    let mut teacher = teacher(&broker).await;
    let body = "x".repeat(5_000);
    teacher.publish(QUIZ, &body).await;
    let mut stream = HttpStream::post(broker.http(), &student.at("xhr_streaming"), &[], "").await;
    assert_eq!(stream.line().await.expect("the prelude").len(), 2048);
    assert!(stream.line().await.is_some_and(|line| array(&line)[0].contains(&body)));
    assert_eq!(stream.line().await, None, "enough was said");
    teacher.publish(QUIZ, "small").await;
    let mut stream = HttpStream::post(broker.http(), &student.at("xhr_streaming"), &[], "").await;
    stream.line().await;
    let mut lines = Vec::new();
    while let Some(line) = stream.line().await {
        lines.push(line);
    }
    assert!(lines.iter().any(|line| line.contains("small")), "{lines:?}");
}
