//! Whoever sits in an audience hears everything from its coming to its going, once.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use homeroom_storage::{EngineKind, Epoch, LogName, Message, Offset, Record, Retention};
use tokio::sync::Notify;

use super::audience::{Heard, Listener};
use super::entry::{Entry, Shape};
use super::news::{Form, News};
use super::recent::Limits;
use super::{Room, Settings};
use crate::router::pattern::Segment;
use crate::router::{Pattern, Rules};

async fn room() -> Arc<Room> {
    let store = homeroom_storage::Settings { engine: EngineKind::Memory, ..homeroom_storage::Settings::default() };
    let store = homeroom_storage::open(&store).expect("memory opens");
    let rules = Arc::new(Rules::new(None, &[], &[]).expect("no shapes"));
    let settings = Settings {
        recent: Limits { messages: 4096, bytes: 16 << 20 },
        pages: super::pages::Limits::default(),
        presence_grace: std::time::Duration::ZERO,
        presence_coalesce: std::time::Duration::from_secs(1),
        deliveries_max: 5,
        queue_bytes_max: 1 << 20,
    };
    Room::open(store, rules, LogName::new("topic/7b"), Retention::default(), &settings)
        .await
        .expect("a room of its own")
}

fn publish(room: &Room, channel: &str) {
    let body = Bytes::from_static(b"x");
    let message = Message { destination: "/topic/7b".into(), headers: [].into(), body, publisher: None };
    let record = Record { epoch: Epoch(1), offset: Offset::ZERO, time: 0, messages: [message].into() };
    room.recent().push_ephemeral(Arc::new(record), format!("topic/7b/{channel}"));
    room.audience.wake();
}

#[derive(Debug)]
struct Seen {
    shape: Shape,
    pattern: Arc<Pattern>,
    counted: Arc<AtomicUsize>,
}

fn form(id: &str, channel: &str, counted: &Arc<AtomicUsize>) -> Arc<dyn Form> {
    let segments = ["topic", "7b", channel].map(|text| Segment::Literal(text.into()));
    let pattern = Arc::new(Pattern::new(segments.to_vec(), 2));
    Arc::new(Seen { shape: Shape { id: id.into(), tag: 0 }, pattern, counted: counted.clone() })
}

impl Form for Seen {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn pattern(&self) -> &Arc<Pattern> {
        &self.pattern
    }

    fn bytes(&self, entry: &Entry) -> Bytes {
        self.counted.fetch_add(1, Ordering::Relaxed);
        entry.message().body.clone()
    }

    fn delivered(&self, _: u64) {}
}

/// A member that takes down what it hears.
#[derive(Debug, Default)]
struct Ear {
    next: AtomicU64,
    heard: Mutex<Vec<u64>>,
    rung: AtomicUsize,
    changed: Notify,
}

impl Listener for Ear {
    fn hear(&self, _: u32, news: &News) -> Heard {
        let next = self.next.load(Ordering::Relaxed).max(1);
        assert!(news.since <= next, "news begin at {}, behind {next}", news.since);
        let mut heard = self.heard.lock().unwrap();
        heard.extend(news.from(next).iter().map(|piece| piece.sequence));
        self.next.store(news.end.max(next), Ordering::Relaxed);
        self.changed.notify_one();
        Heard { written: 1, ring: false }
    }

    fn ring(&self) {
        self.rung.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }
}

impl Ear {
    fn at(room: &Room) -> Arc<Ear> {
        Arc::new(Ear { next: AtomicU64::new(room.recent().end().0), ..Ear::default() })
    }

    async fn until(&self, count: usize) -> Vec<u64> {
        loop {
            let heard = self.heard.lock().unwrap().clone();
            if heard.len() >= count {
                return heard;
            }
            self.changed.notified().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_member_hears_all_from_its_coming_on_once_and_in_order() {
    let (room, counted) = (room().await, Arc::default());
    let mut members = Vec::new();
    for number in 0..600usize {
        // Some share a form, some have their own; some leave at once.
        let ear = Ear::at(&room);
        let place = room.join(Some(form(&format!("sub-{}", number % 7), "quiz", &counted)), (ear.clone(), 0));
        let from = ear.next.load(Ordering::Relaxed);
        if number % 5 == 0 {
            room.leave(place.seat);
        } else {
            members.push((ear, from));
        }
        publish(&room, "quiz");
        if number % 3 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let end = room.recent().end().0;
    for (ear, from) in members {
        // What left the memory before a dispatcher came round is for the member to find: it would have been rung.
        let heard = ear.until(usize::try_from(end - from).expect("few")).await;
        assert_eq!(heard, (from..end).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_message_is_put_together_once_for_all_who_see_it_alike() {
    let (room, counted) = (room().await, Arc::default());
    let ears: Vec<Arc<Ear>> = (0..200).map(|_| Ear::at(&room)).collect();
    for ear in &ears {
        room.join(Some(form("sub-0", "quiz", &counted)), (ear.clone(), 0));
    }
    publish(&room, "quiz");
    for ear in &ears {
        ear.until(1).await;
    }
    assert_eq!(counted.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_for_others_is_not_told_one_by_one() {
    let (room, counted) = (room().await, Arc::default());
    let (quiz, pointer) = (Ear::at(&room), Ear::at(&room));
    room.join(Some(form("sub-0", "quiz", &counted)), (quiz.clone(), 0));
    room.join(Some(form("sub-0", "pointer", &counted)), (pointer.clone(), 0));
    for count in 1..=100 {
        publish(&room, "pointer");
        pointer.until(count).await;
    }
    assert!(quiz.next.load(Ordering::Relaxed) > 1, "it is told in time that it has missed nothing");
    publish(&room, "quiz");
    assert_eq!(quiz.until(1).await, [101]);
    assert_eq!(quiz.rung.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_member_without_a_form_is_rung() {
    let room = room().await;
    let ear = Ear::at(&room);
    let place = room.join(None, (ear.clone(), 0));
    publish(&room, "quiz");
    ear.changed.notified().await;
    assert_eq!((ear.rung.load(Ordering::Relaxed), ear.heard.lock().unwrap().len()), (1, 0));
    room.leave(place.seat);
    assert!(room.is_idle());
}
