//! Thousands who listen and hear nothing cost little.

use futures_util::StreamExt;
use futures_util::stream::iter;
use homeroom_tests::{Broker, Client, Setup, raise_descriptor_limit};

/// For one who listens to what comes, and for one with a durable subscription.
const MOST_BYTES_EACH: [(Headers, u64); 2] = [(&[], 4608), (&[("durable", "true")], 5632)];

/// `HOMEROOM_IDLE=15000` for more.
fn connections() -> u64 {
    std::env::var("HOMEROOM_IDLE").ok().map_or(5_000, |text| text.parse().expect("HOMEROOM_IDLE is a number"))
}

type Headers = &'static [(&'static str, &'static str)];

async fn listen(broker: &Broker, number: u64, headers: Headers) -> Client {
    let mut client = Client::signed_in(broker, &format!("student-{number}")).await;
    client.subscribe("s", &format!("/topic/room-{}/quiz", number % 200), headers).await;
    client
}

async fn listeners(broker: &Broker, numbers: std::ops::Range<u64>, headers: Headers) -> Vec<Client> {
    iter(numbers).map(|number| listen(broker, number, headers)).buffer_unordered(50).collect().await
}

#[tokio::test]
async fn an_idle_subscribed_connection_costs_a_few_kibibytes() {
    for (headers, most) in MOST_BYTES_EACH {
        measure(headers, most).await;
    }
}

async fn measure(headers: Headers, most: u64) {
    let connections = connections();
    let limit = raise_descriptor_limit();
    assert!(limit > connections + 200, "{connections} connections need more descriptors than {limit}: `ulimit -Hn`");
    let broker = Setup::default().config("[limits]\nconnections = 20000").start().await;
    // What is there once for all, such as the threads and the rooms, is there before the measurement.
    drop(listeners(&broker, 0..200, headers).await);
    let before = broker.resident_bytes();
    let mut clients = listeners(&broker, 0..connections, headers).await;
    let after = broker.resident_bytes();
    let each = after.saturating_sub(before) / connections;
    println!("{connections} idle: {} kB before, {} kB with them, {each} B each", before / 1024, after / 1024);

    // They are all alive.
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    for room in 0..200 {
        teacher.publish(&format!("/topic/room-{room}/quiz"), "hello").await;
    }
    for client in &mut clients {
        assert_eq!(client.message().await.text(), "hello");
    }
    assert!(each <= most, "{each} B per connection with {headers:?}, at most {most} are promised");
}
