//! What happens in one conversation, read out of random bytes: a byte of zero is the plainest choice, so that a
//! shrunk failure is a plain one.

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The client says this much, cut into pieces of so many bytes.
    Say { said: Vec<Said>, piece: usize },
    /// The driver answers CONNECT.
    Accept,
    /// The driver confirms the receipt of one of its events, counted from the newest.
    Confirm { back: usize, position: bool },
    /// The driver ends the conversation, because of one of its events or of none.
    Refuse { back: Option<usize> },
    /// The driver says no to one of its events and goes on.
    Decline { back: Option<usize> },
    /// The driver makes a subscription's id free.
    Free { id: &'static str },
    /// The driver heard a sign of life that is no STOMP.
    Heard,
    /// The driver wrote something of its own.
    Sent,
    /// Time passes, in milliseconds.
    Pass { milliseconds: u64 },
}

/// A frame of the client as it is written, or what is no frame; or an end of line outside of frames.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// Empty for an end of line.
    pub(crate) command: &'static str,
    /// As written: names and values.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    /// A line among the headers that is no header.
    pub(crate) flaw: Option<&'static str>,
    pub(crate) body: &'static str,
    /// Lines end in CR LF.
    pub(crate) carriage_returns: bool,
}

impl Said {
    /// Its bytes. The frame is whole with the last of them.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let eol = if self.carriage_returns { "\r\n" } else { "\n" };
        if self.command.is_empty() {
            return eol.as_bytes().to_vec();
        }
        let headers = self.headers.iter().map(|(name, value)| format!("{name}:{value}{eol}"));
        let flaw = self.flaw.map(|line| format!("{line}{eol}")).unwrap_or_default();
        let length = match self.body.contains('\0') {
            true => format!("content-length:{}{eol}", self.body.len()),
            false => String::new(),
        };
        let head = headers.collect::<String>();
        format!("{}{eol}{head}{flaw}{length}{eol}{}\0", self.command, self.body).into_bytes()
    }
}

/// The random bytes of one step.
pub(crate) type Roll = [u8; 20];

/// A conversation. Most begin as they should.
pub(crate) fn steps(opening: u8, rolls: &[Roll]) -> Vec<Step> {
    let mut writer = Writer { dice: Dice { roll: &[0], next: 0 }, open: Vec::new(), subscribed: Vec::new() };
    let mut steps = Vec::with_capacity(rolls.len() + 2);
    if opening < 250 {
        let mut dice = Dice { roll: &[opening, opening >> 2, opening >> 4], next: 0 };
        let headers = vec![("accept-version", dice.pick(VERSIONS)), ("heart-beat", dice.pick(HEART_BEATS))];
        let connect = Said { command: "CONNECT", headers: given(headers), ..Said::default() };
        steps.push(Step::Say { said: vec![connect], piece: usize::MAX });
        steps.push(Step::Accept);
    }
    for roll in rolls {
        writer.dice = Dice { roll, next: 0 };
        steps.push(writer.step());
    }
    steps
}

/// Not written at all.
const NONE: &str = "\u{1}";
const VERSIONS: &[&str] = &["1.2", "1.1", NONE, "1.0,1.1,1.2"];
const HEART_BEATS: &[&str] = &[NONE, "1000,1000", "500,2000", "3000,0", "0,700"];
/// Texts as they are written, legal in every version.
const NAMES: &[&str] = &["1", "2", "3", "a\\cb", "\\\\", "x:y", " 4 ", "", "\\n"];
/// Too long, or legal in some versions only.
const ODD_NAMES: &[&str] = &["7654321", "\\r", "\\t", "\\"];
const RECEIPTS: &[&str] = &[NONE, "r1", "r2", NONE, "r\\c3", NONE, " r "];
const DESTINATIONS: &[&str] = &["/t/a", "/t/b", "/\\\\"];

/// A command and its headers.
type Written = (&'static str, Vec<(&'static str, &'static str)>);

/// Writes what a client might say, and remembers roughly what it said: most of it makes sense.
struct Writer<'a> {
    dice: Dice<'a>,
    open: Vec<&'static str>,
    subscribed: Vec<&'static str>,
}

impl Writer<'_> {
    fn step(&mut self) -> Step {
        match self.dice.of(32) {
            0..=14 => {
                let said = (0..=self.dice.of(3)).map(|_| self.said()).collect();
                let piece = [usize::MAX, usize::MAX, 17, usize::MAX, 5, usize::MAX, usize::MAX, 1][self.dice.of(8)];
                Step::Say { said, piece }
            }
            15 => Step::Accept,
            16..=22 => Step::Confirm { back: self.dice.of(4), position: self.dice.of(2) == 1 },
            23 => match self.dice.of(16) {
                0 => Step::Refuse { back: Some(self.dice.of(3)) },
                1 => Step::Refuse { back: None },
                2..=8 => Step::Free { id: self.dice.pick(NAMES) },
                _ => Step::Decline { back: None },
            },
            24 => Step::Decline { back: Some(self.dice.of(3)) },
            25 => Step::Heard,
            26 => Step::Sent,
            _ => {
                let jumps =
                    [1, 0, 400, 700, 999, 1000, 1001, 1, 1500, 400, 700, 2499, 2500, 2999, 3000, 3999, 4000, 7500];
                Step::Pass { milliseconds: jumps[self.dice.of(jumps.len())] }
            }
        }
    }

    fn said(&mut self) -> Said {
        if self.is_rare(120) {
            return self.connect();
        }
        let (command, mut headers) = self.command();
        let receipt = if self.is_rare(64) { "7654321" } else { self.dice.pick(RECEIPTS) };
        headers.push(("receipt", receipt));
        if self.is_rare(12) {
            // Of repeated headers the first counts.
            headers.extend([("receipt", "second"), ("id", "second"), ("destination", "/t/2"), ("x", "second")]);
        }
        if self.is_rare(128) {
            headers.remove(0);
        }
        let flaw = match self.dice.of(250) {
            248 => Some("no colon"),
            249 => Some(":no name"),
            _ => None,
        };
        let body = ["", "b", "\0n\0", "SEND\n\n"][self.dice.of(4)];
        Said { command, headers: given(headers), flaw, body, carriage_returns: self.is_rare(5) }
    }

    fn command(&mut self) -> Written {
        let (destination, name) = (self.dice.pick(DESTINATIONS), self.name());
        let transaction = self.transaction();
        let sensible = !self.is_rare(24);
        match self.dice.of(32) {
            19..=21 if sensible && self.open.is_empty() => self.begin(name),
            16..=18 if sensible && self.open.len() > 1 => self.commit(transaction),
            9..=12 if sensible && self.subscribed.len() > 1 => self.unsubscribe(name, destination),
            0..=4 => ("SEND", vec![("destination", destination), ("x", name)]),
            5..=8 => ("SEND", vec![("destination", destination), ("transaction", transaction)]),
            9..=12 => {
                let acks = [NONE, "client", "client-individual", "auto", NONE, "client"];
                let ack = if self.is_rare(32) { "sometimes" } else { self.dice.pick(&acks) };
                let id = if self.is_rare(24) { NONE } else { self.unused(name) };
                self.subscribed.push(id);
                ("SUBSCRIBE", vec![("destination", destination), ("id", id), ("ack", ack)])
            }
            13..=15 => self.unsubscribe(name, destination),
            16..=18 => self.begin(name),
            19..=20 => self.commit(transaction),
            21 => {
                self.open.retain(|open| *open != transaction);
                ("ABORT", vec![("transaction", transaction)])
            }
            22..=24 => ("ACK", self.reference(name, transaction)),
            25..=27 => ("NACK", self.reference(name, transaction)),
            28 if self.is_rare(3) => ("DISCONNECT", vec![("x", name)]),
            29 if self.is_rare(6) => (["MESSAGE", "RECEIPT", "ERROR"][self.dice.of(3)], vec![("destination", "/t/a")]),
            _ => ("", vec![("x", name)]),
        }
    }

    fn unsubscribe(&mut self, name: &'static str, destination: &'static str) -> Written {
        let id = self.subscribed.pop().filter(|_| !self.is_rare(4)).unwrap_or(name);
        let id = if self.is_rare(24) { NONE } else { id };
        ("UNSUBSCRIBE", vec![("id", id), ("destination", destination)])
    }

    fn begin(&mut self, name: &'static str) -> Written {
        let unused = ["1", "2", "a\\cb"].into_iter().find(|name| !self.open.contains(name));
        let name = unused.filter(|_| !self.is_rare(24)).unwrap_or(name);
        self.open.push(name);
        ("BEGIN", vec![("transaction", name)])
    }

    fn commit(&mut self, transaction: &'static str) -> Written {
        self.open.retain(|open| *open != transaction);
        ("COMMIT", vec![("transaction", transaction)])
    }

    fn connect(&mut self) -> Said {
        let versions = ["1.2", NONE, "1.1", "2.1", "1.0,1.1,1.2", "1.0", "1.1, 7"];
        let beats = [NONE, "1000,1000", "often", "0,0", "3000,500"];
        let command = if self.dice.of(2) == 0 { "CONNECT" } else { "STOMP" };
        let mut headers = vec![("accept-version", self.dice.pick(&versions)), ("heart-beat", self.dice.pick(&beats))];
        let soft = if self.dice.of(2) == 0 { NONE } else { "soft" };
        headers.extend([("login", self.dice.pick(NAMES)), ("errors", soft)]);
        Said { command, headers: given(headers), ..Said::default() }
    }

    fn reference(&mut self, name: &'static str, transaction: &'static str) -> Vec<(&'static str, &'static str)> {
        let transaction = if self.open.is_empty() || self.is_rare(2) { NONE } else { transaction };
        let requeue = if self.is_rare(4) { "false" } else { NONE };
        let subscription = if self.is_rare(16) { NONE } else { "1" };
        let mut reference = vec![("id", name), ("message-id", name), ("subscription", subscription)];
        reference.extend([("transaction", transaction), ("requeue", requeue)]);
        reference
    }

    /// One that is open, most of the time.
    fn transaction(&mut self) -> &'static str {
        match self.open.len() {
            0 if self.is_rare(64) => "1",
            0 => NONE,
            _ if self.is_rare(32) => self.name(),
            open => self.open[self.dice.of(open)],
        }
    }

    /// A name that no subscription has, most of the time.
    fn unused(&mut self, name: &'static str) -> &'static str {
        let free = NAMES.iter().find(|free| !self.subscribed.contains(free)).copied();
        if self.subscribed.contains(&name) && !self.is_rare(12) { free.unwrap_or(name) } else { name }
    }

    fn name(&mut self) -> &'static str {
        if self.is_rare(200) { self.dice.pick(ODD_NAMES) } else { self.dice.pick(NAMES) }
    }

    fn is_rare(&mut self, one_in: usize) -> bool {
        self.dice.of(one_in) == one_in - 1
    }
}

fn given(headers: Vec<(&'static str, &'static str)>) -> Vec<(&'static str, &'static str)> {
    headers.into_iter().filter(|(_, value)| *value != NONE).collect()
}

struct Dice<'a> {
    roll: &'a [u8],
    next: usize,
}

impl Dice<'_> {
    /// A number below `sides`. What was rolled is mixed anew when it ends; zeros stay zeros.
    fn of(&mut self, sides: usize) -> usize {
        let (round, at) = (self.next / self.roll.len(), self.next % self.roll.len());
        self.next += 1;
        let byte = |at: usize| usize::from(self.roll[at % self.roll.len()]);
        (byte(at) + round * 31 * byte(at + round)) % sides
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.of(from.len())]
    }
}
