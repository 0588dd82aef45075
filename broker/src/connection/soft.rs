//! `errors:soft`: what is refused is told in a MESSAGE, and the conversation goes on.
//!
//! STOMP knows ERROR alone, behind which the connection ends. A page that sends
//! one message too long would lose its lesson over it.

use homeroom_protocol::{AckMode, Command, Event, Frame, Refusal, Subscribe, Ticket};

use super::Connection;

/// Where refusals are told.
const ERRORS: &str = "/user/queue/errors";

/// Whether and where refusals are told.
#[derive(Debug, Default)]
pub(super) struct Errors {
    /// CONNECT asked for it.
    is_soft: bool,
    listener: Option<Listener>,
    /// So many were told.
    told: u64,
}

#[derive(Debug)]
struct Listener {
    id: Box<str>,
    id_given: bool,
    ack: AckMode,
}

impl Errors {
    /// As asked for; nobody listens yet.
    pub(super) fn soft() -> Errors {
        Errors { is_soft: true, ..Errors::default() }
    }
}

impl Connection {
    /// Takes a SUBSCRIBE to the errors of this connection; `false` if it is to something else.
    pub(super) fn listen_for_errors(&mut self, subscribe: &Subscribe) -> bool {
        if subscribe.destination.replace('.', "/") != ERRORS {
            return false;
        }
        let listener = Listener { id: subscribe.id.as_str().into(), id_given: subscribe.id_given, ack: subscribe.ack };
        self.errors.get_or_insert_default().listener = Some(listener);
        if let Some(ticket) = subscribe.ticket {
            self.session.confirm(ticket, &[]);
        }
        true
    }

    /// UNSUBSCRIBE, if that was it.
    pub(super) fn forget_errors(&mut self, id: &str) {
        if let Some(errors) = &mut self.errors {
            errors.listener.take_if(|listener| *listener.id == *id);
        }
    }

    /// Refuses a SEND, SUBSCRIBE or COMMIT: softly if that was asked for and somebody listens, else with ERROR.
    pub(super) fn decline(&mut self, ticket: Option<Ticket>, refusal: Refusal) -> Option<Event> {
        let errors = self.errors.as_deref_mut().filter(|errors| errors.is_soft);
        let Some(Errors { listener: Some(listener), told, .. }) = errors else { return self.refuse(ticket, refusal) };
        *told += 1;
        let mut message = Frame::new(Command::Message);
        if listener.id_given {
            message.headers.push("subscription", &listener.id);
        }
        message.headers.push("message-id", &format!("errors@~{told}"));
        message.headers.push("destination", ERRORS);
        if listener.ack != AckMode::Auto {
            // Whoever acknowledges it does no harm.
            message.headers.push("ack", &format!("~{told}@{}", listener.id));
        }
        tracing::debug!(code = refusal.code, message = refusal.message, "refused softly");
        self.services.metrics.refused(refusal.code);
        self.session.decline(ticket, &refusal, message);
        None
    }
}
