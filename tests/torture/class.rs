//! A class that goes on whatever becomes of its broker: everybody comes back, and writes down what happens.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use homeroom_checker::Verdict;
use homeroom_tests::{Broker, Client, Event, Frame, Heard, History, MessageName, Stream, eventually, stream, within};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

pub(crate) const ROOM: &str = "/topic/7b/quiz";
/// A log of the default size would forget while a long run is still going.
pub(crate) const KEEPS_ALL: &str = "[retention]\nbytes = \"8GB\"";

/// SENDs that a publisher has under way at a time.
const WINDOW: usize = 8;
/// What a publisher waits after each answer: the load's own clock.
const PAUSE: Duration = Duration::from_millis(4);
/// One message in so many is acknowledged, with all before it.
const ACKED: u64 = 10;
/// Who says the last word, after which readers go home.
const LAST: &str = "bell";

/// How the members of a class behave.
#[derive(Clone, Copy)]
pub(crate) struct Manners {
    pub publishers: u64,
    pub readers: u64,
    /// The fixed time after which everybody comes back, as stompjs does.
    pub comes_back_after: Duration,
    /// Every other reader takes its broker for dead when it has heard nothing for so long.
    pub patience: Duration,
}

impl Default for Manners {
    fn default() -> Self {
        let (comes_back_after, patience) = (Duration::from_millis(100), Duration::from_secs(1));
        Self { publishers: 3, readers: 4, comes_back_after, patience }
    }
}

/// A class under way.
pub(crate) struct Class {
    pub history: History,
    members: Members,
    publishers: Vec<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
}

/// Who was away, and for how long.
type Absence = (Arc<str>, Duration);

/// What all members share.
#[derive(Clone)]
struct Members {
    history: History,
    manners: Manners,
    /// The broker's HTTP address, if there is a broker.
    broker: watch::Sender<Option<String>>,
    over: watch::Sender<bool>,
    confirmed: Arc<AtomicU64>,
    absences: Arc<Mutex<Vec<Absence>>>,
}

impl Class {
    /// Begins a class on this broker.
    pub(crate) fn begin(broker: &Broker, manners: Manners) -> Self {
        let history = History::default();
        history.note("nemesis", Event::Up);
        let address = watch::Sender::new(Some(broker.http().to_owned()));
        let over = watch::Sender::new(false);
        let (history_of_all, confirmed, absences) = (history.clone(), Arc::default(), Arc::default());
        let members = Members { history: history_of_all, manners, broker: address, over, confirmed, absences };
        let readers = (0..manners.readers).map(|number| tokio::spawn(members.clone().read(number))).collect();
        let publishers = (0..manners.publishers).map(|number| tokio::spawn(members.clone().publish(number))).collect();
        Self { history, members, publishers, readers }
    }

    /// There is no broker now.
    pub(crate) fn goes_down(&self) {
        self.members.broker.send_replace(None);
        self.history.note("nemesis", Event::Down);
    }

    /// There is one again.
    pub(crate) fn comes_up(&self, broker: &Broker) {
        self.members.broker.send_replace(Some(broker.http().to_owned()));
        self.history.note("nemesis", Event::Up);
    }

    /// How many messages were confirmed so far.
    pub(crate) fn confirmed(&self) -> u64 {
        self.members.confirmed.load(Ordering::Relaxed)
    }

    /// Waits until so many more are confirmed: the class is under way.
    pub(crate) async fn goes_on(&self, more: u64) {
        let goal = self.confirmed() + more;
        eventually("confirmed messages", Duration::from_secs(30), || async {
            (self.confirmed() >= goal).then_some(())
        })
        .await;
    }

    /// Ends the class: nothing disturbs any more, everybody is answered and gets everything, and it is judged.
    pub(crate) async fn ends(self, broker: &Broker, what: &str) -> Verdict {
        self.history.note("nemesis", Event::Healed);
        self.goes_on(50).await;
        self.members.over.send_replace(true);
        for publisher in self.publishers {
            within("the publishers' end", Duration::from_secs(30), publisher).await.expect("it ended well");
        }
        let mut bell = Client::signed_in_over_tcp(broker, LAST).await;
        let name = MessageName { publisher: LAST.into(), number: 0 };
        let body = name.body(20);
        self.history.asked(&name, ROOM, &body);
        let receipt = bell.request(Frame::new("SEND").with("destination", ROOM).body(body)).await;
        self.history.confirmed(&name, &receipt);
        for reader in self.readers {
            within("a reader who has everything", Duration::from_secs(30), reader).await.expect("it ended well");
        }
        dump(broker, &self.history).await;
        self.history.judged(what)
    }

    /// Waits until every reader has come back so often.
    pub(crate) async fn everybody_is_back(&self, times: usize) {
        let goal = times * self.readers.len();
        eventually("everybody is back", Duration::from_secs(60), || async {
            (self.absences().len() >= goal).then_some(())
        })
        .await;
    }

    /// How long each reader was without a broker, each time.
    pub(crate) fn absences(&self) -> Vec<Absence> {
        self.members.absences.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Members {
    /// A connection, unless the class ends before there is one.
    async fn connect(&self, login: &str, patience: Duration) -> Option<Client> {
        loop {
            if *self.over.borrow() && login.starts_with("publisher") {
                return None;
            }
            let address = self.broker.borrow().clone();
            if let Some(address) = address
                && let Ok(Some(client)) = timeout(patience, Client::try_signed_in(&address, login)).await
            {
                return Some(client);
            }
            sleep(self.manners.comes_back_after).await;
        }
    }

    async fn publish(self, number: u64) {
        for session in 0.. {
            // Whether what was under way is stored nobody knows: another connection is another publisher.
            let name: Arc<str> = format!("publisher-{number}-{session}").into();
            let Some(client) = self.connect(&name, Duration::from_secs(90)).await else { return };
            self.publish_until_the_end(client, name).await;
        }
    }

    async fn publish_until_the_end(&self, mut client: Client, publisher: Arc<str>) {
        let mut under_way: VecDeque<String> = VecDeque::new();
        for number in 0.. {
            while under_way.len() >= WINDOW || *self.over.borrow() {
                let Some(name) = under_way.pop_front() else { return };
                let Some(answer) = next_frame(&mut client).await else { return };
                if answer.command == "ERROR" {
                    if answer.header("message") == Some("storage-full") {
                        self.history.note(&publisher, Event::Refused { id: answer.need("receipt-id").into() });
                    }
                    return;
                }
                assert_eq!(answer.need("receipt-id"), name, "receipts in the order asked: {answer}");
                let (publisher, count) = name.rsplit_once('#').expect("a name");
                let number = count.parse().expect("a number");
                self.history.confirmed(&MessageName { publisher: publisher.into(), number }, &answer);
                self.confirmed.fetch_add(1, Ordering::Relaxed);
                sleep(PAUSE).await;
            }
            let name = MessageName { publisher: publisher.clone(), number };
            let body = name.body(100);
            self.history.asked(&name, ROOM, &body);
            let frame = Frame::new("SEND").with("destination", ROOM).with("receipt", name.to_string());
            if client.try_send(&frame.body(body)).await.is_err() {
                return;
            }
            under_way.push_back(name.to_string());
        }
    }

    async fn read(self, number: u64) {
        let name = format!("reader-{number}");
        let patience = if number % 2 == 1 { self.manners.patience } else { Duration::from_secs(120) };
        let mut left: Option<Instant> = None;
        for session in 0.. {
            let Some(client) = self.connect(&name, patience).await else { return };
            let stream = stream(&name, session, ROOM);
            let (end, heard) = self.read_until_the_end(client, &stream, patience, left).await;
            self.history.note(&name, Event::Left { reader: name.as_str().into(), session, broken: !end });
            if end {
                return;
            }
            left = heard.or(left);
            sleep(self.manners.comes_back_after).await;
        }
    }

    /// Whether it heard the last word, and when it heard something last.
    async fn read_until_the_end(
        &self,
        mut client: Client,
        stream: &Stream,
        patience: Duration,
        left: Option<Instant>,
    ) -> (bool, Option<Instant>) {
        let subscribe = Frame::new("SUBSCRIBE").with("id", "quiz").with("destination", ROOM).with("ack", "client");
        if client.try_send(&subscribe.with("durable", "true").with("receipt", "subscribed")).await.is_err() {
            return (false, None);
        }
        let (mut early, mut acknowledging) = (Some(Vec::new()), VecDeque::<Frame>::new());
        let (mut count, mut heard) = (0, None);
        loop {
            let Ok(Some(frame)) = timeout(patience, next_frame(&mut client)).await else { return (false, heard) };
            heard = Some(Instant::now());
            let mut messages = Vec::new();
            match (&*frame.command, &mut early) {
                ("RECEIPT", Some(before)) => {
                    self.history.subscribed(stream, &frame);
                    messages = std::mem::take(before);
                    early = None;
                    let away = left.map(|left| (stream.reader.clone(), left.elapsed()));
                    self.absences.lock().unwrap_or_else(PoisonError::into_inner).extend(away);
                }
                ("RECEIPT", None) => self.history.acked(stream, &acknowledging.pop_front().expect("asked")),
                ("MESSAGE", Some(before)) => before.push(frame),
                ("MESSAGE", None) => messages.push(frame),
                // Another connection has taken over, or the broker goes.
                _ => return (false, heard),
            }
            for message in messages {
                self.history.received(stream, &message);
                count += 1;
                if MessageName::of_body(message.text()).publisher.as_ref() == LAST {
                    self.history.caught_up(stream);
                    return (true, heard);
                }
                if count % ACKED == 0 {
                    let ack = Frame::new("ACK").with("id", message.need("ack")).with("receipt", "ack");
                    if client.try_send(&ack).await.is_err() {
                        return (false, heard);
                    }
                    acknowledging.push_back(message);
                }
            }
        }
    }
}

async fn next_frame(client: &mut Client) -> Option<Frame> {
    loop {
        match client.hear().await {
            Heard::Frame(frame) => return Some(frame),
            Heard::Closed(_) => return None,
            _ => {}
        }
    }
}

/// Reads the whole log into the history.
async fn dump(broker: &Broker, history: &History) {
    let mut reader = Client::signed_in(broker, "auditor").await;
    reader.subscribe("all", "/topic/7b/**", &[("x-stream-offset", "first")]).await;
    let end = reader.publish("/topic/7b/end", "the end").await;
    loop {
        let message = reader.message().await;
        if message.need("message-id").ends_with(&format!("@{end}")) {
            return;
        }
        history.kept(&message);
    }
}
