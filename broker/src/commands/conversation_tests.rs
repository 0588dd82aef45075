//! `publish` and `subscribe` as they are typed, with a broker in the same process.

use clap::Parser;
use tokio::sync::oneshot;

use super::{Cli, Command, Failure, publish, subscribe};
use crate::server;
use crate::settings::{Engine, Settings};

/// A broker that forgets everything at its end.
struct Broker {
    url: String,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<Result<(), server::RunError>>,
}

impl Broker {
    async fn start() -> Broker {
        let mut settings = Settings::default();
        settings.storage.engine = Engine::Memory;
        settings.listen.http.set_port(0);
        (settings.listen.stomp, settings.listen.management) = (None, None);
        settings.shutdown.spread = std::time::Duration::ZERO;
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            let started = |addresses: &server::Addresses| tell.send(addresses.http).expect("the test waits");
            let stopped = async {
                let _ = stopped.await;
            };
            let _ = end.send(runtime.block_on(server::run(settings, started, stopped)));
        });
        Broker { url: format!("ws://{}/ws", told.await.expect("the broker starts")), stop, ended }
    }

    /// What a command prints.
    async fn run(&self, line: &[&str]) -> Result<String, Failure> {
        let target = ["--url", &self.url];
        let words = ["homeroom"].iter().chain(line).chain(&target);
        let mut out = Vec::new();
        match Cli::try_parse_from(words).expect("the line is right").command {
            Some(Command::Publish(flags)) => publish::publish(flags, &mut out).await?,
            Some(Command::Subscribe(flags)) => subscribe::subscribe(&flags, &mut out).await?,
            other => panic!("{other:?} is no conversation"),
        }
        Ok(String::from_utf8(out).expect("it is text"))
    }
}

#[tokio::test]
async fn what_is_published_is_printed_by_those_who_subscribe() {
    let broker = Broker::start().await;
    let first = broker.run(&["publish", "/topic/7b/quiz", "Is 91 prime?", "--header", "x-kind: quiz"]).await.unwrap();
    let second = broker.run(&["publish", "/topic/7b/chat", "No."]).await.unwrap();
    let last_two = ["subscribe", "/topic/7b/**", "--rewind", "2", "--count", "2"];
    let expected = format!("{} /topic/7b/quiz Is 91 prime?\n{} /topic/7b/chat No.\n", first.trim(), second.trim());
    assert_eq!(broker.run(&last_two).await.unwrap(), expected);
    let after = ["subscribe", "/topic/7b/**", "--after", first.trim(), "--count", "1", "--body"];
    assert_eq!(broker.run(&after).await.unwrap(), "No.\n");
    let json = ["subscribe", "/topic/7b/quiz", "--rewind", "1h", "--count", "1", "--json"];
    let object: serde_json::Value = serde_json::from_str(&broker.run(&json).await.unwrap()).unwrap();
    assert_eq!((&object["body"], &object["headers"]["x-kind"]), (&"Is 91 prime?".into(), &"quiz".into()));
    assert_eq!(object["position"], first.trim());
}

#[tokio::test]
async fn a_key_makes_a_message_that_is_sent_again_a_duplicate() {
    let broker = Broker::start().await;
    let line = ["publish", "/topic/7b/quiz", "Is 91 prime?", "--key", "question-17"];
    let position = broker.run(&line).await.unwrap();
    assert_eq!(broker.run(&line).await.unwrap(), format!("{} duplicate\n", position.trim()));
    let other = ["publish", "/topic/7b/quiz", "Is 97 prime?", "--key", "question-17"];
    let refused = broker.run(&other).await.unwrap_err().to_string();
    assert!(refused.contains("code 114") && !refused.contains("unknown"), "{refused}");
}

#[tokio::test]
async fn a_durable_subscription_goes_on_where_it_was() {
    let broker = Broker::start().await;
    let board = ["subscribe", "/topic/7b/quiz", "--durable", "board", "--login", "alice", "--count", "1", "--body"];
    for body in ["one", "two", "three"] {
        broker.run(&["publish", "/topic/7b/quiz", body]).await.unwrap();
    }
    let from_the_first = [&board[..], &["--rewind", "3"]].concat();
    assert_eq!(broker.run(&from_the_first).await.unwrap(), "one\n");
    assert_eq!(broker.run(&board).await.unwrap(), "two\n");
    assert_eq!(broker.run(&board).await.unwrap(), "three\n");
}

#[tokio::test]
async fn an_ephemeral_message_has_no_position() {
    let broker = Broker::start().await;
    assert_eq!(broker.run(&["publish", "/topic/7b/pen", "3,4", "--ephemeral"]).await.unwrap(), "");
}

#[tokio::test]
async fn a_broker_that_stops_ends_a_subscription_with_its_reason() {
    let Broker { url, stop, ended } = Broker::start().await;
    let cli = Cli::try_parse_from(["homeroom", "subscribe", "/topic/7b/**", "--rewind", "1h", "--url", &url]).unwrap();
    let Some(Command::Subscribe(flags)) = cli.command else { panic!("this is subscribe") };
    let publish =
        Cli::try_parse_from(["homeroom", "publish", "/topic/7b/quiz", "Is 91 prime?", "--url", &url]).unwrap();
    let Some(Command::Publish(message)) = publish.command else { panic!("this is publish") };
    publish::publish(message, &mut Vec::new()).await.unwrap();
    let mut stopper = StopAtTheFirstMessage(Some(stop));
    let failure = subscribe::subscribe(&flags, &mut stopper).await.unwrap_err().to_string();
    assert!(failure.contains("1012"), "{failure}");
    ended.await.unwrap().unwrap();
}

/// Whoever prints here stops the broker.
struct StopAtTheFirstMessage(Option<oneshot::Sender<()>>);

impl std::io::Write for StopAtTheFirstMessage {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(stop) = self.0.take() {
            stop.send(()).expect("the broker runs");
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_job_is_taken_from_a_queue_once_and_looked_at_without_being_taken() {
    let broker = Broker::start().await;
    for job in ["first", "second", "third"] {
        broker.run(&["publish", "/queue/grading", job]).await.unwrap();
    }
    let browse = ["subscribe", "/queue/grading", "--browse", "--body"];
    assert_eq!(broker.run(&browse).await.unwrap(), "first\nsecond\nthird\n");
    let take = ["subscribe", "/queue/grading", "--count", "1", "--body"];
    assert_eq!(broker.run(&take).await.unwrap(), "first\n");
    assert_eq!(broker.run(&take).await.unwrap(), "second\n");
    assert_eq!(broker.run(&browse).await.unwrap(), "third\n");
}
