//! Words of other brokers: taken where they mean what we mean, said in our own, and refused with what to
//! use instead where they do not.

use homeroom_tests::{Broker, Client, Frame};

#[tokio::test]
async fn a_queue_is_one_place_however_it_is_written_and_is_shown_in_our_words() {
    let broker = Broker::start_with("[destinations]\nunprefixed = \"queue\"").await;
    let mut client = Client::signed_in(&broker, "alice").await;
    client.subscribe("s", "/queue/grading/essays", &[]).await;
    for (written, shown) in [
        ("/queue/grading/essays", "/queue/grading/essays"),
        ("/queue/grading.essays", "/queue/grading.essays"),
        ("/amq/queue/grading.essays", "/queue/grading.essays"),
        ("grading.essays", "/queue/grading.essays"),
    ] {
        client.publish(written, "x").await;
        let message = client.message().await;
        assert_eq!(message.need("destination"), shown, "{written}");
        let mut other = Client::signed_in(&broker, "bob").await;
        other.subscribe("s", written, &[("browser", "true")]).await;
        other.message().await;
    }
}

#[tokio::test]
async fn a_consumer_alone_in_activemqs_words() {
    let broker = Broker::start().await;
    let mut alone = Client::signed_in(&broker, "alice").await;
    alone.subscribe("s", "/queue/grading", &[("activemq.exclusive", "true"), ("activemq.prefetchSize", "1")]).await;
    let mut other = Client::signed_in(&broker, "bob").await;
    other.send(&Frame::new("SUBSCRIBE").with("id", "s").with("destination", "/queue/grading")).await;
    assert_eq!(other.error().await.need("message"), "exclusive");
}

#[tokio::test]
async fn words_that_cannot_be_kept_are_refused_with_what_to_do_instead() {
    let broker = Broker::start().await;
    let later = "Send the message when it is due";
    for (command, word, value, remedy) in [
        ("SEND", "AMQ_SCHEDULED_DELAY", "1000", later),
        ("SEND", "AMQ_SCHEDULED_PERIOD", "1000", later),
        ("SEND", "AMQ_SCHEDULED_REPEAT", "3", later),
        ("SEND", "AMQ_SCHEDULED_CRON", "0 * * * *", later),
        ("SEND", "_AMQ_SCHED_DELIVERY", "1700000000000", later),
        ("SEND", "x-delay", "1000", later),
        ("SUBSCRIBE", "selector", "pupil = 7", "narrower destination"),
    ] {
        for destination in ["/topic/7b/quiz", "/queue/grading"] {
            let mut client = Client::signed_in(&broker, "alice").await;
            let frame = Frame::new(command).with("id", "s").with("destination", destination).with(word, value);
            client.send(&frame.with("receipt", "r")).await;
            let error = client.error().await;
            assert_eq!((error.need("code"), error.need("receipt-id")), ("107", "r"), "{word}: {error}");
            assert!(error.need("reason").contains(word) && error.text().contains(remedy), "{word}: {error}");
        }
    }
}
