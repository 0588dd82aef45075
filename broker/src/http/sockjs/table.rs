//! All sessions of a broker, by their names.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::session::{Receiver, Session};
use crate::auth::Credentials;
use crate::connection;
use crate::http::Door;
use crate::transport::Link;
use crate::transport::pipe::{self, Answering};

/// In this share of the time after which a session is gone, all are looked at once.
const LOOKS: u32 = 10;

/// Sessions by name.
#[derive(Debug)]
pub(in crate::http) struct Sessions {
    by_id: Mutex<HashMap<Box<str>, Arc<Session>>>,
    max: usize,
}

/// Why nothing can be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreceived {
    /// There are as many connections as are allowed.
    Busy,
    /// Another request is served.
    Another,
}

impl Sessions {
    /// None yet, and never more than `max`. Those that nobody asks for go after `gone_after`.
    pub(in crate::http) fn new(max: usize, gone_after: Duration) -> Arc<Sessions> {
        let sessions = Arc::new(Sessions { by_id: Mutex::default(), max });
        tokio::spawn(sweep(Arc::downgrade(&sessions), gone_after));
        sessions
    }

    /// A session that is open.
    pub(super) fn open(&self, id: &str) -> Option<Arc<Session>> {
        self.lock().get(id).filter(|session| !session.is_closed()).cloned()
    }

    /// Receives from the session of that name, a new one if there is none.
    pub(super) fn receive(
        self: &Arc<Self>,
        door: &Door,
        id: &str,
        answering: Answering,
        peer: SocketAddr,
    ) -> Result<Receiver, Unreceived> {
        let session = {
            let mut by_id = self.lock();
            match by_id.get(id) {
                Some(session) => session.clone(),
                None if by_id.len() >= self.max || door.services.shutdown.is_full() => return Err(Unreceived::Busy),
                None => {
                    let session = converse(door, answering, peer).ok_or(Unreceived::Busy)?;
                    by_id.insert(id.into(), session.clone());
                    session
                }
            }
        };
        let heart_beat = door.services.settings.sockjs.heartbeat;
        Receiver::begin(session, self.clone(), id, heart_beat).ok_or(Unreceived::Another)
    }

    /// The name is free, unless another session has it by now.
    pub(super) fn forget(&self, id: &str, session: &Arc<Session>) {
        let mut by_id = self.lock();
        if by_id.get(id).is_some_and(|known| Arc::ptr_eq(known, session)) {
            by_id.remove(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Session>>> {
        self.by_id.lock().expect("nothing panics while it holds the sessions")
    }
}

/// Begins a conversation; `None` if it is not let in.
fn converse(door: &Door, answering: Answering, peer: SocketAddr) -> Option<Arc<Session>> {
    let services = &door.services;
    let in_memory = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    let waiting_max = in_memory(services.settings.delivery.not_sent_low_water);
    let limit = in_memory(services.settings.limits.bytes_before_connected);
    let (near, far) = pipe::pipe(waiting_max, limit, answering);
    let conversation =
        connection::serve(services.clone(), door.session(None), Link::pipe(near, peer), Credentials::Nothing);
    if far.is_over() {
        return None;
    }
    tokio::spawn(conversation);
    Some(Session::new(far, answering, services.metrics.sockjs_session()))
}

/// Ends those that nobody asks for, as long as there is a table.
async fn sweep(sessions: Weak<Sessions>, gone_after: Duration) {
    loop {
        tokio::time::sleep(gone_after / LOOKS).await;
        let Some(sessions) = sessions.upgrade() else { return };
        let Some(moment) = Instant::now().checked_sub(gone_after) else { continue };
        let mut gone = Vec::new();
        sessions.lock().retain(|_, session| {
            let is_gone = session.is_idle_since(moment);
            if is_gone {
                gone.push(session.clone());
            }
            !is_gone
        });
        gone.iter().for_each(|session| session.far.close());
    }
}
