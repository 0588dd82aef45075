//! A class that is up to date is written to by its dispatchers, and nobody can tell.

use std::time::Duration;

use homeroom_tests::{Broker, Client, eventually, get, metric};

const DISPATCHED: &str = "homeroom_messages_dispatched_total";

async fn counted(broker: &Broker, name: &str) -> f64 {
    metric(&get(broker.management(), "/metrics").await.body, name).unwrap_or_default()
}

async fn until_delivered(broker: &Broker, count: f64) {
    let all = async || (counted(broker, "homeroom_messages_delivered_total").await == count).then_some(());
    eventually("every message is counted", Duration::from_secs(5), all).await;
}

#[tokio::test]
async fn a_class_that_is_up_to_date_is_written_to_by_its_dispatchers() {
    const STUDENTS: usize = 40;
    const MESSAGES: usize = 25;
    let broker = Broker::start().await;
    let mut class = Vec::new();
    for number in 0..STUDENTS {
        let mut student = Client::signed_in(&broker, &format!("student-{number}")).await;
        // Some look at one channel, some at all; some have an id of their own.
        let (id, channel) = (["sub-0", "sub-1", "mine"][number % 3], ["quiz", "**"][number % 2]);
        student.subscribe(id, &format!("/topic/7b/{channel}"), &[]).await;
        class.push(student);
    }
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    for number in 0..MESSAGES {
        teacher.publish("/topic/7b/quiz", &number.to_string()).await;
    }
    for student in &mut class {
        for number in 0..MESSAGES {
            assert_eq!(student.message().await.text(), number.to_string());
        }
    }
    let all = (STUDENTS * MESSAGES) as f64;
    until_delivered(&broker, all).await;
    let dispatched = counted(&broker, DISPATCHED).await;
    assert!(dispatched > all * 0.9, "{dispatched} of {all} by dispatchers");
}

#[tokio::test]
async fn who_acknowledges_is_served_by_a_task_and_gets_the_same() {
    let broker = Broker::start().await;
    let mut careful = Client::signed_in(&broker, "careful").await;
    careful.subscribe("s", "/topic/7b/quiz", &[("ack", "client-individual")]).await;
    let mut plain = Client::signed_in(&broker, "plain").await;
    plain.subscribe("s", "/topic/7b/quiz", &[]).await;
    let mut teacher = Client::signed_in(&broker, "teacher").await;
    for number in 0..10 {
        teacher.publish("/topic/7b/quiz", &number.to_string()).await;
    }
    for number in 0..10 {
        assert_eq!(careful.message().await.text(), number.to_string());
        assert_eq!(plain.message().await.text(), number.to_string());
    }
    until_delivered(&broker, 20.0).await;
    assert!(counted(&broker, DISPATCHED).await <= 10.0);
}
