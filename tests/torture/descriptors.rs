//! No more descriptors: those who are there go on, and others come in as soon as there are some.

use std::time::Duration;

use homeroom_tests::{Broker, Client, Setup, eventually, get, raise_descriptor_limit};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::class::{Class, KEEPS_ALL, Manners};

/// What is left for those who come.
const LEFT: u64 = 40;
/// So many come.
const STRANGERS: usize = 2_000;

fn open_descriptors(broker: &Broker) -> u64 {
    std::fs::read_dir(format!("/proc/{}/fd", broker.process_id())).expect("the broker is there").count() as u64
}

fn limit(broker: &Broker, current: u64) {
    let limit = Rlimit { current: Some(current), maximum: getrlimit(Resource::Nofile).maximum };
    let process = Pid::from_raw(broker.process_id());
    prlimit(process, Resource::Nofile, limit).expect("its limit can be set");
}

#[tokio::test]
async fn a_class_goes_on_while_there_are_no_descriptors_and_others_come_in_when_there_are() {
    raise_descriptor_limit();
    let config = format!("{KEEPS_ALL}\n[limits]\naccepts_per_second = 100000");
    let setup = Setup::default().config(&config).environment("HOMEROOM__LOG__FILTER", "info");
    let broker = setup.start().await;
    let manners = Manners { patience: Duration::from_secs(60), ..Manners::default() };
    let class = Class::begin(&broker, manners);
    class.goes_on(50).await;
    limit(&broker, open_descriptors(&broker) + LEFT);

    let mut strangers = Vec::new();
    for _ in 0..STRANGERS {
        strangers.push(TcpStream::connect(broker.http()).await.expect("the kernel takes it"));
    }
    let told = Instant::now();
    eventually("a word in the log", Duration::from_secs(10), || async {
        broker.stderr().contains("Too many open files").then_some(())
    })
    .await;
    // Nobody comes in, and the class notices nothing.
    let refused = timeout(Duration::from_millis(300), Client::try_signed_in(broker.http(), "late")).await;
    assert!(refused.is_err(), "{} descriptors are open", open_descriptors(&broker));
    class.goes_on(200).await;
    let lines = broker.stderr().lines().filter(|line| line.contains("Too many open files")).count();
    let most = told.elapsed().as_secs() * 30 + 60;
    assert!(lines as u64 <= most, "{lines} lines within {:?}", told.elapsed());
    assert_eq!(class.absences(), [], "nobody was cut off");

    drop(strangers);
    let begun = Instant::now();
    eventually("somebody comes in", Duration::from_secs(10), || async {
        let came = timeout(Duration::from_secs(1), Client::try_signed_in(broker.http(), "late")).await;
        came.ok().flatten().map(drop)
    })
    .await;
    let recovered = begun.elapsed();
    eventually("the operators' door", Duration::from_secs(5), || async {
        (get(broker.management(), "/health/ready").await.status == 200).then_some(())
    })
    .await;
    let verdict = class.ends(&broker, "no descriptors").await;
    println!(
        "{STRANGERS} came where {LEFT} had room: {} confirmed meanwhile, {lines} lines in the log, \
         somebody came in {recovered:?} after they had gone",
        verdict.confirmed
    );
}
