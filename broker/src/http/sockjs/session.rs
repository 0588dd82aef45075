//! One session: what its requests share.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::table::Sessions;
use crate::http::lease::Lease;
use crate::metrics::Counted;
use crate::transport::pipe::{Answering, Far};
use crate::transport::sockjs::{self, HEART_BEAT, OPEN, Spoken};

/// A stream ends so long after a Ping, so that the next request can answer it.
const PING_ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// One session.
#[derive(Debug)]
pub(in crate::http) struct Session {
    /// The conversation's other end.
    pub(in crate::http) far: Far,
    /// One request at a time hands over what it brought.
    pub(super) sending: Semaphore,
    answering: Answering,
    state: Mutex<State>,
    _counted: Counted,
}

#[derive(Debug)]
struct State {
    opened: bool,
    receiving: bool,
    /// Went out with an answer.
    ping: Option<Bytes>,
    /// The close frame, when it is over.
    closed: Option<String>,
    idle_since: Instant,
}

impl Session {
    pub(super) fn new(far: Far, answering: Answering, counted: Counted) -> Arc<Session> {
        let state = State { opened: false, receiving: false, ping: None, closed: None, idle_since: Instant::now() };
        Arc::new(Session { far, sending: Semaphore::new(1), answering, state: Mutex::new(state), _counted: counted })
    }

    /// Whether nobody has asked for anything since `moment`.
    pub(super) fn is_idle_since(&self, moment: Instant) -> bool {
        let state = self.lock();
        (!state.receiving || state.closed.is_some()) && state.idle_since <= moment
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds a session")
    }
}

/// The one request that is given what the session says. Unless it is finished, the session ends with it: nobody
/// knows what arrived.
#[derive(Debug)]
pub(super) struct Receiver {
    session: Arc<Session>,
    sessions: Arc<Sessions>,
    id: Box<str>,
    heart_beat: Duration,
    finished: bool,
    /// Then the next request shall come.
    ends_at: Option<Instant>,
}

impl Receiver {
    /// `None` if there is one already.
    pub(super) fn begin(
        session: Arc<Session>,
        sessions: Arc<Sessions>,
        id: &str,
        heart_beat: Duration,
    ) -> Option<Receiver> {
        let ping = {
            let mut state = session.lock();
            if state.receiving && state.closed.is_none() {
                return None;
            }
            state.receiving = true;
            // Whoever asks again has what came before.
            state.ping.take_if(|_| session.answering == Answering::Client)
        };
        if let Some(ping) = ping {
            session.far.answer(ping);
        }
        Some(Receiver { session, sessions, id: id.into(), heart_beat, finished: false, ends_at: None })
    }

    /// The next frames; none when the next request shall come.
    pub(super) async fn next(&mut self) -> Vec<String> {
        if let Some(first) = self.first() {
            return vec![first];
        }
        let now = Instant::now();
        // Also where there is always more to say.
        if self.ends_at.is_some_and(|ends_at| ends_at <= now) {
            return Vec::new();
        }
        let heart_beat_at = now + self.heart_beat;
        loop {
            let until = self.ends_at.map_or(heart_beat_at, |ends_at| ends_at.min(heart_beat_at));
            if tokio::time::timeout_at(until, self.session.far.readable()).await.is_err() {
                let ends = self.ends_at.is_some_and(|ends_at| ends_at <= until);
                return if ends { Vec::new() } else { vec![HEART_BEAT.to_owned()] };
            }
            let spoken = sockjs::spoken(&self.session.far.take());
            let pinged = spoken.ping.is_some();
            let frames = self.take_up(spoken);
            if !frames.is_empty() {
                return frames;
            }
            if pinged && self.session.answering == Answering::Client {
                return vec![HEART_BEAT.to_owned()];
            }
            self.departed();
        }
    }

    /// An answer goes on as long as this holds.
    pub(super) fn lease(&self) -> Lease {
        Lease::Hearing(self.session.clone())
    }

    /// Whether the last frames ended the session.
    pub(super) fn is_last(&self) -> bool {
        self.session.is_closed()
    }

    /// The request is answered: the next may come.
    pub(super) fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            let mut state = self.session.lock();
            state.receiving = false;
            if state.closed.is_none() {
                state.idle_since = Instant::now();
            }
        }
    }

    /// What is said without waiting: that the session is open, or over.
    fn first(&mut self) -> Option<String> {
        self.departed();
        let mut state = self.session.lock();
        match &state.closed {
            Some(closed) => Some(closed.clone()),
            None => (!std::mem::replace(&mut state.opened, true)).then(|| OPEN.to_owned()),
        }
    }

    /// What was said before is asked to be followed by more: it has left.
    fn departed(&self) {
        if self.session.answering == Answering::Departure
            && let Some(ping) = self.session.lock().ping.take()
        {
            self.session.far.answer(ping);
        }
    }

    fn take_up(&mut self, spoken: Spoken) -> Vec<String> {
        let mut state = self.session.lock();
        if let Some(ping) = spoken.ping {
            state.ping = Some(ping.into());
            if self.session.answering == Answering::Client {
                self.ends_at.get_or_insert_with(|| Instant::now() + PING_ANSWERED_WITHIN);
            }
        }
        let close = match spoken.close {
            Some((code, reason)) if code != 1000 => Some(sockjs::close(code, &reason)),
            close => (close.is_some() || self.session.far.is_over()).then(|| sockjs::close(3000, "Go away!")),
        };
        if let Some(close) = &close {
            (state.closed, state.idle_since) = (Some(close.clone()), Instant::now());
        }
        spoken.array.into_iter().chain(close).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if !self.finished {
            self.sessions.forget(&self.id, &self.session);
        }
        if !self.finished || self.session.is_closed() {
            // The conversation ends when its last word is out.
            self.session.far.close();
        }
    }
}
