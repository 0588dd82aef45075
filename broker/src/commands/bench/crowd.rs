//! Thousands of conversations on one thread.
//!
//! One loop asks the kernel which sockets have something to read, reads each
//! into the same buffer and tells what was said. A MESSAGE is told by its first
//! bytes and costs a read and little more, so that one core of load drives
//! several cores of broker.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::Range;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::Failure;
use super::alarm::{ALARM, Alarm};
use super::conversation::{Asked, Stage};
use super::member::{Member, Opening};
use super::speech::Speech;

/// All connections of a run. Members are numbered in the order of their invitation.
pub(super) struct Crowd {
    pub(super) speech: Speech,
    poll: Poll,
    events: Events,
    address: SocketAddr,
    members: Vec<Option<Member>>,
    /// Invited, and not yet connecting.
    queue: VecDeque<(usize, Opening)>,
    /// On their way to being ready.
    connecting: usize,
    connecting_max: usize,
    receipts: Receipts,
    beat: Option<Beat>,
    alarm: Alarm,
    buffer: Vec<u8>,
}

/// What a member heard.
#[derive(Clone, Copy)]
pub(super) enum Heard<'a> {
    /// It is connected, and subscribed if it listens.
    Ready,
    /// A message; `marker` tells which.
    Message(&'a [u8]),
    /// The receipt of the SEND with this number.
    Receipt(u64),
    /// It has left, as it was told to.
    Gone,
}

/// Whether this broker confirms a SUBSCRIBE. The first subscriber goes ahead and finds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receipts {
    Unknown,
    Given,
    Missing,
}

/// When the next signs of life are due, of all members at once.
struct Beat {
    every: Duration,
    next: Instant,
}

/// Without a RECEIPT for so long, the broker does not give any for SUBSCRIBE.
const RECEIPT_WITHIN: Duration = Duration::from_secs(2);

/// While nothing at all happens for so long, something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a DISCONNECT may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// So many begin to connect between two looks at what those before were answered.
const ADMITTED_AT_ONCE: usize = 32;

/// Shared by all reads. In bytes.
const BUFFER_BYTES: usize = 256 * 1024;

impl Crowd {
    /// Nobody yet, with at most so many connecting at a time.
    pub(super) fn new(speech: Speech, connecting_max: usize) -> Result<Crowd, Failure> {
        let unknown = |error: &dyn std::fmt::Display| {
            Failure::new(format!("{} cannot be resolved: {error}. Check the host in --url.", speech.authority()))
        };
        let address = speech.authority().to_socket_addrs().map_err(|error| unknown(&error))?.next();
        let address = address.ok_or_else(|| unknown(&"it has no address"))?;
        let poll = Poll::new().map_err(|error| unwatched(&error))?;
        let alarm = Alarm::new(poll.registry()).map_err(|error| unwatched(&error))?;
        Ok(Crowd {
            speech,
            poll,
            events: Events::with_capacity(1024),
            address,
            members: Vec::new(),
            queue: VecDeque::new(),
            connecting: 0,
            connecting_max,
            receipts: Receipts::Unknown,
            beat: None,
            alarm,
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    /// Somebody who will connect when it is their turn; [`Heard::Ready`] says so.
    pub(super) fn invite(&mut self, opening: Opening) -> usize {
        let who = self.members.len();
        self.members.push(None);
        self.queue.push_back((who, opening));
        who
    }

    /// From now on so many connect at a time.
    pub(super) fn connect_at_once(&mut self, connecting_max: usize) {
        self.connecting_max = connecting_max;
    }

    /// Connects all who are invited, and waits until they are ready. `on` hears how many are.
    pub(super) fn gather(
        &mut self,
        mut on: impl FnMut(u64),
        ear: &mut impl FnMut(usize, Heard<'_>),
    ) -> Result<(), Failure> {
        let (mut ready, mut alive) = (0, Instant::now());
        while self.connecting > 0 || !self.queue.is_empty() {
            let before = ready;
            self.turn(Some(Instant::now() + Duration::from_millis(100)), &mut |who, heard| {
                ready += u64::from(matches!(heard, Heard::Ready));
                ear(who, heard);
            })?;
            on(ready);
            if ready > before {
                alive = Instant::now();
            } else if alive.elapsed() > PATIENCE {
                return Err(Failure::new(format!(
                    "{} connections were made, then none within {} seconds. Does the broker limit them?",
                    ready,
                    PATIENCE.as_secs()
                )));
            }
        }
        Ok(())
    }

    /// Whether a receipt showed that the subscriptions hold; if not, send probes.
    pub(super) fn confirms_subscriptions(&self) -> bool {
        self.receipts != Receipts::Missing
    }

    /// Writes bytes to a member's broker.
    pub(super) fn say(&mut self, who: usize, bytes: &[u8]) -> Result<(), Failure> {
        let Some(member) = self.members.get_mut(who).and_then(Option::as_mut) else { return Ok(()) };
        member.line.say(bytes).map_err(|error| lost(&self.speech, who, &error.to_string()))
    }

    /// Disconnects these members in good order and waits until they are gone.
    pub(super) fn leave(&mut self, who: Range<usize>, ear: &mut impl FnMut(usize, Heard<'_>)) -> Result<(), Failure> {
        let farewell = self.speech.disconnect();
        for index in who.clone() {
            let Some(member) = &mut self.members[index] else { continue };
            member.conversation.stage = Stage::Leaving;
            let said = farewell.as_ref().map(|bytes| member.line.say(bytes));
            if !matches!(said, Some(Ok(()))) {
                self.members[index] = None;
            }
        }
        let until = Instant::now() + FAREWELL;
        while Instant::now() < until && self.members[who.clone()].iter().any(Option::is_some) {
            self.turn(Some(until), ear)?;
        }
        // Some brokers never say goodbye.
        self.members[who].iter_mut().for_each(|member| *member = None);
        Ok(())
    }

    /// Lets time pass, answering what must be answered.
    pub(super) fn rest(&mut self, duration: Duration, ear: &mut impl FnMut(usize, Heard<'_>)) -> Result<(), Failure> {
        let until = Instant::now() + duration;
        while Instant::now() < until {
            self.turn(Some(until), ear)?;
        }
        Ok(())
    }

    /// Waits until something happens or until then, and tells all that happened.
    pub(super) fn turn(
        &mut self,
        until: Option<Instant>,
        ear: &mut impl FnMut(usize, Heard<'_>),
    ) -> Result<(), Failure> {
        let more = self.admit()?;
        self.send_beats()?;
        let until = if more { Some(Instant::now()) } else { until };
        let until = [until, self.beat.as_ref().map(|beat| beat.next)].into_iter().flatten().min();
        let wait = until.map(|until| self.alarm.set(until)).transpose().map_err(|error| unwatched(&error))?;
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(unwatched(&error)),
            _ => {}
        }
        let mut asked = Asked { receipts_missing: self.receipts == Receipts::Missing, ..Asked::default() };
        for event in self.events.iter().filter(|event| event.token() != ALARM) {
            let who = event.token().0;
            let Some(member) = &mut self.members[who] else { continue };
            let leaving = member.conversation.stage == Stage::Leaving;
            asked.clear();
            let outcome = member.event(&self.speech, event, &mut self.buffer, &mut asked, &mut |heard| ear(who, heard));
            if asked.ready {
                self.connecting -= 1;
            }
            if asked.subscription_confirmed {
                self.receipts = Receipts::Given;
            }
            if let Some(every) = asked.beat.take() {
                self.beat.get_or_insert_with(|| Beat { every, next: Instant::now() + every });
            }
            match outcome {
                Ok(()) => {}
                Err(_) if leaving => {
                    self.members[who] = None;
                    ear(who, Heard::Gone);
                }
                Err(reason) => return Err(lost(&self.speech, who, &reason)),
            }
        }
        self.give_up_on_receipts(ear);
        Ok(())
    }

    /// Says whether more could begin to connect at once. The answers of those before come first: of a real crowd,
    /// nobody waits until the last one has begun.
    fn admit(&mut self) -> Result<bool, Failure> {
        for _ in 0..ADMITTED_AT_ONCE {
            if self.connecting >= self.connecting_max {
                return Ok(false);
            }
            let finding_out = self.receipts == Receipts::Unknown && self.connecting > 0;
            if finding_out && self.queue.front().is_some_and(|(_, opening)| opening.subscribe.is_some()) {
                return Ok(false);
            }
            let Some((who, opening)) = self.queue.pop_front() else { return Ok(false) };
            let member = Member::connect(self.address, self.poll.registry(), Token(who), &self.speech, opening);
            self.members[who] = Some(member.map_err(|reason| lost(&self.speech, who, &reason))?);
            self.connecting += 1;
        }
        Ok(true)
    }

    fn send_beats(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let Some(beat) = self.beat.as_mut().filter(|beat| beat.next <= now) else { return Ok(()) };
        beat.next = now + beat.every;
        let bytes = self.speech.beat();
        for (who, member) in self.members.iter_mut().enumerate() {
            let Some(member) = member else { continue };
            if member.conversation.stage == Stage::Ready {
                member.line.say(&bytes).map_err(|error| lost(&self.speech, who, &error.to_string()))?;
            }
        }
        Ok(())
    }

    fn give_up_on_receipts(&mut self, ear: &mut impl FnMut(usize, Heard<'_>)) {
        if self.receipts != Receipts::Unknown || self.connecting == 0 {
            return;
        }
        for (who, member) in self.members.iter_mut().enumerate() {
            let Some(Member { conversation, .. }) = member else { continue };
            if matches!(conversation.stage, Stage::Subscribing(since) if since.elapsed() > RECEIPT_WITHIN) {
                conversation.stage = Stage::Ready;
                self.receipts = Receipts::Missing;
                self.connecting -= 1;
                ear(who, Heard::Ready);
            }
        }
    }
}

fn unwatched(error: &io::Error) -> Failure {
    Failure::new(format!("Sockets cannot be watched: {error}."))
}

fn lost(speech: &Speech, who: usize, reason: &str) -> Failure {
    Failure::new(format!("{}: connection {who} is over: {reason}.", speech.url()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use tokio_tungstenite::tungstenite::{Message, accept};

    use super::*;
    use crate::commands::bench::flags::Target;

    /// A broker for one conversation: says each line after what it heard before, then expects `wanted` three times.
    fn scripted(script: &'static [&'static str], wanted: &'static str) -> (Crowd, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let broker = std::thread::spawn(move || {
            let stream = listener.accept().unwrap().0;
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut socket = accept(stream).unwrap();
            for answer in script {
                socket.read().unwrap();
                socket.send(Message::text(*answer)).unwrap();
            }
            for _ in 0..3 {
                assert_eq!(socket.read().unwrap().into_text().unwrap(), wanted);
            }
        });
        let target = Target { url, heart_beat: "20,0".to_owned(), host: "/".to_owned(), ..Target::default() };
        (Crowd::new(Speech::new(&target).unwrap(), 1).unwrap(), broker)
    }

    #[test]
    fn the_heart_beats_that_were_offered_are_sent() {
        let (mut crowd, broker) = scripted(&["CONNECTED\nversion:1.2\nheart-beat:0,10\n\n\0"], "\n");
        crowd.invite(Opening { connect: crowd.speech.connect(None), subscribe: None });
        crowd.gather(|_| (), &mut |_, _| ()).unwrap();
        let ended = loop {
            if let Err(ended) = crowd.turn(Some(Instant::now() + PATIENCE), &mut |_, _| ()) {
                break ended;
            }
        };
        broker.join().unwrap();
        assert!(ended.to_string().contains("connection 0 is over"), "{ended}");
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_broker() {
        let (mut crowd, broker) = scripted(&["ERROR\nmessage:full\n\nCome back later.\0"], "");
        crowd.invite(Opening { connect: crowd.speech.connect(None), subscribe: None });
        let refused = crowd.gather(|_| (), &mut |_, _| ()).unwrap_err().to_string();
        assert!(refused.contains("full Come back later."), "{refused}");
        drop(crowd);
        assert!(broker.join().is_err(), "the connection is closed");
    }
}
