//! The session against a model of it: 100,000 random conversations, each with the same events, the same frames in the
//! same order and the same ending, and no panic.
//!
//! | | |
//! | --- | --- |
//! | `script` | what happens: frames of all commands, legal and not, in pieces; a driver's answers in any order; time |
//! | `oracle` | the model |
//! | `seen` | what the session said, in the model's words |
//!
//! `PROPTEST_CASES=1000000` plays so many in each of the four tests, and every run plays others. A failure prints the
//! shortest conversation that proptest found.
//!
//! What the model leaves open: which of several faults of one frame is told, and in which words.

mod oracle;
mod script;
mod seen;

use std::sync::Arc;
use std::time::{Duration, Instant};

use homeroom_protocol::{
    Accepted, AckMode, Command, Ending, Event, Frame, Limits, Output, Refusal, Session, Settings, Ticket,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use oracle::{Expected, Model};
use script::{Said, Step};
use seen::{Seen, closed, fit, frame, listed, told_acknowledge, told_operation, told_send};

/// So many conversations, in so many tests beside each other.
const CONVERSATIONS: u32 = 100_000;
const TESTS: u32 = 4;

struct Stage {
    session: Session,
    model: Model,
    began: Instant,
    /// In milliseconds since then.
    now: u64,
    tickets: Vec<Ticket>,
    /// So often it was said that the conversation is over.
    closed: usize,
}

/// A conversation that is over is looked at so often, that nothing brings it back.
const CLOSED_STEPS: usize = 4;

fn settings() -> Settings {
    Settings {
        limits: Limits {
            identifier_bytes_max: oracle::IDENTIFIER_BYTES,
            subscriptions_max: oracle::SUBSCRIPTIONS,
            receipts_pending_max: oracle::RECEIPTS,
            transactions_max: oracle::TRANSACTIONS,
            transaction_operations_max: oracle::OPERATIONS,
            transaction_age_max: Duration::from_millis(oracle::TRANSACTION_AGE),
            ..Limits::default()
        },
        heart_beat_send: Duration::from_millis(oracle::BEAT),
        heart_beat_receive: Duration::from_millis(oracle::BEAT),
        heart_beat_tolerance: 2.5,
        connect_within: Duration::from_millis(oracle::CONNECT_WITHIN),
        versions: Vec::new(),
    }
}

impl Stage {
    fn new(settings: &Arc<Settings>, began: Instant) -> Stage {
        let session = Session::new(Arc::clone(settings), began);
        Stage { session, model: Model::new(), began, now: 0, tickets: Vec::new(), closed: 0 }
    }

    fn moment(&self) -> Instant {
        self.began + Duration::from_millis(self.now)
    }

    fn play(&mut self, step: &Step) -> TestCaseResult {
        let now = self.moment();
        match *step {
            Step::Say { ref said, piece } => return self.say(said, piece),
            Step::Accept => {
                let (server, session) = oracle::ACCEPTED;
                let accepted = Accepted { session: session.into(), server: server.into(), user_name: None };
                self.session.accept(accepted, now);
                self.model.accept();
            }
            Step::Confirm { back, position } => {
                let headers: &[(&str, &str)] = if position { &[("position", "e:7")] } else { &[] };
                if let Some((number, ticket)) = self.ticket(back) {
                    self.session.confirm(ticket, headers);
                    self.model.confirm(number, headers);
                }
            }
            Step::Refuse { back } => {
                let known = back.and_then(|back| self.ticket(back));
                self.session.refuse(known.map(|(_, ticket)| ticket), refusal());
                self.model.refuse(known.map(|(number, _)| number));
            }
            Step::Decline { back } => {
                let known = back.and_then(|back| self.ticket(back));
                let message = Frame::new(Command::Message).with("destination", "/user/queue/errors");
                self.session.decline(known.map(|(_, ticket)| ticket), &refusal(), message);
                self.model.decline(known.map(|(number, _)| number));
            }
            Step::Free { id } => {
                self.session.subscription_refused(id);
                self.model.free(id);
            }
            Step::Heard => {
                self.session.heard(now);
                self.model.heard();
            }
            Step::Sent => {
                self.session.sent(now);
                self.model.sent();
            }
            Step::Pass { milliseconds } => {
                self.now += milliseconds;
                self.session.timeout(self.moment());
                self.model.pass(self.now);
            }
        }
        self.compare()
    }

    fn say(&mut self, said: &[Said], piece: usize) -> TestCaseResult {
        let frames: Vec<Vec<u8>> = said.iter().map(Said::bytes).collect();
        let ends = frames.iter().scan(0, |end, bytes| {
            *end += bytes.len();
            Some(*end)
        });
        let mut ends = ends.zip(said).peekable();
        let (bytes, mut came) = (frames.concat(), 0);
        for piece in bytes.chunks(piece.min(bytes.len())) {
            came += piece.len();
            self.session.receive(piece, self.moment());
            self.model
                .receive(std::iter::from_fn(|| ends.next_if(|(end, _)| *end <= came).map(|(_, said)| said.clone())));
            self.compare()?;
            if self.closed > CLOSED_STEPS {
                break;
            }
        }
        Ok(())
    }

    fn ticket(&self, back: usize) -> Option<(usize, Ticket)> {
        let number = self.tickets.len().checked_sub(back + 1)?;
        Some((number, self.tickets[number]))
    }

    /// Everything that the session says now is what the model says.
    fn compare(&mut self) -> TestCaseResult {
        let mut seen = Vec::new();
        let wait = loop {
            match self.session.poll() {
                Output::Wait(moment) => break Some(moment),
                Output::Event(event) => seen.push(self.event(event)),
                Output::Transmit(bytes) => {
                    seen.push(frame(&bytes));
                    self.session.sent(self.moment());
                }
                Output::Closed(ending) => {
                    // The last word of a refusal goes out with the end.
                    if let (Ending::Refused { error, .. }, 0) = (&ending, self.closed) {
                        seen.push(frame(error));
                    }
                    seen.push(closed(&ending));
                    self.closed += 1;
                    break None;
                }
            }
        };
        let expected = self.model.take_out();
        let fits =
            seen.len() == expected.len() && seen.iter().zip(&expected).all(|(seen, expected)| fit(seen, expected));
        prop_assert!(fits, "the model says\n  {:?}\nand the session\n  {:?}\nat {} ms", expected, seen, self.now);
        if expected.iter().any(|expected| !matches!(expected, Expected::Event(_) | Expected::Closed(_))) {
            self.model.sent();
        }
        if let (Some(wait), Some(due)) = (wait, self.model.due()) {
            let wait = wait.map(|moment| (moment - self.began).as_millis() as u64);
            let in_time = wait.is_some_and(|wait| self.now < wait && wait <= due);
            prop_assert!(in_time, "at {} ms it waits for {:?}, and {} ms is due", self.now, wait, due);
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> Seen {
        let (told, ticket) = match event {
            Event::Connect(connect) => (format!("connect {:?} soft={}", connect.login, connect.errors_soft), None),
            Event::Send(send) => (told_send(&send), send.ticket),
            Event::Subscribe(subscribe) => {
                let ack = match subscribe.ack {
                    AckMode::Auto => "auto",
                    AckMode::Client => "client",
                    AckMode::ClientIndividual => "client-individual",
                };
                let how = if subscribe.id_given { "" } else { " by destination" };
                let (id, destination) = (&subscribe.id, &subscribe.destination);
                (format!("subscribe {id:?}{how} {destination:?} {ack}{}", listed(&subscribe.headers)), subscribe.ticket)
            }
            Event::Unsubscribe(gone) => (format!("unsubscribe {:?}{}", gone.id, listed(&gone.headers)), gone.ticket),
            Event::Acknowledge(acknowledge) => (told_acknowledge(&acknowledge), acknowledge.ticket),
            Event::Commit(commit) => {
                let operations: Vec<String> = commit.operations.iter().map(told_operation).collect();
                (format!("commit {:?} [{}]", commit.transaction, operations.join("; ")), commit.ticket)
            }
            Event::Disconnect(disconnect) => ("disconnect".to_owned(), disconnect.ticket),
        };
        let number = ticket.map(|ticket| {
            self.tickets.push(ticket);
            format!(" #{}", self.tickets.len() - 1)
        });
        Seen::Event(told + &number.unwrap_or_default())
    }
}

fn refusal() -> Refusal {
    let (code, message, reason, remedy) = oracle::REFUSAL;
    Refusal { code, message: message.into(), reason: reason.into(), retryable: false, remedy: remedy.into() }
}

/// Plays this test's share of the conversations.
#[expect(clippy::disallowed_methods, reason = "a test needs some moment to count from")]
fn play_a_share() {
    let config =
        ProptestConfig { cases: CONVERSATIONS / TESTS, failure_persistence: None, ..ProptestConfig::default() };
    let conversations = (any::<u8>(), proptest::collection::vec(any::<script::Roll>(), 0..64));
    let (settings, began) = (Arc::new(settings()), Instant::now());
    proptest!(config, |((opening, rolls) in conversations)| {
        let mut stage = Stage::new(&settings, began);
        let steps = script::steps(opening, &rolls);
        for (number, step) in steps.iter().enumerate() {
            if stage.closed > CLOSED_STEPS {
                break;
            }
            stage.play(step).map_err(|wrong| TestCaseError::fail(format!("{wrong}\nafter {:#?}", &steps[..=number])))?;
        }
    });
}

mod a_session_does_what_its_model_does {
    #[test]
    fn first_quarter() {
        super::play_a_share();
    }

    #[test]
    fn second_quarter() {
        super::play_a_share();
    }

    #[test]
    fn third_quarter() {
        super::play_a_share();
    }

    #[test]
    fn last_quarter() {
        super::play_a_share();
    }
}
