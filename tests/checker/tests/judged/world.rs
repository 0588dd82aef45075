//! A lesson around the toy broker: publishers, readers, kills, revocations, retention, and peace in the end.

use homeroom_checker::{Digest, Entry, Event, Recorder, Seen, Stream};

use crate::bugs::Bug;
use crate::toy::{Answer, Line, Random, Toy};

const CLASSES: usize = 2;
const PUBLISHERS: usize = 3;
const READERS: usize = 5;
const MILLISECOND: u64 = 1_000_000;

pub(crate) struct World {
    random: Random,
    toy: Toy,
    now: u64,
    recorder: Recorder,
    lines: Vec<Line>,
    /// Somebody who may not read.
    stranger: Option<usize>,
    /// The oldest messages are removed now and then.
    has_retention: bool,
    /// Each publisher's next number, and what it sent without an answer.
    publishers: Vec<(u64, Vec<(usize, String)>)>,
}

/// A run of so many steps, and whether the defect had an occasion to strike.
pub(crate) fn run(seed: u64, steps: u64, bug: Option<Bug>) -> (Vec<Entry>, bool) {
    let mut world = World::new(seed, bug);
    for _ in 0..steps {
        world.step();
    }
    world.end();
    (world.recorder.entries(), world.toy.has_struck())
}

impl World {
    fn new(seed: u64, bug: Option<Bug>) -> World {
        let lines = (0..READERS).map(|number| Line {
            stream: Stream {
                reader: format!("reader-{number}").into(),
                session: 0,
                log: format!("topic/{}", number % CLASSES).into(),
            },
            class: number % CLASSES,
            // One of them comes without a name.
            durable: number != 0,
            next: 0,
            cursor: 0,
            delivered: 0,
            seen: 0,
            is_open: false,
            gap: None,
            knows_where: false,
        });
        let mut world = World {
            random: Random(seed),
            toy: Toy::new(CLASSES, bug),
            now: 0,
            recorder: Recorder::default(),
            lines: lines.collect(),
            // It removes the traces of many defects: legally.
            stranger: None,
            has_retention: bug.is_none_or(|bug| bug == Bug::HidesAGap),
            publishers: vec![(0, Vec::new()); PUBLISHERS],
        };
        world.note("broker", Event::Up);
        for line in 0..READERS {
            let principal = world.lines[line].stream.reader.clone();
            let log = world.lines[line].stream.log.clone();
            if world.toy.strikes(Bug::DeliversToSomebodyElse, line == READERS - 1) {
                world.stranger = Some(line);
            } else {
                world.note("school", Event::Granted { principal, log });
            }
            world.open(line);
        }
        world
    }

    fn note(&mut self, actor: &str, did: Event) {
        self.now += MILLISECOND * (1 + self.random.below(9));
        self.recorder.note_at(self.now, actor, did);
    }

    fn step(&mut self) {
        let reader = self.random.below(READERS as u64) as usize;
        match self.random.below(100) {
            0..30 => self.publish(),
            30..80 => self.deliver(reader),
            80..88 => self.acknowledge(reader),
            88..94 => self.comes_again(reader),
            94..96 => self.is_revoked(reader),
            96 if self.has_retention => self.trim(),
            97 => self.kill(),
            _ => self.sends_again(),
        }
    }

    fn publish(&mut self) {
        let publisher = self.random.below(PUBLISHERS as u64) as usize;
        let class = self.random.below(CLASSES as u64) as usize;
        let id = format!("p{publisher}#{}", self.publishers[publisher].0);
        self.publishers[publisher].0 += 1;
        self.send(publisher, class, id);
    }

    fn sends_again(&mut self) {
        let publisher = self.random.below(PUBLISHERS as u64) as usize;
        if let Some((class, id)) = self.publishers[publisher].1.pop() {
            self.send(publisher, class, id);
        }
    }

    fn send(&mut self, publisher: usize, class: usize, id: String) {
        let actor = format!("p{publisher}");
        let digest = Digest::of(id.as_bytes());
        let name: std::sync::Arc<str> = id.as_str().into();
        self.note(&actor, Event::Send { id: name.clone(), log: format!("topic/{class}").into(), digest });
        match self.toy.send(class, &id, digest, &mut self.random) {
            Answer::Stored(at) => self.note(&actor, Event::Stored { id: name, at }),
            Answer::Refused => self.note(&actor, Event::Refused { id: name }),
            Answer::Nothing => self.publishers[publisher].1.push((class, id)),
        }
    }

    fn deliver(&mut self, reader: usize) {
        let count = 1 + self.random.below(3);
        for _ in 0..count {
            if !self.lines[reader].is_open {
                return;
            }
            let other = (self.lines[reader].class + 1) % CLASSES;
            if !self.toy.logs[other].records.is_empty() && self.toy.strikes(Bug::LeaksIntoAnotherClass, true) {
                let record = self.toy.logs[other].records.last().expect("it is not empty").clone();
                let seen = Seen { at: record.at, id: record.id.into(), digest: record.digest, rest: None };
                let stream = self.lines[reader].stream.clone();
                self.note(&stream.reader.clone(), Event::Message { stream, seen, redelivered: false, gap: false });
            }
            let events = self.toy.deliver(&mut self.lines[reader]);
            for event in events {
                let actor = self.lines[reader].stream.reader.clone();
                self.note(&actor, event);
            }
        }
    }

    fn acknowledge(&mut self, reader: usize) {
        let line = &mut self.lines[reader];
        if !line.durable || !line.is_open || line.next <= line.cursor {
            return;
        }
        line.cursor = line.next;
        let through = self.toy.logs[line.class].records[line.next - 1].at;
        let stream = line.stream.clone();
        self.note(&stream.reader.clone(), Event::Acked { stream, through });
    }

    fn open(&mut self, reader: usize) {
        let was_sound = !self.toy.has_struck();
        let line = &mut self.lines[reader];
        self.toy.resume(line);
        line.is_open = true;
        let (stream, durable) = (line.stream.clone(), line.durable);
        let records = &self.toy.logs[line.class].records;
        let before = line.next.checked_sub(1).map(|last| records[last].at);
        let after = before.or(Some(homeroom_checker::Position::new(1, 0)));
        line.knows_where = true;
        let actor = stream.reader.clone();
        let asked = Event::Subscribe { stream: stream.clone(), principal: Some(actor.clone()) };
        self.note(&actor, asked);
        self.note(&actor, Event::Subscribed { stream, after, durable });
        let length = self.toy.logs[self.lines[reader].class].records.len();
        let line = &self.lines[reader];
        let is_behind = line.next + 1 < length && line.next >= self.toy.logs[line.class].trimmed;
        if self.toy.strikes(Bug::LosesOneWhereReplayBecomesLive, is_behind) {
            self.lines[reader].next += 1;
        }
        if was_sound && self.toy.has_struck() {
            self.deliver(reader);
        }
    }

    fn close(&mut self, reader: usize, broken: bool) {
        let line = &mut self.lines[reader];
        if !std::mem::take(&mut line.is_open) {
            return;
        }
        if broken && self.random.below(2) == 0 {
            // The broker wrote, and nobody read.
            self.toy.is_unseen = true;
            let lost = self.toy.deliver(line).len();
            self.toy.is_unseen = false;
            if !line.durable {
                line.next -= lost;
            }
        }
        let (name, session) = (line.stream.reader.clone(), line.stream.session);
        line.stream.session += 1;
        self.note(&name.clone(), Event::Left { reader: name, session, broken });
    }

    fn comes_again(&mut self, reader: usize) {
        let broken = self.random.below(2) == 0;
        self.close(reader, broken);
        self.open(reader);
    }

    fn is_revoked(&mut self, reader: usize) {
        if self.stranger == Some(reader) {
            return;
        }
        let (principal, log) = (self.lines[reader].stream.reader.clone(), self.lines[reader].stream.log.clone());
        self.note("school", Event::Revoked { principal: principal.clone(), log: log.clone() });
        let line = &self.lines[reader];
        let has_more = line.is_open && line.next < self.toy.logs[line.class].records.len();
        if self.toy.strikes(Bug::DeliversAfterARevocation, has_more) {
            self.now += 1_001 * MILLISECOND;
            self.deliver(reader);
        }
        self.close(reader, true);
        self.note("school", Event::Granted { principal, log });
        self.open(reader);
    }

    fn trim(&mut self) {
        let class = self.random.below(CLASSES as u64) as usize;
        let log = &mut self.toy.logs[class];
        log.trimmed = log.trimmed.max(log.records.len().saturating_sub(20));
    }

    fn kill(&mut self) {
        self.note("killer", Event::Down);
        for reader in 0..READERS {
            self.close(reader, true);
        }
        self.toy.kill(&self.lines);
        (self.toy.stored, self.toy.delivered) = (0, 0);
        self.note("killer", Event::Up);
        (0..READERS).for_each(|reader| self.open(reader));
    }

    /// Nothing disturbs any more: everything is delivered, and looked at.
    fn end(&mut self) {
        // The last life is one in which nothing broke.
        self.kill();
        self.note("killer", Event::Healed);
        for number in 0..PUBLISHERS * 4 {
            let class = number % CLASSES;
            let (publisher, id) = (number % PUBLISHERS, format!("p{}#{}", number % PUBLISHERS, 1_000_000 + number));
            let name: std::sync::Arc<str> = id.as_str().into();
            let digest = Digest::of(id.as_bytes());
            let actor = format!("p{publisher}");
            self.note(&actor, Event::Send { id: name.clone(), log: format!("topic/{class}").into(), digest });
            let mut peaceful = Random(3);
            let Answer::Stored(at) = self.toy.send(class, &id, digest, &mut peaceful) else {
                unreachable!("this seed's first number is an answer")
            };
            if self.toy.strikes(Bug::NeverAnswers, true) {
                continue;
            }
            if self.toy.strikes(Bug::StallsAnAnswer, true) {
                self.now += 10_100 * MILLISECOND;
            }
            self.note(&actor, Event::Stored { id: name, at });
        }
        if self.toy.strikes(Bug::CountsARecordMore, true) {
            self.toy.stored += 1;
        }
        if self.toy.strikes(Bug::StallsAReader, true) {
            self.now += 10_100 * MILLISECOND;
        }
        for reader in 0..READERS {
            let all = self.toy.logs[self.lines[reader].class].records.len();
            let last = all - usize::from(self.toy.strikes(Bug::LeavesOutTheLast, true));
            while self.lines[reader].next < last {
                self.deliver_one(reader);
            }
            let stream = self.lines[reader].stream.clone();
            self.note(&stream.reader.clone(), Event::CaughtUp { stream });
        }
        if self.toy.strikes(Bug::CountsADeliveryLess, true) {
            self.toy.delivered -= 1;
        }
        let (stored, delivered) = (self.toy.stored, self.toy.delivered);
        self.note("metrics", Event::Counted { stored, delivered });
        // Who was not answered would have noticed by now.
        self.now += 11_000 * MILLISECOND;
        for class in 0..CLASSES {
            let log: std::sync::Arc<str> = format!("topic/{class}").into();
            let trimmed = self.toy.logs[class].trimmed;
            if let Some(last) = trimmed.checked_sub(1) {
                let through = self.toy.logs[class].records[last].at;
                self.note("dump", Event::Trimmed { log: log.clone(), through });
            }
            let kept = self.toy.logs[class].records[trimmed..].to_vec();
            for record in kept {
                let rest = Some(Digest::of(record.id.as_bytes()));
                let seen = Seen { at: record.at, id: record.id.into(), digest: record.digest, rest };
                self.note("dump", Event::Kept { log: log.clone(), seen });
            }
        }
    }

    fn deliver_one(&mut self, reader: usize) {
        let events = self.toy.deliver(&mut self.lines[reader]);
        for event in events {
            let actor = self.lines[reader].stream.reader.clone();
            self.note(&actor, event);
        }
    }
}
