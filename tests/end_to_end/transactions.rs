//! Transactions: all or nothing, in one place of the log. Those over several logs: `joint_transactions.rs`.

use homeroom_tests::{Broker, Client, Frame};

fn send(destination: &str, body: &str) -> Frame {
    Frame::new("SEND").with("destination", destination).with("transaction", "t").body(body)
}

fn begin() -> Frame {
    Frame::new("BEGIN").with("transaction", "t")
}

fn commit() -> Frame {
    Frame::new("COMMIT").with("transaction", "t")
}

async fn listener(broker: &Broker) -> Client {
    let mut client = Client::signed_in(broker, "listener").await;
    client.subscribe("s", "/topic/7b/**", &[]).await;
    client
}

#[tokio::test]
async fn a_transaction_over_one_log_is_one_record() {
    let broker = Broker::start().await;
    let mut listener = listener(&broker).await;
    let mut noise = Client::signed_in(&broker, "noise").await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.request(begin()).await;
    for number in 0..3 {
        teacher.request(send("/topic/7b/quiz", &format!("part {number}"))).await;
        noise.publish("/topic/7b/chat", "noise").await;
    }
    teacher.request(commit()).await;
    assert_eq!(listener.bodies(3).await, ["noise"; 3], "nothing before COMMIT");
    let parts = listener.messages(3).await;
    for (number, part) in parts.iter().enumerate() {
        assert_eq!(part.text(), format!("part {number}"));
        assert_eq!(part.need("offset").split('.').next(), parts[0].need("offset").split('.').next(), "one offset");
        assert!(part.need("message-id").ends_with(&format!(".{number}")), "and places in it: {part}");
    }
}

#[tokio::test]
async fn a_position_inside_a_record_is_behind_its_earlier_messages() {
    let broker = Broker::start().await;
    let mut listener = listener(&broker).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.request(begin()).await;
    for body in ["a", "b", "c"] {
        teacher.request(send("/topic/7b/quiz", body)).await;
    }
    teacher.request(commit()).await;
    let parts = listener.messages(3).await;
    let second = parts[1].need("message-id").split_once('@').expect("log@position").1.to_owned();
    let mut reader = Client::signed_in(&broker, "reader").await;
    reader.subscribe("s", "/topic/7b/**", &[("after", &second)]).await;
    assert_eq!(reader.message().await.text(), "c");
}

#[tokio::test]
async fn abort_and_a_lost_connection_leave_nothing() {
    let broker = Broker::start().await;
    let mut listener = listener(&broker).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.request(begin()).await;
    teacher.request(send("/topic/7b", "aborted")).await;
    teacher.request(Frame::new("ABORT").with("transaction", "t")).await;
    teacher.request(begin()).await;
    teacher.request(send("/topic/7b", "abandoned")).await;
    teacher.hang_up().await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    teacher.request(begin()).await;
    teacher.request(send("/topic/7b", "said goodbye")).await;
    teacher.disconnect().await;
    Client::signed_in(&broker, "teacher").await.publish("/topic/7b", "next").await;
    assert_eq!(listener.message().await.text(), "next");
}

#[tokio::test]
async fn an_acknowledgement_belongs_to_its_transaction() {
    let broker = Broker::start().await;
    let headers = [("durable", "true"), ("ack", "client-individual")];
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("lesson", "/topic/7b", &headers).await;
    for body in ["1", "2"] {
        alice.publish("/topic/7b", body).await;
    }
    let messages = alice.messages(2).await;
    let ack = |message: &Frame| Frame::new("ACK").with("id", message.need("ack")).with("transaction", "t");
    alice.request(begin()).await;
    alice.request(ack(&messages[0])).await;
    alice.request(send("/topic/7b/answers", "done with 1")).await;
    alice.request(commit()).await;
    alice.request(begin()).await;
    alice.request(ack(&messages[1])).await;
    let broker = broker.killed_and_restarted().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("lesson", "/topic/7b", &headers).await;
    assert_eq!(alice.message().await.text(), "2", "the second was never committed");
    let mut reader = Client::signed_in(&broker, "reader").await;
    reader.subscribe("s", "/topic/7b/answers", &[("x-stream-offset", "first")]).await;
    assert_eq!(reader.message().await.text(), "done with 1");
}

#[tokio::test]
async fn a_transaction_with_an_impossible_acknowledgement_stores_nothing() {
    let broker = Broker::start().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.request(begin()).await;
    alice.request(send("/topic/7b", "half of it")).await;
    alice.request(Frame::new("ACK").with("id", "never sent").with("transaction", "t")).await;
    alice.send(&commit()).await;
    assert_eq!(alice.error().await.header("code"), Some("107"));
    let mut bob = Client::signed_in(&broker, "bob").await;
    bob.publish("/topic/7b", "after it").await;
    bob.subscribe("s", "/topic/7b", &[("x-stream-offset", "first")]).await;
    assert_eq!(bob.message().await.text(), "after it");
}

#[tokio::test]
async fn a_transaction_that_is_refused_acknowledges_nothing() {
    let broker = Broker::start().await;
    let headers = [("durable", "true"), ("ack", "client-individual")];
    let keyed = |body: &str| send("/topic/7b/answers", body).with("idempotency-key", "k");
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("lesson", "/topic/7b/quiz", &headers).await;
    let mut first = keyed("first");
    first.headers.retain(|(name, _)| name != "transaction");
    alice.request(first).await;
    alice.publish("/topic/7b/quiz", "question").await;
    let question = alice.message().await;
    alice.request(begin()).await;
    alice.request(Frame::new("ACK").with("id", question.need("ack")).with("transaction", "t")).await;
    alice.request(keyed("another under the same key")).await;
    alice.send(&commit()).await;
    assert_eq!(alice.error().await.header("code"), Some("114"));

    let mut alice = Client::signed_in(&broker, "alice").await;
    let receipt = alice.subscribe("lesson", "/topic/7b/quiz", &headers).await;
    assert_eq!(receipt.header("resumed"), Some("true"), "{receipt}");
    assert_eq!(alice.message().await.text(), "question", "its acknowledgement was undone with the transaction");
}

#[tokio::test]
async fn an_acknowledgement_behind_a_transaction_waits_for_it() {
    let broker = Broker::start().await;
    let headers = [("durable", "true"), ("ack", "client-individual")];
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("lesson", "/topic/7b", &headers).await;
    for body in ["1", "2", "3"] {
        alice.publish("/topic/7b", body).await;
    }
    let messages = alice.messages(3).await;
    let ack = |message: &Frame| Frame::new("ACK").with("id", message.need("ack"));
    // All of it in one go.
    alice.send(&begin()).await;
    alice.send(&ack(&messages[0]).with("transaction", "t")).await;
    alice.send(&send("/topic/7b/answers", "done with 1")).await;
    alice.send(&commit().with("receipt", "commit")).await;
    alice.send(&ack(&messages[1]).with("receipt", "ack")).await;
    alice.receipt("commit").await;
    alice.receipt("ack").await;
    let broker = broker.killed_and_restarted().await;
    let mut alice = Client::signed_in(&broker, "alice").await;
    alice.subscribe("lesson", "/topic/7b", &headers).await;
    assert_eq!(alice.message().await.text(), "3");
}
