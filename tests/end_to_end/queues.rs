//! Work queues: each message goes to one consumer, and stays until it is acknowledged.

use std::time::Duration;

use homeroom_tests::{Broker, Client, DEADLINE, Frame, eventually};

const JOBS: &str = "/queue/grading";
const DEAD: &str = "/queue/grading/$dead";

async fn consumer(broker: &Broker, headers: &[(&str, &str)]) -> Client {
    let mut client = Client::signed_in(broker, "grader").await;
    client.subscribe("jobs", JOBS, headers).await;
    client
}

async fn send(broker: &Broker, jobs: impl IntoIterator<Item = impl std::fmt::Display>) {
    let mut service = Client::signed_in_over_tcp(broker, "service").await;
    for job in jobs {
        service.publish(JOBS, &job.to_string()).await;
    }
}

fn nack(message: &Frame, headers: &[(&str, &str)]) -> Frame {
    Frame::new("NACK").with("id", message.need("ack")).with_all(headers)
}

/// Nothing more comes: a message sent to another place afterwards is the next.
async fn gets_nothing(client: &mut Client) {
    client.request(Frame::new("SUBSCRIBE").with("id", "fence").with("destination", "/topic/fence")).await;
    client.publish("/topic/fence", "fence").await;
    let message = client.message().await;
    assert_eq!(message.text(), "fence", "{message}");
    client.request(Frame::new("UNSUBSCRIBE").with("id", "fence")).await;
}

#[tokio::test]
async fn each_message_goes_to_one_consumer_in_turn_and_what_was_sent_before_waits() {
    let broker = Broker::start().await;
    send(&broker, 0..4).await;
    let individually = [("ack", "client-individual"), ("prefetch-count", "4")];
    let mut first = consumer(&broker, &individually).await;
    assert_eq!(first.bodies(4).await, ["0", "1", "2", "3"]);
    let mut second = consumer(&broker, &individually).await;
    send(&broker, 4..6).await;
    assert_eq!(second.bodies(2).await, ["4", "5"], "the first one's hands are full");
    let mut third = Client::signed_in_over_tcp(&broker, "grader").await;
    third.subscribe("jobs", JOBS, &individually).await;
    send(&broker, 6..10).await;
    let (mut of_second, of_third) = (second.bodies(2).await, third.bodies(2).await);
    of_second.extend(of_third);
    of_second.sort_unstable();
    assert_eq!(of_second, ["6", "7", "8", "9"], "two for each");
}

#[tokio::test]
async fn what_is_acknowledged_is_gone_and_the_rest_comes_again_in_order_marked_and_counted() {
    let broker = Broker::start().await;
    send(&broker, 0..5).await;
    let mut first = consumer(&broker, &[("ack", "client-individual")]).await;
    let messages = first.messages(5).await;
    assert!(messages.iter().all(|message| message.header("redelivered").is_none()));
    assert!(messages.iter().all(|message| message.header("replayed").is_none()));
    first.ack(&messages[1]).await;
    first.ack(&messages[3]).await;
    first.hang_up().await;
    send(&broker, ["new"]).await;
    let mut second = consumer(&broker, &[("ack", "client")]).await;
    let messages = second.messages(4).await;
    let seen: Vec<_> = messages
        .iter()
        .map(|message| (message.text(), message.header("redelivered"), message.header("delivery-count")))
        .collect();
    let again = (Some("true"), Some("2"));
    assert_eq!(seen, [("0", again.0, again.1), ("2", again.0, again.1), ("4", again.0, again.1), ("new", None, None)]);
    // One ACK for all.
    second.ack(&messages[3]).await;
    second.hang_up().await;
    let mut third = consumer(&broker, &[("ack", "client")]).await;
    gets_nothing(&mut third).await;
}

#[tokio::test]
async fn a_window_holds_as_many_as_were_asked_for() {
    let broker = Broker::start().await;
    send(&broker, 0..5).await;
    let mut client = consumer(&broker, &[("ack", "client-individual"), ("prefetch-count", "2")]).await;
    let messages = client.messages(2).await;
    gets_nothing(&mut client).await;
    client.ack(&messages[0]).await;
    assert_eq!(client.message().await.text(), "2");
    gets_nothing(&mut client).await;
}

#[tokio::test]
async fn a_refused_message_comes_again_to_whoever_is_free_or_later() {
    let broker = Broker::start().await;
    send(&broker, 0..2).await;
    let mut client = consumer(&broker, &[("ack", "client-individual"), ("prefetch-count", "1")]).await;
    let message = client.message().await;
    client.send(&nack(&message, &[])).await;
    let message = client.message().await;
    assert_eq!((message.text(), message.header("delivery-count")), ("0", Some("2")), "{message}");
    client.send(&nack(&message, &[("delay", "150")])).await;
    let other = client.message().await;
    assert_eq!(other.text(), "1", "the refused one waits");
    client.ack(&other).await;
    let message = client.message().await;
    assert_eq!((message.text(), message.header("delivery-count")), ("0", Some("3")), "{message}");
    client.ack(&message).await;
    gets_nothing(&mut client).await;
}

#[tokio::test]
async fn what_was_delivered_five_times_goes_to_the_dead_letters_with_the_reason() {
    let broker = Broker::start().await;
    let mut service = Client::signed_in(&broker, "service").await;
    let poison = Frame::new("SEND").with("destination", JOBS).with("x-pupil", "7").with("expiration", "3600000");
    service.request(poison.body("poison")).await;
    service.publish(JOBS, "good").await;
    for count in 1..=5 {
        let mut client = consumer(&broker, &[("ack", "client-individual"), ("prefetch-count", "1")]).await;
        let message = client.message().await;
        assert_eq!(message.text(), "poison", "time {count}");
        client.hang_up().await;
    }
    let mut client = consumer(&broker, &[("ack", "client-individual")]).await;
    let message = client.message().await;
    assert_eq!(message.text(), "good");
    client.send(&nack(&message, &[("requeue", "false")])).await;
    gets_nothing(&mut client).await;

    let broker = broker.killed_and_restarted().await;
    let mut doctor = Client::signed_in(&broker, "doctor").await;
    doctor.subscribe("dead", DEAD, &[("ack", "client")]).await;
    let messages = doctor.messages(2).await;
    let poison = &messages[0];
    assert_eq!((poison.text(), poison.need("destination"), poison.need("x-pupil")), ("poison", DEAD, "7"), "{poison}");
    assert_eq!((poison.need("dead-letter-reason"), poison.need("dead-letter-deliveries")), ("max-deliveries", "5"));
    assert_eq!((poison.need("original-destination"), poison.header("expires")), (JOBS, None), "{poison}");
    assert_eq!(poison.need("user-id"), "service");
    assert_eq!((messages[1].text(), messages[1].need("dead-letter-reason")), ("good", "rejected"));
    // Dead letters do not die again.
    for _ in 0..6 {
        doctor.send(&nack(&messages[1], &[])).await;
        doctor.messages(2).await;
    }
    drop(doctor);
    let mut client = consumer(&broker, &[("ack", "client-individual")]).await;
    gets_nothing(&mut client).await;
}

#[tokio::test]
async fn without_acknowledgement_a_message_is_done_when_it_has_arrived() {
    let broker = Broker::start().await;
    send(&broker, 0..3).await;
    let mut client = consumer(&broker, &[]).await;
    assert_eq!(client.bodies(3).await, ["0", "1", "2"]);
    // At the browser, as its answer to the Ping behind them shows.
    client.ping().await;
    gets_nothing(&mut client).await;
    client.disconnect().await;
    let mut client = Client::signed_in_over_tcp(&broker, "grader").await;
    client.subscribe("jobs", JOBS, &[]).await;
    gets_nothing(&mut client).await;
    send(&broker, 3..5).await;
    assert_eq!(client.bodies(2).await, ["3", "4"]);
    client.hang_up().await;
    let mut client = consumer(&broker, &[]).await;
    gets_nothing(&mut client).await;
}

#[tokio::test]
async fn what_was_not_acknowledged_survives_a_kill_and_what_was_does_not_come_back() {
    let broker = Broker::start().await;
    send(&broker, 0..6).await;
    let mut client = consumer(&broker, &[("ack", "client-individual"), ("prefetch-count", "4")]).await;
    let messages = client.messages(4).await;
    for message in [&messages[0], &messages[2]] {
        client.ack(message).await;
    }
    let broker = broker.killed_and_restarted().await;
    let mut client = consumer(&broker, &[("ack", "client-individual"), ("prefetch-count", "10")]).await;
    let messages = client.messages(4).await;
    let texts: Vec<&str> = messages.iter().map(Frame::text).collect();
    assert_eq!(texts, ["1", "3", "4", "5"]);
    assert!(messages[..2].iter().all(|message| message.header("redelivered") == Some("true")), "{messages:?}");
    send(&broker, ["new"]).await;
    let message = client.message().await;
    assert_eq!((message.text(), message.header("redelivered")), ("new", None));
}

#[tokio::test]
async fn whoever_browses_sees_what_waits_and_takes_nothing() {
    let broker = Broker::start().await;
    let mut looker = Client::signed_in(&broker, "looker").await;
    looker.subscribe("look", JOBS, &[("browser", "true"), ("ack", "client")]).await;
    assert_eq!(looker.message().await.need("browser"), "end", "there is nothing yet");
    looker.request(Frame::new("UNSUBSCRIBE").with("id", "look")).await;

    send(&broker, 0..4).await;
    let mut client = consumer(&broker, &[("ack", "client-individual"), ("prefetch-count", "2")]).await;
    let messages = client.messages(2).await;
    client.ack(&messages[0]).await;
    looker.subscribe("look", JOBS, &[("browser", "true")]).await;
    assert_eq!(looker.bodies(3).await, ["1", "2", "3"], "one is done, one is being worked on");
    let end = looker.message().await;
    assert_eq!((end.need("browser"), end.text(), end.need("destination")), ("end", "", JOBS), "{end}");
    send(&broker, 4..5).await;
    gets_nothing(&mut looker).await;
    client.ack(&messages[1]).await;
    assert_eq!(client.bodies(2).await, ["2", "3"]);
}

#[tokio::test]
async fn a_full_queue_refuses_until_consumers_have_come_further() {
    let broker = Broker::start_with("[queues]\nbytes = \"1MiB\"\n").await;
    let body = "x".repeat(100_000);
    let mut service = Client::signed_in(&broker, "service").await;
    for _ in 0..10 {
        service.publish(JOBS, &body).await;
    }
    let mut refused = Client::signed_in(&broker, "service").await;
    refused.send(&Frame::new("SEND").with("destination", JOBS).with("receipt", "r").body(&body)).await;
    let error = refused.error().await;
    assert_eq!((error.need("code"), error.need("message"), error.need("retryable")), ("106", "queue full", "true"));
    service.publish("/queue/other", &body).await;

    let mut client = consumer(&broker, &[("ack", "client"), ("prefetch-count", "10")]).await;
    let messages = client.messages(10).await;
    client.ack(&messages[9]).await;
    eventually("there is room again", DEADLINE, async || {
        let mut service = Client::signed_in(&broker, "service").await;
        service.send(&Frame::new("SEND").with("destination", JOBS).with("receipt", "r").body(&body)).await;
        (service.frame().await.command == "RECEIPT").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_consumer_that_wants_to_be_alone_is() {
    let broker = Broker::start().await;
    let alone = consumer(&broker, &[("exclusive", "true")]).await;
    for exclusive in ["true", "false"] {
        let mut other = Client::signed_in(&broker, "other").await;
        let subscribe = Frame::new("SUBSCRIBE").with("id", "s").with("destination", JOBS).with("exclusive", exclusive);
        other.send(&subscribe).await;
        let error = other.error().await;
        assert_eq!((error.need("code"), error.need("retryable")), ("108", "true"), "{error}");
    }
    alone.disconnect().await;
    consumer(&broker, &[]).await;
}

#[tokio::test]
async fn a_queue_goes_with_its_last_consumer_or_when_nobody_uses_it_if_that_was_asked_for() {
    let broker = Broker::start().await;
    for header in [("auto-delete", "true"), ("x-expires", "50")] {
        let first = consumer(&broker, &[("ack", "client"), header]).await;
        let second = consumer(&broker, &[("ack", "client")]).await;
        send(&broker, ["left behind"]).await;
        first.disconnect().await;
        second.disconnect().await;
        eventually("the queue is gone", DEADLINE, async || {
            let mut looker = Client::signed_in(&broker, "looker").await;
            looker.subscribe("look", JOBS, &[("browser", "true")]).await;
            (looker.message().await.header("browser") == Some("end")).then_some(())
        })
        .await;
    }
    let kept = consumer(&broker, &[("auto-delete", "false"), ("durable", "true"), ("ack", "client")]).await;
    send(&broker, ["kept"]).await;
    kept.disconnect().await;
    let mut client = consumer(&broker, &[]).await;
    assert_eq!(client.message().await.text(), "kept");
}

#[tokio::test]
async fn what_has_no_meaning_for_a_queue_is_refused_with_what_to_do() {
    let broker = Broker::start().await;
    for (destination, header, code) in [
        (JOBS, ("no-local", "true"), "107"),
        (JOBS, ("x-stream-offset", "first"), "107"),
        (JOBS, ("after", "1:1"), "107"),
        (JOBS, ("rewind", "10"), "107"),
        (JOBS, ("selector", "a = 1"), "107"),
        (JOBS, ("x-expires", "soon"), "107"),
        ("/queue/*", ("ack", "auto"), "102"),
        ("/topic/7b", ("browser", "true"), "107"),
        ("/topic/*", ("group", "workers"), "107"),
        ("/user/queue/x", ("group", "workers"), "107"),
        ("/topic/7b", ("group", ""), "107"),
    ] {
        let mut client = Client::signed_in(&broker, "alice").await;
        client
            .send(&Frame::new("SUBSCRIBE").with("id", "s").with("destination", destination).with(header.0, header.1))
            .await;
        let error = client.error().await;
        assert_eq!(error.need("code"), code, "{destination} {header:?}: {error}");
        assert!(error.text().len() > 20, "{error}");
    }
}

#[tokio::test]
async fn a_group_shares_what_a_classroom_keeps() {
    let broker = Broker::start().await;
    let group = [("group", "graders"), ("ack", "client-individual"), ("prefetch-count", "2")];
    let mut workers = Vec::new();
    for _ in 0..2 {
        let mut worker = Client::signed_in(&broker, "worker").await;
        worker.subscribe("work", "/topic/7b/answers", &group).await;
        workers.push(worker);
    }
    let mut reader = Client::signed_in(&broker, "reader").await;
    reader.subscribe("all", "/topic/7b/**", &[]).await;
    let mut other_group = Client::signed_in(&broker, "statistics").await;
    other_group.subscribe("all", "/topic/7b/**", &[("group", "statistics")]).await;
    let mut pupil = Client::signed_in(&broker, "pupil").await;
    for answer in 0..4 {
        pupil.publish("/topic/7b/answers", &answer.to_string()).await;
        pupil.publish("/topic/7b/chat", "not theirs").await;
    }
    let mut seen = Vec::new();
    for worker in &mut workers {
        let messages = worker.messages(2).await;
        seen.extend(messages.iter().map(|message| message.text().to_owned()));
        worker.ack(&messages[0]).await;
    }
    seen.sort_unstable();
    assert_eq!(seen, ["0", "1", "2", "3"]);
    assert_eq!((reader.messages(8).await.len(), other_group.messages(8).await.len()), (8, 8));
    drop(workers);
    // What two of them had and did not acknowledge, and what came while nobody worked, after a crash too.
    pupil.publish("/topic/7b/answers", "4").await;
    let broker = broker.killed_and_restarted().await;
    let mut worker = Client::signed_in(&broker, "worker").await;
    worker.subscribe("work", "/topic/7b/answers", &[("group", "graders"), ("ack", "client-individual")]).await;
    let messages = worker.messages(3).await;
    assert_eq!(messages[2].text(), "4");
    assert!(messages[..2].iter().all(|message| message.header("redelivered") == Some("true")));
    // Rejected: to the dead letters of the group, in the same classroom.
    worker.send(&nack(&messages[0], &[("requeue", "false")])).await;
    let mut doctor = Client::signed_in(&broker, "doctor").await;
    doctor.subscribe("dead", "/topic/7b/$dead/graders", &[("x-stream-offset", "first")]).await;
    let dead = doctor.message().await;
    assert_eq!((dead.text(), dead.need("dead-letter-reason")), (messages[0].text(), "rejected"), "{dead}");
    assert_eq!(dead.need("original-destination"), "/topic/7b/answers");
}

#[tokio::test]
async fn an_ack_in_a_transaction_is_stored_with_what_it_sends() {
    let broker = Broker::start().await;
    send(&broker, ["essay"]).await;
    let mut client = consumer(&broker, &[("ack", "client-individual")]).await;
    client.subscribe("marks", "/topic/7b/marks", &[]).await;
    for (end, expected) in [("ABORT", None), ("COMMIT", Some("mark"))] {
        let message = client.message().await;
        assert_eq!(message.text(), "essay", "{end}");
        client.send(&Frame::new("BEGIN").with("transaction", "t")).await;
        client
            .send(&Frame::new("SEND").with("destination", "/topic/7b/marks").with("transaction", "t").body("mark"))
            .await;
        client.send(&Frame::new("ACK").with("id", message.need("ack")).with("transaction", "t")).await;
        client.request(Frame::new(end).with("transaction", "t")).await;
        if let Some(mark) = expected {
            assert_eq!(client.message().await.text(), mark);
        } else {
            client.send(&nack(&message, &[])).await;
        }
    }
    let broker = broker.killed_and_restarted().await;
    let mut client = consumer(&broker, &[("ack", "client-individual")]).await;
    gets_nothing(&mut client).await;
}

#[tokio::test]
async fn a_message_that_expires_in_the_queue_is_nobodys_work() {
    let broker = Broker::start().await;
    let mut service = Client::signed_in(&broker, "service").await;
    service.request(Frame::new("SEND").with("destination", JOBS).with("expires", "1000").body("too late")).await;
    service.publish(JOBS, "in time").await;
    let mut client = consumer(&broker, &[]).await;
    assert_eq!(client.message().await.text(), "in time");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_leaves_the_work_to_others() {
    let broker = Broker::start().await;
    let stuck = consumer(&broker, &[("ack", "auto")]).await;
    let mut working = consumer(&broker, &[("ack", "client-individual"), ("prefetch-count", "1")]).await;
    let body = "x".repeat(500_000);
    send(&broker, (0..40).map(|number| format!("{number} {body}"))).await;
    // The stuck one is given what fits into its socket and a little more; the rest is done by the other.
    let mut done = 0;
    while done < 10 {
        let message = homeroom_tests::within("work", Duration::from_secs(20), working.message()).await;
        working.ack(&message).await;
        done += 1;
    }
    drop(stuck);
}
