//! Thousands who come and go, politely and not, through every door: when they are gone, nothing of them is left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use homeroom_tests::{
    Broker, Client, DEADLINE, Frame, History, HttpStream, MessageName, Setup, Sockjs, eventually, get,
    raise_descriptor_limit, stream,
};
use tokio::task::JoinHandle;

/// So many come at a time, each again and again under the same name.
const AT_A_TIME: u64 = 32;
/// Before it is measured so many have come, so that what is there once for all is there.
const WARM_UP: u64 = 640;
const ROOMS: u64 = 4;
/// Whoever sends does so at few of its turns: what is stored stays, and its index in memory is not the crowd's.
const SENDS_EVERY: u64 = 50;
/// Who says it.
const LAST_WORD: &str = "auditor";
/// From so many on what is left in memory says something.
const MEASURED_FROM: u64 = 20_000;
/// Whoever let go without a word is gone by then, from the roster too.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// Who was here recently stays on the roster, and a SockJS session has a name, no longer than needed.
const SHORT: &str = "[presence]\ngrace = \"100ms\"\n[sockjs]\ngone_after = \"1s\"\n\
                     [delivery]\ntakeover_delay_max = \"0s\"\n[limits]\naccepts_per_second = \"none\"";

/// `HOMEROOM_CHURN=200000` for more.
fn connections() -> u64 {
    std::env::var("HOMEROOM_CHURN").ok().map_or(1_600, |text| text.parse().expect("HOMEROOM_CHURN is a number"))
}

fn room(number: u64) -> String {
    format!("/topic/room-{}/quiz", number % ROOMS)
}

/// What is noted of all who come and go.
#[derive(Clone)]
struct Stage {
    broker: Arc<Broker>,
    history: History,
    said: Arc<AtomicU64>,
    /// Teachers who hear everything.
    here: Arc<AtomicU64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_have_gone_nothing_of_them_is_left() {
    raise_descriptor_limit();
    // Hundreds of thousands of lines at TRACE would be measured instead.
    let setup = Setup::default().config(SHORT).environment("HOMEROOM__LOG__FILTER", "info");
    let broker = Arc::new(setup.start().await);
    let (said, here) = (Arc::default(), Arc::default());
    let stage = Stage { broker: broker.clone(), history: History::default(), said, here };
    let teachers: Vec<JoinHandle<usize>> =
        (0..ROOMS).map(|number| tokio::spawn(teach(stage.clone(), number))).collect();
    let here = || async { (stage.here.load(Ordering::Acquire) == ROOMS).then_some(()) };
    eventually("the teachers are here", DEADLINE, here).await;

    crowd(&stage, 0..WARM_UP).await;
    let before = eventually("the first have gone", GONE_WITHIN, || async {
        let held = held(&broker).await;
        is_empty(&held).then_some(held)
    })
    .await;
    let resident_before = broker.resident_bytes();

    let (start, connections) = (Instant::now(), connections());
    crowd(&stage, WARM_UP..WARM_UP + connections).await;
    let took = start.elapsed();
    let again = || async { (held(&broker).await == before).then_some(()) };
    if tokio::time::timeout(GONE_WITHIN, eventually("all have gone", GONE_WITHIN * 2, again)).await.is_err() {
        assert_eq!(held(&broker).await, before, "what is held in the end and at the beginning");
    }
    let resident = broker.resident_bytes();

    end(&stage).await;
    let heard: usize = join_all(teachers).await.into_iter().map(|heard| heard.expect("a teacher stays")).sum();
    let verdict = stage.history.judged("a churn");
    println!(
        "{connections} connections in {took:?}: {before:?} before and after, {} MB resident before and {} MB after; \
         {} messages confirmed, {heard} heard",
        resident_before / 1_000_000,
        resident / 1_000_000,
        verdict.confirmed
    );
    if connections >= MEASURED_FROM {
        assert!(resident <= resident_before / 10 * 11, "{resident_before} B before, {resident} B after");
    }
}

/// All that is held: descriptors, and every gauge that tells of people, connections and tasks.
async fn held(broker: &Broker) -> BTreeMap<String, i64> {
    let metrics = get(broker.management(), "/metrics").await.body;
    let told = ["homeroom_held{", "homeroom_connections{", "homeroom_http_readers{", "homeroom_sockjs_sessions "];
    let lines = metrics.lines().filter(|line| told.iter().any(|name| line.starts_with(name)));
    let mut held: BTreeMap<String, i64> = lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, count)| (name.trim_start_matches("homeroom_").to_owned(), count.parse().expect("a number")))
        .collect();
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", broker.process_id())).expect("the broker runs").count();
    held.insert("descriptors".to_owned(), i64::try_from(descriptors).expect("few"));
    held
}

/// Only the teachers are here.
fn is_empty(held: &BTreeMap<String, i64>) -> bool {
    let teachers = i64::try_from(ROOMS).expect("few");
    let count = |name: &str| held.get(name).copied().unwrap_or(0);
    assert!(held.contains_key("held{what=\"tasks\"}"), "{held:?}");
    let told = ["people", "subscribers", "connections", "durable_subscriptions"];
    told.iter().all(|what| count(&format!("held{{what=\"{what}\"}}")) == teachers) && count("sockjs_sessions") == 0
}

/// Those with these numbers come and go, so many at a time.
async fn crowd(stage: &Stage, numbers: std::ops::Range<u64>) {
    let places = (0..AT_A_TIME).map(|place| {
        let (stage, numbers) = (stage.clone(), numbers.clone());
        tokio::spawn(async move {
            for number in numbers.filter(|number| number % AT_A_TIME == place) {
                stage.come_and_go(place, number).await;
            }
        })
    });
    for place in join_all(places).await {
        place.expect("everybody was let in");
    }
}

impl Stage {
    /// One comes through some door, does something there, and goes.
    async fn come_and_go(&self, place: u64, number: u64) {
        let (login, turn) = (format!("student-{place}"), number / AT_A_TIME);
        match turn % 10 {
            0 => self.listens_and_says_goodbye(&login, number).await,
            1 => self.is_cut_off(&login, number, &[("durable", "true")]).await,
            2 if turn % SENDS_EVERY == 2 => self.sends(&login, number).await,
            2 => drop(Client::tcp(&self.broker).await),
            3 => self.is_cut_off(&login, number, &[]).await,
            4 => self.keeps_a_place(&login, number).await,
            5 => self.says_nonsense().await,
            6 => self.comes_over_sockjs(&login, number, turn.is_multiple_of(20)).await,
            7 => self.follows_events(number).await,
            8 => self.asks_over_tcp(&login, number).await,
            _ => drop(Client::websocket(&self.broker, &["v12.stomp"]).await),
        }
    }

    async fn listens_and_says_goodbye(&self, login: &str, number: u64) {
        let mut client = Client::signed_in(&self.broker, login).await;
        client.subscribe("s", &room(number), &[]).await;
        client.disconnect().await;
    }

    /// Subscribes, and its socket is gone: without a word, with messages on their way.
    async fn is_cut_off(&self, login: &str, number: u64, headers: &[(&str, &str)]) {
        let mut client = Client::signed_in(&self.broker, login).await;
        client.subscribe("cut", &room(number), headers).await;
    }

    async fn sends(&self, login: &str, number: u64) {
        let mut client = Client::signed_in(&self.broker, login).await;
        self.say(&mut client, MessageName { publisher: login.into(), number }, number).await;
        client.disconnect().await;
    }

    async fn say(&self, client: &mut Client, name: MessageName, number: u64) {
        let (body, room) = (name.body(100), room(number));
        self.history.asked(&name, &room, &body);
        let receipt = client.request(Frame::new("SEND").with("destination", &room).body(body)).await;
        self.history.confirmed(&name, &receipt);
        self.said.fetch_add(1, Ordering::Release);
    }

    /// Comes back to a durable subscription, acknowledges the newest there is, and is gone.
    async fn keeps_a_place(&self, login: &str, number: u64) {
        let mut client = Client::signed_in(&self.broker, login).await;
        let headers = [("durable", "true"), ("ack", "client"), ("rewind", "1")];
        client.subscribe("place", &room(number), &headers).await;
        client.send(&Frame::new("BEGIN").with("transaction", "t")).await;
        client.send(&Frame::new("SEND").with("destination", room(number)).with("transaction", "t").body("never")).await;
    }

    async fn says_nonsense(&self) {
        let mut client = Client::websocket(&self.broker, &["v12.stomp"]).await;
        client.send_bytes(b"NONSENSE\n\n\0").await;
        client.error().await;
    }

    async fn comes_over_sockjs(&self, login: &str, number: u64, says_goodbye: bool) {
        let mut session = Sockjs::signed_in(self.broker.http(), login).await;
        session.subscribe("s", &room(number), &[]).await;
        if says_goodbye {
            session.request(Frame::new("DISCONNECT")).await;
        }
    }

    async fn follows_events(&self, number: u64) {
        let path = format!("/v1/messages?destination={}", room(number));
        let events = HttpStream::get(self.broker.http(), &path, &[("Accept", "text/event-stream")]).await;
        assert_eq!(events.status, 200);
    }

    /// Asks for a reply, to which nobody replies, and waits for nothing.
    async fn asks_over_tcp(&self, login: &str, number: u64) {
        let mut client = Client::signed_in_over_tcp(&self.broker, login).await;
        client.subscribe("s", &room(number), &[("ack", "client")]).await;
        let questions = format!("/topic/room-{}/questions", number % ROOMS);
        let question = Frame::new("SEND").with("destination", &questions).with("reply-to", "/temp-queue/x");
        client.send(&question.with("persistent", "false").body("?")).await;
    }
}

/// Stays in a room and hears all that is said there, up to the last word; how much that was.
async fn teach(stage: Stage, number: u64) -> usize {
    let (login, room) = (format!("teacher-{number}"), room(number));
    let mut client = Client::signed_in(&stage.broker, &login).await;
    let place = stream(&login, 0, &room);
    let receipt = client.subscribe("all", &room, &[("durable", "true")]).await;
    stage.history.subscribed(&place, &receipt);
    stage.here.fetch_add(1, Ordering::Release);
    for heard in 1.. {
        let message = client.message().await;
        stage.history.received(&place, &message);
        if MessageName::of_body(message.text()).publisher.as_ref() == LAST_WORD {
            stage.history.caught_up(&place);
            return heard;
        }
    }
    unreachable!("a lesson ends")
}

/// Everybody is told that it is over; the auditor reads all that was said.
async fn end(stage: &Stage) {
    let mut auditor = Client::signed_in(&stage.broker, LAST_WORD).await;
    for number in 0..ROOMS {
        stage.say(&mut auditor, MessageName { publisher: LAST_WORD.into(), number }, number).await;
    }
    auditor.subscribe("all", "/topic/*/quiz", &[("x-stream-offset", "first")]).await;
    for _ in 0..stage.said.load(Ordering::Acquire) {
        stage.history.kept(&auditor.message().await);
    }
}
