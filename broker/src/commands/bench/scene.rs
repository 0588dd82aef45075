//! What most loads begin with: rooms, those who listen in them, and one who publishes.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::Failure;
use super::crowd::{Crowd, Heard};
use super::flags::Target;
use super::member::Opening;
use super::process::make_room;
use super::progress::Progress;
use super::speech::{Letter, Speech, marker};

/// A crowd and the rooms that it is spread over.
pub(super) struct Scene {
    pub(super) crowd: Crowd,
    rooms: Vec<String>,
}

/// Who listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listeners {
    pub(super) count: usize,
    /// Subscribed durably, as `student-N` with N from `first` on.
    pub(super) durable: bool,
    pub(super) first: usize,
}

/// Numbers from here on are no messages: they show that a subscription holds.
const PROBE: u64 = 1 << 63;

/// How long a broker without receipts may take until its subscriptions hold.
const PROVED_WITHIN: Duration = Duration::from_secs(30);

/// A room without receivers would swallow messages.
pub(super) fn all_rooms_are_taken(rooms: usize, receivers: usize) -> Result<(), Failure> {
    if rooms <= receivers {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--rooms {rooms} is more than --receivers {receivers}: some rooms would be empty. Ask for fewer rooms."
    )))
}

impl Scene {
    /// Nobody yet. `sockets` is how many `flag` asks for.
    pub(super) fn new(target: &Target, rooms: usize, sockets: usize, flag: &str) -> Result<Scene, Failure> {
        make_room(sockets, flag)?;
        let speech = Speech::new(target)?;
        let destination = speech.destination()?;
        let rooms = match rooms {
            1 => vec![destination],
            _ => (0..rooms).map(|room| format!("{destination}-{room}")).collect(),
        };
        Ok(Scene { crowd: Crowd::new(speech, target.connecting)?, rooms })
    }

    /// The destination of a room.
    pub(super) fn room(&self, room: usize) -> &str {
        &self.rooms[room]
    }

    /// Connects somebody who listens to nothing.
    pub(super) fn publisher(&mut self) -> Result<usize, Failure> {
        let connect = self.crowd.speech.connect(None);
        let who = self.crowd.invite(Opening { connect, subscribe: None });
        self.crowd.gather(|_| (), &mut |_, _| ())?;
        Ok(who)
    }

    /// All rooms.
    pub(super) fn rooms(&self) -> Range<usize> {
        0..self.rooms.len()
    }

    /// Invites listeners, spread evenly over these rooms.
    pub(super) fn invite(&mut self, rooms: Range<usize>, listeners: Listeners) -> Result<Range<usize>, Failure> {
        self.crowd.speech.can_subscribe(listeners.durable)?;
        let mut all = None;
        for index in 0..listeners.count {
            let number = listeners.first + index;
            let room = &self.rooms[rooms.start + index % rooms.len()];
            let client_id = listeners.durable.then(|| format!("student-{number}"));
            let speech = &self.crowd.speech;
            let subscribe = Some(speech.subscribe(room, number, listeners.durable));
            let opening = Opening { connect: speech.connect(client_id.as_deref()), subscribe };
            let who = self.crowd.invite(opening);
            all = Some(all.map_or(who..who + 1, |all: Range<usize>| all.start..who + 1));
        }
        Ok(all.unwrap_or(0..0))
    }

    /// Connects listeners and waits until all will hear what is published.
    pub(super) fn seat(
        &mut self,
        rooms: Range<usize>,
        listeners: Listeners,
        publisher: usize,
    ) -> Result<Range<usize>, Failure> {
        let who = self.invite(rooms.clone(), listeners)?;
        let progress = Progress::new("connecting", who.len() as u64);
        self.crowd.gather(|ready| progress.set(ready), &mut |_, _| ())?;
        if !self.crowd.confirms_subscriptions() {
            self.prove(publisher, rooms, who.clone())?;
        }
        Ok(who)
    }

    /// So many durable subscribers come, subscribe and leave.
    pub(super) fn send_away(&mut self, rooms: Range<usize>, count: usize, publisher: usize) -> Result<(), Failure> {
        if count > 0 {
            let who = self.seat(rooms, Listeners { count, durable: true, first: 0 }, publisher)?;
            self.crowd.leave(who, &mut |_, _| ())?;
        }
        Ok(())
    }

    /// A message for a room.
    pub(super) fn letter(&self, room: usize, body: usize, persistent: bool, receipt: bool) -> Letter {
        self.crowd.speech.letter(&self.rooms[room], body, persistent, receipt)
    }

    /// Publishes probes until each of `who` has heard one, and waits until no probe is under way.
    fn prove(&mut self, publisher: usize, rooms: Range<usize>, who: Range<usize>) -> Result<(), Failure> {
        let mut letters: Vec<Letter> = rooms.map(|room| self.letter(room, 16, false, false)).collect();
        let mut heard = vec![0; who.len()];
        let (mut number, began) = (PROBE, Instant::now());
        // Once all have heard one, one more shows that those before it are through.
        let mut last = None;
        while last.is_none_or(|last| heard.iter().any(|heard| *heard < last)) {
            if began.elapsed() > PROVED_WITHIN {
                let deaf = heard.iter().filter(|heard| **heard == 0).count();
                return Err(Failure::new(format!(
                    "{deaf} of {} subscriptions to {} get no messages within {} seconds. Does the broker allow it? \
                     --login, --passcode, --token and --destination may help.",
                    who.len(),
                    self.rooms[0],
                    PROVED_WITHIN.as_secs()
                )));
            }
            if last.is_none() {
                number += 1;
                if heard.iter().all(|heard| *heard > 0) {
                    last = Some(number);
                }
                let mut bytes = Vec::new();
                letters.iter_mut().for_each(|letter| letter.write(&mut bytes, number));
                self.crowd.say(publisher, &bytes)?;
            }
            self.crowd.rest(Duration::from_millis(100), &mut |member, what| {
                if let Heard::Message(message) = what
                    && let Some(probe) = marker(message)
                    && let Some(heard) = member.checked_sub(who.start).and_then(|index| heard.get_mut(index))
                {
                    *heard = probe;
                }
            })?;
        }
        Ok(())
    }
}
