//! `POST /v1/messages`: what a service publishes with one request is a message like any other.

use futures_util::StreamExt;
use homeroom_tests::{
    Answer, Broker, Client, DEADLINE, Frame, eventually, exchange, get, metric, post, request, within,
};
use tokio::process::Command;

/// `alice:` in base64.
const ALICE: (&str, &str) = ("Authorization", "Basic YWxpY2U6");
const QUIZ: &str = "/v1/messages?destination=/topic/7b/quiz";

type Headers<'a> = &'a [(&'a str, &'a str)];

async fn publish(broker: &Broker, path: &str, headers: Headers<'_>, body: impl AsRef<[u8]>) -> Answer {
    post(broker.http(), path, headers, body).await
}

/// The position of what was stored.
fn position(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["position"].as_str().expect("a position").to_owned()
}

fn position_of(message: &Frame) -> String {
    format!("{}:{}", message.need("epoch"), message.need("offset"))
}

/// A reader of all that class 7b was sent, in STOMP of this version.
async fn reader(broker: &Broker, destination: &str) -> Client {
    let mut reader = Client::signed_in(broker, "reader").await;
    reader.subscribe("s", destination, &[("x-stream-offset", "first")]).await;
    reader
}

#[tokio::test]
async fn those_who_are_here_and_those_who_come_late_get_it_with_the_same_position() {
    let broker = Broker::start().await;
    let mut live = reader(&broker, "/topic/7b/**").await;
    let body = [b"\0late\r\n\r\n", &[0xff, 0xfe][..]].concat();
    let path = format!("{QUIZ}&correlation-id=c:1&reply-to=/queue/a&header=x-own:a%5Cb:c%C3%BC&header=X-Own:d");
    let answer = publish(&broker, &path, &[ALICE, ("Content-Type", "image/x; a=b")], &body).await;
    assert_eq!(answer.json()["duplicate"], false, "{answer:?}");
    let mut late = reader(&broker, "/topic/7b/quiz").await;
    for reader in [&mut live, &mut late] {
        let message = reader.message().await;
        assert_eq!(position_of(&message), position(&answer), "{message}");
        assert_eq!((message.need("destination"), &message.body), ("/topic/7b/quiz", &body), "{message}");
        assert_eq!((message.need("content-type"), message.need("user-id")), ("image/x; a=b", "alice"), "{message}");
        assert_eq!((message.need("correlation-id"), message.need("reply-to")), ("c:1", "/queue/a"), "{message}");
        assert_eq!((message.need("x-own"), message.need("X-Own")), ("a\\b:cü", "d"), "{message}");
    }
    let nobody = publish(&broker, QUIZ, &[], "").await;
    let message = live.message().await;
    assert_eq!((position_of(&message), message.text()), (position(&nobody), ""), "{message}");
    assert_eq!((message.header("user-id"), message.header("content-type")), (None, None), "{message}");
}

/// The lines of a document that call curl, asking this broker.
fn curl_lines(broker: &Broker, document: &str) -> Vec<String> {
    let path = format!("{}/../{document}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a document").replace("127.0.0.1:8080", broker.http());
    text.lines().filter(|line| line.starts_with("curl ")).map(ToOwned::to_owned).collect()
}

async fn shell(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).kill_on_drop(true).output();
    let output = within(line, DEADLINE, output).await.expect("a shell");
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test]
async fn the_documents_show_what_curl_can_do() {
    let broker = Broker::start().await;
    let mut readers = [reader(&broker, "/topic/7b/**").await, reader(&broker, "/topic/8a/**").await];
    for document in ["README.md", "broker/HTTP.md"] {
        let lines = curl_lines(&broker, document);
        assert!(!lines.is_empty(), "{document} shows curl");
        for line in lines {
            assert!(shell(&line).await.contains("\"position"), "{line}");
        }
    }
    for reader in &mut readers {
        assert_eq!(reader.message().await.need("user-id"), "quiz-service");
    }
}

#[tokio::test]
async fn curl_sends_a_file_that_it_asks_about_first() {
    let broker = Broker::start().await;
    // From 1 MiB on it sends the headers, and the body only when it is told to go on.
    let file = broker.setup().directory().join("large");
    let large = "x".repeat(1 << 20);
    std::fs::write(&file, &large).expect("a file");
    let url = format!("http://{}{QUIZ}", broker.http());
    let send =
        format!("curl -sS -w '%{{http_code}}' -H 'Expect: 100-continue' --data-binary @{} '{url}'", file.display());
    assert!(shell(&send).await.ends_with("201"));
    assert_eq!(reader(&broker, "/topic/7b/quiz").await.message().await.body.len(), large.len());
    std::fs::write(&file, large + "x").expect("a file");
    assert!(shell(&send).await.ends_with("413"));
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let broker = Broker::start().await;
    let answer = publish(&broker, QUIZ, &[ALICE, ("Idempotency-Key", "q1")], "B").await;
    let broker = broker.killed_and_restarted().await;
    let message = reader(&broker, "/topic/7b/quiz").await.message().await;
    assert_eq!((position_of(&message), message.text()), (position(&answer), "B"), "{message}");
    let again = publish(&broker, QUIZ, &[ALICE, ("Idempotency-Key", "q1")], "B").await;
    assert_eq!((position(&again), &again.json()["duplicate"]), (position(&answer), &true.into()));
}

#[tokio::test]
async fn a_retry_through_the_other_door_is_stored_once() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    let send = |key: &str| {
        Frame::new("SEND").with("destination", "/topic/7b/quiz").with("idempotency-key", key.to_owned()).body("B")
    };
    let by_http = publish(&broker, QUIZ, &[ALICE, ("Idempotency-Key", "h")], "B").await;
    let receipt = alice.request(send("h")).await;
    assert_eq!((receipt.need("position"), receipt.header("duplicate")), (&*position(&by_http), Some("true")));
    let receipt = alice.request(send("s")).await;
    let by_http = publish(&broker, QUIZ, &[ALICE, ("Idempotency-Key", "s")], "B").await;
    assert_eq!((position(&by_http), &by_http.json()["duplicate"]), (receipt.need("position").to_owned(), &true.into()));
    let another = publish(&broker, QUIZ, &[ALICE, ("Idempotency-Key", "s")], "C").await;
    assert_eq!((another.status, &another.json()["code"]), (409, &114.into()), "{another:?}");
    let nobody = publish(&broker, QUIZ, &[("Idempotency-Key", "s")], "B").await;
    assert_eq!(nobody.json()["duplicate"], false, "a key belongs to its publisher");
}

#[tokio::test]
async fn what_is_not_to_be_stored_is_shown_to_those_who_are_here_behind_what_was() {
    let broker = Broker::start().await;
    let mut live = reader(&broker, "/topic/7b/quiz").await;
    for round in 0..20 {
        publish(&broker, QUIZ, &[], format!("stored {round}")).await;
        let answer = publish(&broker, &format!("{QUIZ}&persistent=false"), &[], format!("shown {round}")).await;
        assert_eq!((answer.status, &answer.json()["position"]), (202, &serde_json::Value::Null), "{answer:?}");
    }
    for round in 0..20 {
        assert_eq!(live.bodies(2).await, [format!("stored {round}"), format!("shown {round}")]);
    }
    let mut late = reader(&broker, "/topic/7b/quiz").await;
    assert_eq!(late.bodies(2).await, ["stored 0", "stored 1"]);
    let queued = publish(&broker, "/v1/messages?destination=/queue/jobs&persistent=false", &[], "job").await;
    position(&queued);
}

#[tokio::test]
async fn what_has_expired_is_shown_to_nobody() {
    let broker = Broker::start().await;
    publish(&broker, &format!("{QUIZ}&expires=1"), &[], "over").await;
    publish(&broker, &format!("{QUIZ}&expiration=60000"), &[], "in time").await;
    let message = reader(&broker, "/topic/7b/quiz").await.message().await;
    assert_eq!(message.text(), "in time");
    assert!(message.need("expires").parse::<u64>().is_ok_and(|time| time > 1_700_000_000_000), "{message}");
}

#[tokio::test]
async fn private_queues_and_those_who_asked_are_reached() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("marks", "/user/queue/marks", &[]).await;
    let answer = publish(&broker, "/v1/messages?destination=/user/alice/queue/marks", &[], "A").await;
    position(&answer);
    assert_eq!(answer.header("location"), None, "what is private is read by its owner");
    assert_eq!(alice.message().await.text(), "A");

    let mut service = reader(&broker, "/topic/7b/questions").await;
    let question = Frame::new("SEND").with("destination", "/topic/7b/questions").with("reply-to", "/temp-queue/x");
    alice.request(question.body("how late is it?")).await;
    let address = service.message().await.need("reply-to").to_owned();
    let reply = publish(&broker, &format!("/v1/messages?destination={address}"), &[ALICE], "late").await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let message = alice.message().await;
    assert_eq!((message.need("subscription"), message.text()), ("/temp-queue/x", "late"), "{message}");
}

#[tokio::test]
async fn what_cannot_be_had_is_told_with_the_number_of_the_error_and_what_to_do() {
    let broker = Broker::start_with("[limits]\nheader_count = 8").await;
    let key = "k".repeat(256);
    let many = format!("?destination=/topic/7b{}", "&header=x:1".repeat(9));
    let cases: &[(u16, u16, &str, &str, Headers<'_>)] = &[
        (400, 107, "destination is missing", "", &[]),
        (400, 107, "more than once", "?destination=/topic/a&destination=/topic/b", &[]),
        (404, 102, "no known prefix", "?destination=quiz", &[]),
        (404, 102, "made by the broker", "?destination=/topic/7b/$presence", &[]),
        (400, 107, "wildcard", "?destination=/topic/7b/*", &[]),
        (400, 107, "not percent-encoded", "?destination=/topic/%ff", &[]),
        (404, 102, "control", "?destination=/topic/7b/%0Ax", &[]),
        (400, 107, "persistent is \"no\"", "?destination=/topic/7b&persistent=no", &[]),
        (400, 107, "expires is \"soon\"", "?destination=/topic/7b&expires=soon", &[]),
        (400, 107, "expiration is \"0\"", "?destination=/topic/7b&expiration=0", &[]),
        (400, 107, "\"presistent\"", "?destination=/topic/7b&presistent=false", &[]),
        (400, 107, "no colon", "?destination=/topic/7b&header=x", &[]),
        (400, 107, "control character", "?destination=/topic/7b&header=x:a%0Auser-id:teacher", &[]),
        (400, 107, "control character", "?destination=/topic/7b&header=%00session:1", &[]),
        (400, 107, "no name", "?destination=/topic/7b&header=:1", &[]),
        (400, 107, "/temp-queue/", "?destination=/topic/7b&reply-to=/temp-queue/x", &[]),
        (400, 107, "later", "?destination=/topic/7b&header=x-delay:5000", &[]),
        (413, 106, "8 headers", &many, &[]),
        (400, 107, "1 to 255 bytes", "?destination=/topic/7b", &[("Idempotency-Key", "")]),
        (400, 107, "1 to 255 bytes", "?destination=/topic/7b", &[("Idempotency-Key", &key)]),
        (400, 107, "Authorization", "?destination=/topic/7b", &[("Authorization", "Bearer abc")]),
        (415, 107, "Content-Type", "?destination=/topic/7b", &[("Content-Type", "application/vnd.homeroom.x+json")]),
    ];
    for (status, code, words, query, headers) in cases {
        let answer = publish(&broker, &format!("/v1/messages{query}"), headers, "B").await;
        let problem = answer.json();
        assert_eq!((answer.status, &problem["code"]), (*status, &(*code).into()), "{query} {headers:?}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{words}: {answer:?}");
        assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{answer:?}");
    }
    let mut reader = reader(&broker, "/topic/**").await;
    publish(&broker, "/v1/messages?destination=/topic/7b", &[], "the first").await;
    assert_eq!(reader.message().await.text(), "the first");
}

#[tokio::test]
async fn what_the_broker_sets_and_old_clients_cannot_spell_does_no_harm() {
    let broker = Broker::start().await;
    let mut old = Client::tcp(&broker).await;
    old.send_bytes(b"CONNECT\naccept-version:1.0\n\n\0").await;
    old.frame().await;
    old.send_bytes(b"SUBSCRIBE\ndestination:/topic/7b\nreceipt:r\n\n\0").await;
    old.frame().await;
    let path = "/v1/messages?destination=/topic/7b&header=a:b%5Cn:c&header=user-id:teacher&header=subscription:x";
    position(&publish(&broker, path, &[ALICE], "B").await);
    let message = old.message().await;
    assert_eq!((message.need("user-id"), message.text()), ("alice", "B"), "{message}");
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let broker = Broker::start_with("[queues]\nbytes = \"1MiB\"").await;
    let path = "/v1/messages?destination=/queue/jobs";
    for _ in 0..10 {
        position(&publish(&broker, path, &[], "x".repeat(100_000)).await);
    }
    let full = publish(&broker, path, &[], "x".repeat(100_000)).await;
    assert_eq!((full.status, &full.json()["code"]), (429, &106.into()), "{full:?}");
    assert!(full.header("retry-after").is_some(), "{full:?}");
}

#[tokio::test]
async fn requests_that_wait_together_are_stored_together() {
    let broker = Broker::start().await;
    let commits = async || {
        let text = get(broker.management(), "/metrics").await.body;
        metric(&text, "homeroom_store_commit_seconds_count").expect("the store's commits")
    };
    publish(&broker, QUIZ, &[], "warm").await;
    let before = commits().await;
    let posts = (0..200).map(|number| publish(&broker, QUIZ, &[], number.to_string()));
    let mut positions: Vec<String> = futures_util::future::join_all(posts).await.iter().map(position).collect();
    let commits = commits().await - before;
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len(), 200);
    println!("200 messages took {commits} commits");
    assert!(commits < 150.0, "200 messages took {commits} commits");
}

#[tokio::test]
async fn whoever_goes_away_after_the_last_byte_has_sent_it() {
    let broker = Broker::start().await;
    for number in 0..20 {
        let mut stream = tokio::net::TcpStream::connect(broker.http()).await.expect("the broker listens");
        let path = format!("/v1/messages?destination=/topic/room-{number}/quiz");
        let bytes = request("POST", broker.http(), &path, &[], if number % 2 == 0 { b"" } else { b"B" });
        tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await.expect("it is taken");
        drop(stream);
    }
    let kept = eventually("all are stored", DEADLINE, async || {
        let text = get(broker.management(), "/metrics").await.body;
        metric(&text, "homeroom_store_records_total").filter(|count| *count >= 20.0)
    });
    assert!(kept.await >= 20.0);
}

#[tokio::test]
async fn one_connection_publishes_again_and_again() {
    let broker = Broker::start().await;
    let kept_open = |body: &str| {
        let request = request("POST", broker.http(), QUIZ, &[], body.as_bytes());
        String::from_utf8(request).expect("UTF-8").replace("Connection: close\r\n", "").into_bytes()
    };
    let last = request("POST", broker.http(), QUIZ, &[], b"3");
    let bytes = [kept_open("1"), kept_open("2"), last].concat();
    let answer = exchange(broker.http(), &bytes).await.expect("three answers");
    assert_eq!(answer.body.matches("HTTP/1.1 201").count(), 2, "{answer:?}");
    assert_eq!(reader(&broker, "/topic/7b/quiz").await.bodies(3).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn what_was_answered_during_a_stop_is_there_afterwards() {
    let mut broker = Broker::start().await;
    publish(&broker, QUIZ, &[], "warm").await;
    let address = broker.http().to_owned();
    let bytes = |number: i32| request("POST", &address, QUIZ, &[], number.to_string().as_bytes());
    let posts = (0..400).map(async |number| (number, exchange(&address, &bytes(number)).await));
    let mut posts = futures_util::stream::iter(posts).buffer_unordered(50);
    let mut answers = Vec::new();
    while let Some(answer) = posts.next().await {
        answers.push(answer);
        if answers.len() == 100 {
            broker.terminate();
        }
    }
    drop(posts);
    assert!(broker.exited().await.success());
    let broker = broker.setup().start().await;
    let mut reader = reader(&broker, "/topic/7b/quiz").await;
    let end = position(&publish(&broker, QUIZ, &[], "the end").await);
    let mut kept = Vec::new();
    while kept.last() != Some(&end) {
        kept.push(position_of(&reader.message().await));
    }
    let mut confirmed = 0;
    for (number, answer) in answers {
        // Those who came too late are told so, or have no answer.
        let Ok(answer) = answer else { continue };
        assert!(matches!(answer.status, 201 | 503), "{number}: {answer:?}");
        if answer.status == 201 {
            assert!(kept.contains(&position(&answer)), "{number}: {answer:?}");
            confirmed += 1;
        }
    }
    println!("{confirmed} of 400 were confirmed");
    assert!(confirmed >= 100, "{confirmed}");
}
