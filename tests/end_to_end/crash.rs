//! Killed brokers: what was confirmed is there, what was seen is there, and
//! nobody gets a message twice below what was acknowledged.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use homeroom_tests::{Broker, Client, Event, Frame, History, MessageName, Random, Setup, Stream, stream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const ROOM: &str = "/topic/7b/quiz";

/// Reads the whole log into the history.
async fn dump(broker: &Broker, history: &History) {
    let mut reader = Client::signed_in(broker, "auditor").await;
    reader.subscribe("all", "/topic/7b/**", &[("x-stream-offset", "first")]).await;
    let end = reader.publish("/topic/7b/end", "the end").await;
    loop {
        let message = reader.message().await;
        if message.need("message-id").ends_with(&format!("@{end}")) {
            return;
        }
        if message.header("destination") == Some(ROOM) {
            history.kept(&message);
        }
    }
}

mod a_class_comes_back {
    use super::*;

    const STUDENTS: usize = 300;
    const MESSAGES: usize = 200;
    const BODY_BYTES: usize = 200;

    async fn attend(broker: &Broker, number: usize) -> (Client, Frame) {
        let mut student = Client::signed_in(broker, &format!("student-{number}")).await;
        let receipt = student.subscribe("quiz", ROOM, &[("durable", "true"), ("ack", "client")]).await;
        (student, receipt)
    }

    /// Publishes half of the messages, one after the other, as a service does.
    async fn publish(broker: &Broker, history: &History, numbers: std::ops::Range<usize>) {
        let mut service = Client::signed_in_over_tcp(broker, "service").await;
        let mut asked = Vec::new();
        for number in numbers {
            let name = MessageName { publisher: "service".into(), number: number as u64 };
            let body = name.body(BODY_BYTES);
            assert_eq!(body.len(), BODY_BYTES);
            history.asked(&name, ROOM, &body);
            asked.push((name, service.ask(Frame::new("SEND").with("destination", ROOM).body(body)).await));
        }
        for (name, receipt) in asked {
            let receipt = service.receipt(&receipt).await;
            history.confirmed(&name, &receipt);
        }
    }

    #[tokio::test]
    async fn three_hundred_students_miss_nothing_over_a_kill() {
        homeroom_tests::raise_descriptor_limit();
        let history = History::default();
        let broker = Broker::start().await;
        let first_time = join_all((0..STUDENTS).map(|number| attend(&broker, number))).await;
        for (number, (student, receipt)) in first_time.into_iter().enumerate() {
            history.subscribed(&place(number, 0), &receipt);
            student.disconnect().await;
        }
        let broker = broker.stopped_and_restarted().await;
        let before = broker.data_bytes();

        publish(&broker, &history, 0..MESSAGES / 2).await;
        let broker = broker.killed_and_restarted().await;
        publish(&broker, &history, MESSAGES / 2..MESSAGES).await;

        let start = Instant::now();
        join_all((0..STUDENTS).map(|number| {
            let (history, broker) = (history.clone(), &broker);
            async move {
                let (mut student, receipt) = attend(broker, number).await;
                assert_eq!(receipt.header("resumed"), Some("true"), "{receipt}");
                assert_eq!(receipt.header("missed"), Some("200"), "{receipt}");
                let stream = place(number, 1);
                history.subscribed(&stream, &receipt);
                let mut last = None;
                for message in student.messages(MESSAGES).await {
                    history.received(&stream, &message);
                    last = Some(message);
                }
                student.ack(&last.expect("two hundred messages")).await;
                history.caught_up(&stream);
                student.disconnect().await;
            }
        }))
        .await;
        let took = start.elapsed();
        let (broker, grown) = measured_growth(broker, before).await;

        // Once more, over a kill: nothing comes again.
        let broker = broker.killed_and_restarted().await;
        for number in [0, STUDENTS / 2, STUDENTS - 1] {
            let (_, receipt) = attend(&broker, number).await;
            assert_eq!(receipt.header("missed"), Some("0"), "{receipt}");
        }
        dump(&broker, &history).await;
        let verdict = history.judged("a class that came back");
        assert_eq!((verdict.confirmed, verdict.received, verdict.kept), (MESSAGES, STUDENTS * MESSAGES, MESSAGES));
        let payload = (MESSAGES * BODY_BYTES) as u64;
        println!(
            "{STUDENTS} students got {MESSAGES} messages each within {took:?}; \
             {payload} B of payload, the data directory grew from {before} B by {grown} B"
        );
        assert!(grown <= 3 * payload + 1_000_000, "grew by {grown} B for {payload} B of payload");
    }

    /// The growth once everything is written: after a graceful stop, before the next start.
    async fn measured_growth(mut broker: Broker, before: u64) -> (Broker, u64) {
        broker.terminate();
        broker.exited().await;
        let grown = broker.data_bytes().saturating_sub(before);
        (broker.setup().start().await, grown)
    }

    fn place(number: usize, session: u64) -> Stream {
        stream(&format!("student-{number}"), session, ROOM)
    }
}

mod killed_at_random_moments {
    use super::*;

    const PUBLISHERS: u64 = 4;
    const READERS: u64 = 4;
    /// SENDs that a publisher has under way at a time.
    const WINDOW: usize = 16;

    /// `HOMEROOM_KILLS=500` makes it the long run.
    fn cycles() -> u64 {
        std::env::var("HOMEROOM_KILLS").ok().map_or(20, |text| text.parse().expect("HOMEROOM_KILLS is a number"))
    }

    /// Publishes until the broker is gone. Returns the next number.
    async fn publish(mut client: Client, history: History, publisher: Arc<str>, mut number: u64) -> u64 {
        let mut under_way = std::collections::VecDeque::new();
        loop {
            while under_way.len() < WINDOW {
                let name = MessageName { publisher: publisher.clone(), number };
                let body = name.body(100);
                let receipt = format!("{name}");
                history.asked(&name, ROOM, &body);
                number += 1;
                let frame = Frame::new("SEND").with("destination", ROOM).with("receipt", receipt).body(body);
                if client.try_send(&frame).await.is_err() {
                    return number;
                }
                under_way.push_back(name);
            }
            let Some(receipt) = next_frame(&mut client).await else { return number };
            assert_eq!(receipt.command, "RECEIPT", "{receipt}");
            let name = under_way.pop_front().expect("asked");
            assert_eq!(receipt.need("receipt-id"), name.to_string(), "receipts in the order asked");
            history.confirmed(&name, &receipt);
        }
    }

    /// Reads and acknowledges every tenth until the broker is gone.
    async fn read(mut client: Client, history: History, stream: Stream) {
        let mut acknowledging = std::collections::VecDeque::new();
        let mut count = 0;
        while let Some(frame) = next_frame(&mut client).await {
            if frame.command == "RECEIPT" {
                let message = acknowledging.pop_front().expect("asked");
                history.acked(&stream, &message);
                continue;
            }
            assert_eq!(frame.command, "MESSAGE", "{frame}");
            history.received(&stream, &frame);
            count += 1;
            if count % 10 == 0 {
                let ack = Frame::new("ACK").with("id", frame.need("ack")).with("receipt", "ack");
                acknowledging.push_back(frame);
                if client.try_send(&ack).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn next_frame(client: &mut Client) -> Option<Frame> {
        loop {
            match client.hear().await {
                homeroom_tests::Heard::Frame(frame) => return Some(frame),
                homeroom_tests::Heard::Closed(_) => return None,
                _ => {}
            }
        }
    }

    #[tokio::test]
    async fn no_confirmed_message_is_lost_and_no_offset_used_again() {
        let mut random = Random::printed("kill -9 under load");
        let cycles = cycles();
        let history = History::default();
        // A long run publishes more than a classroom keeps by default, and what retention takes is not lost.
        let setup = Setup::default().config("[retention]\nbytes = \"8GB\"");
        // All of its log is looked through after each kill.
        let setup = if cycles > 20 { setup.environment("HOMEROOM__LOG__FILTER", "info") } else { setup };
        let mut numbers = vec![0; PUBLISHERS as usize];
        let mut slowest_start = Duration::ZERO;
        for session in 0..cycles {
            let start = Instant::now();
            let mut broker = setup.start().await;
            slowest_start = slowest_start.max(start.elapsed());
            history.note("killer", Event::Up);

            let mut readers: Vec<JoinHandle<()>> = Vec::new();
            for number in 0..READERS {
                let reader = stream(&format!("reader-{number}"), session, ROOM);
                let mut client = Client::signed_in(&broker, &reader.reader).await;
                let headers = [("durable", "true"), ("ack", "client")];
                let receipt = client.subscribe("quiz", ROOM, &headers).await;
                history.subscribed(&reader, &receipt);
                for message in client.set_aside() {
                    history.received(&reader, &message);
                }
                readers.push(tokio::spawn(read(client, history.clone(), reader)));
            }
            let mut publishers = Vec::new();
            for (index, number) in numbers.iter().enumerate() {
                let name: Arc<str> = format!("publisher-{session}-{index}").into();
                let client = Client::signed_in_over_tcp(&broker, &name).await;
                publishers.push(tokio::spawn(publish(client, history.clone(), name, *number)));
            }
            // The fault comes at a random moment: this is the fault's clock, not a wait for something.
            sleep(Duration::from_millis(random.between(5, 300))).await;
            broker.kill().await;
            history.note("killer", Event::Down);
            for (publisher, number) in publishers.into_iter().zip(&mut numbers) {
                *number = publisher.await.expect("the publisher ended well");
            }
            for reader in readers {
                reader.await.expect("the reader ended well");
            }
        }
        let broker = setup.start().await;
        dump(&broker, &history).await;
        let verdict = history.judged("kill -9 under load");
        println!(
            "{cycles} kills: {} asked, {} confirmed, {} kept, {} delivered, 0 confirmed lost; slowest start {slowest_start:?}",
            verdict.sent, verdict.confirmed, verdict.kept, verdict.received
        );
        assert!(verdict.confirmed as u64 > cycles * 20, "too little was confirmed to say anything");
    }
}
