//! Those who come in take turns. Whoever stalls half-way must not hold one.

use homeroom_tests::{Broker, Client};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// More than may take a step at a time, at every stage of coming in.
const STALLED: usize = 100;

#[tokio::test]
async fn whoever_stalls_while_coming_in_delays_nobody() {
    let broker = Broker::start().await;
    let (mut requests, mut silent, mut half_connected, mut half_subscribed) = (vec![], vec![], vec![], vec![]);
    for number in 0..STALLED {
        let mut request = TcpStream::connect(broker.http()).await.unwrap();
        request.write_all(b"GET /ws HTTP/1.1\r\nHost: lo").await.unwrap();
        requests.push(request);

        silent.push(Client::websocket(&broker, &["v12.stomp"]).await);

        let mut client = Client::websocket(&broker, &["v12.stomp"]).await;
        client.send_bytes(b"CONNECT\naccept-version:1.2\nhost").await;
        half_connected.push(client);

        let mut client = Client::signed_in(&broker, &format!("student-{number}")).await;
        client.send_bytes(b"SUBSCRIBE\nid:s\ndestination:/topic/7b\ndurable:tr").await;
        half_subscribed.push(client);
    }

    let mut student = Client::signed_in(&broker, "alice").await;
    student.subscribe("s", "/topic/7b", &[("durable", "true")]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.publish("/topic/7b", "good morning").await;
    assert_eq!(student.message().await.body, b"good morning".as_slice());

    for mut client in half_subscribed {
        client.send_bytes(b"ue\nreceipt:r\n\n\0").await;
        client.receipt("r").await;
    }
    for mut client in half_connected {
        client.send_bytes(b":homeroom\nlogin:bob\n\n\0").await;
        assert_eq!(client.frame().await.command, "CONNECTED");
    }
}
