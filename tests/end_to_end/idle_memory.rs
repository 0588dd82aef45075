//! Thousands who listen and hear nothing cost little.

use futures_util::StreamExt;
use futures_util::stream::iter;
use homeroom_tests::{Broker, Client, Setup, raise_descriptor_limit};

const MOST_BYTES_EACH: u64 = 10 * 1024;

/// `HOMEROOM_IDLE=15000` for more.
fn connections() -> u64 {
    std::env::var("HOMEROOM_IDLE").ok().map_or(5_000, |text| text.parse().expect("HOMEROOM_IDLE is a number"))
}

async fn listen(broker: &Broker, number: u64) -> Client {
    let mut client = Client::signed_in(broker, &format!("student-{number}")).await;
    client.subscribe("s", &format!("/topic/room-{}/quiz", number % 200), &[]).await;
    client
}

async fn listeners(broker: &Broker, numbers: std::ops::Range<u64>) -> Vec<Client> {
    iter(numbers).map(|number| listen(broker, number)).buffer_unordered(50).collect().await
}

#[tokio::test]
async fn an_idle_subscribed_connection_costs_at_most_ten_kibibytes() {
    let connections = connections();
    let limit = raise_descriptor_limit();
    assert!(limit > connections + 200, "{connections} connections need more descriptors than {limit}: `ulimit -Hn`");
    let broker = Setup::default().config("[limits]\nconnections = 20000").start().await;
    // What is there once for all, such as the threads and the rooms, is there before the measurement.
    drop(listeners(&broker, 0..200).await);
    let before = broker.resident_bytes();
    let mut clients = listeners(&broker, 0..connections).await;
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
    assert!(each <= MOST_BYTES_EACH, "{each} B per connection");
}
