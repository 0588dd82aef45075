//! Transactions over several classrooms: in all of them or in none, whatever happens.

use std::collections::BTreeMap;
use std::time::Duration;

use homeroom_tests::{Broker, Client, Frame, Heard, Random, Setup};
use tokio::time::sleep;

fn send(destination: &str, body: &str) -> Frame {
    Frame::new("SEND").with("destination", destination).with("transaction", "t").body(body)
}

fn begin() -> Frame {
    Frame::new("BEGIN").with("transaction", "t")
}

fn commit() -> Frame {
    Frame::new("COMMIT").with("transaction", "t")
}

fn classroom(number: usize) -> String {
    format!("/topic/class{number}/quiz")
}

/// Everything in a classroom, oldest first.
async fn everything_in(broker: &Broker, destination: &str) -> Vec<Frame> {
    let mut reader = Client::signed_in(broker, "auditor").await;
    reader.subscribe("all", destination, &[("x-stream-offset", "first")]).await;
    let end = reader.publish(destination, "the end").await;
    let mut found = Vec::new();
    loop {
        let message = reader.message().await;
        if message.need("message-id").ends_with(&format!("@{end}")) {
            return found;
        }
        found.push(message);
    }
}

async fn bodies_in(broker: &Broker, destination: &str) -> Vec<String> {
    let messages = everything_in(broker, destination).await;
    messages.iter().map(|message| message.text().to_owned()).filter(|body| body != "the end").collect()
}

#[tokio::test]
async fn what_one_classroom_shows_the_others_have_and_the_receipt_names_all_places() {
    let broker = Broker::start().await;
    let mut listener = Client::signed_in(&broker, "listener").await;
    listener.subscribe("s", "/topic/*/quiz", &[]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    let mut noise = Client::signed_in(&broker, "noise").await;
    teacher.request(begin()).await;
    for (room, body) in [(2, "a"), (1, "b"), (2, "c"), (3, "d")] {
        teacher.request(send(&classroom(room), body)).await;
        noise.publish(&classroom(room), "noise").await;
    }
    assert_eq!(listener.bodies(4).await, ["noise"; 4], "nothing before COMMIT");
    let receipt = teacher.ask(commit()).await;
    let first = listener.message().await;
    for (room, body) in [(1, "b"), (3, "d")] {
        assert!(
            bodies_in(&broker, &classroom(room)).await.contains(&body.to_owned()),
            "{first} and not in class {room}"
        );
    }
    let position = teacher.receipt(&receipt).await.need("position").to_owned();
    let mut messages = everything_in(&broker, &classroom(2)).await;
    messages.retain(|message| message.text() != "noise");
    assert_eq!(messages.iter().map(Frame::text).collect::<Vec<_>>(), ["a", "c"]);
    let positions: Vec<&str> = position.split(',').collect();
    assert_eq!(positions.len(), 3, "{position}");
    assert!(messages[0].need("message-id").contains(positions[0]), "in the order of the first SEND: {position}");
    for (room, position) in [(1, positions[1]), (3, positions[2])] {
        let found = everything_in(&broker, &classroom(room)).await;
        assert!(found.iter().any(|message| message.need("message-id").ends_with(position)), "class {room}: {position}");
    }
}

#[tokio::test]
async fn it_comes_between_what_its_sender_sent_before_and_after() {
    let broker = Broker::start().await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    let alone = |room: usize, body: &str| Frame::new("SEND").with("destination", classroom(room)).body(body);
    for round in 0..10 {
        // All of it in one go.
        for room in [1, 2] {
            teacher.send(&alone(room, &format!("{round} before"))).await;
        }
        teacher.send(&begin()).await;
        for room in [2, 1] {
            teacher.send(&send(&classroom(room), &format!("{round} together"))).await;
        }
        teacher.send(&commit()).await;
        for room in [1, 2] {
            teacher.send(&alone(room, &format!("{round} behind"))).await;
        }
    }
    teacher.publish(&classroom(1), "last").await;
    let expected: Vec<_> =
        (0..10).flat_map(|n| ["before", "together", "behind"].map(|word| format!("{n} {word}"))).collect();
    let mut found = bodies_in(&broker, &classroom(1)).await;
    assert_eq!(found.pop().as_deref(), Some("last"));
    assert_eq!(found, expected);
    assert_eq!(bodies_in(&broker, &classroom(2)).await, expected);
}

#[tokio::test]
async fn sixteen_classrooms_are_reached_from_anywhere_and_seventeen_are_refused() {
    let broker = Broker::start().await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    for room in 0..24 {
        teacher.publish(&classroom(room), "before").await;
    }
    for round in 0..3 {
        teacher.request(begin()).await;
        for room in 0..16 {
            teacher.request(send(&classroom((room * 5 + round) % 24), "together")).await;
        }
        let receipt = teacher.request(commit()).await;
        assert_eq!(receipt.need("position").split(',').count(), 16, "{receipt}");
    }
    teacher.request(begin()).await;
    for room in 0..17 {
        teacher.request(send(&classroom(room), "too many")).await;
    }
    teacher.send(&commit()).await;
    let error = teacher.error().await;
    assert_eq!(error.header("code"), Some("106"), "{error}");
    assert!(error.need("reason").contains("17") && error.need("reason").contains("16"), "it names the limit: {error}");
    for room in 0..17 {
        assert!(!bodies_in(&broker, &classroom(room)).await.contains(&"too many".to_owned()), "class {room}");
    }
}

#[tokio::test]
async fn what_is_refused_is_in_no_classroom_and_acknowledges_nothing() {
    let broker = Broker::start().await;
    let headers = [("durable", "true"), ("ack", "client-individual")];
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("lesson", &classroom(9), &headers).await;
    alice
        .request(Frame::new("SEND").with("destination", classroom(1)).with("idempotency-key", "k").body("first"))
        .await;
    alice.publish(&classroom(9), "question").await;
    let question = alice.message().await;
    alice.request(begin()).await;
    alice.request(Frame::new("ACK").with("id", question.need("ack")).with("transaction", "t")).await;
    alice.request(send(&classroom(1), "another under the same key").with("idempotency-key", "k")).await;
    alice.request(send(&classroom(2), "with it")).await;
    alice.send(&commit()).await;
    assert_eq!(alice.error().await.header("code"), Some("114"));

    assert_eq!(bodies_in(&broker, &classroom(1)).await, ["first"]);
    assert_eq!(bodies_in(&broker, &classroom(2)).await, [""; 0]);
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("lesson", &classroom(9), &headers).await;
    assert_eq!(alice.message().await.text(), "question", "its acknowledgement was undone with the transaction");
}

#[tokio::test]
async fn a_transaction_that_is_committed_again_is_stored_once() {
    let broker = Broker::start().await;
    let mut positions = Vec::new();
    for _ in 0..2 {
        let mut teacher = Client::signed_in(&broker, "teacher").await;
        teacher.request(begin()).await;
        teacher.request(send(&classroom(1), "once").with("idempotency-key", "k")).await;
        teacher.request(send(&classroom(2), "once")).await;
        let receipt = teacher.request(commit()).await;
        positions.push((receipt.need("position").to_owned(), receipt.header("duplicate").is_some()));
    }
    assert!(!positions[0].1 && positions[1].1, "{positions:?}");
    assert_eq!(positions[0].0.split(',').next(), Some(&*positions[1].0), "a repeat is told the first place");
    for room in [1, 2] {
        assert_eq!(bodies_in(&broker, &classroom(room)).await, ["once"]);
    }
}

mod killed_at_random_moments {
    use super::*;

    const JOBS_FOR_EACH_KILL: usize = 75;
    /// Transactions that the worker has under way at a time.
    const WINDOW: usize = 8;
    const ROOMS: [usize; 3] = [1, 2, 3];

    /// `HOMEROOM_KILLS=500` makes it the long run.
    fn kills() -> usize {
        std::env::var("HOMEROOM_KILLS").ok().map_or(8, |text| text.parse().expect("HOMEROOM_KILLS is a number"))
    }

    /// Does jobs until none is left or the broker is gone: each is acknowledged and noted as done in three
    /// classrooms, in one transaction. Returns the confirmed ones.
    async fn work(mut worker: Client, mut jobs: Vec<Frame>, all: usize) -> Vec<String> {
        let (mut under_way, mut confirmed) = (std::collections::VecDeque::new(), Vec::new());
        let (mut taken, mut begun) = (jobs.len(), 0);
        loop {
            while under_way.len() < WINDOW && !jobs.is_empty() {
                let job = jobs.remove(0);
                begun += 1;
                let within = |frame: Frame| frame.with("transaction", format!("t{begun}"));
                let mut frames =
                    vec![within(Frame::new("BEGIN")), within(Frame::new("ACK").with("id", job.need("ack")))];
                frames.extend(
                    ROOMS.map(|room| within(Frame::new("SEND").with("destination", classroom(room)).body(job.text()))),
                );
                frames.push(within(Frame::new("COMMIT")).with("receipt", job.text()));
                for frame in frames {
                    if worker.try_send(&frame).await.is_err() {
                        return confirmed;
                    }
                }
                under_way.push_back(job.text().to_owned());
            }
            if under_way.is_empty() && taken == all {
                return confirmed;
            }
            match worker.hear().await {
                Heard::Frame(frame) if frame.command == "RECEIPT" => {
                    assert_eq!(Some(frame.need("receipt-id")), under_way.front().map(String::as_str));
                    confirmed.extend(under_way.pop_front());
                }
                Heard::Frame(frame) if frame.command == "MESSAGE" => {
                    taken += 1;
                    jobs.push(frame);
                }
                Heard::Frame(frame) => panic!("{frame}"),
                Heard::Closed(_) => return confirmed,
                _ => {}
            }
        }
    }

    #[tokio::test]
    async fn every_job_is_done_once_in_every_classroom() {
        let mut random = Random::printed("kill -9 during transactions");
        let (mut confirmed, mut kills, mut kills_at_work) = (Vec::new(), kills(), 0);
        let all = kills * JOBS_FOR_EACH_KILL;
        let setup = Setup::default();
        let mut broker = setup.start().await;
        let headers = [("durable", "true"), ("ack", "client-individual"), ("x-stream-offset", "first")];
        let mut manager = Client::signed_in(&broker, "manager").await;
        for job in 0..all {
            manager.send(&Frame::new("SEND").with("destination", classroom(0)).body(format!("job {job}"))).await;
        }
        manager.publish(&classroom(9), "all are there").await;
        let mut worker_headers = &headers[..];
        loop {
            let mut worker = Client::signed_in(&broker, "worker").await;
            worker.subscribe("jobs", &classroom(0), worker_headers).await;
            worker_headers = &headers[..2];
            let jobs = worker.set_aside();
            let done = done_everywhere(&broker, &confirmed).await;
            let left = all - done.len();
            if left == 0 {
                break;
            }
            let working = tokio::spawn(work(worker, jobs, left));
            if kills > 0 {
                kills -= 1;
                // The fault comes at a random moment: this is the fault's clock, not a wait for something.
                sleep(Duration::from_millis(random.between(1, 40))).await;
                kills_at_work += usize::from(!working.is_finished());
                broker.kill().await;
                broker = setup.start().await;
            }
            confirmed.extend(working.await.expect("the worker ended well"));
        }
        println!("{kills_at_work} kills at work, {} of {all} jobs confirmed, each done once", confirmed.len());
        assert!(kills_at_work > 0, "the work was done before the first kill");
    }

    /// What is noted as done: the same in each classroom, each once, and all that was confirmed.
    async fn done_everywhere(broker: &Broker, confirmed: &[String]) -> BTreeMap<String, usize> {
        let mut notes = Vec::new();
        for room in ROOMS {
            let mut done = BTreeMap::new();
            for body in bodies_in(broker, &classroom(room)).await {
                *done.entry(body).or_insert(0) += 1;
            }
            assert!(done.values().all(|count| *count == 1), "a job was done twice: {done:?}");
            notes.push(done);
        }
        assert!(notes.iter().all(|done| *done == notes[0]), "a transaction is in some of its classrooms only");
        let lost: Vec<_> = confirmed.iter().filter(|job| !notes[0].contains_key(*job)).collect();
        assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
        notes.swap_remove(0)
    }
}

#[tokio::test]
async fn a_transaction_of_acks_alone_settles_all_of_them() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    let durable = [("durable", "true"), ("ack", "client-individual")];
    client.subscribe("a", "/topic/7a", &durable).await;
    client.subscribe("b", "/topic/7b", &durable).await;
    client.subscribe("c", "/queue/grading", &[("ack", "client-individual")]).await;
    for destination in ["/topic/7a", "/topic/7b", "/queue/grading"] {
        client.publish(destination, destination).await;
    }
    client.send(&Frame::new("BEGIN").with("transaction", "t")).await;
    for message in client.messages(3).await {
        client.send(&Frame::new("ACK").with("id", message.need("ack")).with("transaction", "t")).await;
    }
    client.request(Frame::new("COMMIT").with("transaction", "t")).await;
    let broker = broker.killed_and_restarted().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    for (id, destination) in [("a", "/topic/7a"), ("b", "/topic/7b")] {
        let receipt = client.subscribe(id, destination, &durable).await;
        assert_eq!(receipt.need("missed"), "0", "{receipt}");
    }
    let receipt = client.subscribe("c", "/queue/grading", &[("ack", "client-individual")]).await;
    assert_eq!(receipt.need("missed"), "0", "{receipt}");
}
