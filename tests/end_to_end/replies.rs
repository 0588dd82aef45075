//! Request and reply: `/temp-queue/{name}` in `reply-to`, without a subscription.

use homeroom_tests::{Broker, Client, DEADLINE, Frame, eventually, get, metric};

const SLOW: &str = "[delivery]\nfast_path = false";

fn send(destination: &str, body: &str) -> Frame {
    Frame::new("SEND").with("destination", destination).body(body)
}

fn request(reply_to: &str) -> Frame {
    send("/topic/7b/questions", "how late is it?").with("reply-to", reply_to).with("correlation-id", "q:1")
}

/// Reads the questions of class 7b.
async fn service(broker: &Broker, tcp: bool) -> Client {
    let mut service = match tcp {
        true => Client::signed_in_over_tcp(broker, "service").await,
        false => Client::signed_in(broker, "service").await,
    };
    service.subscribe("questions", "/topic/7b/questions", &[]).await;
    service
}

async fn counted(broker: &Broker, name: &str) -> f64 {
    metric(&get(broker.management(), "/metrics").await.body, name).unwrap_or_default()
}

#[tokio::test]
async fn a_reply_comes_back_to_the_session_that_asked_without_a_subscription() {
    for config in ["", SLOW] {
        let broker = Broker::start_with(config).await;
        for (asks_over_tcp, answers_over_tcp) in [(false, false), (false, true), (true, false)] {
            let mut service = service(&broker, answers_over_tcp).await;
            let mut alice = match asks_over_tcp {
                true => Client::signed_in_over_tcp(&broker, "alice").await,
                false => Client::signed_in(&broker, "alice").await,
            };
            alice.request(request("/temp-queue/clock")).await;
            let asked = service.message().await;
            assert_eq!(asked.need("correlation-id"), "q:1", "{asked}");
            let address = asked.need("reply-to").to_owned();
            let secret = address.strip_prefix("/reply-queue/").expect("an address for replies");
            assert_eq!(secret.len(), 32, "{address}");

            let body = [b"late\0", &[0xff, 0xfe][..]].concat();
            let reply = Frame::new("SEND").with("destination", &address).with("correlation-id", "q:1");
            let reply = reply.with("content-length", body.len().to_string()).with("offset", "1");
            let reply = reply.with("content-type", "x/y").with("x-own", "a\\b:c").body(body.clone());
            let receipt = service.request(reply).await;
            assert_eq!(receipt.header("position"), None, "{receipt}");

            let answer = alice.message().await;
            assert_eq!(answer.need("subscription"), "/temp-queue/clock", "{answer}");
            assert_eq!((answer.need("destination"), answer.body.clone()), (&*address, body), "{answer}");
            assert_eq!((answer.need("correlation-id"), answer.need("x-own")), ("q:1", "a\\b:c"), "{answer}");
            assert_eq!((answer.need("content-type"), answer.need("user-id")), ("x/y", "service"), "{answer}");
            assert!(answer.need("timestamp").parse::<u64>().is_ok() && answer.need("message-id").contains("@~"));
            for absent in ["ack", "offset", "epoch", "reply-to"] {
                assert_eq!(answer.header(absent), None, "{answer}");
            }
            service.hang_up().await;
        }
    }
}

#[tokio::test]
async fn a_name_is_one_queue_of_its_session_and_of_no_other() {
    let broker = Broker::start().await;
    let mut service = service(&broker, true).await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    let mut bob = Client::signed_in(&broker, "alice").await;
    let mut addresses = Vec::new();
    for (client, name) in [(&mut alice, "a"), (&mut bob, "a")] {
        client.request(request(&format!("/temp-queue/{name}"))).await;
        addresses.push(service.message().await.need("reply-to").to_owned());
    }
    for name in ["a", "b.c/d e"] {
        alice.request(request(&format!("/temp-queue/{name}"))).await;
        addresses.push(service.message().await.need("reply-to").to_owned());
    }
    assert_eq!(addresses[0], addresses[2], "the same session and name");
    assert!(addresses[0] != addresses[1] && addresses[0] != addresses[3]);
    for (number, address) in addresses.iter().enumerate() {
        service.request(send(address, &number.to_string())).await;
    }
    assert_eq!(alice.bodies(2).await, ["0", "2"]);
    assert_eq!(alice.message().await.need("subscription"), "/temp-queue/b.c/d e");
    assert_eq!(bob.message().await.text(), "1");
    // Other addresses travel as they are.
    alice.request(request("/queue/answers")).await;
    assert_eq!(service.message().await.need("reply-to"), "/queue/answers");
}

#[tokio::test]
async fn a_reply_may_itself_be_answered() {
    let broker = Broker::start().await;
    let mut service = service(&broker, false).await;
    let mut alice = Client::signed_in_over_tcp(&broker, "alice").await;
    alice.request(request("/temp-queue/a")).await;
    let address = service.message().await.need("reply-to").to_owned();
    service.request(send(&address, "which clock?").with("reply-to", "/temp-queue/s")).await;
    let back = alice.message().await.need("reply-to").to_owned();
    alice.request(send(&back, "the school's")).await;
    let answer = service.message().await;
    assert_eq!((answer.need("subscription"), answer.text()), ("/temp-queue/s", "the school's"), "{answer}");
}

#[tokio::test]
async fn a_late_reply_is_no_error_and_is_counted() {
    let broker = Broker::start().await;
    let mut service = service(&broker, false).await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.request(request("/temp-queue/a")).await;
    let address = service.message().await.need("reply-to").to_owned();
    alice.disconnect().await;
    // Her end may be heard of a moment later.
    while counted(&broker, "homeroom_replies_dropped_total").await == 0.0 {
        service.request(send(&address, "half past")).await;
    }
    service.publish("/topic/7b/answers", "still connected").await;
    // The same person comes back, and gets a queue of its own.
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.request(request("/temp-queue/a")).await;
    assert_ne!(service.message().await.need("reply-to"), address);
}

#[tokio::test]
async fn a_reply_whose_time_is_over_is_not_shown() {
    let broker = Broker::start().await;
    let mut service = service(&broker, false).await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.request(request("/temp-queue/a")).await;
    let address = service.message().await.need("reply-to").to_owned();
    service.request(send(&address, "too late").with("expires", "1")).await;
    service.request(send(&address, "in time").with("expiration", "60000")).await;
    assert_eq!(alice.message().await.text(), "in time");
}

#[tokio::test]
async fn reply_queues_are_not_subscribed_to_and_the_error_says_what_to_do() {
    let broker = Broker::start().await;
    let subscribe = |destination| Frame::new("SUBSCRIBE").with("id", "s").with("destination", destination);
    for (frame, code) in [
        (subscribe("/temp-queue/x"), "102"),
        (subscribe("/reply-queue/00000000000000000000000000000000"), "102"),
        (send("/temp-queue/x", ""), "102"),
        (request("/temp-queue/"), "102"),
        (request(&format!("/temp-queue/{}", "x".repeat(255))), "102"),
    ] {
        for mut client in
            [Client::signed_in(&broker, "alice").await, Client::signed_in_over_tcp(&broker, "alice").await]
        {
            client.send(&frame.clone().with("receipt", "r")).await;
            let error = client.error().await;
            assert_eq!((error.need("code"), error.need("receipt-id")), (code, "r"), "{error}");
            if frame.need("destination").starts_with("/temp") {
                assert!(error.text().contains("reply-to"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_session_has_so_many_reply_queues_and_no_more() {
    let broker = Broker::start_with("[limits]\nreply_queues = 2").await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    for name in ["a", "b", "a"] {
        alice.request(request(&format!("/temp-queue/{name}"))).await;
    }
    alice.send(&request("/temp-queue/c")).await;
    let error = alice.error().await;
    assert_eq!((error.need("code"), error.need("retryable")), ("106", "false"), "{error}");
    assert!(error.text().contains("limits.reply_queues"), "{error}");
}

#[tokio::test]
async fn whoever_asks_and_does_not_read_loses_replies_and_harms_no_service() {
    const BODY: usize = 64 << 10;
    let broker = Broker::start().await;
    let mut service = service(&broker, false).await;
    let mut alice = Client::websocket_with_receive_buffer(&broker, 4096).await;
    alice.connect(&[("login", "alice")]).await;
    alice.send(&request("/temp-queue/a")).await;
    let address = service.message().await.need("reply-to").to_owned();
    let body = "x".repeat(BODY);
    let mut sent = 0;
    while counted(&broker, "homeroom_replies_dropped_total").await == 0.0 {
        service.request(send(&address, &body)).await;
        sent += 1;
        assert!(sent < 10_000, "nothing bounds what waits");
    }
    assert!(broker.resident_bytes() < 128 << 20);
    // All that was taken comes, in whole frames, once she reads.
    for body in alice.messages(sent - 1).await {
        assert_eq!(body.body.len(), BODY);
    }
}

#[tokio::test]
async fn a_reply_in_a_transaction_goes_out_with_it_or_not_at_all() {
    let broker = Broker::start().await;
    let mut service = service(&broker, true).await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    let within = |frame: Frame| frame.with("transaction", "t");
    let step = |command: &str| within(Frame::new(command));
    // The request is part of a transaction as well.
    alice.request(step("BEGIN")).await;
    alice.request(within(request("/temp-queue/a"))).await;
    alice.request(step("COMMIT")).await;
    let address = service.message().await.need("reply-to").to_owned();

    service.request(step("BEGIN")).await;
    service.request(within(send(&address, "aborted"))).await;
    service.request(step("ABORT")).await;
    service.request(step("BEGIN")).await;
    service.request(within(send(&address, "committed"))).await;
    service.request(within(send("/topic/7b/answers", "stored"))).await;
    service.request(send(&address, "outside")).await;
    let receipt = service.request(step("COMMIT")).await;
    assert!(receipt.header("position").is_some(), "{receipt}");
    assert_eq!(alice.bodies(2).await, ["outside", "committed"]);

    // Replies alone, and beside an acknowledgement.
    service.request(step("BEGIN")).await;
    service.request(within(send(&address, "alone"))).await;
    service.request(step("COMMIT")).await;
    assert_eq!(alice.message().await.text(), "alone");

    // What is stored takes its reply with it, also when the connection ends behind COMMIT.
    for frame in [step("BEGIN"), within(send("/topic/7b/answers", "stored")), within(send(&address, "last"))] {
        service.send(&frame).await;
    }
    service.send(&step("COMMIT")).await;
    service.send(&Frame::new("NONSENSE")).await;
    service.closed().await;
    assert_eq!(alice.message().await.text(), "last");

    let mut service = Client::signed_in(&broker, "service").await;
    let refused = [within(send(&address, "refused")), within(send("/nowhere", ""))];
    service.request(step("BEGIN")).await;
    for frame in refused {
        service.request(frame).await;
    }
    service.send(&step("COMMIT")).await;
    assert_eq!(service.error().await.need("code"), "102");
    let mut service = Client::signed_in(&broker, "service").await;
    service.request(send(&address, "after it")).await;
    assert_eq!(alice.message().await.text(), "after it");
}

#[tokio::test]
async fn a_class_that_asks_at_once_gets_its_own_replies_each() {
    const STUDENTS: usize = 60;
    const QUESTIONS: usize = 5;
    let broker = Broker::start().await;
    let mut service = service(&broker, true).await;
    let mut class = Vec::new();
    for number in 0..STUDENTS {
        let mut student = Client::signed_in(&broker, &format!("student-{number}")).await;
        // Live messages come beside the replies, by the dispatchers.
        student.subscribe("s", "/topic/7b/live", &[]).await;
        class.push(student);
    }
    for question in 0..QUESTIONS {
        for (number, student) in class.iter_mut().enumerate() {
            let asked = format!("{number}-{question}");
            student.send(&request("/temp-queue/a").with("x-asked", &asked)).await;
        }
    }
    for number in 0..STUDENTS * QUESTIONS {
        let asked = service.message().await;
        service.send(&send(asked.need("reply-to"), asked.need("x-asked"))).await;
        if number % 10 == 0 {
            service.send(&send("/topic/7b/live", "live")).await;
        }
    }
    for (number, student) in class.iter_mut().enumerate() {
        let mut replies = Vec::new();
        let mut live = 0;
        while replies.len() < QUESTIONS || live < STUDENTS * QUESTIONS / 10 {
            let message = student.message().await;
            match message.need("subscription") {
                "/temp-queue/a" => replies.push(message.text().to_owned()),
                _ => live += 1,
            }
        }
        let expected: Vec<String> = (0..QUESTIONS).map(|question| format!("{number}-{question}")).collect();
        assert_eq!(replies, expected, "in the order of the replies");
    }
    let all = STUDENTS * QUESTIONS * 2 + STUDENTS * STUDENTS * QUESTIONS / 10;
    eventually("all deliveries are counted", DEADLINE, async || {
        (counted(&broker, "homeroom_messages_delivered_total").await == all as f64).then_some(())
    })
    .await;
}
