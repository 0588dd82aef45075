//! What the broker says to one connection: on `/user/queue/errors` with `errors:soft` what is refused, so that the
//! conversation goes on, and on `/user/queue/auth` that its time will be over.
//!
//! STOMP knows ERROR alone, behind which the connection ends. A page that sends
//! one message too long would lose its lesson over it.

use homeroom_protocol::{AckMode, Command, Event, Frame, Refusal, Subscribe, Ticket};

use super::Connection;

/// What the broker says, and where it is listened to.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// CONNECT asked that refusals are said softly.
    is_soft: bool,
    errors: Option<Listener>,
    auth: Option<Listener>,
    /// So many were told.
    told: u64,
}

/// Where something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// What was refused.
    Errors,
    /// How long this connection may stay.
    Auth,
}

impl Topic {
    fn of(destination: &str) -> Option<Topic> {
        let written = destination.replace('.', "/");
        [Topic::Errors, Topic::Auth].into_iter().find(|topic| topic.destination() == written)
    }

    fn destination(self) -> &'static str {
        match self {
            Topic::Errors => "/user/queue/errors",
            Topic::Auth => "/user/queue/auth",
        }
    }
}

#[derive(Debug)]
struct Listener {
    id: Box<str>,
    id_given: bool,
    ack: AckMode,
}

impl Notices {
    /// As CONNECT asked for; nobody listens yet.
    pub(super) fn soft() -> Notices {
        Notices { is_soft: true, ..Notices::default() }
    }

    fn listener(&mut self, topic: Topic) -> &mut Option<Listener> {
        match topic {
            Topic::Errors => &mut self.errors,
            Topic::Auth => &mut self.auth,
        }
    }

    /// The next message on a topic, without a body; `None` if nobody listens.
    fn next(&mut self, topic: Topic) -> Option<Frame> {
        let told = self.told + 1;
        let listener = self.listener(topic).as_ref()?;
        let mut message = Frame::new(Command::Message);
        if listener.id_given {
            message.headers.push("subscription", &listener.id);
        }
        let name = topic.destination().trim_start_matches("/user/queue/");
        message.headers.push("message-id", &format!("{name}@~{told}"));
        message.headers.push("destination", topic.destination());
        if listener.ack != AckMode::Auto {
            // Whoever acknowledges it does no harm.
            message.headers.push("ack", &format!("~{told}@{}", listener.id));
        }
        self.told = told;
        Some(message)
    }
}

impl Connection {
    /// Takes a SUBSCRIBE to what the broker says to this connection; `None` if it is to something else.
    pub(super) fn listen(&mut self, subscribe: &Subscribe) -> Option<Topic> {
        let topic = Topic::of(&subscribe.destination)?;
        let listener = Listener { id: subscribe.id.as_str().into(), id_given: subscribe.id_given, ack: subscribe.ack };
        *self.notices.get_or_insert_default().listener(topic) = Some(listener);
        if let Some(ticket) = subscribe.ticket {
            self.session.confirm(ticket, &[]);
        }
        Some(topic)
    }

    /// UNSUBSCRIBE, if that was it.
    pub(super) fn forget_listener(&mut self, id: &str) {
        if let Some(notices) = &mut self.notices {
            notices.errors.take_if(|listener| *listener.id == *id);
            notices.auth.take_if(|listener| *listener.id == *id);
        }
    }

    /// Says something that is no refusal. `false` if nobody listens.
    pub(super) fn notify(&mut self, topic: Topic, body: &serde_json::Value) -> bool {
        let Some(message) = self.notices.as_mut().and_then(|notices| notices.next(topic)) else { return false };
        self.session.transmit(&message.with("content-type", "application/json").with_body(body.to_string()));
        true
    }

    /// Whether what is refused costs only that: it was asked for, and somebody listens.
    pub(super) fn is_told_softly(&self) -> bool {
        self.notices.as_ref().is_some_and(|notices| notices.is_soft && notices.errors.is_some())
    }

    /// Refuses a SEND, SUBSCRIBE or COMMIT: softly if that was asked for and somebody listens, else with ERROR.
    pub(super) fn decline(&mut self, ticket: Option<Ticket>, refusal: Refusal) -> Option<Event> {
        let notices = self.notices.as_deref_mut().filter(|notices| notices.is_soft);
        let Some(message) = notices.and_then(|notices| notices.next(Topic::Errors)) else {
            return self.refuse(ticket, refusal);
        };
        tracing::debug!(code = refusal.code, message = refusal.message, "refused softly");
        self.services.metrics.refused(refusal.code);
        self.note_refused(&refusal);
        self.session.decline(ticket, &refusal, message);
        None
    }
}
