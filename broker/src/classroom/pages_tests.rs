//! Readers that share pages see what each would see alone.

use std::collections::BTreeSet;

use futures_util::FutureExt;
use homeroom_storage::{Append, EngineKind, Log, OffsetRange};
use proptest::prelude::*;

use super::bell::Bell;
use super::counting::Counting;
use super::entry::Mark;
use super::pages::{Allowance, Limits};
use super::reader::{Budget, Filled, Reader, Step};
use super::*;

/// A room over a store that counts its reads, with few messages in memory.
struct House {
    room: Arc<Room>,
    store: Arc<Counting>,
    pages: Limits,
}

impl House {
    async fn build(limits: Limits) -> House {
        let store = Counting::new(homeroom_storage::open(&homeroom_storage::Settings {
            engine: EngineKind::Memory,
            ..homeroom_storage::Settings::default()
        }));
        let settings = Settings {
            recent: recent::Limits { messages: 4, bytes: 1 << 20 },
            pages: limits.clone(),
            presence_grace: Duration::from_secs(1),
            presence_coalesce: Duration::from_secs(1),
            deliveries_max: 5,
            queue_bytes_max: 1 << 20,
            tally: Arc::default(),
        };
        let rules = Arc::new(Rules::new(None, &[], &[]).expect("no template is wrong"));
        let everything = Retention { bytes: u64::MAX, ..Retention::default() };
        let room =
            Room::open(store.clone(), rules, LogName::new("topic/a"), everything, &settings).await.expect("it opens");
        House { room, store, pages: limits }
    }

    async fn append(&self, destination: &str, messages: usize, bytes: usize) -> Offset {
        let body = Bytes::from(vec![b'x'; bytes]);
        let message = Message { destination: destination.into(), headers: [].into(), body, publisher: None };
        let append = Append {
            log: self.room.log().clone(),
            messages: vec![message; messages],
            also: Vec::new(),
            settlements: Vec::new(),
            key: None,
            deadline: None,
            lane: None,
        };
        while self.room.store.append(append.clone()).now_or_never().is_some_and(|answer| answer.is_err()) {
            // The room has not taken in what it holds for it.
            self.room.catch_up().await;
        }
        self.room.store.bounds(self.room.log()).await.expect("memory knows").expect("the log is there").head
    }

    async fn append_many(&self, count: usize, bytes: usize) {
        for _ in 0..count {
            self.append("/topic/a/x", 1, bytes).await;
        }
        self.room.catch_up().await;
    }

    fn join(&self, pattern: &str, after: Offset) -> Student {
        let pattern = self.room.rules.subscribable(pattern, None).expect("a pattern");
        let bell = Arc::new(Bell::default());
        let reader = Reader::new(self.room.clone(), Arc::new(pattern), Mark::after(after), bell.clone());
        Student { reader, bell, seen: Vec::new() }
    }

    fn reads(&self) -> usize {
        self.store.reads.load(Ordering::Relaxed)
    }
}

/// A reader and what it was handed.
struct Student {
    reader: Reader,
    bell: Arc<Bell>,
    seen: Vec<Step>,
}

impl Student {
    fn read(&mut self, messages: usize) -> Filled {
        self.reader.fill(&mut Budget { bytes: usize::MAX, messages }, &mut self.seen)
    }

    /// Gives back what it was handed last.
    fn rewind(&mut self, messages: usize) {
        for step in self.seen.drain(self.seen.len().saturating_sub(messages)..).rev() {
            self.reader.rewind(&step);
        }
    }

    /// Reads all there is.
    async fn catch_up(&mut self) {
        let head = self.reader.room().recent().head();
        loop {
            match self.read(usize::MAX) {
                Filled::Empty if self.reader.mark() >= Mark::after(head) => return,
                Filled::Empty => self.bell.heard().await,
                Filled::Enough => {}
                failed => panic!("{failed:?}"),
            }
        }
    }

    fn offsets(&self) -> Vec<u64> {
        self.seen.iter().map(|step| step.entry.offset().0).collect()
    }
}

#[tokio::test]
async fn a_class_that_returns_reads_each_page_once() {
    let house = House::build(Limits::default()).await;
    house.append_many(600, 200).await;
    // They left some messages apart.
    let mut class: Vec<_> = (0..1000).map(|n| house.join("/topic/a/**", Offset(300 + n % 50))).collect();
    for student in &mut class {
        assert_eq!(student.read(usize::MAX), Filled::Empty);
    }
    for (n, student) in (0..).zip(&mut class) {
        student.catch_up().await;
        assert_eq!(student.offsets(), (301 + n % 50..=600).collect::<Vec<_>>());
    }
    // 300 and 350 lie on the same page; there are 596 below the floor, and each page holds 128.
    assert_eq!(house.reads(), 3);
    let (first, second) = (&class[0].seen[200].entry, &class[500].seen[200].entry);
    assert!(Arc::ptr_eq(first, second), "so that what is encoded once is encoded for all");
}

#[tokio::test]
async fn a_page_that_is_kept_is_there_at_once() {
    let house = House::build(Limits::default()).await;
    house.append_many(300, 200).await;
    house.join("/topic/a/**", Offset(0)).catch_up().await;
    let reads = house.reads();
    let mut late = house.join("/topic/a/x", Offset(17));
    assert_eq!(late.read(usize::MAX), Filled::Empty, "nothing more than what is there");
    assert_eq!((late.offsets(), house.reads()), ((18..=300).collect(), reads));
}

#[tokio::test]
async fn long_records_are_read_once_for_those_who_stand_alike() {
    let house = House::build(Limits::default()).await;
    house.append_many(100, 10_000).await;
    let mut class: Vec<_> = (0..50).map(|_| house.join("/topic/a/**", Offset(40))).collect();
    for student in &mut class {
        student.catch_up().await;
        assert_eq!(student.offsets(), (41..=100).collect::<Vec<_>>());
    }
    // One from the grid, which ends before offset 40, and those of 14 records each up to the floor.
    assert!(house.reads() <= 7, "{} reads", house.reads());
}

#[tokio::test]
async fn a_page_that_ended_at_the_head_hides_nothing_that_came_later() {
    let house = House::build(Limits::default()).await;
    house.append_many(50, 10).await;
    house.join("/topic/a/**", Offset(0)).catch_up().await;
    house.append_many(50, 10).await;
    let mut late = house.join("/topic/a/**", Offset(0));
    late.catch_up().await;
    assert_eq!(late.offsets(), (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_trimmed_is_not_shown_to_whoever_asks_later() {
    let house = House::build(Limits::default()).await;
    house.append_many(400, 10).await;
    let mut early = house.join("/topic/a/**", Offset(0));
    while early.read(1) == Filled::Empty {
        early.bell.heard().await;
    }
    house.store.trim(house.room.log(), Offset(70)).await.expect("memory trims");
    let mut late = house.join("/topic/a/**", Offset(0));
    late.catch_up().await;
    let gap = Some(OffsetRange { first: Offset(1), last: Offset(70) });
    assert_eq!((late.offsets(), late.seen[0].gap), ((71..=400).collect(), gap));
    early.catch_up().await;
    assert_eq!(early.offsets(), (1..=400).collect::<Vec<_>>(), "whoever is in the middle of a page reads it");
}

#[tokio::test]
async fn a_page_gives_way_to_messages_that_no_log_keeps() {
    let house = House::build(Limits::default()).await;
    house.append_many(50, 10).await;
    let mut student = house.join("/topic/a/**", Offset(0));
    let (pen_stroke, path) = house.room.notice("x", "ephemeral");
    house.room.publish_ephemeral(pen_stroke, path, Offset(50));
    house.append_many(1, 10).await;
    student.catch_up().await;
    // Offset 0 stands for no position.
    assert_eq!(student.offsets(), (1..=50).chain([0, 51]).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_failed_read_is_told_to_all_who_wait_and_to_nobody_later() {
    let house = House::build(Limits::default()).await;
    house.append_many(20, 10).await;
    house.store.fails.store(true, Ordering::Relaxed);
    let mut class: Vec<_> = (0..10).map(|_| house.join("/topic/a/**", Offset(0))).collect();
    for student in &mut class {
        assert_eq!(student.read(1), Filled::Empty);
    }
    let mut gone = class.pop().expect("ten came");
    gone.bell.heard().await;
    house.store.fails.store(false, Ordering::Relaxed);
    assert!(matches!(gone.read(1), Filled::Failed(LogError::Unavailable(_))));
    drop(gone);
    for student in &mut class {
        assert!(matches!(student.read(1), Filled::Failed(_)));
    }
    class[0].catch_up().await;
    assert_eq!(class[0].offsets(), (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn readers_that_go_while_a_page_is_read_change_nothing() {
    let house = House::build(Limits::default()).await;
    house.append_many(20, 10).await;
    let mut stays = house.join("/topic/a/**", Offset(0));
    for goes_first in [true, false] {
        let mut goes = house.join("/topic/a/**", Offset(0));
        if goes_first {
            assert_eq!(goes.read(1), Filled::Empty);
        }
        assert_eq!(stays.read(1), Filled::Empty);
    }
    stays.catch_up().await;
    assert_eq!((stays.offsets(), house.reads()), ((1..=20).collect(), 1));
}

#[tokio::test]
async fn what_is_kept_is_bounded_with_its_encodings_in_each_room_and_in_all() {
    let all = Allowance::new(300_000);
    let limits = Limits { room_bytes: 200_000, all: all.clone() };
    let houses = [House::build(limits.clone()).await, House::build(limits).await];
    for house in &houses {
        house.append_many(2000, 100).await;
        for id in ["sub-0", "sub-1", "sub-2"] {
            let mut student = house.join("/topic/a/**", Offset(0));
            student.catch_up().await;
            assert_eq!(student.seen.len(), 2000);
            for step in &student.seen {
                let shape = entry::Shape { id: id.into(), tag: 0 };
                step.entry.encoded(&shape, || Bytes::from(vec![0; 400]));
            }
            house.join("/topic/a/**", Offset(0)).catch_up().await;
            assert!(house.pages.all.used() <= 300_000, "{} bytes", house.pages.all.used());
        }
    }
    assert!(all.used() > 100_000, "nothing is kept: {} bytes", all.used());
    drop(houses);
    // The rooms' own tasks let go of them in their turn.
    while all.used() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn pages_that_nobody_asks_for_are_let_go() {
    let house = House::build(Limits::default()).await;
    house.append_many(200, 100).await;
    house.join("/topic/a/**", Offset(0)).catch_up().await;
    house.room.pages.forget_unused(Duration::from_secs(60));
    assert!(house.pages.all.used() > 0);
    house.room.pages.forget_unused(Duration::ZERO);
    assert_eq!(house.pages.all.used(), 0);
}

#[derive(Clone, Debug)]
enum Act {
    Append {
        to_x: bool,
        messages: usize,
        bytes: usize,
        times: usize,
    },
    /// Forgets so many percent of what is kept.
    Trim(u64),
    /// Joins after so many percent of the log.
    Join {
        all: bool,
        after: u64,
    },
    Read {
        student: usize,
        messages: usize,
    },
    Rewind {
        student: usize,
        messages: usize,
    },
    /// Lets the room and the store work.
    Rest,
    ForgetPages,
}

fn act() -> impl Strategy<Value = Act> {
    let append = (any::<bool>(), 1..4_usize, prop_oneof![Just(20_usize), Just(30_000)], 1..80_usize);
    prop_oneof![
        4 => append.prop_map(|(to_x, messages, bytes, times)| {
            let times = if bytes > 1000 { times.div_ceil(6) } else { times };
            Act::Append { to_x, messages, bytes, times }
        }),
        1 => (0..=100_u64).prop_map(Act::Trim),
        3 => (any::<bool>(), 0..=100_u64).prop_map(|(all, after)| Act::Join { all, after }),
        8 => (any::<usize>(), 1..200_usize).prop_map(|(student, messages)| Act::Read { student, messages }),
        2 => (any::<usize>(), 1..50_usize).prop_map(|(student, messages)| Act::Rewind { student, messages }),
        4 => Just(Act::Rest),
        1 => Just(Act::ForgetPages),
    ]
}

/// One message of the log: offset, part, whether it went to `x`.
type Sent = (u64, u16, bool);

/// Nothing twice, nothing out of order, and what is not there was trimmed and is said to be gone.
fn judge(student: &Student, all: bool, start: u64, trimmed: u64, sent: &[Sent]) {
    let wanted = |sent: &&Sent| (all || sent.2) && sent.0 > start;
    let wanted: Vec<_> = sent.iter().filter(wanted).map(|(offset, part, _)| (*offset, *part)).collect();
    let seen: Vec<_> = student.seen.iter().map(|step| (step.entry.offset().0, step.entry.index)).collect();
    assert!(seen.is_sorted_by(|first, second| first < second), "out of order or twice: {seen:?}");
    let gone: BTreeSet<u64> = student.seen.iter().filter_map(|step| step.gap).flat_map(gone_in).collect();
    assert!(gone.iter().all(|offset| *offset <= trimmed && *offset > start), "{gone:?} are not gone");
    let missed: Vec<_> = wanted.iter().filter(|sent| !seen.contains(sent) && !gone.contains(&sent.0)).collect();
    assert!(missed.is_empty(), "missed in silence: {missed:?}");
    assert!(seen.iter().all(|seen| wanted.contains(seen)), "never sent, or not for it");
}

fn gone_in(range: OffsetRange) -> impl Iterator<Item = u64> {
    range.first.0..=range.last.0
}

async fn play(acts: Vec<Act>, room_bytes: usize) {
    let house = House::build(Limits { room_bytes, all: Allowance::new(1 << 24) }).await;
    let (mut sent, mut trimmed) = (Vec::<Sent>::new(), 0);
    let mut class = Vec::new();
    let head = |sent: &Vec<Sent>| sent.last().map_or(0, |(offset, ..)| *offset);
    for act in acts {
        match act {
            Act::Append { to_x, messages, bytes, times } => {
                for _ in 0..times {
                    let destination = if to_x { "/topic/a/x" } else { "/topic/a/y" };
                    let offset = house.append(destination, messages, bytes).await;
                    sent.extend((0..messages as u16).map(|part| (offset.0, part, to_x)));
                }
            }
            Act::Trim(percent) => {
                let up_to = trimmed + (head(&sent) - trimmed) * percent / 100;
                house.store.trim(house.room.log(), Offset(up_to)).await.expect("memory trims");
                trimmed = up_to;
            }
            Act::Join { all, after } => {
                // As a SUBSCRIBE does before it is placed.
                house.room.catch_up().await;
                let start = head(&sent) * after / 100;
                let pattern = if all { "/topic/a/**" } else { "/topic/a/x" };
                class.push((house.join(pattern, Offset(start)), all, start));
            }
            Act::Read { student, messages } if !class.is_empty() => {
                let chosen = student % class.len();
                assert!(matches!(class[chosen].0.read(messages), Filled::Empty | Filled::Enough));
            }
            Act::Rewind { student, messages } if !class.is_empty() => {
                let chosen = student % class.len();
                class[chosen].0.rewind(messages);
            }
            Act::Rest => house.room.catch_up().await,
            Act::ForgetPages => house.room.pages.forget_unused(Duration::ZERO),
            Act::Read { .. } | Act::Rewind { .. } => {}
        }
    }
    // What is gone is told with the next message.
    let offset = house.append("/topic/a/x", 1, 1).await;
    sent.push((offset.0, 0, true));
    house.room.catch_up().await;
    for (student, all, start) in &mut class {
        student.catch_up().await;
        judge(student, *all, *start, trimmed, &sent);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn readers_that_share_pages_see_what_each_would_see_alone(
        acts in proptest::collection::vec(act(), 1..40),
        room_bytes in prop_oneof![Just(0_usize), Just(60_000), Just(1 << 20)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(play(acts, room_bytes));
    }
}
