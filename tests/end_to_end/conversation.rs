//! A STOMP conversation: versions, receipts, goodbyes and refusals, on both doors.

use homeroom_tests::{Broker, Client, Frame, Heard};

/// Both doors, where a behaviour must not depend on the door.
async fn both_doors(broker: &Broker) -> [Client; 2] {
    [Client::websocket(broker, &["v12.stomp"]).await, Client::tcp(broker).await]
}

#[tokio::test]
async fn every_version_is_spoken_on_both_doors() {
    let broker = Broker::start().await;
    for (accepted, spoken) in
        [("1.0", "1.0"), ("1.1", "1.1"), ("1.2", "1.2"), ("1.0,1.1,1.2", "1.2"), ("1.1,2.1", "1.1")]
    {
        for mut client in [Client::websocket(&broker, &[]).await, Client::tcp(&broker).await] {
            let connected = client.connect(&[("accept-version", accepted)]).await;
            assert_eq!(connected.header("version"), Some(spoken), "for accept-version:{accepted}");
            client.subscribe("s", "/topic/7b", &[]).await;
            client.publish("/topic/7b", accepted).await;
            let message = client.message().await;
            assert_eq!(message.text(), accepted);
            assert_eq!(message.header("subscription"), Some("s"));
            client.request(Frame::new("UNSUBSCRIBE").with("id", "s")).await;
        }
    }
}

#[tokio::test]
async fn connect_without_a_version_is_stomp_1_0() {
    let broker = Broker::start().await;
    let mut client = Client::tcp(&broker).await;
    client.send_bytes(b"CONNECT\nlogin:alice\npasscode:secret\n\n\0").await;
    let connected = client.frame().await;
    assert_eq!(connected.command, "CONNECTED");
    assert_eq!(connected.header("version").unwrap_or("1.0"), "1.0");
    assert!(connected.header("session").is_some(), "{connected}");
}

#[tokio::test]
async fn a_version_nobody_speaks_is_refused_with_those_that_are_spoken() {
    let broker = Broker::start().await;
    for mut client in [Client::websocket(&broker, &[]).await, Client::tcp(&broker).await] {
        client.send(&Frame::new("CONNECT").with("accept-version", "2.0").with("host", "school")).await;
        let error = client.error().await;
        assert_eq!(error.header("version"), Some("1.0,1.1,1.2"), "{error}");
        client.closed().await;
    }
}

#[tokio::test]
async fn the_subprotocol_is_chosen_from_those_offered() {
    let broker = Broker::start().await;
    for (offered, chosen) in [
        (&["v12.stomp"][..], Some("v12.stomp")),
        (&["v11.stomp"], Some("v11.stomp")),
        (&["v10.stomp"], Some("v10.stomp")),
        (&["v10.stomp", "v11.stomp", "v12.stomp"], Some("v12.stomp")),
        (&["mqtt", "v11.stomp"], Some("v11.stomp")),
        (&[], None),
    ] {
        let client = Client::websocket(&broker, offered).await;
        assert_eq!(client.subprotocol.as_deref(), chosen, "of {offered:?}");
    }
    let mut client = Client::websocket(&broker, &["v11.stomp"]).await;
    let connected = client.connect(&[("accept-version", "1.0,1.1,1.2")]).await;
    assert_eq!(connected.header("version"), Some("1.1"), "the subprotocol binds the version");
}

#[tokio::test]
async fn the_websocket_is_at_both_paths_and_nowhere_else() {
    let broker = Broker::start().await;
    for path in ["/ws", "/stomp"] {
        let stream = tokio::net::TcpStream::connect(broker.http()).await.expect("it listens");
        let mut client = Client::upgraded(stream, path, &["v12.stomp"]).await;
        client.connect(&[]).await;
    }
    let elsewhere = homeroom_tests::get(broker.http(), "/no-such-page").await;
    assert_eq!((elsewhere.status, &elsewhere.json()["title"]), (404, &"no such path".into()), "{elsewhere:?}");
}

#[tokio::test]
async fn connected_says_who_and_what() {
    let broker = Broker::start().await;
    for mut client in both_doors(&broker).await {
        let connected = client.connect(&[("login", "alice"), ("passcode", "never read")]).await;
        assert!(connected.need("server").starts_with("homeroom/"), "{connected}");
        assert_eq!(connected.header("user-name"), Some("alice"));
        assert!(connected.header("heart-beat").is_some() && !connected.need("session").is_empty(), "{connected}");
    }
    let mut nobody = Client::tcp(&broker).await;
    let connected = nobody.connect(&[("host", "any.host.will.do")]).await;
    assert_eq!(connected.header("user-name"), None, "{connected}");
}

#[tokio::test]
async fn stomp_may_be_said_instead_of_connect() {
    let broker = Broker::start().await;
    let mut client = Client::tcp(&broker).await;
    client.send(&Frame::new("STOMP").with("accept-version", "1.2").with("host", "school")).await;
    assert_eq!(client.frame().await.command, "CONNECTED");
}

#[tokio::test]
async fn receipts_come_in_the_order_asked() {
    let broker = Broker::start().await;
    for mut client in both_doors(&broker).await {
        client.connect(&[("login", "alice")]).await;
        let mut asked = Vec::new();
        for number in 0..100 {
            let frame = match number % 4 {
                // A durable SEND waits for the disk; what follows must wait for it.
                0 | 1 => Frame::new("SEND").with("destination", format!("/topic/room-{}", number % 8)).body("x"),
                2 => Frame::new("SUBSCRIBE").with("id", format!("s{number}")).with("destination", "/topic/quiet"),
                _ => Frame::new("UNSUBSCRIBE").with("id", format!("s{}", number - 1)),
            };
            asked.push(client.ask(frame).await);
        }
        for receipt in asked {
            let frame = client.frame().await;
            assert_eq!((frame.command.as_str(), frame.need("receipt-id")), ("RECEIPT", receipt.as_str()));
        }
    }
}

#[tokio::test]
async fn the_receipt_of_disconnect_comes_before_the_close() {
    let broker = Broker::start().await;
    for mut client in both_doors(&broker).await {
        client.connect(&[("login", "alice")]).await;
        for _ in 0..20 {
            client.send(&Frame::new("SEND").with("destination", "/topic/7b").body("before")).await;
        }
        client.send(&Frame::new("DISCONNECT").with("receipt", "bye")).await;
        let receipt = client.frame().await;
        assert_eq!((receipt.command.as_str(), receipt.need("receipt-id")), ("RECEIPT", "bye"));
        let close = client.closed().await;
        assert!(matches!(close.code, None | Some(1000)), "{close:?}");
    }
    let mut later = Client::signed_in(&broker, "bob").await;
    later.subscribe("s", "/topic/7b", &[("x-stream-offset", "first")]).await;
    later.messages(40).await;
}

#[tokio::test]
async fn a_refusal_says_why_and_what_to_do_and_whether_to_come_back() {
    let broker = Broker::start().await;
    for mut client in both_doors(&broker).await {
        client.connect(&[]).await;
        client.send(&Frame::new("SEND").with("destination", "nowhere").with("receipt", "r7").body("lost")).await;
        let error = client.error().await;
        assert_eq!(error.header("receipt-id"), Some("r7"));
        assert_eq!(error.header("code"), Some("102"), "{error}");
        assert_eq!(error.header("retryable"), Some("false"), "{error}");
        assert!(!error.need("message").is_empty() && !error.need("reason").is_empty());
        assert!(error.text().contains("/topic/"), "the remedy names the prefixes: {error}");
        let close = client.closed().await;
        assert!(close.code.is_none_or(|code| (4500..4600).contains(&code)), "do not come back: {close:?}");
    }
}

#[tokio::test]
async fn frames_before_connect_have_no_effect() {
    let broker = Broker::start().await;
    let mut witness = Client::signed_in(&broker, "witness").await;
    witness.subscribe("s", "/topic/7b", &[]).await;
    for early in [
        Frame::new("SEND").with("destination", "/topic/7b").body("too early"),
        Frame::new("SUBSCRIBE").with("destination", "/topic/7b").with("id", "0"),
        Frame::new("BEGIN").with("transaction", "t"),
        Frame::new("DISCONNECT").with("receipt", "r"),
    ] {
        for mut client in both_doors(&broker).await {
            let connect = Frame::new("CONNECT").with("accept-version", "1.2").with("host", "school");
            let mut bytes = early.encode(homeroom_tests::Dialect::V1_2);
            bytes.extend(connect.encode(homeroom_tests::Dialect::V1_2));
            client.send_bytes(&bytes).await;
            client.error().await;
            client.closed().await;
        }
    }
    witness.publish("/topic/7b", "in time").await;
    assert_eq!(witness.message().await.text(), "in time", "nothing came before it");
}

#[tokio::test]
async fn what_is_not_legal_now_is_refused() {
    let broker = Broker::start().await;
    for illegal in [
        Frame::new("CONNECT").with("accept-version", "1.2").with("host", "school"),
        Frame::new("DANCE"),
        Frame::new("MESSAGE").with("destination", "/topic/7b"),
        Frame::new("SEND"),
        Frame::new("SUBSCRIBE").with("destination", "/topic/7b"),
        Frame::new("UNSUBSCRIBE"),
        Frame::new("ACK").with("id", "never sent"),
        Frame::new("COMMIT").with("transaction", "never begun"),
        Frame::new("SUBSCRIBE").with("id", "s").with("destination", "/topic/7b").with("selector", "a > 1"),
        Frame::new("SUBSCRIBE").with("id", "s").with("destination", "/topic/7b").with("ack", "sometimes"),
    ] {
        let mut client = Client::signed_in(&broker, "alice").await;
        // The last one printed is the one that failed.
        println!("{illegal}");
        client.send(&illegal).await;
        let error = client.error().await;
        assert!(!error.need("message").is_empty() && !error.text().is_empty(), "for {illegal}: {error}");
        client.closed().await;
    }
}

#[tokio::test]
async fn what_has_had_its_effect_already_is_confirmed_again() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.subscribe("s", "/topic/7b", &[]).await;
    for _ in 0..2 {
        client.request(Frame::new("UNSUBSCRIBE").with("id", "s")).await;
    }
}

#[tokio::test]
async fn frames_come_in_any_pieces() {
    let broker = Broker::start().await;
    for mut client in both_doors(&broker).await {
        client.connect(&[("login", "alice")]).await;
        client.subscribe("s", "/topic/7b", &[]).await;
        // Several frames in one piece, with ends of line between them, and CR LF.
        client
            .send_bytes(b"SEND\ndestination:/topic/7b\n\none\0\n\r\n\nSEND\r\ndestination:/topic/7b\r\n\r\ntwo\0")
            .await;
        // One frame in many pieces.
        for byte in b"SEND\ndestination:/topic/7b\ncontent-length:5\n\nth\0ee\0" {
            client.send_bytes(&[*byte]).await;
        }
        assert_eq!(client.bodies(3).await, ["one", "two", "th\0ee"]);
        client.request(Frame::new("UNSUBSCRIBE").with("id", "s")).await;
    }
}

#[tokio::test]
async fn text_goes_out_as_text_and_bytes_as_binary() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.subscribe("s", "/topic/7b", &[]).await;
    client.publish("/topic/7b", "Grüße, 教室").await;
    assert!(!client.message().await.binary);

    let bytes = [0xff, 0x00, 0xfe, b'\n'];
    client.request(Frame::new("SEND").with("destination", "/topic/7b").with("content-length", "4").body(bytes)).await;
    let message = client.message().await;
    assert!(message.binary);
    assert_eq!(message.body, bytes);
    assert_eq!(message.header("content-length"), Some("4"));
}

#[tokio::test]
async fn headers_travel_unchanged_between_versions() {
    let broker = Broker::start().await;
    let mut readers = Vec::new();
    for version in ["1.1", "1.2"] {
        let mut reader = Client::tcp(&broker).await;
        reader.connect(&[("accept-version", version)]).await;
        reader.subscribe("s", "/topic/7b", &[]).await;
        readers.push(reader);
    }
    let mut publisher = Client::signed_in(&broker, "alice").await;
    let odd = "colon: new\nline, back\\slash";
    let message = Frame::new("SEND").with("destination", "/topic/7b").with("x-odd:name", odd).with("empty", "");
    publisher
        .request(
            message.with("content-type", "text/plain;charset=utf-8").with("again", "first").with("again", "second"),
        )
        .await;
    for reader in &mut readers {
        let message = reader.message().await;
        assert_eq!(message.header("x-odd:name"), Some(odd));
        assert_eq!(message.header("empty"), Some(""));
        assert_eq!(message.header("content-type"), Some("text/plain;charset=utf-8"));
        assert_eq!(message.header("again"), Some("first"), "the first of repeated headers wins");
    }
}

#[tokio::test]
async fn what_the_broker_says_cannot_be_forged() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "mallory").await;
    client.subscribe("s", "/topic/7b", &[("ack", "client")]).await;
    let mut forged = Frame::new("SEND").with("destination", "/topic/7b");
    let names = [
        "message-id",
        "user-id",
        "offset",
        "epoch",
        "timestamp",
        "redelivered",
        "delivery-count",
        "replayed",
        "ack",
        "subscription",
        "gap",
    ];
    for name in names {
        forged = forged.with(name, "forged");
    }
    client.request(forged.body("x")).await;
    let message = client.message().await;
    for name in names {
        assert!(message.headers.iter().all(|(known, value)| known != name || value != "forged"), "{name} in {message}");
    }
    assert_eq!(message.header("user-id"), Some("mallory"));
}

#[tokio::test]
async fn a_message_says_where_it_lies_and_when_it_came() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.subscribe("s", "/topic/7b/quiz", &[("ack", "client")]).await;
    let before = now_millis();
    let position = client.publish("/topic/7b/quiz", "question 1").await;
    let message = client.message().await;
    let (epoch, offset) = position.split_once(':').expect("epoch:offset");
    assert_eq!((message.need("epoch"), message.need("offset")), (epoch, offset));
    assert!(message.need("message-id").ends_with(&format!("@{position}")), "{message}");
    assert_eq!(message.header("destination"), Some("/topic/7b/quiz"));
    assert_eq!(message.header("content-length"), Some("10"));
    let at: u128 = message.need("timestamp").parse().expect("milliseconds");
    assert!((before..=now_millis()).contains(&at), "{at} is not between {before} and now");
    assert!(message.header("ack").is_some(), "{message}");
}

#[tokio::test]
async fn a_ping_of_the_client_is_answered() {
    let broker = Broker::start().await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.socket().write(homeroom_tests::Opcode::Ping, true, b"still there?").await.expect("written");
    let pong = homeroom_tests::within("a Pong", homeroom_tests::DEADLINE, async {
        loop {
            if let Heard::Pong(payload) = client.hear().await {
                return payload;
            }
        }
    })
    .await;
    assert_eq!(pong, b"still there?");
}

fn now_millis() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("past 1970").as_millis()
}
