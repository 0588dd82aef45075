//! Thousands of conversations on one thread.
//!
//! One loop asks the kernel which sockets have something to read, reads each
//! into the same buffer and tells what was said. A MESSAGE is told by its first
//! bytes and costs a read and little more, so that one core of load drives
//! several cores of broker.

mod waiting;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::Failure;
use super::alarm::{ALARM, Alarm};
use super::arrivals::Arrivals;
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
    arrivals: Arrivals,
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

/// When the next signs of life are due, of all members at once.
struct Beat {
    every: Duration,
    next: Instant,
}

/// Without a RECEIPT for so long, the broker does not give any for SUBSCRIBE.
const RECEIPT_WITHIN: Duration = Duration::from_secs(2);

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
            arrivals: Arrivals::new(connecting_max),
            beat: None,
            alarm,
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    /// Somebody who will connect when it is their turn; [`Heard::Ready`] says so.
    pub(super) fn invite(&mut self, opening: Opening) -> usize {
        let who = self.members.len();
        self.members.push(None);
        self.arrivals.invite(who, opening);
        who
    }

    /// From now on so many connect at a time.
    pub(super) fn connect_at_once(&mut self, connecting_max: usize) {
        self.arrivals.connect_at_once(connecting_max);
    }

    /// Whether a receipt showed that the subscriptions hold; if not, send probes.
    pub(super) fn confirms_subscriptions(&self) -> bool {
        !self.arrivals.receipts_are_missing()
    }

    /// Writes bytes to a member's broker.
    pub(super) fn say(&mut self, who: usize, bytes: &[u8]) -> Result<(), Failure> {
        let Some(member) = self.members.get_mut(who).and_then(Option::as_mut) else { return Ok(()) };
        member.line.say(bytes).map_err(|error| lost(&self.speech, who, &error.to_string()))
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
        let mut asked = Asked { receipts_missing: self.arrivals.receipts_are_missing(), ..Asked::default() };
        for event in self.events.iter().filter(|event| event.token() != ALARM) {
            let who = event.token().0;
            let Some(member) = &mut self.members[who] else { continue };
            let leaving = member.conversation.stage == Stage::Leaving;
            asked.clear();
            let outcome = member.event(&self.speech, event, &mut self.buffer, &mut asked, &mut |heard| ear(who, heard));
            if asked.ready {
                self.arrivals.is_ready();
            }
            if asked.subscription_confirmed {
                self.arrivals.confirmed();
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
            let Some((who, opening)) = self.arrivals.next() else { return Ok(false) };
            let member = Member::connect(self.address, self.poll.registry(), Token(who), &self.speech, opening);
            self.members[who] = Some(member.map_err(|reason| lost(&self.speech, who, &reason))?);
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
        if !self.arrivals.are_finding_out() {
            return;
        }
        for (who, member) in self.members.iter_mut().enumerate() {
            let Some(Member { conversation, .. }) = member else { continue };
            if matches!(conversation.stage, Stage::Subscribing(since) if since.elapsed() > RECEIPT_WITHIN) {
                conversation.stage = Stage::Ready;
                self.arrivals.give_up_on_receipts();
                self.arrivals.is_ready();
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
            if let Err(ended) = crowd.turn(Some(Instant::now() + Duration::from_secs(10)), &mut |_, _| ()) {
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
