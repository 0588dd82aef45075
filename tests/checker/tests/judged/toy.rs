//! A broker of a few lines that keeps every promise, but for the one defect that it is told to have.

use std::collections::{HashMap, HashSet};

use homeroom_checker::{Digest, Event, Position, Seen, Stream};

use crate::bugs::Bug;

/// Small, seeded, the same everywhere: splitmix64.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

#[derive(Clone)]
pub(crate) struct Record {
    pub at: Position,
    pub id: String,
    pub digest: Digest,
}

/// One class.
#[derive(Default)]
pub(crate) struct Log {
    pub records: Vec<Record>,
    /// So many of them retention has removed.
    pub trimmed: usize,
    pub next: u64,
}

/// A reader as the broker knows it. Places are counted in records of the log.
pub(crate) struct Line {
    pub stream: Stream,
    pub class: usize,
    pub durable: bool,
    pub next: usize,
    pub cursor: usize,
    /// What was delivered in any session.
    pub delivered: usize,
    /// What of it the reader has seen.
    pub seen: usize,
    pub is_open: bool,
    /// Retention overtook it, and it was not told yet; whether that can be proved.
    pub gap: Option<bool>,
    /// It was told where it begins, or has seen something.
    pub knows_where: bool,
}

/// How a SEND ends.
pub(crate) enum Answer {
    Stored(Position),
    Refused,
    Nothing,
}

pub(crate) struct Toy {
    pub logs: Vec<Log>,
    known: HashMap<String, Position>,
    confirmed: HashSet<String>,
    pub stored: u64,
    pub delivered: u64,
    tried: HashSet<String>,
    /// Where the next message of a class goes, if a defect says so.
    again: Option<(usize, Position)>,
    /// Nobody would see it now.
    pub is_unseen: bool,
    bug: Option<Bug>,
}

impl Toy {
    pub(crate) fn new(classes: usize, bug: Option<Bug>) -> Toy {
        let logs = (0..classes).map(|_| Log { next: 1, ..Log::default() }).collect();
        Toy {
            logs,
            known: HashMap::new(),
            confirmed: HashSet::new(),
            tried: HashSet::new(),
            again: None,
            is_unseen: false,
            stored: 0,
            delivered: 0,
            bug,
        }
    }

    /// Whether the defect strikes now. It does once.
    pub(crate) fn strikes(&mut self, bug: Bug, occasion: bool) -> bool {
        occasion && !self.is_unseen && self.bug.take_if(|known| *known == bug).is_some()
    }

    pub(crate) fn has_struck(&self) -> bool {
        self.bug.is_none()
    }

    fn store(&mut self, class: usize, id: &str, digest: Digest) -> Position {
        if let Some(&known) = self.known.get(id)
            && !self.strikes(Bug::StoresARetryTwice, true)
        {
            return known;
        }
        let log = &mut self.logs[class];
        // An engine may leave gaps.
        log.next += 1 + log.next % 3 / 2;
        let again = self.again.take_if(|(known, _)| *known == class).map(|(_, at)| at);
        let at = again.unwrap_or(Position::new(1, log.next));
        log.records.push(Record { at, id: id.to_owned(), digest });
        self.stored += 1;
        self.known.insert(id.to_owned(), at);
        at
    }

    /// The last two records of a log change places.
    fn exchange_last(&mut self, class: usize) {
        let records = &mut self.logs[class].records;
        let last = records.len() - 1;
        let (before, behind) = (records[last - 1].at, records[last].at);
        records.swap(last - 1, last);
        (records[last - 1].at, records[last].at) = (before, behind);
        for record in &records[last - 1..] {
            self.known.insert(record.id.clone(), record.at);
        }
    }

    /// Whether the record before the last was confirmed, and whose it is.
    fn confirmed_before_last(&self, class: usize) -> Option<&str> {
        let Log { records, trimmed, .. } = &self.logs[class];
        let before = records.len().checked_sub(2).filter(|before| before >= trimmed)?;
        self.confirmed.get(&records[before].id).map(|id| publisher(id))
    }

    pub(crate) fn send(&mut self, class: usize, id: &str, digest: Digest, random: &mut Random) -> Answer {
        let is_new = !self.known.contains_key(id);
        let is_first = self.tried.insert(id.to_owned());
        match random.below(16) {
            0 if is_new => {
                if self.strikes(Bug::StoresWhatItRefuses, is_first) {
                    self.store(class, id, digest);
                }
                return Answer::Refused;
            }
            1 => {
                self.store(class, id, digest);
                return Answer::Nothing;
            }
            2 => return Answer::Nothing,
            _ => {}
        }
        let mut at = if self.strikes(Bug::ConfirmsWithoutStoring, is_new) {
            self.logs[class].next += 1;
            Position::new(1, self.logs[class].next)
        } else {
            self.store(class, id, digest)
        };
        let before = self.confirmed_before_last(class).map(str::to_owned).filter(|_| is_new);
        let is_own = before.as_deref() == Some(publisher(id));
        if self.strikes(Bug::StoresBeforeWhatWasConfirmed, before.is_some())
            || self.strikes(Bug::StoresTwoOfAPublisherTheOtherWayRound, is_own)
        {
            self.exchange_last(class);
            at = self.known[id];
        }
        self.confirmed.insert(id.to_owned());
        Answer::Stored(at)
    }

    /// The next messages for a reader, as it sees them.
    pub(crate) fn deliver(&mut self, line: &mut Line) -> Vec<Event> {
        let log = &self.logs[line.class];
        if line.next < log.trimmed {
            let mut removed = log.records[line.next..log.trimmed].iter();
            line.gap = Some(removed.any(|record| self.confirmed.contains(&record.id)));
            line.next = log.trimmed;
        }
        let is_fresh = line.delivered <= line.next;
        let (next, is_last_but_one) = (line.next, line.next + 1 < log.records.len());
        if self.strikes(Bug::LeavesOneOut, is_last_but_one) {
            return self.deliver_at(line, next + 1).into_iter().collect();
        }
        if self.strikes(Bug::SwapsNeighbours, is_last_but_one && is_fresh) {
            let second = self.deliver_at(line, next + 1);
            line.delivered = next;
            let first = self.deliver_at(line, next);
            line.next = next + 2;
            return second.into_iter().chain(first).collect();
        }
        let mut events: Vec<Event> = self.deliver_at(line, next).into_iter().collect();
        if self.strikes(Bug::RepeatsInASession, is_fresh && !events.is_empty()) {
            line.delivered = next;
            events.extend(self.deliver_at(line, next));
        }
        events
    }

    fn deliver_at(&mut self, line: &mut Line, place: usize) -> Option<Event> {
        let mut record = self.logs[line.class].records.get(place)?.clone();
        let is_repeat = line.durable && place < line.delivered;
        let redelivered = is_repeat && !self.strikes(Bug::RepeatsWithoutSayingSo, place < line.seen);
        let told = line.gap.take();
        let gap = told.is_some() && !self.strikes(Bug::HidesAGap, told == Some(true) && line.knows_where);
        let mut rest = Digest::of(record.id.as_bytes());
        if self.strikes(Bug::AltersAHeaderInReplay, redelivered) {
            rest.0 ^= 1;
        }
        if self.strikes(Bug::AltersAByte, true) {
            record.digest.0 ^= 1 << 40;
        }
        if self.strikes(Bug::InventsAMessage, true) {
            record.id = "nobody#0".to_owned();
        }
        self.delivered += 1;
        line.next = place + 1;
        line.delivered = line.delivered.max(place + 1);
        if !self.is_unseen {
            line.seen = line.seen.max(place + 1);
        }
        line.knows_where = true;
        let seen = Seen { at: record.at, id: record.id.into(), digest: record.digest, rest: Some(rest) };
        Some(Event::Message { stream: line.stream.clone(), seen, redelivered, gap })
    }

    /// Where a reader that comes back begins, in records of the log.
    pub(crate) fn resume(&mut self, line: &mut Line) {
        let length = self.logs[line.class].records.len();
        // What a defect took cannot be behind anybody.
        line.cursor = line.cursor.min(length);
        line.next = if line.durable { line.cursor } else { line.next.min(length) };
        line.gap = None;
        if line.durable && line.cursor > 1 {
            if self.strikes(Bug::RepeatsBelowTheCursor, line.cursor > self.logs[line.class].trimmed + 1) {
                line.next -= 1;
            } else if self.strikes(Bug::ReturnsToAnOldCursor, self.logs[line.class].trimmed == 0) {
                line.next = 0;
            }
        }
        let beyond = line.seen + 1;
        if line.durable && self.strikes(Bug::ReturnsBeyondWhatWasSeen, beyond < self.logs[line.class].records.len()) {
            line.next = beyond;
        }
    }

    /// Nothing that was stored is lost, unless it is to be.
    pub(crate) fn kill(&mut self, lines: &[Line]) {
        for class in 0..self.logs.len() {
            let Log { records, trimmed, .. } = &self.logs[class];
            let length = records.len();
            let seen = lines.iter().filter(|line| line.class == class).map(|line| line.seen).max().unwrap_or(0);
            let is_confirmed = length > trimmed + 4 && self.confirmed.contains(&records[length - 1].id);
            if self.strikes(Bug::LosesARecordAtAKill, is_confirmed) {
                self.logs[class].records.pop();
            } else if self.strikes(Bug::LosesTheTailAtAKillAndUsesItsOffsetsAgain, is_confirmed) {
                let gone = self.logs[class].records.pop().expect("there are some");
                self.known.remove(&gone.id);
                self.again = Some((class, gone.at));
            } else if self.strikes(Bug::LosesWhatWasSeenAtAKill, seen == length && length > 0) {
                self.logs[class].records.pop();
            }
        }
    }
}

/// The publisher that a name begins with.
fn publisher(id: &str) -> &str {
    id.split('#').next().unwrap_or_default()
}
