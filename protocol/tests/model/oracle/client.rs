//! What each frame of a client does, and all that may be wrong with it.

use homeroom_protocol::Version;

use super::spelling::{Headers, read};
use super::{
    BAD, BEAT, Expected, IDENTIFIER_BYTES, LIMIT, Model, OPERATIONS, Pending, SUBSCRIPTIONS, State, TRANSACTIONS,
    Transaction,
};
use crate::script::Said;

/// What a frame comes to.
enum Act {
    /// The driver hears of it.
    Event(String),
    /// It has had its effect.
    Nothing,
}

impl Model {
    /// Takes up what waits, as far as it may be.
    pub(super) fn take_up(&mut self) {
        while matches!(self.state, State::Opening | State::Open) && self.listens() {
            let Some(said) = self.waiting.pop_front() else { return };
            self.take(&said);
        }
    }

    fn take(&mut self, said: &Said) {
        let of_connect = matches!(said.command, "CONNECT" | "STOMP");
        let Some(mut headers) = read(self.version, of_connect, said) else {
            return self.error(vec![BAD], false, None);
        };
        let receipt = if of_connect { None } else { headers.take("receipt") };
        let mut faults = Vec::new();
        if receipt.as_ref().is_some_and(|receipt| receipt.len() > IDENTIFIER_BYTES) {
            faults.push(LIMIT);
        }
        match (self.state, said.command) {
            (_, "MESSAGE" | "RECEIPT" | "ERROR") => faults = vec![BAD],
            (State::Opening, "CONNECT" | "STOMP") => return self.connect(&mut headers),
            (State::Opening, _) | (_, "CONNECT" | "STOMP") => faults = vec![BAD],
            _ => {}
        }
        let done = if faults.is_empty() || self.state == State::Open {
            self.act(said, &mut headers, &mut faults)
        } else {
            Act::Nothing
        };
        if !faults.is_empty() {
            return self.error(faults, false, receipt);
        }
        let ticket = (receipt.is_some() && !matches!(done, Act::Nothing)).then_some(self.tickets);
        self.tickets += usize::from(ticket.is_some());
        let asked = receipt.map(|receipt_id| {
            self.receipts.push_back(Pending { receipt_id, ticket, answer: None });
            self.receipts.len() - 1
        });
        if let Act::Event(told) = done {
            let number = ticket.map(|ticket| format!(" #{ticket}")).unwrap_or_default();
            self.out.push(Expected::Event(told + &number));
        } else if let Some(place) = asked {
            let receipt_id = self.receipts[place].receipt_id.clone();
            let receipt = self.frame("RECEIPT", vec![("receipt-id", &receipt_id)], "");
            self.answer(place, receipt);
        }
    }

    fn connect(&mut self, headers: &mut Headers) {
        let offered = headers.take("accept-version").unwrap_or_else(|| "1.0".to_owned());
        let known = [Version::V1_2, Version::V1_1, Version::V1_0];
        let common = known.into_iter().find(|version| offered.split(',').any(|own| own.trim() == version.number()));
        let Some(version) = common else {
            self.out.push(Expected::Error { codes: vec![BAD], retryable: false, receipt_id: None, version: true });
            return self.end("refused");
        };
        self.version = version;
        let asked = headers.take("heart-beat").filter(|_| version > Version::V1_0);
        let asked = asked.unwrap_or_else(|| "0,0".to_owned());
        let Some((can, wants)) = asked.split_once(',') else { return self.error(vec![BAD], false, None) };
        let settle = |client: &str| match client.parse() {
            Ok(0) | Err(_) => 0,
            Ok(client) => BEAT.max(client),
        };
        self.beat = settle(wants);
        self.silence = settle(can) * 5 / 2;
        let trimmed = |text: String| if version == Version::V1_0 { text.trim().to_owned() } else { text };
        let (login, soft) = (headers.take("login").map(trimmed), headers.take("errors").is_some());
        self.state = State::Asking;
        self.out.push(Expected::Event(format!("connect {login:?} soft={soft}")));
    }

    /// What a frame does in an open conversation, and all that is wrong with it.
    fn act(&mut self, said: &Said, headers: &mut Headers, faults: &mut Vec<u16>) -> Act {
        match said.command {
            "SEND" | "ACK" | "NACK" => self.operation(said, headers, faults),
            "SUBSCRIBE" => self.subscribe(headers, faults),
            "UNSUBSCRIBE" => self.unsubscribe(headers, faults),
            "BEGIN" => {
                let name = required(headers, "transaction", faults);
                if self.transactions.iter().any(|open| open.name == name) {
                    faults.push(BAD);
                }
                if self.transactions.len() >= TRANSACTIONS || name.len() > IDENTIFIER_BYTES {
                    faults.push(LIMIT);
                }
                if faults.is_empty() {
                    self.transactions.push(Transaction { name, began: self.now, operations: Vec::new() });
                }
                Act::Nothing
            }
            "COMMIT" | "ABORT" => {
                let name = required(headers, "transaction", faults);
                let Some(place) = self.transactions.iter().position(|open| open.name == name) else {
                    faults.push(BAD);
                    return Act::Nothing;
                };
                let ended = self.transactions.remove(place);
                match said.command {
                    "COMMIT" => Act::Event(format!("commit {name:?} [{}]", ended.operations.join("; "))),
                    _ => Act::Nothing,
                }
            }
            "DISCONNECT" => {
                if faults.is_empty() {
                    self.transactions.clear();
                    self.waiting.clear();
                    self.state = State::Leaving;
                }
                Act::Event("disconnect".to_owned())
            }
            _ => Act::Nothing,
        }
    }

    fn operation(&mut self, said: &Said, headers: &mut Headers, faults: &mut Vec<u16>) -> Act {
        let transaction = headers.take("transaction");
        let told = if said.command == "SEND" {
            let destination = required(headers, "destination", faults);
            headers.take("content-length");
            format!("send {destination:?}{} {:?}", headers.told(), said.body)
        } else {
            let verb = said.command.to_lowercase();
            if said.command == "NACK" && self.version == Version::V1_0 {
                faults.push(BAD);
            }
            let message = match self.version {
                Version::V1_2 => required(headers, "id", faults),
                version => {
                    let id = required(headers, "message-id", faults);
                    let subscription = headers.take("subscription");
                    if version == Version::V1_1 && subscription.is_none() {
                        faults.push(BAD);
                    }
                    format!("{id} of {subscription:?}")
                }
            };
            // What an older version does not know as a reference stays a header like any other.
            headers.take("content-length");
            format!("{verb} {message:?}{}", headers.told())
        };
        let Some(name) = transaction else { return Act::Event(told) };
        match self.transactions.iter_mut().find(|open| open.name == name) {
            None => faults.push(BAD),
            Some(open) if open.operations.len() >= OPERATIONS => faults.push(LIMIT),
            Some(open) => open.operations.push(told),
        }
        Act::Nothing
    }

    fn subscribe(&mut self, headers: &mut Headers, faults: &mut Vec<u16>) -> Act {
        let destination = required(headers, "destination", faults);
        let given = headers.take("id");
        let how = if given.is_some() { "" } else { " by destination" };
        if given.is_none() && self.version > Version::V1_0 {
            faults.push(BAD);
        }
        let id = given.unwrap_or_else(|| destination.clone());
        let ack = headers.take("ack").unwrap_or_else(|| "auto".to_owned());
        if !["auto", "client", "client-individual"].contains(&ack.as_str()) {
            faults.push(BAD);
        }
        if self.subscriptions.iter().any(|(own, _)| *own == id) {
            faults.push(BAD);
        }
        let too_long = self.version == Version::V1_0 && destination.len() > IDENTIFIER_BYTES;
        if id.len() > IDENTIFIER_BYTES || too_long || self.subscriptions.len() >= SUBSCRIPTIONS {
            faults.push(LIMIT);
        }
        headers.take("content-length");
        let told = format!("subscribe {id:?}{how} {destination:?} {ack}{}", headers.told());
        if faults.is_empty() {
            self.subscriptions.push((id, destination));
            self.subscriptions.sort();
        }
        Act::Event(told)
    }

    fn unsubscribe(&mut self, headers: &mut Headers, faults: &mut Vec<u16>) -> Act {
        let id = match headers.take("id") {
            Some(id) => Some(id),
            None if self.version > Version::V1_0 => {
                faults.push(BAD);
                None
            }
            None => {
                let destination = required(headers, "destination", faults);
                self.subscriptions.iter().find(|(_, own)| *own == destination).map(|(id, _)| id.clone())
            }
        };
        let known = id.filter(|id| self.subscriptions.iter().any(|(own, _)| own == id));
        let Some(id) = known else { return Act::Nothing };
        self.free(&id);
        headers.take("content-length");
        Act::Event(format!("unsubscribe {id:?}{}", headers.told()))
    }
}

fn required(headers: &mut Headers, name: &str, faults: &mut Vec<u16>) -> String {
    headers.take(name).unwrap_or_else(|| {
        faults.push(BAD);
        String::new()
    })
}
