//! One conversation with one client, as a function of bytes and time.

pub(crate) mod event;
mod receipts;
mod requests;
mod state;
mod subscriptions;
mod transactions;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use self::event::{
    Accepted, AckMode, Acknowledge, Commit, Connect, Disconnect, Ending, Event, MessageReference, Operation, Output,
    Refusal, Send, Settings, Subscribe, Ticket, Unsubscribe,
};
use self::receipts::Receipts;
use self::state::State;
use self::subscriptions::Subscriptions;
use self::transactions::Transactions;
use crate::decode::Decoded;
use crate::error::numbers;
use crate::heartbeat::{self, HeartBeats, Timer, Timers};
use crate::{Command, Decoder, Fault, Frame, Version, encode};

/// The server's side of one STOMP conversation.
///
/// The driver gives it bytes and the time, asks [`Session::poll`] what to do
/// until that says [`Output::Wait`] or [`Output::Closed`], and answers events.
/// Bytes are decoded only when polled for: a driver that stops asking stops paying.
///
/// Nothing here asks a clock: `now` must never go back.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    state: State,
    decoder: Decoder,
    version: Version,
    heart_beats: HeartBeats,
    timers: Timers,
    /// The latest moment the driver told.
    now: Instant,
    /// What CONNECT took of what may come before CONNECTED, in bytes.
    connect_bytes: usize,
    receipts: Receipts,
    subscriptions: Subscriptions,
    transactions: Option<Box<Transactions>>,
    outgoing: VecDeque<Bytes>,
}

impl Session {
    /// A conversation that begins now.
    #[must_use]
    pub fn new(settings: Arc<Settings>, now: Instant) -> Session {
        let mut timers = Timers::default();
        timers.start(Timer::Connect, now, settings.connect_within);
        Session {
            decoder: Decoder::new(Version::V1_0, &settings.limits),
            settings,
            state: State::new(),
            version: Version::V1_0,
            heart_beats: HeartBeats::default(),
            timers,
            now,
            connect_bytes: 0,
            receipts: Receipts::default(),
            subscriptions: Subscriptions::default(),
            transactions: None,
            outgoing: VecDeque::new(),
        }
    }

    /// Bytes came, any number, cut anywhere.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        if bytes.is_empty() || !self.state.can_hear() {
            return;
        }
        self.heard(now);
        self.decoder.push(bytes);
        let limit = self.settings.limits.connect_bytes_max;
        if self.state.is_before_connected() && self.connect_bytes + self.decoder.buffered() > limit {
            self.fail(&Fault::ConnectBytesExceeded { limit }, None);
        }
    }

    /// Bytes came that are no STOMP, for instance a Pong. They are a sign of life and nothing else.
    pub fn heard(&mut self, now: Instant) {
        self.now = now;
        if self.state.is_open() {
            self.timers.start(Timer::Receive, now, self.silence_max());
        }
    }

    /// The driver wrote something, whatever it was: the next heart-beat is due an interval later.
    pub fn sent(&mut self, now: Instant) {
        self.now = now;
        if self.state.can_speak() {
            self.timers.start(Timer::Send, now, self.heart_beats.send);
        }
    }

    /// It is `now`: whatever is due happens. Harmless at any time.
    pub fn timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.timers.expired(now) {
            self.ring(timer, now);
        }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Output {
        loop {
            if let Some(bytes) = self.outgoing.pop_front() {
                return Output::Transmit(bytes);
            }
            self.outgoing = VecDeque::new();
            if self.state.is_leaving() && self.receipts.len() == 0 {
                self.end(Ending::Disconnected);
            }
            if let Some(ending) = self.state.ending() {
                return Output::Closed(ending.clone());
            }
            match self.next_frame() {
                None => return Output::Wait(self.timers.next()),
                Some(frame) => {
                    if let Some(event) = self.take_frame(frame) {
                        return Output::Event(event);
                    }
                }
            }
        }
    }

    /// Yes to [`Event::Connect`]: CONNECTED says so. Ignored when nothing was asked.
    pub fn accept(&mut self, accepted: Accepted, now: Instant) {
        if !self.state.accepted() {
            return;
        }
        self.now = now;
        self.timers.stop(Timer::Connect);
        self.timers.start(Timer::Send, now, self.heart_beats.send);
        self.timers.start(Timer::Receive, now, self.silence_max());
        let frame = self.connected(accepted);
        self.say(&frame);
    }

    /// The frame behind `ticket` has had its effect: its RECEIPT leaves, with these
    /// headers more, as soon as all asked for before have left.
    pub fn confirm(&mut self, ticket: Ticket, headers: &[(&str, &str)]) {
        let Some(receipt_id) = self.receipts.receipt_id(ticket) else { return };
        // STOMP 1.2, RECEIPT: "A RECEIPT frame MUST include the header receipt-id,
        // where the value is the value of the receipt header in the frame".
        let mut frame = Frame::new(Command::Receipt).with("receipt-id", receipt_id);
        for (name, value) in headers {
            frame.headers.push(name, value);
        }
        let receipt = self.encoded(&frame);
        self.receipts.answer(ticket, receipt);
        while let Some(receipt) = self.receipts.release() {
            self.outgoing.push_back(receipt);
        }
    }

    /// No: ERROR says so, and the conversation is over. With `ticket`, ERROR names the frame it is about.
    pub fn refuse(&mut self, ticket: Option<Ticket>, refusal: Refusal) {
        let receipt_id = ticket.and_then(|ticket| self.receipts.receipt_id(ticket)).map(str::to_owned);
        self.refuse_with(refusal, receipt_id.as_deref(), None);
    }

    /// Sends a frame of the driver's own making. Ignored before CONNECTED and after the end.
    pub fn transmit(&mut self, frame: &Frame) {
        if self.state.can_speak() {
            self.say(frame);
        }
    }

    /// A SUBSCRIBE was refused without ending the conversation: its id is free again.
    pub fn subscription_refused(&mut self, id: &str) {
        self.subscriptions.free(id);
    }

    /// The version spoken; 1.0 until CONNECT came.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// What was negotiated: how often we say something, how often the peer does. Zero is none.
    #[must_use]
    pub fn heart_beats(&self) -> (Duration, Duration) {
        (self.heart_beats.send, self.heart_beats.receive)
    }

    /// Whether CONNECTED was said and the conversation is not over.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state.can_speak()
    }

    /// Receipts asked for and not yet sent. No frame is taken up while they are
    /// [`crate::Limits::receipts_pending_max`] or more.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.receipts.len()
    }

    /// Bytes received and not yet taken up. After a `poll` that said `Wait`, this
    /// is the beginning of a frame, or what waits for an answer of the driver.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.decoder.buffered()
    }

    /// The next frame that may be taken up. Whatever is wrong with it ends the conversation.
    fn next_frame(&mut self) -> Option<Frame> {
        while self.state.can_take_frames() && !self.is_full() {
            let before = self.decoder.buffered();
            match self.decoder.next()? {
                Ok(Decoded::HeartBeat) => {}
                Ok(Decoded::Frame(frame)) => {
                    if self.state.is_before_connected() {
                        self.connect_bytes += before - self.decoder.buffered();
                    }
                    return Some(frame);
                }
                Err(error) => {
                    self.fail(&error.into(), None);
                    return None;
                }
            }
        }
        None
    }

    /// Does what a frame asks for, or makes it the driver's event.
    fn take_frame(&mut self, mut frame: Frame) -> Option<Event> {
        let receipt = if frame.command.escapes() { frame.headers.take("receipt") } else { None };
        let command = frame.command;
        let done = self.state.permit(command).and_then(|()| {
            self.checked_identifier("receipt", receipt.as_deref())?;
            self.dispatch(frame)
        });
        match done {
            Err(fault) => {
                self.fail(&fault, receipt.as_deref());
                None
            }
            Ok(event) => {
                let ticket = receipt.map(|receipt_id| self.receipts.ask(receipt_id));
                self.with_ticket(event, ticket)
            }
        }
    }

    fn dispatch(&mut self, mut frame: Frame) -> Result<Option<Event>, Fault> {
        match frame.command {
            Command::Connect | Command::Stomp => self.connect(frame.headers).map(Some),
            Command::Send | Command::Ack | Command::Nack => {
                let transaction = frame.headers.take("transaction");
                let command = frame.command;
                let operation = requests::operation(frame, self.version)?;
                let Some(transaction) = transaction else { return Ok(Some(operation.into())) };
                let open = self.transactions.as_mut().ok_or(Fault::TransactionUnknown(command))?;
                open.add(&transaction, operation, &self.settings.limits)?;
                Ok(None)
            }
            Command::Subscribe => self.subscribe(frame.headers).map(Some),
            Command::Unsubscribe => self.unsubscribe(frame.headers),
            Command::Begin => self.begin(frame.headers).map(|()| None),
            Command::Commit => {
                let transaction = requests::required(&mut frame.headers, Command::Commit, "transaction")?;
                let operations = self.end_transaction(&transaction, Command::Commit)?;
                Ok(Some(Event::Commit(Commit { transaction, operations, ticket: None })))
            }
            Command::Abort => {
                let transaction = requests::required(&mut frame.headers, Command::Abort, "transaction")?;
                self.end_transaction(&transaction, Command::Abort).map(|_| None)
            }
            Command::Disconnect => {
                self.disconnect();
                Ok(Some(Event::Disconnect(Disconnect { ticket: None })))
            }
            command @ (Command::Connected | Command::Message | Command::Receipt | Command::Error) => {
                Err(Fault::CommandOfServer(command))
            }
        }
    }

    fn connect(&mut self, headers: crate::Headers) -> Result<Event, Fault> {
        let supported = self.supported_versions();
        self.version = Version::negotiate(headers.get("accept-version"), supported)
            .ok_or_else(|| Fault::NoCommonVersion(supported.iter().rev().copied().collect()))?;
        self.decoder.set_version(self.version);
        self.heart_beats = self.negotiated_heart_beats(headers.get("heart-beat"))?;
        self.state.connect_came();
        Ok(Event::Connect(requests::connect(headers, self.version)))
    }

    fn subscribe(&mut self, headers: crate::Headers) -> Result<Event, Fault> {
        let subscribe = requests::subscribe(headers, self.version)?;
        self.checked_identifier("id", Some(&subscribe.id))?;
        let destination = (self.version == Version::V1_0).then_some(&*subscribe.destination);
        self.checked_identifier("destination", destination)?;
        self.subscriptions.take(&subscribe.id, destination, self.settings.limits.subscriptions_max)?;
        Ok(Event::Subscribe(subscribe))
    }

    /// UNSUBSCRIBE of what is not subscribed has had its effect already.
    fn unsubscribe(&mut self, mut headers: crate::Headers) -> Result<Option<Event>, Fault> {
        let id = match (headers.take("id"), self.version) {
            (Some(id), _) => id,
            // STOMP 1.0, UNSUBSCRIBE: "It requires either a destination header or an id header".
            (None, Version::V1_0) => {
                let destination = requests::required(&mut headers, Command::Unsubscribe, "destination")?;
                match self.subscriptions.id_by_destination(&destination) {
                    Some(id) => id.to_owned(),
                    None => return Ok(None),
                }
            }
            (None, _) => return Err(Fault::HeaderMissing { command: Command::Unsubscribe, header: "id" }),
        };
        let known = self.subscriptions.free(&id);
        Ok(known.then_some(Event::Unsubscribe(Unsubscribe { id, headers, ticket: None })))
    }

    fn begin(&mut self, mut headers: crate::Headers) -> Result<(), Fault> {
        let name = requests::required(&mut headers, Command::Begin, "transaction")?;
        self.checked_identifier("transaction", Some(&name))?;
        self.transactions.get_or_insert_default().begin(name, self.now, &self.settings.limits)?;
        self.watch_oldest_transaction();
        Ok(())
    }

    fn end_transaction(&mut self, name: &str, command: Command) -> Result<Vec<Operation>, Fault> {
        let open = self.transactions.as_mut().ok_or(Fault::TransactionUnknown(command))?;
        let operations = open.end(name, command)?;
        self.watch_oldest_transaction();
        Ok(operations)
    }

    /// STOMP 1.2, BEGIN: open transactions are implicitly aborted "if the client sends a DISCONNECT".
    fn disconnect(&mut self) {
        self.transactions = None;
        self.timers.stop(Timer::Transaction);
        self.timers.stop(Timer::Receive);
        self.decoder.stop();
        self.state.disconnect_came();
    }

    /// Gives a frame's ticket to its event. What made no event has had its effect.
    fn with_ticket(&mut self, event: Option<Event>, ticket: Option<Ticket>) -> Option<Event> {
        match (event, ticket) {
            (Some(event), ticket) => Some(event.with_ticket(ticket)),
            (None, Some(ticket)) => {
                self.confirm(ticket, &[]);
                None
            }
            (None, None) => None,
        }
    }

    fn ring(&mut self, timer: Timer, now: Instant) {
        match timer {
            Timer::Connect => self.fail(&Fault::ConnectLate, None),
            Timer::Send => {
                if self.outgoing.is_empty() {
                    // STOMP 1.2, Heart-beating: "the sender MUST … send an end-of-line (EOL)".
                    self.outgoing.push_back(Bytes::from_static(b"\n"));
                }
                self.timers.start(Timer::Send, now, self.heart_beats.send);
            }
            // Whom we do not listen to cannot be blamed for silence.
            Timer::Receive if self.is_full() => self.timers.start(Timer::Receive, now, self.silence_max()),
            Timer::Receive => self.end(Ending::Silent),
            Timer::Transaction => {
                let limit_seconds = self.settings.limits.transaction_age_max.as_secs();
                self.fail(&Fault::TransactionTooOld { limit_seconds }, None);
            }
        }
    }

    fn watch_oldest_transaction(&mut self) {
        match self.transactions.as_ref().and_then(|transactions| transactions.oldest()) {
            Some(began) => self.timers.start(Timer::Transaction, began, self.settings.limits.transaction_age_max),
            None => {
                self.transactions = None;
                self.timers.stop(Timer::Transaction);
            }
        }
    }

    /// Too many receipts are pending: frames wait until some were confirmed.
    fn is_full(&self) -> bool {
        self.receipts.len() >= self.settings.limits.receipts_pending_max
    }

    fn silence_max(&self) -> Duration {
        self.heart_beats.silence_max(self.settings.heart_beat_tolerance)
    }

    fn supported_versions(&self) -> &[Version] {
        if self.settings.versions.is_empty() { &Version::ALL } else { &self.settings.versions }
    }

    fn negotiated_heart_beats(&self, asked: Option<&str>) -> Result<HeartBeats, Fault> {
        // STOMP 1.1, Heart-beating: a missing header "MUST be treated the same way as … 0,0". 1.0 has none.
        let Some(asked) = asked.filter(|_| self.version > Version::V1_0) else { return Ok(HeartBeats::default()) };
        let asked = heartbeat::parse(asked).ok_or(Fault::HeaderInvalid {
            command: Command::Connect,
            header: "heart-beat",
            expected: "two numbers of milliseconds with a comma between them",
        })?;
        Ok(HeartBeats::negotiate(asked, (self.settings.heart_beat_send, self.settings.heart_beat_receive)))
    }

    fn checked_identifier(&self, header: &'static str, value: Option<&str>) -> Result<(), Fault> {
        let limit = self.settings.limits.identifier_bytes_max;
        match value {
            Some(value) if value.len() > limit => Err(Fault::IdentifierBytesExceeded { header, limit }),
            _ => Ok(()),
        }
    }

    fn connected(&self, accepted: Accepted) -> Frame {
        let Accepted { session, server, user_name } = accepted;
        let mut frame = Frame::new(Command::Connected)
            .with("version", self.version.number())
            .with("session", &session)
            .with("server", &server);
        if self.version > Version::V1_0 {
            let (send, receive) = (self.settings.heart_beat_send, self.settings.heart_beat_receive);
            frame.headers.push("heart-beat", &format!("{},{}", send.as_millis(), receive.as_millis()));
        }
        if let Some(user_name) = user_name {
            frame.headers.push("user-name", &user_name);
        }
        frame
    }

    /// The peer is wrong: ERROR and the end.
    fn fail(&mut self, fault: &Fault, receipt_id: Option<&str>) {
        // STOMP 1.2, Protocol Negotiation: the ERROR for versions carries "a header
        // version … listing the supported versions".
        let version = match fault {
            Fault::NoCommonVersion(supported) => Some(numbers(supported, ",")),
            _ => None,
        };
        self.refuse_with(fault.refusal(), receipt_id, version.as_deref());
    }

    fn refuse_with(&mut self, refusal: Refusal, receipt_id: Option<&str>, version: Option<&str>) {
        if self.state.is_over() {
            return;
        }
        let frame = error_frame(&refusal, receipt_id, version);
        self.say(&frame);
        self.end(Ending::Refused(refusal));
    }

    /// Nothing more is heard, nothing more is said but what is on its way.
    fn end(&mut self, ending: Ending) {
        if self.state.end(ending) {
            self.timers.stop_all();
            self.decoder.stop();
            self.transactions = None;
            self.subscriptions = Subscriptions::default();
            self.receipts = Receipts::default();
        }
    }

    fn say(&mut self, frame: &Frame) {
        let bytes = self.encoded(frame);
        self.outgoing.push_back(bytes);
    }

    fn encoded(&self, frame: &Frame) -> Bytes {
        let mut out = Vec::new();
        encode(&mut out, self.version, frame);
        out.into()
    }
}

/// STOMP 1.2, ERROR: "The ERROR frame SHOULD contain a message header with a short
/// description of the error, and the body MAY contain more detailed information".
fn error_frame(refusal: &Refusal, receipt_id: Option<&str>, version: Option<&str>) -> Frame {
    let mut frame = Frame::new(Command::Error)
        .with("message", &refusal.message)
        .with("code", &refusal.code.to_string())
        .with("reason", &refusal.reason)
        .with("retryable", if refusal.retryable { "true" } else { "false" })
        .with("content-type", "text/plain");
    // "If the error is related to a specific frame sent from the client, the server
    // SHOULD add additional headers to help identify the original frame".
    if let Some(receipt_id) = receipt_id {
        frame.headers.push("receipt-id", receipt_id);
    }
    if let Some(version) = version {
        frame.headers.push("version", version);
    }
    frame.with_body(refusal.remedy.clone())
}
