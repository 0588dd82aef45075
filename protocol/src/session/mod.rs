//! One conversation with one client, as a function of bytes and time.

mod dispatch;
pub(crate) mod event;
mod handshake;
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
use crate::heartbeat::{HeartBeats, Timer, Timers};
use crate::{Command, Decoder, Fault, Frame, Limit, Version, encode};

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
    /// When the peer last gave a sign of life.
    heard_at: Instant,
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
            heard_at: now,
            connect_bytes: 0,
            receipts: Receipts::default(),
            subscriptions: Subscriptions::default(),
            transactions: None,
            outgoing: VecDeque::new(),
        }
    }

    /// Bytes came, any number, cut anywhere.
    #[inline]
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        if bytes.is_empty() || !self.state.can_hear() {
            return;
        }
        self.heard(now);
        self.decoder.push(bytes);
        if self.state.is_before_connected() {
            self.count_connect_bytes();
        }
    }

    fn count_connect_bytes(&mut self) {
        let limit = self.settings.limits.connect_bytes_max;
        if self.connect_bytes + self.decoder.buffered() > limit {
            self.fail(&Fault::ConnectBytesExceeded { limit }, None);
        }
    }

    /// Bytes came that are no STOMP, for instance a Pong. They are a sign of life and nothing else.
    #[inline]
    pub fn heard(&mut self, now: Instant) {
        self.now = now;
        self.heard_at = now;
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

    /// The next bytes for the peer, as [`Output::Transmit`] has them, without
    /// taking up what the peer sent: for a driver that has to wait with that.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        let bytes = self.outgoing.pop_front();
        if bytes.is_none() && self.outgoing.capacity() > 0 {
            self.outgoing = VecDeque::new();
        }
        bytes
    }

    /// What to do next.
    #[inline]
    pub fn poll(&mut self) -> Output {
        // One more piece of a frame, the commonest case where bytes come drop by drop.
        if self.state.can_take_frames() && self.outgoing.capacity() == 0 && !self.decoder.has_promise() {
            return Output::Wait(self.timers.next());
        }
        self.poll_closely()
    }

    #[inline(never)]
    fn poll_closely(&mut self) -> Output {
        loop {
            if let Some(bytes) = self.poll_transmit() {
                return Output::Transmit(bytes);
            }
            if self.state.is_leaving() && self.receipts.len() == 0 {
                self.end(Ending::Disconnected);
            }
            if let Some(ending) = self.state.ending() {
                return Output::Closed(ending.clone());
            }
            match self.next_frame() {
                // What was wrong with a frame ends it.
                None if self.outgoing.is_empty() && !self.state.is_over() => return Output::Wait(self.timers.next()),
                None => {}
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
        self.timers.start(Timer::Receive, now, self.heart_beats.silence_max);
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
        self.answer(ticket, &frame);
    }

    /// Answers the frame behind `ticket`, as soon as all asked for before have left.
    fn answer(&mut self, ticket: Ticket, frame: &Frame) {
        let (receipt, was_full) = (self.encoded(frame), self.is_full());
        self.receipts.answer(ticket, receipt);
        while let Some(receipt) = self.receipts.release() {
            self.outgoing.push_back(receipt);
        }
        if was_full && !self.is_full() {
            // We listen again: the peer's silence begins now.
            self.heard_at = self.now;
        }
    }

    /// No: the conversation is over, and its ending carries the ERROR that says so. With `ticket`, ERROR names
    /// the frame it is about.
    pub fn refuse(&mut self, ticket: Option<Ticket>, refusal: Refusal) {
        let receipt_id = ticket.and_then(|ticket| self.receipts.receipt_id(ticket)).map(str::to_owned);
        self.refuse_with(refusal, None, receipt_id.as_deref(), None);
    }

    /// No, and the conversation goes on: `message` says so, a MESSAGE to which all that ERROR would say is added.
    /// It leaves in the place of the RECEIPT, if one was asked for. Ignored before CONNECTED and after the end.
    pub fn decline(&mut self, ticket: Option<Ticket>, refusal: &Refusal, message: Frame) {
        let asked = ticket.and_then(|ticket| Some((ticket, self.receipts.receipt_id(ticket)?)));
        let frame = refusal.told(message, asked.map(|(_, receipt_id)| receipt_id));
        match asked.map(|(ticket, _)| ticket) {
            Some(ticket) => self.answer(ticket, &frame),
            None => self.transmit(&frame),
        }
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

    /// When [`Session::timeout`] has something to do, also while the driver asks for nothing more.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.timers.next()
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

    fn ring(&mut self, timer: Timer, now: Instant) {
        match timer {
            Timer::Connect => self.fail(&Fault::ConnectLate, None),
            Timer::Send => {
                if self.outgoing.is_empty() {
                    // STOMP 1.2, Heart-beating: "if the sender has no real STOMP frame to send,
                    // it MUST send an end-of-line (EOL)".
                    self.outgoing.push_back(Bytes::from_static(b"\n"));
                }
                self.timers.start(Timer::Send, now, self.heart_beats.send);
            }
            Timer::Receive => self.silence(now),
            Timer::Transaction => {
                let limit_seconds = self.settings.limits.transaction_age_max.as_secs();
                self.fail(&Fault::TransactionTooOld { limit_seconds }, None);
            }
        }
    }

    /// Whether the peer has been silent for too long. Whom we do not listen to cannot be blamed for silence.
    fn silence(&mut self, now: Instant) {
        if self.is_full() {
            self.heard_at = now;
        }
        self.timers.start(Timer::Receive, self.heard_at, self.heart_beats.silence_max);
        if now.saturating_duration_since(self.heard_at) >= self.heart_beats.silence_max {
            self.end(Ending::Silent);
        }
    }

    /// Too many receipts are pending: frames wait until some were confirmed.
    fn is_full(&self) -> bool {
        self.receipts.len() >= self.settings.limits.receipts_pending_max
    }

    /// The peer is wrong: ERROR and the end.
    fn fail(&mut self, fault: &Fault, receipt_id: Option<&str>) {
        // STOMP 1.2, Protocol Negotiation, shows such an ERROR: `version:1.2,2.1`.
        let version = match fault {
            Fault::NoCommonVersion(supported) => Some(numbers(supported, ",")),
            _ => None,
        };
        self.refuse_with(fault.refusal(), fault.limit(), receipt_id, version.as_deref());
    }

    fn refuse_with(&mut self, refusal: Refusal, limit: Option<Limit>, receipt_id: Option<&str>, version: Option<&str>) {
        if self.state.is_over() {
            return;
        }
        let error = self.encoded(&refusal.frame(receipt_id, version));
        self.end(Ending::Refused { refusal, error, limit });
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
