//! A queue whose consumers and whose broker are killed: every job is done, none is lost, none comes twice without
//! being marked, and none at all once its ACK was confirmed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use homeroom_tests::{Broker, Client, Frame, Heard, Random, Setup};
use tokio::time::{Instant, sleep};

const JOBS: &str = "/queue/grading";
const CONSUMERS: usize = 4;
/// SENDs that the publisher has under way at a time.
const WINDOW: usize = 64;
/// One message in so many is the last one that its consumer lives to see.
const LIVES: u64 = 300;

/// `HOMEROOM_JOBS=1000000` makes it the long run.
fn jobs() -> u64 {
    std::env::var("HOMEROOM_JOBS").ok().map_or(10_000, |text| text.parse().expect("HOMEROOM_JOBS is a number"))
}

/// One ACK in so many asks for a RECEIPT.
const CONFIRMED: u64 = 3;

/// One message in so many is laid aside: it is not done as long as this consumer lives, and not acknowledged.
const LAID_ASIDE: u64 = 40;

#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// What was seen of each job, in order: whether it was marked as a repeat.
    seen: BTreeMap<u64, Vec<bool>>,
    done: BTreeSet<u64>,
    /// Their ACKs were confirmed.
    confirmed: BTreeSet<u64>,
}

impl Ledger {
    fn note(&self, message: &Frame) {
        let job = message.text().parse().expect("a job is a number");
        let marked = message.header("redelivered") == Some("true");
        let count = message.header("delivery-count").map_or(1, |count| count.parse::<u32>().expect("a number"));
        assert_eq!(marked, count > 1, "{message}");
        let mut book = self.book();
        book.seen.entry(job).or_default().push(marked);
        assert!(!book.confirmed.contains(&job), "its ACK was confirmed: {message}");
    }

    fn note_done(&self, message: &Frame) {
        self.book().done.insert(message.text().parse().expect("a job is a number"));
    }

    fn count(&self) -> u64 {
        self.book().done.len() as u64
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn next_frame(client: &mut Client) -> Option<Frame> {
    if let Some(frame) = client.set_aside().into_iter().next() {
        return Some(frame);
    }
    loop {
        match client.hear().await {
            Heard::Frame(frame) => return Some(frame),
            Heard::Closed(_) => return None,
            _ => {}
        }
    }
}

/// Sends jobs until all in the range are confirmed or the broker is gone. Says up to where they are confirmed.
async fn publish(mut client: Client, jobs: std::ops::Range<u64>) -> u64 {
    let (mut next, mut under_way) = (jobs.start, VecDeque::new());
    while next < jobs.end || !under_way.is_empty() {
        while next < jobs.end && under_way.len() < WINDOW {
            let frame = Frame::new("SEND").with("destination", JOBS).with("idempotency-key", next.to_string());
            let frame = frame.with("receipt", next.to_string()).body(next.to_string());
            if client.try_send(&frame).await.is_err() {
                return under_way.front().copied().unwrap_or(next);
            }
            under_way.push_back(next);
            next += 1;
        }
        let Some(receipt) = next_frame(&mut client).await else { break };
        assert_eq!(receipt.command, "RECEIPT", "{receipt}");
        assert_eq!(under_way.pop_front().map(|job| job.to_string()).as_deref(), receipt.header("receipt-id"));
    }
    under_way.front().copied().unwrap_or(next)
}

/// Works until the broker is gone, one life after the other. Says how often it died.
async fn work(address: String, mut random: Random, ledger: Ledger) -> u64 {
    let mut deaths = 0;
    loop {
        let Some(mut client) = Client::try_over_tcp(&address, "grader").await else { return deaths };
        let prefetch = random.between(1, 50).to_string();
        let subscribe = Frame::new("SUBSCRIBE").with("id", "work").with("destination", JOBS);
        let subscribe = subscribe.with("ack", "client-individual").with("prefetch-count", prefetch);
        if client.try_send(&subscribe).await.is_err() {
            return deaths;
        }
        loop {
            let Some(message) = next_frame(&mut client).await else { return deaths };
            if message.command != "MESSAGE" {
                ledger.book().confirmed.extend(message.header("receipt-id").and_then(|job| job.parse::<u64>().ok()));
                continue;
            }
            ledger.note(&message);
            if random.below(LAID_ASIDE) == 0 {
                continue;
            }
            ledger.note_done(&message);
            if random.below(LIVES) == 0 {
                // Killed with the job done and not acknowledged.
                deaths += 1;
                break;
            }
            let mut ack = Frame::new("ACK").with("id", message.need("ack"));
            if random.below(CONFIRMED) == 0 {
                ack = ack.with("receipt", message.text());
            }
            if client.try_send(&ack).await.is_err() {
                return deaths;
            }
        }
    }
}

#[tokio::test]
async fn every_job_is_done_none_is_lost_and_repeats_are_marked() {
    let mut random = Random::printed("a queue under kill -9");
    let (jobs, ledger) = (jobs(), Ledger::default());
    // A job that often dies with its consumer is no poison here: all of them are to be done.
    let setup = Setup::default().config("[queues]\nmax_deliveries = 1000\n");
    let (mut confirmed, mut kills, mut deaths) = (0, 0, 0);
    let begun = Instant::now();
    while confirmed < jobs {
        let mut broker = setup.start().await;
        let workers: Vec<_> = (0..CONSUMERS)
            .map(|_| {
                let random = Random::seeded(random.number());
                tokio::spawn(work(broker.stomp().to_owned(), random, ledger.clone()))
            })
            .collect();
        let publisher = Client::signed_in_over_tcp(&broker, "service").await;
        let goal = jobs.min(confirmed + random.between(500, 1500));
        let publisher = tokio::spawn(publish(publisher, confirmed..goal));
        let life = Duration::from_millis(random.between(30, 400));
        let end = Instant::now() + life;
        while Instant::now() < end {
            // The fault's clock: not a wait for something.
            sleep(Duration::from_millis(10)).await;
            assert!(begun.elapsed() < Duration::from_secs(300), "{} of {jobs} done", ledger.count());
        }
        broker.kill().await;
        kills += 1;
        confirmed = publisher.await.expect("the publisher ended well");
        for worker in workers {
            deaths += worker.await.expect("the consumer ended well");
        }
    }
    let broker = setup.start().await;
    let left = drain(&broker, &ledger).await;
    let Book { seen, done, confirmed } = &*ledger.book();
    let lost: Vec<u64> = (0..jobs).filter(|job| !done.contains(job)).collect();
    let unmarked: Vec<(&u64, &Vec<bool>)> =
        seen.iter().filter(|(_, seen)| seen.iter().filter(|marked| !**marked).count() > 1).collect();
    let repeats: usize = seen.values().map(|seen| seen.len() - 1).sum();
    println!(
        "{jobs} jobs, {CONSUMERS} consumers that died {deaths} times, {kills} kills of the broker: \
         {repeats} repeats, {left} of them after the last start; {:?}",
        begun.elapsed()
    );
    println!("{} ACKs were confirmed", confirmed.len());
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(confirmed.len() as u64 > jobs / 10, "{} of {jobs} ACKs were confirmed", confirmed.len());
    assert!(unmarked.is_empty(), "came twice and were not marked: {unmarked:?}");
    assert!(kills >= 5 && deaths >= 5, "too little died to say anything");
}

/// Nobody says anything of the jobs: no ACK takes to the disk what was delivered.
#[tokio::test]
async fn what_consumers_had_in_their_hands_for_a_moment_is_marked() {
    let mut broker = Broker::start().await;
    let mut publisher = Client::signed_in_over_tcp(&broker, "service").await;
    assert_eq!(publish(Client::signed_in_over_tcp(&broker, "service").await, 0..1).await, 1);
    let in_hand = [("ack", "client-individual"), ("prefetch-count", "1000")];
    // One job that a queue was just loaded for, and then more than a ceiling covers at once.
    for (jobs, consumers) in [(0, 1), (3000, 3)] {
        let mut last = None;
        for job in 1..=jobs {
            last = Some(publisher.ask(Frame::new("SEND").with("destination", JOBS).body(job.to_string())).await);
        }
        if let Some(last) = last {
            publisher.receipt(&last).await;
        }
        let mut seen = 0;
        let mut clients = Vec::new();
        for _ in 0..consumers {
            let mut client = Client::signed_in_over_tcp(&broker, "grader").await;
            client.subscribe("work", JOBS, &in_hand).await;
            let given = (1 + jobs - seen).min(1000);
            client.messages(given as usize).await;
            seen += given;
            clients.push(client);
        }
        broker = broker.killed_and_restarted().await;
        // A short life that comes to the first job alone.
        let mut client = Client::signed_in_over_tcp(&broker, "grader").await;
        client.subscribe("work", JOBS, &[("ack", "client-individual"), ("prefetch-count", "1")]).await;
        assert_eq!(client.message().await.header("redelivered"), Some("true"));
        broker = broker.killed_and_restarted().await;
        publisher = Client::signed_in_over_tcp(&broker, "service").await;
        clients.clear();
        for _ in 0..consumers {
            let mut client = Client::signed_in_over_tcp(&broker, "grader").await;
            client.subscribe("work", JOBS, &in_hand).await;
            let given = seen.min(1000);
            for message in client.messages(given as usize).await {
                assert_eq!(message.header("redelivered"), Some("true"), "{message}");
            }
            seen -= given;
            clients.push(client);
        }
    }
}

/// Does what is left, until nothing waits. Says how much that was.
async fn drain(broker: &Broker, ledger: &Ledger) -> u64 {
    let waiting = look(broker).await;
    let mut client = Client::signed_in(broker, "grader").await;
    let receipt = client.subscribe("work", JOBS, &[("ack", "client-individual")]).await;
    assert_eq!(receipt.need("missed"), waiting.to_string(), "{receipt}");
    for _ in 0..waiting {
        let message = client.message().await;
        ledger.note(&message);
        ledger.note_done(&message);
        client.ack(&message).await;
    }
    assert_eq!(look(broker).await, 0, "nothing is left");
    waiting
}

/// How many jobs wait.
async fn look(broker: &Broker) -> u64 {
    let mut looker = Client::signed_in(broker, "looker").await;
    looker.subscribe("look", JOBS, &[("browser", "true")]).await;
    let mut waiting = 0;
    while looker.message().await.header("browser") != Some("end") {
        waiting += 1;
    }
    waiting
}
