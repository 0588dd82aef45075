//! Work queues where consumers are awkward: late, greedy, stuck, of an older STOMP, or gone at the wrong moment.

use std::time::Duration;

use homeroom_tests::{Broker, Client, DEADLINE, Frame, eventually};
use tokio::time::sleep;

const JOBS: &str = "/queue/jobs";
const DEAD: &str = "/queue/jobs/$dead";
const INDIVIDUALLY: (&str, &str) = ("ack", "client-individual");

async fn consumer(broker: &Broker, headers: &[(&str, &str)]) -> Client {
    let mut client = Client::signed_in_over_tcp(broker, "worker").await;
    client.subscribe("jobs", JOBS, headers).await;
    client
}

fn job(body: impl AsRef<[u8]>) -> Frame {
    Frame::new("SEND").with("destination", JOBS).body(body)
}

async fn send(broker: &Broker, jobs: impl IntoIterator<Item = Frame>) {
    let mut service = Client::signed_in_over_tcp(broker, "service").await;
    for job in jobs {
        service.request(job).await;
    }
}

fn nack(message: &Frame) -> Frame {
    Frame::new("NACK").with("id", message.need("ack"))
}

/// What waits in a queue now.
async fn look(broker: &Broker, queue: &str) -> Vec<Frame> {
    let mut looker = Client::signed_in_over_tcp(broker, "looker").await;
    looker.subscribe("look", queue, &[("browser", "true")]).await;
    let mut waiting = Vec::new();
    loop {
        let message = looker.message().await;
        if message.header("browser") == Some("end") {
            return waiting;
        }
        waiting.push(message);
    }
}

async fn until_there_are(broker: &Broker, queue: &str, count: usize) -> Vec<Frame> {
    eventually(&format!("{count} in {queue}"), DEADLINE, async || {
        let waiting = look(broker, queue).await;
        (waiting.len() == count).then_some(waiting)
    })
    .await
}

#[tokio::test]
async fn what_expires_on_its_way_to_a_slow_consumer_makes_room_for_the_next() {
    let broker = Broker::start_with("[limits]\nbody_bytes = \"6MiB\"\ntransaction_bytes = \"8MiB\"\n").await;
    let mut slow = Client::websocket_with_receive_buffer(&broker, 4096).await;
    slow.connect(&[]).await;
    slow.subscribe("jobs", JOBS, &[INDIVIDUALLY, ("prefetch-count", "2")]).await;
    // More than the socket takes: the next one waits in the consumer's hands, and the last for its window.
    let body = "x".repeat(6 << 20);
    send(&broker, [job(&body), job("too late").with("expiration", "300"), job("last")]).await;
    // The message's clock: not a wait for something.
    sleep(Duration::from_millis(400)).await;
    assert!(slow.message().await.text() == body);
    assert_eq!(slow.message().await.text(), "last");
}

#[tokio::test]
async fn only_the_broker_says_why_a_message_died() {
    let broker = Broker::start().await;
    let own = ["original-destination", "dead-letter-reason", "dead-letter-deliveries"];
    send(&broker, [own.iter().fold(job("sent once more"), |job, name| job.with(name, "of an earlier death"))]).await;
    let mut client = consumer(&broker, &[INDIVIDUALLY]).await;
    let message = client.message().await;
    client.send(&nack(&message).with("requeue", "false")).await;
    let dead = until_there_are(&broker, DEAD, 1).await.remove(0);
    assert_eq!(own.map(|name| dead.need(name)), [JOBS, "rejected", "1"], "{dead}");
}

#[tokio::test]
async fn what_a_refused_transaction_acknowledged_or_rejected_comes_again() {
    let broker = Broker::start().await;
    let mut service = Client::signed_in(&broker, "worker").await;
    let result = |body: &str| {
        let send = Frame::new("SEND").with("destination", "/topic/results");
        send.with("idempotency-key", "taken").body(body)
    };
    service.request(result("another")).await;
    send(&broker, ["done", "never", "later"].map(job)).await;
    let mut client = consumer(&broker, &[INDIVIDUALLY]).await;
    let messages = client.messages(3).await;
    let t = ("transaction", "t");
    client.send(&Frame::new("BEGIN").with_all(&[t])).await;
    client.send(&Frame::new("ACK").with("id", messages[0].need("ack")).with_all(&[t])).await;
    client.send(&nack(&messages[1]).with_all(&[t, ("requeue", "false")])).await;
    client.send(&nack(&messages[2]).with_all(&[t, ("delay", "3600000")])).await;
    client.send(&result("mine").with_all(&[t])).await;
    client.send(&Frame::new("COMMIT").with_all(&[t])).await;
    let error = client.error().await;
    assert_eq!(error.need("code"), "114", "{error}");
    let mut client = consumer(&broker, &[INDIVIDUALLY]).await;
    for expected in ["done", "never", "later"] {
        let message = client.message().await;
        assert_eq!((message.text(), message.header("redelivered")), (expected, Some("true")), "{message}");
    }
    assert_eq!(look(&broker, DEAD).await.len(), 0, "nothing was committed");
}

#[tokio::test]
async fn a_transaction_rejects_and_returns_with_its_commit() {
    let broker = Broker::start().await;
    send(&broker, ["0", "1", "2", "3", "4", "5"].map(job)).await;
    let mut client = consumer(&broker, &[("ack", "client")]).await;
    let messages = client.messages(6).await;
    let t = ("transaction", "t");
    client.send(&Frame::new("BEGIN").with_all(&[t])).await;
    // Each is about what none before it was about.
    client.send(&nack(&messages[1]).with_all(&[t, ("requeue", "false")])).await;
    client.send(&Frame::new("ACK").with("id", messages[3].need("ack")).with_all(&[t])).await;
    client.send(&nack(&messages[4]).with_all(&[t])).await;
    client.request(Frame::new("SEND").with("destination", "/topic/fence").body("before the commit")).await;
    assert_eq!(look(&broker, DEAD).await.len(), 0, "nothing was committed yet");
    client.request(Frame::new("COMMIT").with_all(&[t])).await;
    let again = client.message().await;
    assert_eq!((again.text(), again.header("delivery-count")), ("4", Some("2")), "{again}");
    let dead = until_there_are(&broker, DEAD, 2).await;
    assert_eq!(dead.iter().map(Frame::text).collect::<Vec<_>>(), ["0", "1"]);
    let waiting = until_there_are(&broker, JOBS, 2).await;
    assert_eq!(waiting.iter().map(Frame::text).collect::<Vec<_>>(), ["4", "5"]);
}

#[tokio::test]
async fn whoever_lets_the_broker_acknowledge_changes_nothing_by_words() {
    let broker = Broker::start().await;
    let mut client = Client::websocket(&broker, &["v11.stomp"]).await;
    client.connect(&[("accept-version", "1.1")]).await;
    client.subscribe("jobs", JOBS, &[("ack", "auto")]).await;
    send(&broker, ["once"].map(job)).await;
    let message = client.message().await;
    let naming =
        |command: &str| Frame::new(command).with("subscription", "jobs").with("message-id", message.need("message-id"));
    client.request(naming("NACK")).await;
    client.request(naming("NACK").with("requeue", "false")).await;
    send(&broker, ["twice"].map(job)).await;
    assert_eq!(client.message().await.text(), "twice", "it was not refused");
    assert_eq!(look(&broker, DEAD).await.len(), 0);
}

#[tokio::test]
async fn what_dies_with_its_last_consumer_is_buried_although_nobody_consumes() {
    let broker = Broker::start_with("[queues]\nmax_deliveries = 1\n").await;
    for number in 0..30 {
        let queue = format!("/queue/jobs{number}");
        let mut client = Client::signed_in_over_tcp(&broker, "worker").await;
        client.publish(&queue, "poison").await;
        client.subscribe("jobs", &queue, &[INDIVIDUALLY]).await;
        client.message().await;
        drop(client);
        until_there_are(&broker, &format!("{queue}/$dead"), 1).await;
    }
}

#[tokio::test]
async fn dead_letters_have_the_limit_of_a_queue_and_what_dies_then_waits_for_them() {
    let broker = Broker::start_with("[queues]\nbytes = \"1MiB\"\n").await;
    let body = "x".repeat(100_000);
    let reject_nine = async || {
        send(&broker, (0..9).map(|_| job(&body))).await;
        let mut client = consumer(&broker, &[INDIVIDUALLY]).await;
        for message in client.messages(9).await {
            client.send(&nack(&message).with("requeue", "false")).await;
        }
        client
    };
    let first = reject_nine().await;
    until_there_are(&broker, DEAD, 9).await;
    first.hang_up().await;
    let _second = reject_nine().await;
    eventually("the broker says what is full", DEADLINE, async || {
        broker.stderr().contains("queue/jobs/$dead keeps").then_some(())
    })
    .await;
    let (dead, dying) = (look(&broker, DEAD).await.len(), look(&broker, JOBS).await.len());
    assert!(dead <= 10 && dead + dying == 18, "{dead} and {dying}");
    let mut doctor = Client::signed_in_over_tcp(&broker, "doctor").await;
    doctor.subscribe("dead", DEAD, &[("ack", "client")]).await;
    let last = doctor.messages(dead).await.pop().expect("nine of them, or ten");
    doctor.ack(&last).await;
    assert_eq!(doctor.messages(dying).await.len(), dying, "the others came");
}

#[tokio::test]
async fn a_queue_that_goes_while_somebody_sends_begins_anew() {
    let broker = Broker::start().await;
    let mut service = Client::signed_in_over_tcp(&broker, "service").await;
    let consume = async |header| {
        for _ in 0..20 {
            let mut client = Client::signed_in_over_tcp(&broker, "worker").await;
            client
                .send(&Frame::new("SUBSCRIBE").with("id", "jobs").with("destination", JOBS).with_all(&[header]))
                .await;
            // Given a job, or told that the queue has just gone.
            client.frame().await;
            client.hang_up().await;
        }
    };
    let consumed = async { tokio::join!(consume(("auto-delete", "true")), consume(("x-expires", "1"))) };
    tokio::pin!(consumed);
    loop {
        // Each is stored, in one life of the queue or the next.
        let sent = service.request(job("work"));
        tokio::select! {
            _ = &mut consumed => break,
            _ = sent => {}
        }
    }
    // The queue may still be about to go with those who left last, and what is in it then goes too.
    eventually("the queue stays", DEADLINE, async || {
        let mut service = Client::signed_in_over_tcp(&broker, "service").await;
        service.request(job("the last")).await;
        let mut client = Client::signed_in_over_tcp(&broker, "worker").await;
        client
            .send(&Frame::new("SUBSCRIBE").with("id", "jobs").with("destination", JOBS).with_all(&[INDIVIDUALLY]))
            .await;
        let given = async {
            loop {
                let frame = client.frame().await;
                if frame.command == "ERROR" || frame.text() == "the last" {
                    return frame.command == "MESSAGE";
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(1), given).await.is_ok_and(|given| given).then_some(())
    })
    .await;
}

#[tokio::test]
async fn acknowledging_in_every_version_is_about_ones_own_messages_alone() {
    let broker = Broker::start().await;
    for (version, over_tcp) in
        [("1.0", true), ("1.1", true), ("1.2", true), ("1.0", false), ("1.1", false), ("1.2", false)]
    {
        let jobs = format!("/queue/v{}/{over_tcp}", version.replace('.', "_"));
        let connected = async || {
            let mut client = if over_tcp { Client::tcp(&broker).await } else { Client::websocket(&broker, &[]).await };
            client.connect(&[("accept-version", version), ("login", "worker")]).await;
            client
        };
        let naming = |command: &str, message: &Frame| match version {
            "1.0" => Frame::new(command).with("message-id", message.need("message-id")),
            "1.1" => Frame::new(command)
                .with("message-id", message.need("message-id"))
                .with("subscription", message.need("subscription")),
            _ => Frame::new(command).with("id", message.need("ack")),
        };
        let mut service = Client::signed_in(&broker, "service").await;
        for number in 0..6 {
            service.publish(&jobs, &number.to_string()).await;
        }
        let (mut client, mut other) = (connected().await, connected().await);
        let one_each = [INDIVIDUALLY, ("prefetch-count", "2")];
        client.subscribe("a", &jobs, &one_each).await;
        let of_a = client.messages(2).await;
        client.subscribe("b", &jobs, &one_each).await;
        let of_b = client.messages(2).await;
        other.subscribe("a", &jobs, &one_each).await;
        let of_other = other.messages(2).await;
        // Another's, twice, and after it was let go.
        client.request(naming("ACK", &of_other[0])).await;
        client.request(naming("ACK", &of_a[0])).await;
        client.request(naming("ACK", &of_a[0])).await;
        if version != "1.0" {
            client.request(Frame::new("UNSUBSCRIBE").with("id", "b")).await;
            client.request(naming("ACK", &of_b[0])).await;
            client.request(naming("NACK", &of_a[1]).with("delay", "3600000")).await;
            client.request(naming("ACK", &of_a[1])).await;
        }
        drop(other);
        drop(client);
        let waiting = until_there_are(&broker, &jobs, 5).await;
        let texts: Vec<&str> = waiting.iter().map(Frame::text).collect();
        assert_eq!(texts, ["1", "2", "3", "4", "5"], "{version} {over_tcp}");
    }
}

#[tokio::test]
async fn of_many_that_were_done_out_of_turn_those_that_come_again_are_marked() {
    let broker = Broker::start().await;
    let mut service = Client::signed_in_over_tcp(&broker, "service").await;
    let count = 6_000;
    let mut last = String::new();
    for number in 0..count {
        last = service.ask(job(number.to_string())).await;
    }
    service.receipt(&last).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = consumer(&broker, &[INDIVIDUALLY, ("prefetch-count", "1000")]).await;
        let messages = client.messages(1000).await;
        clients.push((client, messages));
    }
    for (client, messages) in &mut clients {
        let mut last = String::new();
        for message in messages.iter().filter(|message| message.need("offset").ends_with(['1', '3', '5', '7', '9'])) {
            last = client.ask(Frame::new("ACK").with("id", message.need("ack"))).await;
        }
        client.receipt(&last).await;
    }
    let broker = broker.killed_and_restarted().await;
    let waiting = look(&broker, JOBS).await.len();
    assert!((count / 2..=count - 1000).contains(&waiting), "{waiting} wait");
    send(&broker, ["new"].map(job)).await;
    let mut client = consumer(&broker, &[INDIVIDUALLY]).await;
    for _ in 0..waiting {
        let message = client.message().await;
        assert_eq!(message.header("redelivered"), Some("true"), "{message}");
        client.send(&Frame::new("ACK").with("id", message.need("ack"))).await;
    }
    let message = client.message().await;
    assert_eq!((message.text(), message.header("redelivered")), ("new", None));
}

#[tokio::test]
async fn each_message_of_a_transaction_is_done_refused_or_dead_by_itself() {
    let broker = Broker::start().await;
    let mut service = Client::signed_in(&broker, "service").await;
    let t = ("transaction", "t");
    service.send(&Frame::new("BEGIN").with_all(&[t])).await;
    for number in 0..4 {
        service.send(&job(number.to_string()).with_all(&[t])).await;
    }
    service.request(Frame::new("COMMIT").with_all(&[t])).await;
    let mut client = consumer(&broker, &[INDIVIDUALLY, ("prefetch-count", "4")]).await;
    let messages = client.messages(4).await;
    client.ack(&messages[0]).await;
    client.send(&nack(&messages[1]).with("requeue", "false")).await;
    client.send(&nack(&messages[2])).await;
    let again = client.message().await;
    assert_eq!((again.text(), again.header("delivery-count")), ("2", Some("2")), "{again}");
    assert_eq!(until_there_are(&broker, DEAD, 1).await[0].text(), "1");
    client.hang_up().await;
    let mut client = consumer(&broker, &[INDIVIDUALLY]).await;
    let messages = client.messages(2).await;
    let seen: Vec<_> = messages.iter().map(|message| (message.text(), message.need("delivery-count"))).collect();
    assert_eq!(seen, [("2", "3"), ("3", "2")]);
    // A cursor passes them together, with the last of them.
    let broker = broker.killed_and_restarted().await;
    let mut client = consumer(&broker, &[INDIVIDUALLY]).await;
    let messages = client.messages(4).await;
    assert!(messages.iter().all(|message| message.header("redelivered") == Some("true")), "{messages:?}");
    for message in &messages {
        client.ack(message).await;
    }
    let broker = broker.killed_and_restarted().await;
    assert_eq!(look(&broker, JOBS).await.len(), 0);
}
