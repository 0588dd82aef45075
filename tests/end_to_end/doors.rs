//! One student, every door: whatever the way in, the history is one.

use homeroom_tests::{Broker, Client, Frame, HttpStream, Random, Sockjs};
use serde_json::Value;
use tokio::task::JoinHandle;

const QUIZ: &str = "/topic/7b/quiz";
/// How often a door is changed; `HOMEROOM_DOORS=10000` makes it the long run.
fn steps() -> u64 {
    std::env::var("HOMEROOM_DOORS").ok().map_or(5_000, |text| text.parse().expect("HOMEROOM_DOORS is a number"))
}

/// Publishes numbers, with others' noise between them and now and then several in one record, until it is told to stop.
fn publish(broker: &Broker, stop: std::sync::Arc<std::sync::atomic::AtomicBool>) -> JoinHandle<u64> {
    let address = broker.stomp().to_owned();
    tokio::spawn(async move {
        let mut client = Client::try_over_tcp(&address, "service").await.expect("the broker is there");
        let mut number = 0;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            client.publish(QUIZ, &number.to_string()).await;
            number += 1;
            if number % 7 == 0 {
                client.publish("/topic/7b/chat", "noise").await;
                let begin = homeroom_tests::Frame::new("BEGIN").with("transaction", "t");
                client.send(&begin).await;
                for _ in 0..3 {
                    let send = homeroom_tests::Frame::new("SEND").with("destination", QUIZ).with("transaction", "t");
                    client.send(&send.body(number.to_string())).await;
                    number += 1;
                }
                client.request(homeroom_tests::Frame::new("COMMIT").with("transaction", "t")).await;
            }
        }
        number
    })
}

/// A student who knows where it was, and nothing else.
struct Student {
    broker: Broker,
    position: Option<String>,
    seen: Vec<u64>,
}

impl Student {
    fn see(&mut self, position: &str, body: &str) {
        self.position = Some(position.to_owned());
        self.seen.push(body.parse().expect("a number"));
    }

    fn query(&self) -> String {
        let after = self.position.as_ref().map_or_else(|| "&from=first".to_owned(), |at| format!("&after={at}"));
        format!("/v1/messages?destination={QUIZ}{after}")
    }

    async fn over_websocket(&mut self, count: u64, tcp: bool) {
        let mut client = match tcp {
            true => Client::signed_in_over_tcp(&self.broker, "student").await,
            false => Client::signed_in(&self.broker, "student").await,
        };
        let start = self.position.clone();
        let header = start.as_deref().map_or(("x-stream-offset", "first"), |position| ("after", position));
        client.subscribe("s", QUIZ, &[header]).await;
        for _ in 0..count {
            let message = client.message().await;
            assert_eq!(message.header("gap"), None, "{message}");
            let (_, position) = message.need("message-id").rsplit_once('@').expect("a position");
            self.see(position, message.text());
        }
        client.hang_up().await;
    }

    async fn over_sockjs(&mut self, count: u64) {
        let mut session = Sockjs::signed_in(self.broker.http(), "student").await;
        let start = self.position.clone();
        let header = start.as_deref().map_or(("x-stream-offset", "first"), |position| ("after", position));
        session.subscribe("s", QUIZ, &[header]).await;
        let mut messages: Vec<Frame> = Vec::new();
        while messages.len() < count as usize {
            messages.extend(session.hear().await);
        }
        for message in &messages {
            let (_, position) = message.need("message-id").rsplit_once('@').expect("a position");
            self.see(position, message.text());
        }
        // It would be one of many sessions that nobody asks for any more.
        session.say(&Frame::new("DISCONNECT")).await;
        drop(HttpStream::begin("POST", self.broker.http(), &session.at("xhr"), &[], "").await);
    }

    async fn over_events(&mut self, count: u64) {
        let headers = [("Accept", "text/event-stream")];
        let mut stream = HttpStream::get(self.broker.http(), &self.query(), &headers).await;
        stream.event().await;
        for _ in 0..count {
            let event = stream.event().await;
            let field = |name: &str| event.iter().find_map(|line| line.strip_prefix(name)).expect("a field");
            assert_eq!(field("event: "), "quiz", "{event:?}");
            self.see(field("id: "), field("data: "));
        }
    }

    async fn over_lines(&mut self, count: u64) {
        let headers = [("Accept", "application/x-ndjson")];
        let mut stream = HttpStream::get(self.broker.http(), &self.query(), &headers).await;
        stream.line().await;
        for _ in 0..count {
            let message: Value = serde_json::from_str(&stream.line().await.expect("a line")).expect("JSON");
            self.see(message["position"].as_str().expect("a position"), message["body"].as_str().expect("text"));
        }
    }

    /// A page, waiting for it or not; then from the position of the page or from that of its last message.
    async fn over_a_page(&mut self, limit: u64, wait: bool, by_message: bool) {
        let wait = if wait { "&wait=20" } else { "" };
        let answer = HttpStream::get(self.broker.http(), &format!("{}&limit={limit}{wait}", self.query()), &[]).await;
        assert_eq!(answer.status, 200);
        let page: Value = serde_json::from_str(&answer.text().await).expect("JSON");
        for message in page["messages"].as_array().expect("messages") {
            self.see(message["position"].as_str().expect("a position"), message["body"].as_str().expect("text"));
        }
        if !by_message {
            self.position = page["position"].as_str().map(str::to_owned);
        }
    }
}

#[tokio::test]
async fn a_student_who_changes_doors_sees_one_history_without_gap_or_repeat() {
    let mut random = Random::printed("doors");
    let broker = Broker::start().await;
    let stop = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
    let publisher = publish(&broker, stop.clone());
    let mut student = Student { broker, position: None, seen: Vec::new() };
    let mut taken = [0_u64; 7];
    for _ in 0..steps() {
        let (door, count) = (random.below(7), random.between(1, 4));
        taken[door as usize] += 1;
        match door {
            0 => student.over_websocket(count, false).await,
            1 => student.over_websocket(count, true).await,
            2 => student.over_events(count).await,
            3 => student.over_lines(count).await,
            4 => student.over_sockjs(count).await,
            5 => student.over_a_page(count, true, random.below(2) == 0).await,
            _ => student.over_a_page(count, false, random.below(2) == 0).await,
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let published = publisher.await.expect("the publisher ended well");
    let expected: Vec<u64> = (0..student.seen.len() as u64).collect();
    assert!(student.seen == expected, "one after the other, each once");
    println!("{} doors ({taken:?}), {} messages seen of {published} published", steps(), student.seen.len());
}
