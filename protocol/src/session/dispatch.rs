//! What each frame does to a session, and the event it becomes.

use super::event::{Commit, Disconnect, Event, Operation, Ticket, Unsubscribe};
use super::{Session, requests};
use crate::heartbeat::Timer;
use crate::{Command, Fault, Frame, Headers, Version};

impl Session {
    /// Does what a frame asks for, or makes it the driver's event.
    pub(super) fn take_frame(&mut self, mut frame: Frame) -> Option<Event> {
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

    fn subscribe(&mut self, headers: Headers) -> Result<Event, Fault> {
        let subscribe = requests::subscribe(headers, self.version)?;
        self.checked_identifier("id", Some(&subscribe.id))?;
        let destination = (self.version == Version::V1_0).then_some(&*subscribe.destination);
        self.checked_identifier("destination", destination)?;
        self.subscriptions.take(&subscribe.id, destination, self.settings.limits.subscriptions_max)?;
        Ok(Event::Subscribe(subscribe))
    }

    /// UNSUBSCRIBE of what is not subscribed has had its effect already.
    fn unsubscribe(&mut self, mut headers: Headers) -> Result<Option<Event>, Fault> {
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

    fn begin(&mut self, mut headers: Headers) -> Result<(), Fault> {
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

    fn watch_oldest_transaction(&mut self) {
        match self.transactions.as_ref().and_then(|transactions| transactions.oldest()) {
            Some(began) => self.timers.start(Timer::Transaction, began, self.settings.limits.transaction_age_max),
            None => {
                self.transactions = None;
                self.timers.stop(Timer::Transaction);
            }
        }
    }

    fn checked_identifier(&self, header: &'static str, value: Option<&str>) -> Result<(), Fault> {
        let limit = self.settings.limits.identifier_bytes_max;
        match value {
            Some(value) if value.len() > limit => Err(Fault::IdentifierBytesExceeded { header, limit }),
            _ => Ok(()),
        }
    }
}
