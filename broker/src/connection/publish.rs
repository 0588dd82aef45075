//! SEND: from frames to appends, and from their answers to receipts.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, Stream};
use homeroom_protocol::{Refusal, Send, Ticket};
use homeroom_storage::{
    Answer, Answers, Append, Appended, Engine, Lane, LogName, Message, Offset, Part, Settlement, Submission,
};
use slab::Slab;

use super::replies::Prepared;
use crate::auth::Identity;
use crate::classroom::Room;
use crate::publication::{self, Publication, Said, joint};
use crate::refusals::{append_refusal, code, refusal};
use crate::router::Rules;

/// So many rooms are remembered for the next SEND. A COMMIT to several finds them all here.
const ROOMS_MAX: usize = joint::ROOMS_MAX;

/// Reads a SEND.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub(super) fn read(rules: &Rules, person: &Identity, session: &str, send: &Send) -> Result<Publication, Refusal> {
    publication::read(rules, &send.destination, said(person, session, send))
}

/// What a SEND says, as it is shown at `shown`.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub(super) fn message(shown: String, person: &Identity, session: &str, send: &Send) -> Result<Message, Refusal> {
    publication::message(shown, said(person, session, send))
}

fn said<'a>(person: &'a Identity, session: &'a str, send: &'a Send) -> Said<'a> {
    Said { headers: &send.headers, body: send.body.clone(), person, session: Some(session) }
}

/// Rooms this connection has sent to, so that the next SEND need not ask.
#[derive(Debug, Default)]
pub(super) struct Rooms(Vec<(Arc<Room>, Offset)>);

impl Rooms {
    /// A room entered before, if it still stands.
    pub(super) fn find(&mut self, name: &str) -> Option<Arc<Room>> {
        self.0.retain(|(room, _)| !room.has_ended());
        self.0.iter().find(|(room, _)| room.name() == name).map(|(room, _)| room.clone())
    }

    /// The last record that was confirmed to this connection in a room.
    pub(super) fn confirmed(&self, room: &Room) -> Offset {
        let known = self.0.iter().find(|(known, _)| known.log() == room.log());
        known.map_or(Offset::ZERO, |(_, confirmed)| *confirmed)
    }

    /// A record was confirmed.
    pub(super) fn note(&mut self, landed: &Landed) {
        let (Some(log), Ok(Some(appended))) = (&landed.log, &landed.result) else { return };
        for (log, position) in [(log, &appended.position)].into_iter().chain(landed.also.iter().zip(&appended.also)) {
            if let Some((_, confirmed)) = self.0.iter_mut().find(|(room, _)| room.log() == log) {
                *confirmed = position.offset.max(*confirmed);
            }
        }
    }

    /// Remembers a room, and forgets the oldest if there are many.
    pub(super) fn remember(&mut self, room: Arc<Room>) {
        if self.0.len() == ROOMS_MAX {
            self.0.remove(0);
        }
        self.0.push((room, Offset::ZERO));
    }
}

/// What this connection waits for: appends on their way to the disk, and cursors.
#[derive(Default)]
pub(super) struct InFlight {
    /// Appends that go to the store together: one wake-up of its writer for all that was read at once.
    gathered: Vec<Submission>,
    answers: Answers,
    appends: Slab<Appending>,
    others: FuturesUnordered<Landing>,
    lanes: HashMap<LogName, (Lane, usize)>,
    bytes: usize,
}

/// An append that has no answer yet.
struct Appending {
    room: Arc<Room>,
    /// Where else it goes.
    also: Vec<Arc<Room>>,
    ticket: Option<Ticket>,
    bytes: usize,
    settles: bool,
    /// What is handed over once it is stored.
    replies: Vec<Prepared>,
}

/// Messages that go to one room as one record.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) room: Arc<Room>,
    pub(super) messages: Vec<Message>,
}

/// Something that was waited for has been answered.
#[derive(Debug)]
pub(super) struct Landed {
    /// To confirm.
    pub ticket: Option<Ticket>,
    /// What came of it.
    pub result: Result<Option<Appended>, Refusal>,
    /// Cursors were to move with it.
    pub settles: bool,
    pub(super) log: Option<LogName>,
    pub(super) also: Vec<LogName>,
}

struct Landing {
    answer: Pin<Box<dyn Future<Output = Result<(), Refusal>> + std::marker::Send>>,
    ticket: Option<Ticket>,
    settles: bool,
}

impl Future for Landing {
    type Output = Landed;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Landed> {
        let (ticket, settles) = (self.ticket, self.settles);
        self.answer.as_mut().poll(context).map(|answer| {
            let result = answer.map(|()| None);
            Landed { ticket, result, settles, log: None, also: Vec::new() }
        })
    }
}

impl InFlight {
    /// Appends messages to one room as one record, and those of others with them or not at all, with the next
    /// [`InFlight::submit`].
    pub(super) fn append(
        &mut self,
        Share { room, messages }: Share,
        also: Vec<Share>,
        key: Option<Box<str>>,
        settlements: Vec<Settlement>,
        replies: Vec<Prepared>,
        ticket: Option<Ticket>,
    ) {
        let mut bytes = messages.iter().map(Message::cost).sum();
        let settles = !settlements.is_empty();
        let lane = Some(self.expect(&room));
        let mut append = Append {
            log: room.log().clone(),
            messages,
            also: Vec::with_capacity(also.len()),
            settlements,
            key,
            deadline: None,
            lane,
        };
        let mut others = Vec::with_capacity(also.len());
        for Share { room, messages } in also {
            bytes += messages.iter().map(Message::cost).sum::<usize>();
            append.also.push(Part { log: room.log().clone(), messages, lane: Some(self.expect(&room)) });
            others.push(room);
        }
        let number = self.appends.insert(Appending { room, also: others, ticket, bytes, settles, replies });
        self.bytes += bytes;
        self.gathered.push(Submission { append, slot: self.answers.slot(number) });
    }

    /// A record is on its way to a room. Gives its lane there.
    fn expect(&mut self, room: &Room) -> Lane {
        room.expect();
        let (lane, waiting) = self.lanes.entry(room.log().clone()).or_default();
        *waiting += 1;
        lane.clone()
    }

    /// Hands the store what was gathered, in its order.
    pub(super) fn submit(&mut self, store: &dyn Engine) {
        if !self.gathered.is_empty() {
            store.submit(std::mem::take(&mut self.gathered));
        }
    }

    /// Waits for something that is no append.
    pub(super) fn wait_for(
        &mut self,
        ticket: Option<Ticket>,
        answer: impl Future<Output = Result<(), Refusal>> + std::marker::Send + 'static,
    ) {
        self.others.push(Landing { answer: Box::pin(answer), ticket, settles: false });
    }

    /// Waits for cursors that move together.
    pub(super) fn settle_with(
        &mut self,
        ticket: Option<Ticket>,
        answer: impl Future<Output = Result<(), Refusal>> + std::marker::Send + 'static,
    ) {
        self.others.push(Landing { answer: Box::pin(answer), ticket, settles: true });
    }

    /// The answers that have come since, at least one; only to be awaited when something is in flight.
    pub(super) async fn next(&mut self) -> Vec<Landed> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Vec<Landed>> {
        let mut landed = Vec::new();
        while let Poll::Ready(Some(other)) = Pin::new(&mut self.others).poll_next(context) {
            landed.push(other);
        }
        if let Poll::Ready(answers) = self.answers.poll(context) {
            landed.extend(answers.into_iter().map(|answer| self.settle(answer)));
        }
        if landed.is_empty() { Poll::Pending } else { Poll::Ready(landed) }
    }

    /// Whether a reply waits for something to be stored.
    pub(super) fn has_replies(&self) -> bool {
        self.appends.iter().any(|(_, append)| !append.replies.is_empty())
    }

    /// Whether nothing is in flight.
    pub(super) fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.others.is_empty()
    }

    /// Whether an append to this log is in flight.
    pub(super) fn holds(&self, log: &LogName) -> bool {
        self.lanes.contains_key(log)
    }

    /// How much is in flight: messages and their bytes.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.appends.len() + self.others.len(), self.bytes)
    }

    fn settle(&mut self, Answer { number, result }: Answer) -> Landed {
        let Appending { room, also, ticket, bytes, settles, replies } = self.appends.remove(number);
        self.bytes -= bytes;
        for room in [&room].into_iter().chain(&also) {
            room.was_answered(&result);
            self.release(room.log());
        }
        if result.is_ok() {
            replies.into_iter().for_each(Prepared::deliver);
        }
        let result = result.map(Some).map_err(|error| append_refusal(&error));
        let (log, also) = (Some(room.log().clone()), also.iter().map(|room| room.log().clone()).collect());
        Landed { ticket, result, settles, log, also }
    }

    fn release(&mut self, log: &LogName) {
        if let Some((_, waiting)) = self.lanes.get_mut(log) {
            *waiting -= 1;
            if *waiting == 0 {
                // Every answer has been seen: whatever comes now is no reordered retry.
                self.lanes.remove(log);
            }
        }
    }
}

impl std::fmt::Debug for InFlight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (messages, bytes) = self.load();
        f.debug_struct("InFlight").field("messages", &messages).field("bytes", &bytes).finish_non_exhaustive()
    }
}

/// What RECEIPT says of an append.
pub(super) fn receipt(appended: Option<&Appended>) -> Vec<(&'static str, String)> {
    let Some(appended) = appended else { return Vec::new() };
    let mut position = appended.position.to_string();
    for other in &appended.also {
        position = format!("{position},{other}");
    }
    let mut headers = vec![("position", position)];
    if appended.duplicate {
        headers.push(("duplicate", "true".to_owned()));
    }
    headers
}

/// What ERROR says of a frame that does not end.
pub(super) fn frame_too_slow(bytes: usize) -> Refusal {
    let reason = format!("a frame was begun and {bytes} bytes of it came, but not its end");
    let remedy = "Send whole frames. stomp.frame_within in the broker's settings says how long one may take.";
    refusal(code::BAD_REQUEST, "frame too slow", reason, true, remedy)
}
