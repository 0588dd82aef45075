//! Reading over HTTP: pages, long polls, event streams and lines, with the positions of every other door.

use std::time::Duration;

use homeroom_tests::{Broker, Client, DEADLINE, Frame, HttpStream, eventually};
use serde_json::Value;
use tokio::time::Instant;

const QUIZ: &str = "/topic/7b/quiz";
const EVENTS: (&str, &str) = ("Accept", "text/event-stream");
const LINES: (&str, &str) = ("Accept", "application/x-ndjson");

async fn get(broker: &Broker, query: &str, headers: &[(&str, &str)]) -> HttpStream {
    HttpStream::get(broker.http(), &format!("/v1/messages?{query}"), headers).await
}

async fn page(broker: &Broker, query: &str) -> Value {
    let answer = get(broker, query, &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{query}");
    serde_json::from_str(&answer.text().await).expect("a page is JSON")
}

async fn problem(broker: &Broker, query: &str, headers: &[(&str, &str)]) -> Value {
    let answer = get(broker, query, headers).await;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{query}");
    let status = answer.status;
    let problem: Value = serde_json::from_str(&answer.text().await).expect("a problem is JSON");
    assert_eq!(problem["status"], status, "{problem}");
    problem
}

async fn ask(method: &str, broker: &Broker, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let answer = HttpStream::ask(method, broker.http(), path, headers, "").await;
    (answer.status, answer.text().await)
}

fn bodies(page: &Value) -> Vec<&str> {
    page["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| message["body"].as_str().expect("text"))
        .collect()
}

async fn publish(
    broker: &Broker,
    destination: &str,
    all: impl IntoIterator<Item = impl std::fmt::Display>,
) -> Vec<String> {
    let mut service = Client::signed_in_over_tcp(broker, "service").await;
    let mut positions = Vec::new();
    for body in all {
        positions.push(service.publish(destination, &body.to_string()).await);
    }
    positions
}

/// How many wait over HTTP.
async fn readers(broker: &Broker) -> f64 {
    let metrics = homeroom_tests::get(broker.management(), "/metrics").await.body;
    homeroom_tests::metric(&metrics, "homeroom_http_readers").unwrap_or_default()
}

/// The value of a field of an event.
fn field<'a>(event: &'a [String], name: &str) -> Option<&'a str> {
    event.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn pages_follow_each_other_and_the_last_says_where_to_go_on() {
    let broker = Broker::start().await;
    let positions = publish(&broker, QUIZ, 0..5).await;
    let first = page(&broker, "destination=/topic/7b/quiz&limit=2").await;
    assert_eq!((bodies(&first), &first["more"]), (vec!["0", "1"], &Value::Bool(true)));
    assert_eq!(first["position"], positions[1]);
    let message = &first["messages"][1];
    assert_eq!((&message["position"], &message["destination"]), (&positions[1].clone().into(), &QUIZ.into()));
    assert_eq!((&message["user"], message["time"].as_u64() > Some(1_700_000_000_000)), (&"service".into(), true));

    let rest = page(&broker, &format!("destination=/topic/7b.quiz&after={}", positions[1])).await;
    assert_eq!((bodies(&rest), &rest["more"]), (vec!["2", "3", "4"], &Value::Bool(false)));
    let nothing = page(&broker, &format!("destination={QUIZ}&after={}", positions[4])).await;
    assert_eq!((bodies(&nothing), &nothing["position"]), (vec![], &positions[4].clone().into()));
    // What belongs to other channels is passed over, and not asked for again.
    let other = publish(&broker, "/topic/7b/chat", ["hello"]).await;
    let nothing = page(&broker, &format!("destination={QUIZ}&after={}", positions[4])).await;
    assert_eq!((bodies(&nothing), &nothing["position"]), (vec![], &other[0].clone().into()));
    assert_eq!(bodies(&page(&broker, &format!("destination={QUIZ}&rewind=2")).await), ["3", "4"]);
}

#[tokio::test]
async fn a_page_that_is_known_is_not_sent_again() {
    let broker = Broker::start().await;
    publish(&broker, QUIZ, 0..2).await;
    let query = format!("destination={QUIZ}");
    let answer = get(&broker, &query, &[]).await;
    let tag = answer.header("etag").expect("a tag").to_owned();
    let again = get(&broker, &query, &[("If-None-Match", &tag)]).await;
    assert_eq!((again.status, again.header("etag")), (304, Some(&*tag)));
    assert_eq!(again.text().await, "");
    publish(&broker, QUIZ, 2..3).await;
    let news = get(&broker, &query, &[("If-None-Match", &tag)]).await;
    assert_eq!(news.status, 200);
    assert_ne!(news.header("etag"), Some(&*tag));
}

#[tokio::test]
async fn history_goes_backwards_page_by_page() {
    let broker = Broker::start().await;
    for number in 0..30 {
        publish(&broker, QUIZ, [number]).await;
        publish(&broker, "/topic/7b/chat", ["noise", "noise"]).await;
    }
    let (mut seen, mut before) = (Vec::new(), String::new());
    loop {
        let page = page(&broker, &format!("destination={QUIZ}&reverse=true&limit=7{before}")).await;
        seen.extend(bodies(&page).iter().map(|body| body.parse::<u32>().expect("a number")));
        match page["before"].as_str().filter(|_| !bodies(&page).is_empty()) {
            Some(position) => before = format!("&before={position}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..30).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_long_poll_answers_at_once_when_something_is_there_and_never_later_than_it_said() {
    let broker = Broker::start().await;
    let positions = publish(&broker, QUIZ, 0..2).await;
    let begun = Instant::now();
    let there = page(&broker, &format!("destination={QUIZ}&after={}&wait=30", positions[0])).await;
    assert_eq!(bodies(&there), ["1"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "it was there");

    let path = format!("/v1/messages?destination={QUIZ}&after={}&wait=30", positions[1]);
    let address = broker.http().to_owned();
    let waiting = tokio::spawn(async move { HttpStream::get(&address, &path, &[]).await.text().await });
    eventually("somebody waits", DEADLINE, async || (readers(&broker).await == 1.0).then_some(())).await;
    publish(&broker, "/topic/7b/chat", ["not this"]).await;
    publish(&broker, QUIZ, ["news"]).await;
    let news: Value = serde_json::from_str(&waiting.await.expect("it ends")).expect("JSON");
    assert_eq!(bodies(&news), ["news"]);

    let begun = Instant::now();
    let nothing = page(&broker, &format!("destination={QUIZ}&wait=1")).await;
    assert_eq!(bodies(&nothing), Vec::<&str>::new());
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // From there on nothing is missed.
    publish(&broker, QUIZ, ["after"]).await;
    let position = nothing["position"].as_str().expect("a position");
    assert_eq!(bodies(&page(&broker, &format!("destination={QUIZ}&after={position}&wait=5")).await), ["after"]);
}

#[tokio::test]
async fn a_position_that_is_gone_is_410_with_what_is_still_kept() {
    let broker = Broker::start_with("[retention]\nrecords = 3\n").await;
    let positions = publish(&broker, QUIZ, 0..6).await;
    let gone = format!("destination={QUIZ}&after={}", positions[0]);
    let problem_of = |query: String| {
        let broker = &broker;
        async move { problem(broker, &query, &[]).await }
    };
    let refused = eventually("retention has taken the oldest", DEADLINE, async || {
        let answer = get(&broker, &gone, &[]).await;
        (answer.status == 410).then_some(())
    });
    refused.await;
    let problem = problem_of(gone.clone()).await;
    assert_eq!((&problem["code"], &problem["retryable"]), (&112.into(), &false.into()), "{problem}");
    let after = problem["kept"][0]["after"].as_str().expect("where to begin again");
    assert_eq!(problem["kept"][0]["head"], positions[5]);
    let kept = page(&broker, &format!("destination={QUIZ}&after={after}")).await;
    assert_eq!(bodies(&kept), ["3", "4", "5"]);
    let unknown = problem_of(format!("destination={QUIZ}&after=1:1")).await;
    assert_eq!((&unknown["status"], &unknown["gap"]), (&410.into(), &"unknown".into()), "{unknown}");
    let polled = problem_of(format!("destination={QUIZ}&after=1:1&wait=5")).await;
    assert_eq!(polled["status"], 410, "{polled}");

    // A browser's EventSource would end for good at a 410.
    let mut stream = get(&broker, &gone, &[EVENTS]).await;
    assert_eq!(stream.status, 200);
    stream.event().await;
    let (gap, first) = (stream.event().await, stream.event().await);
    assert_eq!(field(&gap, "event"), Some("gap"), "{gap:?}");
    assert!(field(&gap, "data").is_some_and(|data| data.ends_with("-3")), "{gap:?}");
    assert_eq!(field(&first, "data"), Some("3"), "{first:?}");
    let mut stream = get(&broker, &format!("destination={QUIZ}&after=1:1"), &[EVENTS]).await;
    stream.event().await;
    let gap = stream.event().await;
    assert_eq!((field(&gap, "event"), field(&gap, "data")), (Some("gap"), Some("unknown")), "{gap:?}");
}

#[tokio::test]
async fn events_carry_id_channel_and_body_and_whoever_returns_goes_on() {
    let broker = Broker::start().await;
    publish(&broker, QUIZ, ["before"]).await;
    let mut stream = get(&broker, "destination=/topic/7b/**", &[EVENTS]).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_eq!((stream.header("x-accel-buffering"), stream.header("cache-control")), (Some("no"), Some("no-store")));
    let first = stream.event().await;
    assert!(field(&first, "retry").is_some() && field(&first, "id").is_some(), "{first:?}");
    let positions = publish(&broker, QUIZ, ["one", "two\nlines\r\nid: 1:1\rdata: x\n"]).await;
    let nested = publish(&broker, "/topic/7b/quiz/7/answers", [": no comment"]).await;
    publish(&broker, "/topic/7b", ["to all"]).await;
    let one = stream.event().await;
    assert_eq!(one, [format!("id: {}", positions[0]), "event: quiz".to_owned(), "data: one".to_owned()]);
    let lines = stream.event().await;
    let data = ["data: two", "data: lines", "data: id: 1:1", "data: data: x", "data: "];
    assert_eq!(lines[2..], data, "{lines:?}");
    let answers = stream.event().await;
    assert_eq!((field(&answers, "event"), field(&answers, "data")), (Some("quiz/7/answers"), Some(": no comment")));
    assert_eq!(field(&answers, "id"), Some(&*nested[0]));
    let all = stream.event().await;
    assert_eq!((field(&all, "event"), field(&all, "data")), (None, Some("to all")));
    drop(stream);

    for (headers, more) in
        [(vec![("Last-Event-ID", &*positions[0])], String::new()), (vec![], format!("&last_event_id={}", positions[0]))]
    {
        let headers: Vec<_> = headers.into_iter().chain([EVENTS]).collect();
        let mut stream = get(&broker, &format!("destination=/topic/7b/**{more}"), &headers).await;
        stream.event().await;
        assert_eq!(stream.event().await, lines);
        assert_eq!(stream.event().await, answers);
    }
    let mut whole = get(&broker, &format!("destination={QUIZ}&from=first&as=message"), &[EVENTS]).await;
    whole.event().await;
    let event = whole.event().await;
    let message: Value = serde_json::from_str(field(&event, "data").expect("data")).expect("JSON");
    assert_eq!((&message["body"], &message["user"]), (&"before".into(), &"service".into()));
}

#[tokio::test]
async fn several_destinations_and_wildcards_are_one_stream_that_resumes_in_all_of_them() {
    let broker = Broker::start().await;
    let query = "destination=/topic/7b/quiz&destination=/topic/7b/chat&destination=/topic/8a/**";
    let mut stream = get(&broker, query, &[LINES]).await;
    assert_eq!(stream.header("content-type"), Some("application/x-ndjson"));
    let first: Value = serde_json::from_str(&stream.line().await.expect("where it begins")).expect("JSON");
    let begun = first["position"].as_str().expect("a position").to_owned();
    assert_eq!(begun.split(',').count(), 2, "one for each classroom");
    for (destination, body) in
        [(QUIZ, "1"), ("/topic/7b/other", "no"), ("/topic/7b/chat", "2"), ("/topic/8a/x", "3"), ("/topic/9c", "no")]
    {
        publish(&broker, destination, [body]).await;
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        let message: Value = serde_json::from_str(&stream.line().await.expect("a line")).expect("JSON");
        seen.push(message["body"].as_str().expect("text").to_owned());
    }
    // Between logs there is no order.
    seen.sort_unstable();
    assert_eq!(seen, ["1", "2", "3"]);
    let page = page(&broker, &format!("{query}&after={begun}")).await;
    let mut on_page = bodies(&page);
    on_page.sort_unstable();
    assert_eq!(on_page, ["1", "2", "3"]);

    // A stream's ids name a place in every log.
    let mut events = get(&broker, &format!("{query}&after={begun}"), &[EVENTS]).await;
    events.event().await;
    let (first, second) = (events.event().await, events.event().await);
    let id = field(&second, "id").expect("an id").to_owned();
    let mut again = get(&broker, query, &[EVENTS, ("Last-Event-ID", &id)]).await;
    again.event().await;
    let third = again.event().await;
    let mut all = [&first, &second, &third].map(|event| field(event, "data").expect("data"));
    all.sort_unstable();
    assert_eq!(all, ["1", "2", "3"]);
}

#[tokio::test]
async fn classrooms_that_appear_later_join_a_stream() {
    let broker = Broker::start().await;
    let mut stream = get(&broker, "destination=/topic/*/quiz", &[LINES]).await;
    stream.line().await;
    publish(&broker, "/topic/new/quiz", ["the first of a new classroom"]).await;
    let message: Value = serde_json::from_str(&stream.line().await.expect("a line")).expect("JSON");
    assert_eq!(message["body"], "the first of a new classroom");
}

#[tokio::test]
async fn what_is_private_is_for_its_user_and_queues_are_not_read() {
    let broker = Broker::start().await;
    publish(&broker, "/user/alice/queue/marks", ["good"]).await;
    // alice:x and mallory:x
    let (alice, mallory) = (("Authorization", "Basic YWxpY2U6eA=="), ("Authorization", "Basic bWFsbG9yeTp4"));
    let query = "destination=/user/queue/marks";
    let answer = get(&broker, query, &[alice]).await;
    let own: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    assert_eq!(bodies(&own), ["good"]);
    let answer = get(&broker, query, &[mallory]).await;
    let others: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    assert_eq!(bodies(&others), Vec::<&str>::new());
    assert_eq!(problem(&broker, query, &[]).await["status"], 400);
    assert_eq!(problem(&broker, "destination=/user/alice/queue/marks", &[mallory]).await["status"], 404);
    assert_eq!(problem(&broker, "destination=/queue/jobs", &[]).await["status"], 400);
}

#[tokio::test]
async fn a_cursor_is_that_of_the_durable_subscription_of_its_name() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("board", QUIZ, &[("durable", "true"), ("ack", "client")]).await;
    publish(&broker, QUIZ, 0..3).await;
    let messages = alice.messages(3).await;
    alice.ack(&messages[0]).await;
    alice.disconnect().await;
    let headers = [("Authorization", "Basic YWxpY2U6eA==")];
    let answer = get(&broker, &format!("destination={QUIZ}&cursor=board"), &headers).await;
    let rest: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    assert_eq!(bodies(&rest), ["1", "2"]);

    // What was read over HTTP is read for STOMP too, and the other way round.
    let path = format!("/v1/cursors/board?destination={QUIZ}");
    let at = rest["messages"][0]["position"].as_str().expect("a position");
    assert_eq!(ask("PUT", &broker, &format!("{path}&position={at}"), &headers).await, (204, String::new()));
    let broker = broker.killed_and_restarted().await;
    let shown = ask("GET", &broker, &path, &headers).await;
    assert_eq!(shown, (200, format!("{{\"position\":\"{at}\"}}")));
    let mut alice = Client::signed_in(&broker, "alice").await;
    let receipt = alice.subscribe("board", QUIZ, &[("durable", "true"), ("ack", "client")]).await;
    assert_eq!(receipt.need("missed"), "1", "{receipt}");
    assert_eq!(alice.message().await.text(), "2");
    alice.disconnect().await;
    for position in ["x", "1:1", "0:0"] {
        assert_eq!(ask("PUT", &broker, &format!("{path}&position={position}"), &headers).await.0, 400, "{position}");
    }
    assert_eq!(ask("PUT", &broker, &path, &headers).await.0, 400);
    assert_eq!(ask("GET", &broker, &path, &[]).await.0, 400, "nobody in particular has no cursor");
    assert_eq!(ask("DELETE", &broker, &path, &headers).await, (204, String::new()));
    assert_eq!(ask("GET", &broker, &path, &headers).await.0, 404);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let broker = Broker::start().await;
    for (query, status, named) in [
        ("", 400, "destination"),
        ("destination=/nowhere/x", 404, "/nowhere/x"),
        ("destination=/topic/7b&after=x", 400, "after"),
        ("destination=/topic/7b&limit=0", 400, "limit"),
        ("destination=/topic/7b&limit=1001", 400, "limit"),
        ("destination=/topic/7b&wait=61", 400, "wait"),
        ("destination=/topic/7b&rewind=yesterday", 400, "rewind"),
        ("destination=/topic/7b&from=middle", 400, "from"),
        ("destination=/topic/7b&as=xml", 400, "as"),
        ("destination=/topic/7b&revers=true", 400, "revers"),
        ("destination=/topic/7b&reverse=true&wait=1", 400, "reverse"),
        ("destination=/topic/7b&before=1:1", 400, "before"),
        ("destination=/topic/**&reverse=true", 400, "reverse"),
        ("destination=/topic/7b&cursor=board", 400, "durable"),
    ] {
        let problem = problem(&broker, query, &[]).await;
        assert_eq!(problem["status"], status, "{query}: {problem}");
        let said = format!("{} {}", problem["detail"], problem["title"]);
        assert!(said.contains(named) && problem["remedy"].as_str().is_some_and(|text| text.len() > 10), "{problem}");
    }
    assert_eq!(page(&broker, "destination=/topic/7b&_=1700").await["more"], false, "a cache buster");
}

#[tokio::test]
async fn a_position_inside_a_transaction_is_gone_on_from_behind_its_last_message() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.send(&Frame::new("BEGIN").with("transaction", "t")).await;
    for body in ["0", "1", "2"] {
        client.send(&Frame::new("SEND").with("destination", QUIZ).with("transaction", "t").body(body)).await;
    }
    client.request(Frame::new("COMMIT").with("transaction", "t")).await;
    client.publish(QUIZ, "3").await;
    let all = page(&broker, &format!("destination={QUIZ}")).await;
    for message in 0..4 {
        let position = all["messages"][message]["position"].as_str().expect("a position");
        let rest = page(&broker, &format!("destination={QUIZ}&after={position}")).await;
        assert_eq!(bodies(&rest), &["0", "1", "2", "3"][message + 1..], "{position}");
        let mut late = Client::signed_in(&broker, "bob").await;
        late.subscribe("s", QUIZ, &[("after", position)]).await;
        assert_eq!(late.bodies(3 - message).await, &["0", "1", "2", "3"][message + 1..], "{position}");
    }
}

#[tokio::test]
async fn a_stop_ends_streams_and_polls() {
    let mut broker = Broker::start().await;
    let mut stream = get(&broker, &format!("destination={QUIZ}"), &[EVENTS]).await;
    stream.event().await;
    let (address, path) = (broker.http().to_owned(), format!("/v1/messages?destination={QUIZ}&wait=60"));
    let poll = tokio::spawn(async move { HttpStream::get(&address, &path, &[]).await.status });
    eventually("both are counted", DEADLINE, async || (readers(&broker).await == 2.0).then_some(())).await;
    broker.terminate();
    assert_eq!(stream.line().await, None);
    assert!(broker.exited().await.success());
    assert!(poll.await.is_ok_and(|status| status == 200));
}

#[tokio::test]
async fn readers_of_streams_that_do_not_read_hold_little_memory_and_delay_nobody() {
    const SLOW: usize = 40;
    const MESSAGES: usize = 200;
    const BODY: usize = 100_000;
    let broker = Broker::start().await;
    let path = format!("/v1/messages?destination={QUIZ}");
    let mut slow = Vec::new();
    for number in 0..SLOW {
        let format = if number % 2 == 0 { EVENTS } else { LINES };
        slow.push(HttpStream::get_with_receive_buffer(broker.http(), &path, &[format], 4096).await);
    }
    let mut live = get(&broker, &format!("destination={QUIZ}"), &[LINES]).await;
    live.line().await;
    let before = broker.resident_bytes();
    let mut service = Client::signed_in(&broker, "service").await;
    for number in 0..MESSAGES {
        service.publish(QUIZ, &format!("{number} {}", "x".repeat(BODY))).await;
        let line = live.line().await.expect("whoever reads has it at once");
        assert!(line.contains(&format!("\"body\":\"{number} x")), "message {number}");
    }
    // 20 MB for each of them if it were kept for them.
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 160 << 20, "{SLOW} stalled readers took {grown} B");
    let mut late = slow.swap_remove(1);
    late.line().await;
    for number in 0..MESSAGES {
        let line = late.line().await.expect("nothing is lost");
        assert!(line.contains(&format!("\"body\":\"{number} x")), "message {number}");
    }
    println!("{SLOW} stalled readers, {} MB behind each: the broker grew by {grown} B", MESSAGES * BODY / 1_000_000);
}

#[tokio::test]
async fn the_location_of_what_was_published_is_its_page() {
    let broker = Broker::start().await;
    for body in ["the first", "the second"] {
        let path = "/v1/messages?destination=/topic/7b/quiz";
        let created = HttpStream::post(broker.http(), path, &[], body).await;
        let location = created.header("location").expect("where it is").to_owned();
        let answer = HttpStream::get(broker.http(), &location, &[]).await;
        let page: Value = serde_json::from_str(&answer.text().await).expect("JSON");
        assert_eq!(bodies(&page), [body], "{location}");
    }
}
