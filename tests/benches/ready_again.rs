//! How soon a killed broker serves again with a million stored messages.
//!
//! `MESSAGES` (1000000) of 100 B lie in `CLASSROOMS` (200). Then, `ROUNDS` (10) times, it is killed while it is
//! published to, and started again. Measured from the start of the process: until it listens, until it says that it
//! is ready, and until a message is confirmed. No classroom may hold less than was put there.
//!
//! `DATA=directory` keeps what was filled, and begins with it the next time; `ROUNDS=0` fills only.

use std::path::Path;
use std::time::Duration;

use homeroom_tests::{Broker, Client, Frame, Setup, get};
use tokio::time::{Instant, sleep};

/// SENDs for each RECEIPT while it is filled.
const GATHERED: u64 = 500;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::main]
async fn main() {
    let (messages, classrooms) = (number("MESSAGES", 1_000_000), number("CLASSROOMS", 200));
    let config = "[retention]\nbytes = \"8GB\"\nage = \"30d\"";
    let setup = Setup::default().config(config).environment("HOMEROOM__LOG__FILTER", "info");
    let setup = std::env::var_os("DATA").map_or(setup.clone(), |data| setup.data(Path::new(&data)));
    let is_filled = setup.data_directory().exists();
    let mut broker = setup.start().await;
    if !is_filled {
        fill(&broker, messages, classrooms).await;
    }
    if number("ROUNDS", 10) == 0 {
        broker.terminate();
        broker.exited().await;
        return;
    }
    let mut slowest = [Duration::ZERO; 3];
    for round in 1..=number("ROUNDS", 10) {
        let mut service = Client::signed_in_over_tcp(&broker, "service").await;
        publish(&mut service, round % classrooms, 0..GATHERED).await;
        sleep(Duration::from_millis(20)).await;
        broker.kill().await;
        let start = Instant::now();
        broker = setup.start().await;
        let listens = start.elapsed();
        let ready = get(broker.management(), "/health/ready").await;
        assert_eq!(ready.status, 200, "{ready:?}");
        let is_ready = start.elapsed();
        Client::signed_in_over_tcp(&broker, "service").await.publish("/topic/room-0", "again").await;
        let took = [listens, is_ready, start.elapsed()];
        println!(
            "round {round}: listens {:?}, ready {:?}, confirmed {:?}, {} B resident",
            took[0],
            took[1],
            took[2],
            broker.resident_bytes()
        );
        slowest.iter_mut().zip(took).for_each(|(slowest, took)| *slowest = took.max(*slowest));
    }
    println!("the slowest: listens {:?}, ready {:?}, confirmed {:?}", slowest[0], slowest[1], slowest[2]);
    all_is_there(&broker, messages / classrooms, classrooms).await;
}

async fn fill(broker: &Broker, messages: u64, classrooms: u64) {
    let begun = Instant::now();
    let mut service = Client::signed_in_over_tcp(broker, "service").await;
    for from in (0..messages / classrooms).step_by(GATHERED as usize) {
        let until = (from + GATHERED).min(messages / classrooms);
        let mut asked = Vec::new();
        for room in 0..classrooms {
            asked.push(publish(&mut service, room, from..until).await);
        }
        for receipt in asked {
            service.receipt(&receipt).await;
        }
    }
    let (took, bytes) = (begun.elapsed(), broker.data_bytes());
    println!("{messages} messages in {classrooms} classrooms, filled in {took:?}, {bytes} B");
}

/// Says so many SENDs in one go, and asks for a RECEIPT of the last.
async fn publish(service: &mut Client, room: u64, numbers: std::ops::Range<u64>) -> String {
    let place = format!("/topic/room-{room}");
    let mut bytes = String::new();
    for number in numbers.start..numbers.end - 1 {
        bytes.push_str(&format!("SEND\ndestination:{place}\n\n{:.<100}\0", format!("{room} {number} ")));
    }
    service.send_bytes(bytes.as_bytes()).await;
    service.ask(Frame::new("SEND").with("destination", place).body(format!("{:.<100}", format!("{room} last ")))).await
}

/// The first classroom and the last hold what was put there, and none holds less.
async fn all_is_there(broker: &Broker, each: u64, classrooms: u64) {
    let mut student = Client::signed_in_over_tcp(broker, "student").await;
    for room in 0..classrooms {
        let place = format!("/topic/room-{room}");
        let headers = [("x-stream-offset", "first")];
        let receipt = student.subscribe(&place, &place, &headers).await;
        let missed: u64 = receipt.need("missed").parse().expect("a number");
        assert!(missed >= each, "{place} holds {missed} of {each}");
        let end = Frame::new("UNSUBSCRIBE").with("id", place);
        student.request(end).await;
        student.set_aside();
    }
    println!("{} messages in {classrooms} classrooms are all there", each * classrooms);
}
