//! Any bytes at any moments against a driver that answers as the bytes say: no
//! panic, nothing said behind ERROR, never more kept than allowed.
//!
//! The input is a row of steps: what the driver does, how many bytes come, the bytes.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use homeroom_protocol::{Accepted, Event, Limits, Output, Refusal, Session, Settings, Ticket};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

const PENDING_MAX: usize = 4;

/// The whole of it.
pub(crate) fn session(input: &[u8]) {
    let limits = Limits {
        receipts_pending_max: PENDING_MAX,
        transactions_max: 2,
        transaction_operations_max: 3,
        subscriptions_max: 3,
        body_bytes_max: 200,
        header_bytes_max: 300,
        ..Limits::default()
    };
    let mut now = *START;
    let mut play = Play {
        session: Session::new(Arc::new(Settings { limits, ..Settings::default() }), now),
        tickets: Vec::new(),
        over: false,
    };
    let mut rest = input;
    while let [whim, length, bytes @ ..] = rest {
        let (piece, others) = bytes.split_at(bytes.len().min(usize::from(*length)));
        rest = others;
        now += Duration::from_millis(u64::from(whim >> 4) * 500);
        play.session.receive(piece, now);
        if whim & 1 == 0 {
            play.poll(now);
        }
        play.answer(*whim, now);
        assert!(play.session.backlog() <= PENDING_MAX);
    }
    play.poll(now);
}

struct Play {
    session: Session,
    tickets: Vec<Ticket>,
    over: bool,
}

impl Play {
    fn poll(&mut self, now: Instant) {
        loop {
            match self.session.poll() {
                Output::Wait(_) => return,
                Output::Closed(_) => {
                    self.over = true;
                    return;
                }
                Output::Transmit(bytes) => {
                    assert!(!self.over, "something was said behind the end");
                    assert!(!bytes.starts_with(b"ERROR\n"), "ERROR comes with the end");
                    self.session.sent(now);
                }
                Output::Event(event) => {
                    assert!(!self.over, "something was asked behind the end");
                    self.tickets.extend(ticket(&event));
                    if let Event::Connect(_) = event {
                        self.session.accept(Accepted::default(), now);
                    }
                }
            }
        }
    }

    fn answer(&mut self, whim: u8, now: Instant) {
        match whim >> 1 & 7 {
            0 => self.session.timeout(now),
            1 => self.session.heard(now),
            2 => self.tickets.drain(..).rev().for_each(|ticket| self.session.confirm(ticket, &[("position", "a:1")])),
            3 => self.tickets.drain(..).for_each(|ticket| self.session.confirm(ticket, &[])),
            4 => self.session.subscription_refused("0"),
            5 if whim > 250 => {
                let text = String::new;
                let refusal = Refusal { code: 100, message: text(), reason: text(), retryable: true, remedy: text() };
                self.session.refuse(self.tickets.pop(), refusal);
            }
            _ => {}
        }
    }
}

fn ticket(event: &Event) -> Option<Ticket> {
    match event {
        Event::Connect(_) => None,
        Event::Send(send) => send.ticket,
        Event::Subscribe(subscribe) => subscribe.ticket,
        Event::Unsubscribe(unsubscribe) => unsubscribe.ticket,
        Event::Acknowledge(acknowledge) => acknowledge.ticket,
        Event::Commit(commit) => commit.ticket,
        Event::Disconnect(disconnect) => disconnect.ticket,
    }
}
