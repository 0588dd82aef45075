//! From a classroom's newest messages to the bytes of a link, by both ways.

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use homeroom::classroom::bell::Bell;
use homeroom::classroom::entry::{Entry, Mark, Shape};
use homeroom::classroom::news::{Form, News};
use homeroom::classroom::reader::{Budget, Reader};
use homeroom::classroom::{self, Room, recent};
use homeroom::connection::envelope::{Look, Repeat};
use homeroom::router::pattern::Segment;
use homeroom::router::{Pattern, Rules};
use homeroom_protocol::{AckMode, Version};
use homeroom_storage::{EngineKind, Epoch, LogName, Offset, Record, Retention, Settings};
use tokio::runtime::Builder;

use crate::gate::{Gate, Lane, Wire};
use crate::measured::Row;
use crate::store::{message, one};

pub(crate) const ROWS: [Row; 3] = [
    Row { name: "a reader takes 64 messages that others took before", operations: 200, prepare: read },
    Row { name: "a message becomes news for its readers", operations: 1_000, prepare: tell },
    Row { name: "news go through 1,000 gates", operations: 50, prepare: offer },
];

const MESSAGES: usize = 64;
const GATES: u32 = 1_000;

/// How the readers of these rows see messages.
#[derive(Debug)]
struct Live {
    look: Look,
    shape: Shape,
    pattern: Arc<Pattern>,
    log: LogName,
}

impl Live {
    fn new() -> Live {
        let look = Look::new("sub-0".into(), true, Version::V1_2, AckMode::Auto);
        let segments = ["topic", "7b", "quiz"].map(|text| Segment::Literal(text.into()));
        let pattern = Arc::new(Pattern::new(segments.into(), 2));
        Live { shape: look.shape(&Repeat::default()), look, pattern, log: LogName::new("topic/7b") }
    }
}

impl Form for Live {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn pattern(&self) -> &Arc<Pattern> {
        &self.pattern
    }

    fn bytes(&self, entry: &Entry) -> Bytes {
        self.look.framed(&self.log, entry, &Repeat::default())
    }

    fn delivered(&self, _: u64) {}
}

/// The slow path: a connection's task looks after its one subscription.
fn read(_: u32) -> Box<dyn FnMut()> {
    let form = Live::new();
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime can be made");
    let pattern = form.pattern.clone();
    let mut reader = runtime.block_on(async {
        let start = Mark::after(Offset::ZERO);
        Reader::new(class().await, pattern, start, Arc::new(Bell::default()))
    });
    let mut steps = Vec::new();
    Box::new(move || {
        // The room's tasks live as long as their runtime.
        let _ = &runtime;
        let mut budget = Budget { bytes: usize::MAX, messages: MESSAGES };
        black_box(reader.fill(&mut budget, &mut steps));
        assert_eq!(steps.len(), MESSAGES, "all of them are in memory");
        for step in &steps {
            black_box(form.bytes(&step.entry));
        }
        reader.rewind(&steps[0]);
        steps.clear();
    })
}

/// A classroom with its messages.
async fn class() -> Arc<Room> {
    let store = Settings { engine: EngineKind::Memory, ..Settings::default() };
    let store = homeroom_storage::open(&store).expect("memory opens");
    let rules = Arc::new(Rules::new(None, &[], &[]).expect("no shapes"));
    let settings = classroom::Settings {
        recent: recent::Limits { messages: 4096, bytes: 16 << 20 },
        pages: classroom::pages::Limits::default(),
        presence_grace: std::time::Duration::ZERO,
        presence_coalesce: std::time::Duration::from_secs(1),
        deliveries_max: 5,
        queue_bytes_max: 1 << 20,
    };
    let room = Room::open(store, rules, LogName::new("topic/7b"), Retention::default(), &settings)
        .await
        .expect("a room of its own");
    for _ in 0..MESSAGES {
        room.store().append(one(room.log())).await.expect("it is stored");
    }
    room.catch_up().await;
    room
}

/// The fast path, once for all who see a message alike: it is encoded and framed.
fn tell(operations: u32) -> Box<dyn FnMut()> {
    let (form, mut news) = (Live::new(), News::default());
    let mut fresh = (1..=u64::from(operations)).map(entry).collect::<Vec<_>>().into_iter();
    Box::new(move || {
        let entry = fresh.next().expect("one for each operation");
        news.begin(entry.sequence);
        news.extend(&form, std::slice::from_ref(&entry), entry.sequence + 1);
        black_box(&news);
    })
}

/// The fast path, for each of them: bytes that are there are written.
fn offer(operations: u32) -> Box<dyn FnMut()> {
    let (form, mut news) = (Live::new(), News::default());
    let lane = Lane { number: 1, next: 1, through: None, sent: None, until: Offset(u64::MAX) };
    let gates: Vec<Gate<Open>> = (0..GATES).map(|_| Gate::new(Open)).collect();
    gates.iter().for_each(|gate| gate.open([lane].into_iter(), usize::MAX));
    let known = (1..=u64::from(operations)).map(entry).inspect(|entry| drop(form.bytes(entry)));
    let mut known = known.collect::<Vec<_>>().into_iter();
    Box::new(move || {
        let entry = known.next().expect("one for each operation");
        news.begin(entry.sequence);
        news.extend(&form, std::slice::from_ref(&entry), entry.sequence + 1);
        let written: u32 = gates.iter().map(|gate| gate.offer(lane.number, &news).written).sum();
        assert_eq!(written, GATES, "every gate is open");
    })
}

/// A link that takes everything.
struct Open;

impl Wire for Open {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }
}

fn entry(sequence: u64) -> Arc<Entry> {
    let record = Record {
        epoch: Epoch(0x8f3a1c),
        offset: Offset(sequence),
        time: 1_785_312_000_000,
        messages: [message()].into(),
    };
    Arc::new(Entry::new(Arc::new(record), 0, "topic/7b/quiz".to_owned(), sequence, true))
}
