//! Whoever is refused the same way again and again is told ever later, and nobody else waits.

use std::time::Duration;

use homeroom_tests::{Broker, Client, DEADLINE, Frame, Heard, Setup, eventually, get, metric, within};
use tokio::time::Instant;

const DELAY_MAX: &str = "HOMEROOM__DELIVERY__REFUSAL_DELAY_MAX";
/// Refused so often, the last one waits for half a minute.
const OFTEN: usize = 8;

async fn broker(delay_max: &str, config: &str) -> Broker {
    Setup::default().environment(DELAY_MAX, delay_max).config(config).start().await
}

async fn counted(broker: &Broker, name: &str) -> f64 {
    metric(&get(broker.management(), "/metrics").await.body, name).unwrap_or_default()
}

async fn until_counted(broker: &Broker, name: &str, count: usize) {
    let all = async || (counted(broker, name).await == count as f64).then_some(());
    eventually(&format!("{name} is {count}"), DEADLINE, all).await;
}

/// Sends where nothing is.
async fn stray(client: &mut Client) {
    client.send(&Frame::new("SEND").with("destination", "/nowhere").with("receipt", "r")).await;
}

/// As many connections of one user as have to be refused until the last waits long.
async fn until_it_waits(broker: &Broker, connect: impl AsyncFn(&Broker) -> Client) -> Vec<Client> {
    let mut clients = Vec::new();
    for number in 1..=OFTEN {
        let mut client = connect(broker).await;
        stray(&mut client).await;
        clients.push(client);
        until_counted(broker, "homeroom_errors_total", number).await;
    }
    until_counted(broker, "homeroom_errors_delayed_total", OFTEN - 2).await;
    clients
}

async fn expect_refusal(client: &mut Client, close_code: Option<u16>) {
    let error = client.error().await;
    assert_eq!((error.header("code"), error.header("receipt-id")), (Some("102"), Some("r")), "{error}");
    assert_eq!(client.closed().await.code, close_code);
}

#[tokio::test]
async fn a_client_that_returns_for_ever_is_told_ever_later() {
    let broker = broker("1500ms", "").await;
    let mut waits = Vec::new();
    for _ in 0..4 {
        let mut client = Client::signed_in(&broker, "alice").await;
        let start = Instant::now();
        stray(&mut client).await;
        expect_refusal(&mut client, Some(4502)).await;
        waits.push(start.elapsed());
    }
    assert!(waits[2] >= Duration::from_secs(1), "the third waits: {waits:?}");
    assert!(waits[3] >= Duration::from_millis(1500), "and the fourth longer: {waits:?}");
    assert_eq!(counted(&broker, "homeroom_errors_delayed_total").await, 2.0);
}

#[tokio::test]
async fn a_neighbour_behind_the_same_address_never_waits_and_a_stop_ends_the_waiting() {
    let mut broker = broker("60s", "").await;
    let mut alice = until_it_waits(&broker, async |broker| Client::signed_in(broker, "alice").await).await;
    let mut bob = Client::signed_in(&broker, "bob").await;
    bob.publish("/topic/7b", "good morning").await;
    stray(&mut bob).await;
    expect_refusal(&mut bob, Some(4502)).await;
    let last = alice.last_mut().expect("there are some");
    assert!(tokio::time::timeout(Duration::ZERO, last.hear()).await.is_err(), "alice has not been told yet");
    broker.terminate();
    for client in &mut alice {
        expect_refusal(client, Some(4502)).await;
    }
    assert!(broker.exited().await.success());
}

#[tokio::test]
async fn who_waits_over_tcp_still_gets_its_heart_beats_and_takes_nothing_up() {
    let mut broker = broker("60s", "[stomp]\nheartbeat_send = \"100ms\"").await;
    let connect = async |broker: &Broker| {
        let mut client = Client::tcp(broker).await;
        client.connect(&[("login", "alice"), ("heart-beat", "0,100")]).await;
        client
    };
    let mut alice = until_it_waits(&broker, connect).await;
    let last = alice.last_mut().expect("there are some");
    last.send(&Frame::new("SEND").with("destination", "/topic/7b").with("receipt", "late")).await;
    within("heart-beats", DEADLINE, async {
        let mut beats = 0;
        while beats < 5 {
            match last.hear().await {
                Heard::HeartBeat => beats += 1,
                other => panic!("{other:?} instead of a heart-beat"),
            }
        }
    })
    .await;
    broker.terminate();
    expect_refusal(last, None).await;
    assert!(broker.exited().await.success());
}

#[tokio::test]
async fn who_closes_while_waiting_is_gone_at_once() {
    let broker = broker("60s", "").await;
    let connections = "homeroom_connections";
    for tcp in [false, true] {
        let user = if tcp { "tom" } else { "wendy" };
        let before = counted(&broker, "homeroom_errors_total").await;
        let mut clients = Vec::new();
        for _ in 0..OFTEN {
            let client = match tcp {
                true => Client::signed_in_over_tcp(&broker, user).await,
                false => Client::signed_in(&broker, user).await,
            };
            clients.push(client);
            stray(clients.last_mut().expect("just pushed")).await;
        }
        until_counted(&broker, "homeroom_errors_total", before as usize + OFTEN).await;
        assert!(counted(&broker, connections).await > 0.0, "some wait");
        for mut client in clients {
            if !tcp {
                // A client that was told already may have nobody to say it to.
                let _ = client.socket().write(homeroom_tests::Opcode::Close, true, &1001_u16.to_be_bytes()).await;
            }
            client.hang_up().await;
        }
        until_counted(&broker, connections, 0).await;
    }
}

#[tokio::test]
async fn a_stranger_who_never_says_connect_waits_too_and_counts_as_a_connection() {
    let broker = broker("60s", "[limits]\nconnections_per_address = 12").await;
    let mut strangers = Vec::new();
    for number in 1..=12 {
        let mut stranger = Client::tcp(&broker).await;
        stranger.send_bytes(b"GET / HTTP/1.1\n\n\0").await;
        strangers.push(stranger);
        until_counted(&broker, "homeroom_errors_total", number).await;
    }
    assert_eq!(strangers[0].error().await.header("code"), Some("107"));
    // The last four wait for half a minute and more.
    strangers.drain(..8);
    until_counted(&broker, "homeroom_connections", 4).await;
    let mut neighbours = Vec::new();
    for number in 0..8 {
        neighbours.push(Client::signed_in_over_tcp(&broker, &format!("neighbour-{number}")).await);
    }
    neighbours[0].publish("/topic/7b", "good morning").await;
    Client::tcp(&broker).await.closed().await;
}
