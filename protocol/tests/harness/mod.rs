//! Plays a written conversation against a session, strictly: every output must
//! be in the script, in order.
//!
//! | Line | Means |
//! | --- | --- |
//! | `C: bytes` | the client sends |
//! | `S: bytes` | one transmission of the session; with `…` at the end, how it begins |
//! | `E: event` | one event, as [`told`] writes it; its ticket is `#n`, counted from 1 |
//! | `D: accept`, `D: confirm #1 name=value`, `D: refuse #1 103 reason`, `D: free id` | the driver answers |
//! | `D: say words` | the driver sends a MESSAGE of its own |
//! | `D: heard`, `D: sent` | the driver saw a Pong, wrote something of its own |
//! | `T: 2500` | so many milliseconds pass |
//! | `X: ending` | closed |
//!
//! In bytes `|` is LF, `␍` is CR and `^` is NUL. Lines may be indented.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use homeroom_protocol::{
    Accepted, Acknowledge, Command, Ending, Event, Frame, Headers, MessageReference, Operation, Output, Refusal, Send,
    Session, Settings, Ticket,
};

/// Plays `script` with these settings.
pub(crate) fn play(settings: Settings, script: &str) {
    let mut stage = Stage::new(settings);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (who, what) = line.split_once(':').expect("a line says who");
        let what = what.trim_start();
        match who {
            "C" => stage.act(line, |stage| stage.session.receive(&bytes(what), stage.now)),
            "D" => stage.act(line, |stage| stage.drive(what)),
            "T" => stage.act(line, |stage| stage.pass(what)),
            "S" | "E" | "X" => stage.expect(line, who, what),
            _ => panic!("nobody is called {who}"),
        }
    }
    stage.nothing_left("the end of the script");
}

struct Stage {
    session: Session,
    now: Instant,
    tickets: Vec<Ticket>,
    seen: VecDeque<(&'static str, String)>,
    closed: bool,
}

impl Stage {
    #[expect(clippy::disallowed_methods, reason = "a test needs some moment to count from")]
    fn new(settings: Settings) -> Stage {
        let now = Instant::now();
        let session = Session::new(Arc::new(settings), now);
        Stage { session, now, tickets: Vec::new(), seen: VecDeque::new(), closed: false }
    }

    fn act(&mut self, line: &str, act: impl FnOnce(&mut Stage)) {
        self.nothing_left(line);
        act(self);
        loop {
            match self.session.poll() {
                Output::Wait(_) => break,
                Output::Transmit(bytes) => self.seen.push_back(("S", text(&bytes))),
                Output::Event(event) => {
                    let told = self.told(event);
                    self.seen.push_back(("E", text(told.as_bytes())));
                }
                Output::Closed(ending) => {
                    if !std::mem::replace(&mut self.closed, true) {
                        if let Ending::Refused { error, .. } = &ending {
                            self.seen.push_back(("S", text(error)));
                        }
                        self.seen.push_back(("X", ended(&ending)));
                    }
                    break;
                }
            }
        }
    }

    fn drive(&mut self, what: &str) {
        let words: Vec<&str> = what.split(' ').collect();
        let ticket = |word: &str| {
            word.strip_prefix('#')
                .map(|number| self.tickets[number.parse::<usize>().expect("the script is well written") - 1])
        };
        match words[..] {
            ["accept"] => {
                let accepted = Accepted { session: "7".to_owned(), server: "homeroom/1".to_owned(), user_name: None };
                self.session.accept(accepted, self.now);
            }
            ["confirm", name, ref headers @ ..] => {
                let headers: Vec<_> = headers.iter().filter_map(|header| header.split_once('=')).collect();
                self.session.confirm(ticket(name).expect("a ticket"), &headers);
            }
            ["refuse", name, code, reason] => self.session.refuse(
                ticket(name),
                Refusal {
                    code: code.parse().expect("the script is well written"),
                    message: "refused".to_owned(),
                    reason: reason.to_owned(),
                    retryable: false,
                    remedy: "Ask.".to_owned(),
                },
            ),
            ["free", id] => self.session.subscription_refused(id),
            ["say", words] => {
                let frame =
                    Frame::new(Command::Message).with("destination", "/user/queue/errors").with_body(words.to_owned());
                self.session.transmit(&frame);
            }
            ["heard"] => self.session.heard(self.now),
            ["sent"] => self.session.sent(self.now),
            _ => panic!("the driver cannot {what}"),
        }
    }

    fn pass(&mut self, milliseconds: &str) {
        self.now += Duration::from_millis(milliseconds.parse().expect("the script is well written"));
        self.session.timeout(self.now);
    }

    fn expect(&mut self, line: &str, who: &str, what: &str) {
        let (speaker, said) = self.seen.pop_front().unwrap_or_else(|| panic!("nothing came instead of\n  {line}"));
        let fits = match what.strip_suffix('…') {
            Some(beginning) => said.starts_with(beginning),
            None => said == what,
        };
        assert!(speaker == who && fits, "expected\n  {line}\nbut it was\n  {speaker}: {said}");
    }

    fn nothing_left(&self, before: &str) {
        assert!(self.seen.is_empty(), "unexpected before {before}\n  {:?}", self.seen);
    }

    fn told(&mut self, event: Event) -> String {
        match event {
            Event::Connect(connect) => {
                format!("connect login={} passcode={}", known(connect.login), known(connect.passcode))
            }
            Event::Send(send) => {
                let ticket = send.ticket;
                told_send(&send) + &self.number(ticket)
            }
            Event::Subscribe(subscribe) => {
                let named = if subscribe.id_given { "" } else { " (by destination)" };
                let told = format!("subscribe {}{named} {} {:?}", subscribe.id, subscribe.destination, subscribe.ack);
                told + &listed(&subscribe.headers) + &self.number(subscribe.ticket)
            }
            Event::Unsubscribe(unsubscribe) => {
                format!("unsubscribe {}", unsubscribe.id)
                    + &listed(&unsubscribe.headers)
                    + &self.number(unsubscribe.ticket)
            }
            Event::Acknowledge(acknowledge) => {
                let ticket = acknowledge.ticket;
                told_acknowledge(&acknowledge) + &self.number(ticket)
            }
            Event::Commit(commit) => {
                let steps: Vec<String> = commit.operations.iter().map(told_operation).collect();
                format!("commit {} [{}]", commit.transaction, steps.join("; ")) + &self.number(commit.ticket)
            }
            Event::Disconnect(disconnect) => "disconnect".to_owned() + &self.number(disconnect.ticket),
        }
    }

    fn number(&mut self, ticket: Option<Ticket>) -> String {
        let Some(ticket) = ticket else { return String::new() };
        self.tickets.push(ticket);
        format!(" #{}", self.tickets.len())
    }
}

fn told_operation(operation: &Operation) -> String {
    match operation {
        Operation::Send(send) => told_send(send),
        Operation::Acknowledge(acknowledge) => told_acknowledge(acknowledge),
    }
}

fn told_send(send: &Send) -> String {
    format!("send {}", send.destination)
        + &listed(&send.headers)
        + &format!(" “{}”", String::from_utf8_lossy(&send.body))
}

fn told_acknowledge(acknowledge: &Acknowledge) -> String {
    let verb = if acknowledge.negative { "nack" } else { "ack" };
    let message = match &acknowledge.message {
        MessageReference::Ack(id) => id.clone(),
        MessageReference::MessageId { message_id, subscription } => {
            format!("{message_id} of {}", known(subscription.clone()))
        }
    };
    format!("{verb} {message}") + &listed(&acknowledge.headers)
}

fn listed(headers: &Headers) -> String {
    headers.iter().map(|(name, value)| format!(" {name}={value}")).collect()
}

fn known(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".to_owned())
}

fn ended(ending: &Ending) -> String {
    match ending {
        Ending::Disconnected => "disconnected".to_owned(),
        Ending::Silent => "silent".to_owned(),
        Ending::Refused { refusal, .. } => format!("refused {} {}", refusal.code, refusal.reason),
    }
}

fn bytes(written: &str) -> Vec<u8> {
    written.replace('|', "\n").replace('␍', "\r").replace('^', "\0").into_bytes()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\n', "|").replace('\r', "␍").replace('\0', "^")
}
