//! SIGTERM: nothing confirmed is lost, nothing asked is left without an answer
//! or a close, and everybody is told to come back.

use std::collections::VecDeque;
use std::time::Duration;

use homeroom_tests::{Broker, Client, Frame, Heard, History, MessageName};
use tokio::net::TcpStream;
use tokio::time::Instant;

#[tokio::test]
async fn receipts_are_finished_and_everybody_is_told_to_come_back() {
    let mut broker = Broker::start().await;
    let history = History::default();
    let mut students = Vec::new();
    for number in 0..50 {
        let mut student = Client::signed_in(&broker, &format!("student-{number}")).await;
        student.subscribe("s", "/topic/7b", &[]).await;
        students.push(student);
    }
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    let mut under_way = VecDeque::new();
    for number in 0..500 {
        let name = MessageName { publisher: "teacher".into(), number };
        let body = name.body(100);
        history.asked(&name, "/topic/7b", &body);
        let frame = Frame::new("SEND").with("destination", "/topic/7b").with("receipt", name.to_string());
        teacher.send(&frame.body(body)).await;
        under_way.push_back(name);
    }
    let start = Instant::now();
    broker.terminate();
    let close = loop {
        match teacher.hear().await {
            Heard::Frame(frame) if frame.command == "RECEIPT" => {
                let name = under_way.pop_front().expect("asked");
                assert_eq!(frame.need("receipt-id"), name.to_string());
                history.confirmed(&name, &frame);
            }
            Heard::Closed(close) => break close,
            _ => {}
        }
    };
    assert_eq!(close.code, Some(1012), "{close:?}");
    for student in &mut students {
        assert_eq!(student.closed().await.code, Some(1012));
    }
    let status = broker.exited().await;
    let took = start.elapsed();
    assert!(status.success(), "ended in {status}");
    assert!(took < Duration::from_secs(15), "took {took:?}");
    assert_eq!(broker.rest_of_stdout().await, Vec::<String>::new(), "one line on standard output, not more");

    let broker = broker.setup().start().await;
    let mut auditor = Client::signed_in(&broker, "auditor").await;
    auditor.subscribe("s", "/topic/7b/**", &[("x-stream-offset", "first")]).await;
    let end = auditor.publish("/topic/7b/end", "the end").await;
    loop {
        let message = auditor.message().await;
        if message.need("message-id").ends_with(&format!("@{end}")) {
            break;
        }
        history.kept(&message);
    }
    let verdict = history.judged("a graceful stop");
    println!("stopped within {took:?} with {} of 500 confirmed", verdict.confirmed);
}

#[tokio::test]
async fn an_idle_broker_ends_within_its_spread() {
    let mut broker = Broker::start().await;
    let mut student = Client::signed_in_over_tcp(&broker, "alice").await;
    student.subscribe("lesson", "/topic/7b", &[("durable", "true")]).await;
    broker.terminate();
    student.closed().await;
    assert!(broker.exited().await.success());
}

#[tokio::test]
async fn nobody_new_is_let_in_while_it_stops() {
    let mut broker = Broker::start_with("[shutdown]\nspread = \"3s\"").await;
    let mut students = Vec::new();
    for number in 0..20 {
        students.push(Client::signed_in(&broker, &format!("student-{number}")).await);
    }
    broker.terminate();
    students[0].closed().await;
    for door in [broker.http(), broker.stomp()] {
        let Ok(mut stream) = TcpStream::connect(door).await else { continue };
        // A connection that the kernel had accepted already must end without a word.
        let mut said = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut said).await;
        assert!(!said.starts_with(b"CONNECTED"), "{door} still serves");
    }
    assert!(broker.exited().await.success());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut broker = Broker::start_with("[shutdown]\nspread = \"30s\"\ndeadline = \"60s\"").await;
    let mut students = Vec::new();
    for number in 0..20 {
        students.push(Client::signed_in(&broker, &format!("student-{number}")).await);
    }
    let start = Instant::now();
    broker.terminate();
    // It has begun to stop when the health says so.
    homeroom_tests::eventually("the stop to begin", Duration::from_secs(5), || async {
        let ready = homeroom_tests::try_get(broker.management(), "/health/ready").await;
        ready.map_or(true, |ready| ready.status == 503).then_some(())
    })
    .await;
    broker.terminate();
    broker.exited().await;
    assert!(start.elapsed() < Duration::from_secs(10), "took {:?}", start.elapsed());
}
