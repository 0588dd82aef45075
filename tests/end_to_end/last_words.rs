//! What a client said right before it closed has its effect, although nobody is there to hear the answer.

use homeroom_tests::{Broker, Client};

/// One message and the Close behind it, in one write.
async fn say_and_close(mut client: Client, said: &str) {
    let [high, low] = u16::try_from(said.len()).expect("a short text").to_be_bytes();
    let unmasked = [0; 4];
    let close = [&[0x88, 0x80 | 2], &unmasked[..], &1000_u16.to_be_bytes()].concat();
    let all = [&[0x81, 0x80 | 126, high, low], &unmasked[..], said.as_bytes(), &close].concat();
    client.socket().write_raw(&all).await.expect("the socket takes it");
    assert_eq!(client.closed().await.code, Some(1000), "nothing follows the answer to its Close");
}

/// Some clients send, say goodbye and close in one breath, so that all of it comes at once.
#[tokio::test]
async fn what_was_sent_before_the_close_counts() {
    let broker = Broker::start().await;
    let parting: String =
        (0..20).map(|number| format!("SEND\ndestination:/topic/7b\n\nparting word {number}\0")).collect();
    for goodbye in ["DISCONNECT\nreceipt:bye\n\n\0", ""] {
        let said = format!("{parting}{goodbye}");
        say_and_close(Client::signed_in(&broker, "alice").await, &said).await;
        let mut student = Client::signed_in_over_tcp(&broker, "alice").await;
        student.send_bytes(said.as_bytes()).await;
        student.hang_up().await;
    }
    let mut later = Client::signed_in(&broker, "bob").await;
    later.subscribe("s", "/topic/7b", &[("x-stream-offset", "first")]).await;
    assert_eq!(later.bodies(80).await.last().map(String::as_str), Some("parting word 19"));
}

#[tokio::test]
async fn what_was_acknowledged_and_committed_before_the_close_counts() {
    let broker = Broker::start().await;
    let individually = [("ack", "client-individual"), ("prefetch-count", "3")];
    for over_tcp in [false, true] {
        let mut worker = match over_tcp {
            true => Client::signed_in_over_tcp(&broker, "worker").await,
            false => Client::signed_in(&broker, "worker").await,
        };
        let mut service = Client::signed_in(&broker, "service").await;
        service.subscribe("results", "/topic/7b/results", &[]).await;
        for job in ["committed", "acknowledged", "left"] {
            service.publish("/queue/jobs", job).await;
        }
        worker.subscribe("jobs", "/queue/jobs", &individually).await;
        let jobs = worker.messages(3).await;
        let ack = |job: usize, more: &str| format!("ACK\nid:{}\n{more}\n\0", jobs[job].need("ack"));
        let said = [
            "BEGIN\ntransaction:t\n\n\0SEND\ndestination:/topic/7b/results\ntransaction:t\n\ndone\0",
            &ack(0, "transaction:t\n"),
            "COMMIT\ntransaction:t\n\n\0",
            &ack(1, ""),
        ];
        match over_tcp {
            true => {
                worker.send_bytes(said.concat().as_bytes()).await;
                worker.hang_up().await;
            }
            false => say_and_close(worker, &said.concat()).await,
        }
        assert_eq!(service.message().await.text(), "done");
        service.subscribe("jobs", "/queue/jobs", &individually).await;
        let left = service.message().await;
        assert_eq!((left.text(), left.header("redelivered")), ("left", Some("true")), "{left}");
        service.ack(&left).await;
        service.disconnect().await;
    }
}
