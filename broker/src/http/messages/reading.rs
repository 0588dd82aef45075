//! One request's way through the logs it asks for.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use homeroom_protocol::Refusal;
use homeroom_storage::{CursorKey, LogName, Offset, Position};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::ask::Ask;
use crate::access::hook::{Renewal, not_before};
use crate::classroom::Room;
use crate::classroom::beginning::{Beginning, Begun, Gap};
use crate::classroom::bell::Bell;
use crate::classroom::entry::{Entry, Mark};
use crate::classroom::reader::{Budget, Filled, Reader};
use crate::connection::{POSITIONS_MAX, Services};
use crate::entrance::enter;
use crate::http::guest::Guest;
use crate::http::lease::Lease;
use crate::http::problem::Problem;
use crate::refusals::{
    bad_request, code, destination_refusal, log_refusal, nobody_in_particular, refusal, unavailable,
};
use crate::router::{Kind, Pattern};
use crate::settings::Act;

/// A disk that gives nothing for so long is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of messages that one answer or one piece of a stream holds, exceeded by one message.
pub(super) const BYTES: usize = 256 << 10;

/// Readers of all logs that a request asks for.
#[derive(Debug)]
pub(super) struct Reading {
    services: Arc<Services>,
    bell: Arc<Bell>,
    sources: Vec<Source>,
    patterns: Vec<Arc<Pattern>>,
    /// Rooms that appear later are read as well.
    generation: Option<u64>,
    turn: usize,
    is_lost: bool,
    guest: Guest,
    /// The version of the guest's rights that the patterns were looked at with.
    allowed: u64,
    /// Who else decided about the patterns, and until when, if anybody did.
    decided: Option<Box<Decided>>,
}

/// What somebody else decided, asked about again when its time is over.
#[derive(Debug)]
struct Decided {
    again_at: Instant,
    renewal: Renewal,
}

#[derive(Debug)]
struct Source {
    reader: Reader,
    patterns: Vec<Arc<Pattern>>,
    /// Acknowledged one by one before.
    skip: Vec<RangeInclusive<u64>>,
    /// Behind the last message of it that was told.
    told: Mark,
}

/// A message that was asked for.
#[derive(Debug)]
pub(super) struct Found {
    /// The message.
    pub(super) entry: Arc<Entry>,
    /// What nobody can read any more before it.
    pub(super) gap: Option<String>,
    /// How many bytes of its path name the room.
    pub(super) room_bytes: usize,
}

/// What a request does about a position that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// It is refused with what is still kept: 410.
    Refused,
    /// It goes on with what is still kept, and says what is missing.
    Told,
}

impl Reading {
    /// Opens the rooms and places a reader in each; `otherwise` is where to begin if nothing says so.
    ///
    /// # Errors
    /// What stands in the way.
    pub(super) async fn open(
        services: &Arc<Services>,
        ask: &Ask,
        otherwise: Beginning,
        lost: Lost,
        bell: Arc<Bell>,
    ) -> Result<Reading, Problem> {
        ask.guest.hang(&bell);
        let allowed = ask.guest.version()?;
        let (patterns, until) = patterns(services, ask).await?;
        let is_open = patterns.iter().any(|pattern| pattern.room().is_none());
        let generation = is_open.then(|| services.registry.generation());
        if is_open {
            services.registry.watch(&bell);
        }
        let (services, sources) = (services.clone(), Vec::new());
        let mut reading = Reading {
            services,
            bell,
            sources,
            patterns,
            generation,
            turn: 0,
            is_lost: false,
            guest: ask.guest.clone(),
            allowed,
            decided: until.map(|until| Box::new(Decided { again_at: not_before(until), renewal: Renewal::default() })),
        };
        let (mut gone, mut kept) = (Vec::new(), Vec::new());
        for (name, patterns) in reading.rooms() {
            let room = enter(&reading.services, name.as_str()).await?;
            room.catch_up().await;
            let (beginning, skip) = reading.beginning(ask, &room, &otherwise).await?;
            let pattern = together(&name, &patterns);
            let begun = room.begin(&pattern, &beginning).await.map_err(log_refusal)?;
            kept.push(what_is_kept(&room).await?);
            gone.extend(begun.gap);
            reading.sources.push(source(&room, pattern, patterns, &begun, skip, &reading.bell));
        }
        reading.is_lost = gone.contains(&Gap::Unknown);
        let is_position = ask.beginning.is_some() || ask.cursor.is_some();
        match (gone.first(), lost) {
            (Some(gap), Lost::Refused) if is_position => Err(gone_problem(gap, kept)),
            _ => Ok(reading),
        }
    }

    /// Where a room is begun: a position that is given, a cursor that is kept, or whatever is usual.
    async fn beginning(
        &self,
        ask: &Ask,
        room: &Room,
        otherwise: &Beginning,
    ) -> Result<(Beginning, Vec<RangeInclusive<u64>>), Problem> {
        if let Some(beginning) = &ask.beginning {
            return Ok((beginning.clone(), Vec::new()));
        }
        let Some(name) = &ask.cursor else { return Ok((otherwise.clone(), Vec::new())) };
        let key = cursor_key(&self.services, ask, room.log(), name)?;
        let stored = self.services.registry.store().load(&key).await;
        match stored.map_err(|error| unavailable(&error.to_string()))? {
            Some(cursor) => {
                let position = Position::new(cursor.epoch, cursor.offset);
                let skip = if cursor.epoch == room.epoch() { cursor.above } else { Vec::new() };
                Ok((Beginning::After(vec![position]), skip))
            }
            None => Ok((otherwise.clone(), Vec::new())),
        }
    }

    /// What is there now, within the limits. Waits for the disk, and for nothing else.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub(super) async fn now(&mut self, messages: usize) -> Result<Vec<Found>, Problem> {
        let give_up = Instant::now() + PATIENCE;
        let mut found = Vec::new();
        loop {
            self.fill(messages, &mut found)?;
            if found.len() >= messages || self.is_at_head() {
                return Ok(found);
            }
            if timeout_at(give_up, self.bell.heard()).await.is_err() {
                return Err(unavailable("the disk gives nothing").into());
            }
            if self.services.shutdown.is_stopping() {
                return Ok(found);
            }
        }
    }

    /// What is there without waiting.
    ///
    /// # Errors
    /// A log that cannot be read, or has ended. Whoever asks may not read it any more.
    pub(super) fn fill(&mut self, messages: usize, found: &mut Vec<Found>) -> Result<(), Refusal> {
        self.check()?;
        let (count, mut bytes) = (self.sources.len(), BYTES);
        self.turn = self.turn.wrapping_add(1);
        for at in (0..count).map(|step| (self.turn + step) % count) {
            let source = &mut self.sources[at];
            loop {
                let room = messages.saturating_sub(found.len());
                let (mut budget, mut steps) = (Budget { bytes, messages: room }, Vec::new());
                if budget.is_used_up() {
                    return Ok(());
                }
                let filled = source.reader.fill(&mut budget, &mut steps);
                bytes = budget.bytes;
                let room_bytes = source.reader.room().name().len();
                for step in steps.into_iter().filter(|step| is_wanted(&source.patterns, &source.skip, &step.entry)) {
                    let gap = step.gap.map(|gap| gap.to_string());
                    found.push(Found { entry: step.entry, gap, room_bytes });
                }
                match filled {
                    Filled::Failed(error) => return Err(log_refusal(error)),
                    Filled::Ended => return Err(unavailable("the classroom's log was deleted")),
                    Filled::Empty => break,
                    // What was passed over took room that is free again.
                    Filled::Enough => {}
                }
            }
        }
        Ok(())
    }

    /// Whether all that is read still may be.
    fn check(&mut self) -> Result<(), Refusal> {
        let version = self.guest.version()?;
        if version != self.allowed {
            self.patterns.iter().try_for_each(|pattern| self.guest.rules_let_subscribe(pattern))?;
            self.allowed = version;
            if let Some(decided) = &mut self.decided {
                // What was decided, and what is asked now, is about somebody with other rights.
                **decided = Decided { again_at: Instant::now(), renewal: Renewal::default() };
            }
        }
        self.ask_again()
    }

    /// Takes up what was decided again, and asks when it is time.
    fn ask_again(&mut self) -> Result<(), Refusal> {
        let Some(decided) = &mut self.decided else { return Ok(()) };
        if let Some(answers) = decided.renewal.answered() {
            let mut again_at = None;
            for (_, answer) in answers {
                let until = answer.inspect_err(|refusal| self.guest.note(refusal))?;
                again_at = again_at.into_iter().chain([not_before(until)]).min();
            }
            decided.again_at = again_at.unwrap_or_else(Instant::now);
        }
        if decided.renewal.is_under_way() || decided.again_at > Instant::now() {
            return Ok(());
        }
        let Some((pass, hook)) = self.guest.pass().and_then(|pass| Some((pass, pass.hook()?))) else { return Ok(()) };
        let question = |pattern: &Arc<Pattern>| pass.question(Act::Subscribe, Some(&pattern.canonical()));
        let questions = (0..).zip(self.patterns.iter().filter_map(question)).collect();
        decided.renewal.ask(hook, questions, self.bell.clone());
        Ok(())
    }

    /// When it is to be looked at again whether whoever asks may still read, if ever.
    pub(super) fn look_at(&self) -> Option<Instant> {
        let decided = self.decided.as_ref().filter(|decided| !decided.renewal.is_under_way());
        self.guest.expires_at().into_iter().chain(decided.map(|decided| decided.again_at)).min()
    }

    /// What whoever asks needs to go on; `None` where everybody may do everything.
    pub(super) fn lease(&self) -> Option<Lease> {
        Some(Lease::Reading(self.guest.pass()?.clone(), self.patterns.clone()))
    }

    /// Reads rooms that appeared since, from their first record.
    ///
    /// # Errors
    /// What stands in the way.
    pub(super) async fn join_new_rooms(&mut self) -> Result<(), Problem> {
        let generation = self.services.registry.generation();
        if self.generation.is_none_or(|known| known == generation) {
            return Ok(());
        }
        self.generation = Some(generation);
        for (name, patterns) in self.rooms() {
            if self.sources.iter().any(|source| *source.reader.room().log() == name) {
                continue;
            }
            let room = enter(&self.services, name.as_str()).await?;
            let pattern = together(&name, &patterns);
            let begun = room.begin(&pattern, &Beginning::First).await.map_err(log_refusal)?;
            self.sources.push(source(&room, pattern, patterns, &begun, Vec::new(), &self.bell));
        }
        Ok(())
    }

    /// Whether there is nothing that was not looked at.
    pub(super) fn is_at_head(&self) -> bool {
        self.sources.iter().all(|source| source.reader.misses() == 0)
    }

    /// Behind all that was found; `None` over so many logs that `after` would not take it, and over none.
    pub(super) fn position(&self) -> Option<String> {
        self.positions(|source| source.reader.mark())
    }

    /// Behind all that was told.
    fn told(&self) -> Option<String> {
        self.positions(|source| source.told)
    }

    fn positions(&self, mark: impl Fn(&Source) -> Mark) -> Option<String> {
        if !(1..=POSITIONS_MAX).contains(&self.sources.len()) {
            return None;
        }
        let positions = self.sources.iter().map(|source| {
            let (mark, epoch) = (mark(source), source.reader.room().epoch());
            let part = (mark.part != Mark::WHOLE).then_some(mark.part);
            Position { epoch, offset: mark.offset, part }.to_string()
        });
        Some(positions.collect::<Vec<_>>().join(","))
    }

    /// Whether a position was given that no log of today has.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Behind which position each of these goes on, in all logs; they are the last that were filled.
    pub(super) fn ids(&mut self, found: &[Found]) -> Vec<Option<String>> {
        let mut ids = Vec::with_capacity(found.len());
        for Found { entry, .. } in found {
            let source = self.sources.iter_mut().find(|source| source.reader.room().epoch() == entry.epoch());
            ids.push(
                source.filter(|_| entry.durable).map(|source| source.told = entry.mark()).and_then(|()| self.told()),
            );
        }
        self.sources.iter_mut().for_each(|source| source.told = source.reader.mark());
        ids
    }

    /// Resolves when something may be new.
    pub(super) async fn rung(&self) {
        self.bell.heard().await;
    }

    /// The rooms that are asked for, each with what is wanted of it.
    fn rooms(&self) -> BTreeMap<LogName, Vec<Arc<Pattern>>> {
        let mut rooms: BTreeMap<LogName, Vec<Arc<Pattern>>> = BTreeMap::new();
        for pattern in &self.patterns {
            let names = match pattern.room() {
                Some(name) => vec![LogName::new(name)],
                None => self.services.registry.reached_by(pattern),
            };
            for name in names {
                rooms.entry(name).or_default().push(pattern.clone());
            }
        }
        rooms
    }
}

/// What is asked for, and until when somebody else decided that it may be read, if anybody did.
///
/// # Errors
/// A destination that leads nowhere, or is not read this way.
pub(super) async fn patterns(services: &Services, ask: &Ask) -> Result<(Vec<Arc<Pattern>>, Option<Instant>), Problem> {
    let own = ask.guest.person().alone(&services.settings.stomp.shared_logins);
    let (mut patterns, mut until) = (Vec::with_capacity(ask.destinations.len()), None);
    for written in &ask.destinations {
        let pattern = services.registry.rules().subscribable(written, own);
        let pattern = pattern.map_err(|error| destination_refusal(&error))?;
        if pattern.room().is_some_and(|room| matches!(Kind::of(&room), Some((Kind::Queue, _)))) {
            let remedy = "Consume a queue over STOMP: each of its messages goes to one consumer, who acknowledges it.";
            return Err(bad_request(&format!("{written} is a queue"), remedy).into());
        }
        let decided = ask.guest.may_subscribe(&pattern).await?;
        until = until.into_iter().chain(decided).min();
        patterns.push(Arc::new(pattern));
    }
    Ok((patterns, until))
}

/// Whose cursor on which log: the same as that of a durable subscription of this name.
///
/// # Errors
/// Nobody in particular asks.
pub(super) fn cursor_key(services: &Services, ask: &Ask, log: &LogName, name: &str) -> Result<CursorKey, Problem> {
    let owner = ask.guest.person().owner(&services.settings.stomp.shared_logins).ok_or_else(nobody_in_particular)?;
    Ok(CursorKey { log: log.clone(), owner, name: name.into() })
}

fn source(
    room: &Arc<Room>,
    pattern: Arc<Pattern>,
    patterns: Vec<Arc<Pattern>>,
    begun: &Begun,
    skip: Vec<RangeInclusive<u64>>,
    bell: &Arc<Bell>,
) -> Source {
    let mut reader = match begun.mark {
        Some(mark) => Reader::new(room.clone(), pattern, mark, bell.clone()),
        None => Reader::live(room.clone(), pattern, bell.clone()),
    };
    if let Some(Gap::Range(range)) = begun.gap {
        reader.announce_gap(range);
    }
    let told = reader.mark();
    Source { reader, patterns, skip, told }
}

/// One pattern for all that is wanted of a room.
fn together(room: &LogName, patterns: &[Arc<Pattern>]) -> Arc<Pattern> {
    match patterns {
        [only] => only.clone(),
        _ => Arc::new(Pattern::everything_in(room.as_str())),
    }
}

fn is_wanted(patterns: &[Arc<Pattern>], skip: &[RangeInclusive<u64>], entry: &Entry) -> bool {
    let covered = patterns.iter().any(|pattern| pattern.matches(&entry.path));
    let known = entry.durable && skip.iter().any(|range| range.contains(&entry.offset().0));
    covered && !known && !entry.has_expired()
}

/// What a log still keeps: behind which position all of it comes, and where it ends.
async fn what_is_kept(room: &Room) -> Result<Value, Refusal> {
    let trimmed = room.trimmed().await.map_err(log_refusal)?;
    let position = |offset: Offset| Position::new(room.epoch(), offset).to_string();
    Ok(json!({
        "destination": format!("/{}", room.name()),
        "after": position(trimmed),
        "head": position(room.recent().head()),
    }))
}

fn gone_problem(gap: &Gap, kept: Vec<Value>) -> Problem {
    let refusal = refusal(
        code::UNRECOVERABLE,
        "unrecoverable position",
        match gap {
            Gap::Range(range) => format!("the messages {range} behind it are gone"),
            Gap::Unknown => "no log of today has it".to_owned(),
        },
        false,
        "Begin again behind the position that kept names: all that is still there follows it.",
    );
    Problem::new(refusal).with_status(StatusCode::GONE).with("gap", gap.to_string()).with("kept", kept)
}
