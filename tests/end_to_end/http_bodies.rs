//! Bodies over HTTP are bounded in bytes and time, and whoever is refused is told.

use homeroom_tests::{Broker, Client, DEADLINE, eventually, exchange, post, raise_descriptor_limit, request, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const QUIZ: &str = "/v1/messages?destination=/topic/7b/quiz";

/// A request of which `body` comes of the `announced` bytes.
async fn begun(broker: &Broker, announced: usize, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(broker.http()).await.expect("the broker listens");
    let length = announced.to_string();
    let bytes = request("POST", broker.http(), QUIZ, &[("Content-Length", &length)], body);
    stream.write_all(&bytes).await.expect("it is taken");
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    within("an answer and the end", DEADLINE, stream.read_to_string(&mut answer)).await.expect("an answer");
    answer
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_announced_or_not() {
    let broker = Broker::start_with("[limits]\nbody_bytes = \"64KiB\"").await;
    assert_eq!(post(broker.http(), QUIZ, &[], vec![b'x'; 65_536]).await.status, 201);
    // Nothing of the body is waited for.
    let announced = answer(begun(&broker, 65_537, b"").await).await;
    assert!(announced.starts_with("HTTP/1.1 413") && announced.contains("limits.body_bytes"), "{announced}");
    // It is still being sent while it is refused, and the answer arrives.
    let large = post(broker.http(), QUIZ, &[], vec![b'x'; 3 << 20]).await;
    assert_eq!((large.status, &large.json()["code"]), (413, &106.into()), "{large:?}");
    let mut chunks = request("POST", broker.http(), QUIZ, &[("Transfer-Encoding", "chunked")], b"");
    for _ in 0..48 {
        chunks.extend_from_slice(b"10000\r\n");
        chunks.extend_from_slice(&[b'x'; 0x10000]);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    let chunked = exchange(broker.http(), &chunks).await.expect("an answer");
    assert_eq!((chunked.status, chunked.header("connection")), (413, Some("close")), "{chunked:?}");
}

#[tokio::test]
async fn a_body_that_drips_is_ended_and_one_that_is_broken_off_is_not_stored() {
    let broker = Broker::start_with("[http]\nheader_timeout = \"1s\"\nupgrade_timeout = \"1s\"").await;
    let mut dripping = begun(&broker, 1000, b"x").await;
    let (mut from, mut to) = dripping.split();
    let mut text = String::new();
    let drip = async {
        while to.write_all(b"x").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = drip => {}
        read = within("an answer", DEADLINE, from.read_to_string(&mut text)) => drop(read.expect("an answer")),
    }
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("http.upgrade_timeout"), "{text}");

    let mut half = begun(&broker, 10, b"half").await;
    half.shutdown().await.expect("half closed");
    drop(half);
    post(broker.http(), QUIZ, &[], "whole").await;
    let mut reader = Client::signed_in(&broker, "reader").await;
    reader.subscribe("s", "/topic/7b/quiz", &[("x-stream-offset", "first")]).await;
    assert_eq!(reader.message().await.text(), "whole");
}

#[tokio::test]
async fn thousands_of_half_sent_requests_hold_what_came_and_hinder_nobody() {
    const REQUESTS: u64 = 2000;
    const CAME: usize = 4 * 1024;
    let limit = raise_descriptor_limit();
    assert!(limit > REQUESTS + 200, "{REQUESTS} requests need more descriptors than {limit}: `ulimit -Hn`");
    let broker = Broker::start_with("[http]\nupgrade_timeout = \"60s\"").await;
    let mut student = Client::signed_in(&broker, "alice").await;
    student.subscribe("s", "/topic/7b/**", &[]).await;
    let before = broker.resident_bytes();
    let mut held = Vec::new();
    for _ in 0..REQUESTS {
        held.push(begun(&broker, 1 << 20, &[b'x'; CAME]).await);
    }
    // Whoever sends all of it is served meanwhile, over both doors.
    for round in 0..10 {
        let by_http = format!("http {round}");
        assert_eq!(post(broker.http(), QUIZ, &[], &by_http).await.status, 201);
        student.publish("/topic/7b/quiz", "stomp").await;
        assert_eq!(student.bodies(2).await, [by_http, "stomp".to_owned()]);
    }
    let each = broker.resident_bytes().saturating_sub(before) / REQUESTS;
    println!("{each} B for each of {REQUESTS} requests of which {CAME} B came");
    assert!(each < 32 * 1024, "{each} B each");
}

#[tokio::test]
async fn all_bodies_together_are_bounded_and_there_is_room_again_when_they_have_gone() {
    let limits = "[limits]\nbody_bytes = \"1MiB\"\n[storage]\nqueue_bytes_max = \"1MiB\"";
    let broker = Broker::start_with(limits).await;
    let mut held = Vec::new();
    let refused = loop {
        // Of two that meet at the limit either may be refused: then another one takes its place.
        held.push(begun(&broker, 900_000, &[b'x'; 800_000]).await);
        let answer = post(broker.http(), QUIZ, &[], vec![b'x'; 400_000]).await;
        if answer.status != 201 {
            break answer;
        }
        assert!(held.len() < 1000, "it was never refused");
    };
    assert_eq!((refused.status, &refused.json()["code"]), (429, &106.into()), "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    drop(held);
    eventually("there is room again", DEADLINE, async || {
        (post(broker.http(), QUIZ, &[], vec![b'x'; 400_000]).await.status == 201).then_some(())
    })
    .await;
}
