//! What a session should do, as plainly as it can be said: written from the specifications and from
//! `protocol/README.md`. It sees whole frames where the session sees bytes, and keeps lists where the session keeps
//! what is fast.

mod client;
mod spelling;

use std::collections::VecDeque;

use homeroom_protocol::Version;

use self::spelling::write;
use super::script::Said;

/// What may be counted on to come, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// An event, in words.
    Event(String),
    /// A frame with exactly these headers, sorted, as they are written; and this body.
    Frame { command: &'static str, headers: Vec<(String, String)>, body: &'static str },
    /// ERROR in the session's own words. Where a frame is wrong in several ways, any of them may be told.
    Error { codes: Vec<u16>, retryable: bool, receipt_id: Option<String>, version: bool },
    /// An end of line.
    Beat,
    /// The end.
    Closed(&'static str),
}

/// What the driver says when it refuses or declines.
pub(crate) const REFUSAL: (u16, &str, &str, &str) = (103, "permission denied", "not here", "Ask.");
/// `server` and `session` of CONNECTED.
pub(crate) const ACCEPTED: (&str, &str) = ("homeroom/1", "7");

pub(crate) const IDENTIFIER_BYTES: usize = 6;
pub(crate) const SUBSCRIPTIONS: usize = 2;
pub(crate) const TRANSACTIONS: usize = 2;
pub(crate) const OPERATIONS: usize = 3;
pub(crate) const RECEIPTS: usize = 3;
/// In milliseconds, as all times here.
pub(crate) const CONNECT_WITHIN: u64 = 3000;
pub(crate) const TRANSACTION_AGE: u64 = 4000;
pub(crate) const BEAT: u64 = 1000;

const LIMIT: u16 = 106;
const BAD: u16 = 107;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Opening,
    Asking,
    Open,
    Leaving,
    Over(&'static str),
}

/// A receipt that was asked for and has not left.
struct Pending {
    receipt_id: String,
    ticket: Option<usize>,
    answer: Option<Expected>,
}

struct Transaction {
    name: String,
    began: u64,
    operations: Vec<String>,
}

/// The model of one session.
pub(crate) struct Model {
    state: State,
    version: Version,
    now: u64,
    /// When it was heard last, or began to listen again.
    heard: u64,
    /// How often we beat, after how long silence kills; 0 is never.
    beat: u64,
    silence: u64,
    beat_due: u64,
    /// Whole frames that nobody took up.
    waiting: VecDeque<Said>,
    receipts: VecDeque<Pending>,
    /// Events so far that carried a ticket.
    pub(crate) tickets: usize,
    subscriptions: Vec<(String, String)>,
    transactions: Vec<Transaction>,
    out: Vec<Expected>,
}

impl Model {
    pub(crate) fn new() -> Model {
        Model {
            state: State::Opening,
            version: Version::V1_0,
            now: 0,
            heard: 0,
            beat: 0,
            silence: 0,
            beat_due: 0,
            waiting: VecDeque::new(),
            receipts: VecDeque::new(),
            tickets: 0,
            subscriptions: Vec::new(),
            transactions: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Everything that comes now.
    pub(crate) fn take_out(&mut self) -> Vec<Expected> {
        self.take_up();
        let leaves = self.state == State::Leaving && self.receipts.is_empty();
        if leaves {
            self.end("disconnected");
        }
        let mut out = std::mem::take(&mut self.out);
        if let State::Over(how) = self.state {
            out.push(Expected::Closed(how));
        }
        out
    }

    /// Bytes came, and with them these frames were whole.
    pub(crate) fn receive(&mut self, whole: impl Iterator<Item = Said>) {
        if matches!(self.state, State::Opening | State::Asking | State::Open) {
            self.heard = self.now;
            self.waiting.extend(whole.filter(|said| !said.command.is_empty()));
        }
    }

    pub(crate) fn heard(&mut self) {
        self.heard = self.now;
    }

    /// Something was written.
    pub(crate) fn sent(&mut self) {
        if self.is_talking() {
            self.beat_due = self.now + self.beat;
        }
    }

    /// Time has passed. Of what is due at once a beat comes first, then silence, then what took too long.
    pub(crate) fn pass(&mut self, now: u64) {
        self.now = now;
        if !self.listens() {
            self.heard = now;
        }
        if matches!(self.state, State::Opening | State::Asking) && now >= CONNECT_WITHIN {
            self.error(vec![LIMIT], true, None);
        }
        if self.is_talking() && self.beat > 0 && now >= self.beat_due {
            self.beat_due = now + self.beat;
            self.out.push(Expected::Beat);
        }
        if self.state == State::Open && self.silence > 0 && now >= self.heard + self.silence {
            self.end("silent");
        }
        if self.transactions.first().is_some_and(|oldest| now >= oldest.began + TRANSACTION_AGE) {
            self.error(vec![LIMIT], true, None);
        }
    }

    /// The next moment at which something happens by itself.
    pub(crate) fn due(&self) -> Option<u64> {
        let opening = matches!(self.state, State::Opening | State::Asking).then_some(CONNECT_WITHIN);
        let beat = (self.is_talking() && self.beat > 0).then_some(self.beat_due);
        let silence =
            (self.state == State::Open && self.silence > 0 && self.listens()).then_some(self.heard + self.silence);
        let age = self.transactions.first().map(|oldest| oldest.began + TRANSACTION_AGE);
        [opening, beat, silence, age].into_iter().flatten().min()
    }

    // ── the driver ───────────────────────────────────────────────────────────────────────────────

    pub(crate) fn accept(&mut self) {
        if self.state != State::Asking {
            return;
        }
        self.state = State::Open;
        self.beat_due = self.now + self.beat;
        self.heard = self.now;
        let (server, session) = ACCEPTED;
        let mut headers = vec![("version", self.version.number()), ("server", server), ("session", session)];
        if self.version > Version::V1_0 {
            headers.push(("heart-beat", "1000,1000"));
        }
        self.out.push(self.frame("CONNECTED", headers, ""));
    }

    pub(crate) fn confirm(&mut self, ticket: usize, headers: &[(&'static str, &'static str)]) {
        let Some(place) = self.receipts.iter().position(|pending| pending.ticket == Some(ticket)) else { return };
        let receipt_id = self.receipts[place].receipt_id.clone();
        let mut all = vec![("receipt-id", receipt_id.as_str())];
        all.extend(headers);
        let answer = self.frame("RECEIPT", all, "");
        self.answer(place, answer);
    }

    pub(crate) fn refuse(&mut self, ticket: Option<usize>) {
        if matches!(self.state, State::Over(_)) {
            return;
        }
        let error = self.refusal("ERROR", self.receipt_of(ticket).as_deref());
        self.out.push(error);
        self.end("refused");
    }

    pub(crate) fn decline(&mut self, ticket: Option<usize>) {
        let message = self.refusal("MESSAGE", self.receipt_of(ticket).as_deref());
        match self.receipts.iter().position(|pending| ticket.is_some() && pending.ticket == ticket) {
            Some(place) => self.answer(place, message),
            None if self.is_talking() => self.out.push(message),
            None => {}
        }
    }

    pub(crate) fn free(&mut self, id: &str) {
        self.subscriptions.retain(|(own, _)| own != id);
    }

    fn receipt_of(&self, ticket: Option<usize>) -> Option<String> {
        let asked = self.receipts.iter().find(|pending| ticket.is_some() && pending.ticket == ticket);
        asked.map(|pending| pending.receipt_id.clone())
    }

    fn refusal(&self, command: &'static str, receipt_id: Option<&str>) -> Expected {
        let (code, message, reason, remedy) = REFUSAL;
        let code = code.to_string();
        let mut headers = vec![("message", message), ("code", &code), ("reason", reason), ("retryable", "false")];
        headers.push(("content-type", "text/plain;charset=utf-8"));
        headers.extend(receipt_id.map(|id| ("receipt-id", id)));
        if command == "MESSAGE" {
            headers.push(("destination", "/user/queue/errors"));
        }
        self.frame(command, headers, remedy)
    }

    /// Receipts leave in the order in which they were asked for.
    fn answer(&mut self, place: usize, answer: Expected) {
        let listened = self.listens();
        self.receipts[place].answer.get_or_insert(answer);
        while self.receipts.front().is_some_and(|first| first.answer.is_some()) {
            self.out.extend(self.receipts.pop_front().and_then(|first| first.answer));
        }
        if !listened && self.listens() {
            self.heard = self.now;
        }
    }

    // ── the end ──────────────────────────────────────────────────────────────────────────────────

    fn error(&mut self, codes: Vec<u16>, retryable: bool, receipt_id: Option<String>) {
        let receipt_id = receipt_id.map(|id| write(self.version, &id));
        self.out.push(Expected::Error { codes, retryable, receipt_id, version: false });
        self.end("refused");
    }

    fn end(&mut self, how: &'static str) {
        self.state = State::Over(how);
        self.receipts.clear();
        self.subscriptions.clear();
        self.transactions.clear();
        self.waiting.clear();
    }

    fn is_talking(&self) -> bool {
        matches!(self.state, State::Open | State::Leaving)
    }

    /// Frames are taken up only while few receipts are pending.
    fn listens(&self) -> bool {
        self.receipts.len() < RECEIPTS
    }

    fn frame(&self, command: &'static str, headers: Vec<(&str, &str)>, body: &'static str) -> Expected {
        let escaping = if command == "CONNECTED" { Version::V1_0 } else { self.version };
        let mut headers: Vec<_> =
            headers.into_iter().map(|(name, value)| (name.to_owned(), write(escaping, value))).collect();
        headers.sort();
        Expected::Frame { command, headers, body }
    }
}
