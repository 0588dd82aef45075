//! Many streams on one connection of HTTP/2: whose right ends, ends alone.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::asking::{Line, request_as};
use super::school::{KERNEL_BYTES, School};
use super::{CUT, GRAIN, Happens, LAST_WORDS, Lesson, OTHER, QUIZ, STORED, fill};

const EVENTS: &str = "text/event-stream";

/// The next piece that says something; `None` when the stream was reset.
async fn heard(answer: &mut Response<Incoming>) -> Option<String> {
    loop {
        let piece = answer.frame().await.expect("a stream that ends is reset").ok()?.into_data().unwrap();
        let text = String::from_utf8(piece.to_vec()).unwrap();
        if text.contains("data: ") {
            return Some(text);
        }
    }
}

async fn open(line: &mut Line, token: &str, place: &str, from: &str) -> Response<Incoming> {
    let path = format!("/v1/messages?destination={place}{from}");
    let answer = line.ask(request_as(token, &path, EVENTS)).await;
    assert_eq!(answer.status(), StatusCode::OK, "{place}");
    answer
}

/// Three streams on one connection: one that listens, one whose reader has stopped in a replay, one of another class.
#[tokio::test(start_paused = true)]
async fn over_http_2_whoever_leaves_one_class_keeps_the_streams_of_the_other() {
    let school = School::open().await;
    fill(&school, STORED).await;
    let lesson = Lesson::begin(&school, "alice", Happens::Removed).await;
    let token = lesson.token.text.clone();
    sleep_until(lesson.moment - CUT).await;
    let socket = school.http();
    let given = socket.given();
    let mut line = Line::of_many(socket, Arc::default()).await;
    let mut live = open(&mut line, &token, QUIZ, "").await;
    let mut stopped = open(&mut line, &token, QUIZ, "&rewind=20000").await;
    let mut other = open(&mut line, &token, OTHER, "").await;
    lesson.publish(QUIZ, "in time").await;
    assert!(heard(&mut live).await.is_some_and(|text| text.contains("in time")));

    sleep_until(lesson.moment + GRAIN).await;
    lesson.publish(QUIZ, "too late").await;
    assert_eq!(heard(&mut live).await, None);
    assert!(Instant::now() <= lesson.moment + 2 * GRAIN, "at the moment");
    sleep_until(lesson.moment + CUT + GRAIN).await;
    let before = given.bytes();
    let mut said = String::new();
    while let Some(text) = heard(&mut stopped).await {
        said.push_str(&text);
    }
    assert!(!said.contains("too late"), "what its own side of the connection had");
    assert!(given.bytes() - before <= LAST_WORDS, "{} bytes behind the moment", given.bytes() - before);

    lesson.publish(OTHER, "elsewhere").await;
    assert!(heard(&mut other).await.is_some_and(|text| text.contains("elsewhere")), "the other class goes on");
    open(&mut line, &token, OTHER, "").await;
}

/// What a frame has begun cannot be taken back from a connection that nobody reads.
#[tokio::test(start_paused = true)]
async fn over_http_2_a_connection_that_takes_nothing_is_cut() {
    let school = School::open().await;
    let lesson = Lesson::begin(&school, "alice", Happens::Removed).await;
    sleep_until(lesson.moment - CUT).await;
    let socket = school.http();
    let given = socket.given();
    let stop = Arc::new(Notify::new());
    let mut line = Line::of_many(socket, stop.clone()).await;
    let mut streams = Vec::new();
    for place in [QUIZ, QUIZ, QUIZ, OTHER] {
        streams.push(open(&mut line, &lesson.token.text, place, "").await);
    }
    stop.notify_one();
    // More than a socket holds, and less than what each stream may be ahead.
    for _ in 0..3 {
        lesson.publish(QUIZ, &"x".repeat(KERNEL_BYTES / 4)).await;
    }
    sleep_until(lesson.moment).await;
    assert!(!given.is_over() && given.bytes() < 9 * KERNEL_BYTES / 4, "{} bytes were given", given.bytes());
    let is_over = timeout_at(lesson.moment + CUT + 10 * GRAIN, async {
        while !given.is_over() {
            sleep(GRAIN).await;
        }
    });
    assert!(is_over.await.is_ok(), "it is cut");
}
