//! One STOMP conversation on one link.
//!
//! ```text
//!  link ─► session ─► inbound ─► router, classroom          (what the client wants)
//!  link ◄─ outbox ◄─ envelope ◄─ subscription ◄─ classroom  (what it gets)
//! ```
//!
//! The task waits on a short, closed list: the link, the bell, answers of the
//! store, a timer. Everything it decides, it decides between two waits.
//!
//! Never here: how a log is stored, by which rules somebody may do something.

mod admission;
mod arrivals;
pub mod barrier;
mod consuming;
mod decision;
mod delivery;
pub mod disconnect;
mod dispatch;
pub mod envelope;
mod gate;
#[cfg(test)]
mod gate_tests;
mod inbound;
mod leaving;
mod life;
mod notices;
mod outbox;
mod pace;
mod publish;
mod refused;
mod repeats;
mod replies;
mod subscribe;
mod subscription;
mod transaction;
mod turn;
mod window;
mod withhold;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use homeroom_protocol::{self as stomp, Event, Output, Refusal, Session};
use tokio::time::Instant;

use self::admission::Permit;
pub use self::arrivals::Arrivals;
use self::barrier::Barrier;
use self::disconnect::Ending;
use self::dispatch::Outlet;
use self::leaving::Phase;
use self::life::{FRAME_SECOND, Life};
use self::notices::Notices;
use self::outbox::Outbox;
use self::pace::Pace;
use self::publish::{InFlight, Rooms};
pub use self::refused::RecentRefusals;
use self::replies::Replies;
use self::subscribe::Ready;
pub use self::subscription::POSITIONS_MAX;
use self::subscription::{Source, Subscription};
use self::turn::Turn;
pub use self::turn::Turns;
use crate::access::{Access, Pass, hook};
use crate::audit::{Audit, Line};
use crate::auth::{Credentials, Identity};
use crate::classroom::Room;
use crate::classroom::bell::Bell;
use crate::classroom::registry::Registry;
use crate::metrics::{Limit, Metrics};
use crate::outside::select;
use crate::rate::Publishing;
use crate::replies::Directory;
use crate::settings::Settings;
use crate::shutdown::{Shutdown, Tracked};
use crate::transport::{Inbound, Link, Received};

/// Events are taken up to this many at a time, so that one busy client does not keep its thread.
const EVENTS_AT_ONCE: usize = 32;

/// The locks of [`gate`], by a name under which a model checker has its own.
mod sync {
    pub(super) use std::sync::{Mutex, MutexGuard};
}

/// What all connections share.
#[derive(Debug)]
pub struct Services {
    /// All rooms.
    pub registry: Arc<Registry>,
    /// What the operator decided.
    pub settings: Arc<Settings>,
    /// What a session is told.
    pub session: Arc<stomp::Settings>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether the broker stops.
    pub shutdown: Arc<Shutdown>,
    /// Who catches up now.
    pub turns: Turns,
    /// Who comes in now.
    pub arrivals: Arrivals,
    /// Who was refused lately.
    pub recent_refusals: RecentRefusals,
    /// How fast messages may come.
    pub publishing: Publishing,
    /// Where replies go.
    pub replies: Arc<Directory>,
    /// Who may come in and what they may do; `None` where everybody may do everything.
    pub access: Option<Arc<Access>>,
    /// What happened, if it is to be kept.
    pub audit: Option<Audit>,
    /// `homeroom/x.y.z`.
    pub server: &'static str,
}

/// Something that is waited for before the next frame is looked at.
type Busy = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What it came to.
enum Outcome {
    /// CONNECT.
    Admitted(Result<Arc<Pass>, Refusal>),
    /// New credentials.
    Renewed { renewed: Result<(), Refusal>, ticket: Option<stomp::Ticket> },
    /// What the hook decided about the held SEND, SUBSCRIBE or COMMIT.
    Decided(Vec<(hook::Key, hook::Answer)>),
    /// A room for the held SEND or COMMIT.
    Entered(Result<Arc<Room>, Refusal>),
    /// A SUBSCRIBE.
    Subscribed {
        ready: Result<Box<Ready>, Refusal>,
        id: Box<str>,
        ticket: Option<stomp::Ticket>,
        /// Until when the hook lets it, if it was asked.
        until: Option<Instant>,
    },
    /// Rooms that appeared, for a subscription to many.
    Joined { serial: u64, generation: u64, sources: Vec<Source> },
}

/// Why the task looks around.
enum Woken {
    ByPeer,
    ByBell,
    ByStore(Vec<publish::Landed>),
    ByOutcome(Outcome),
    ByTurn(Turn),
    InTime,
}

struct Connection {
    services: Arc<Services>,
    link: Link,
    session: Session,
    outbox: Outbox,
    bell: Arc<Bell>,
    phase: Phase,
    person: Identity,
    session_id: Box<str>,
    subscriptions: Vec<Subscription>,
    subscription_next: u64,
    /// Of the subscriptions, the one that is served first.
    first: usize,
    /// Whether this connection may catch up now, or read while it is new.
    turn: Turn,
    /// It has not yet subscribed or sent: what it says is one step among those of all newcomers.
    is_new: bool,
    barrier: Option<Box<Barrier>>,
    rooms: Rooms,
    in_flight: Option<Box<InFlight>>,
    busy: Option<Busy>,
    held: Option<Box<Event>>,
    pace: Pace,
    session_wait: Option<std::time::Instant>,
    life: Life,
    /// Since when a frame is incomplete.
    frame_since: Option<Instant>,
    /// The link takes nothing although something waits.
    is_blocked: bool,
    /// Who writes to the link, if dispatchers may.
    outlet: Option<Arc<Outlet>>,
    lane_next: u32,
    /// What the broker says to this connection, if it was asked to.
    notices: Option<Box<Notices>>,
    /// What the handshake brought to show who it is.
    brought: Option<Box<Credentials>>,
    /// What it may do, where not everybody may do everything.
    permit: Option<Box<Permit>>,
    /// Where replies to its requests come in, if it asked for any.
    replies: Option<Box<Replies>>,
    _tracked: Tracked,
}

/// Serves one link until it ends, as `session` says. `brought` shows who it is if CONNECT brings nothing.
///
/// Made at once and on the heap, so that the future that waits is small.
pub fn serve(
    services: Arc<Services>,
    session: Arc<stomp::Settings>,
    link: Link,
    brought: Credentials,
) -> impl Future<Output = ()> + Send {
    let tracked = services.shutdown.track(link.peer().ip());
    let connection = match tracked {
        Ok(tracked) => {
            services.metrics.opened(link.kind());
            let mut connection = Box::new(Connection::new(services, session, link, tracked));
            connection.brought = (brought != Credentials::Nothing).then(|| Box::new(brought));
            Some(connection)
        }
        Err(why) => {
            services.metrics.turned_away(why.limit());
            None
        }
    };
    async move {
        let Some(mut connection) = connection else { return };
        let ending = connection.run().await;
        let kind = connection.link.kind();
        connection.services.metrics.closed(kind, ending);
        tracing::debug!(transport = kind.name(), ending, "connection ended");
    }
}

impl Connection {
    fn new(services: Arc<Services>, session: Arc<stomp::Settings>, link: Link, tracked: Tracked) -> Connection {
        let now = Instant::now();
        Connection {
            session: Session::new(session, now.into_std()),
            services,
            link,
            outbox: Outbox::default(),
            bell: tracked.bell().clone(),
            phase: Phase::Talking,
            person: Identity::default(),
            session_id: Box::default(),
            subscriptions: Vec::new(),
            subscription_next: 0,
            first: 0,
            turn: Turn::None,
            is_new: true,
            barrier: None,
            rooms: Rooms::default(),
            in_flight: None,
            busy: None,
            held: None,
            pace: Pace::default(),
            session_wait: None,
            life: Life { heard: now, wrote: now, probed: false },
            frame_since: None,
            is_blocked: false,
            outlet: None,
            lane_next: 0,
            notices: None,
            brought: None,
            permit: None,
            replies: None,
            _tracked: tracked,
        }
    }

    /// Says in a word how it ended.
    async fn run(&mut self) -> &'static str {
        loop {
            self.advance();
            let more = self.deliver();
            if let Phase::Over(ending) = &self.phase {
                let ending = ending.clone();
                // Boxed: what is needed once does not make every wait larger.
                return Box::pin(self.end(ending)).await;
            }
            if more {
                tokio::task::yield_now().await;
                self.look_at_permit();
                self.receive();
                continue;
            }
            self.wait().await;
        }
    }

    /// Waits for whatever comes first.
    async fn wait(&mut self) {
        let wake_at = self.wake_at();
        let reads = self.may_read() && !(self.is_new && self.turn.is_asked());
        let blocked = self.is_blocked || self.outbox.waiting() > 0;
        let bell = self.bell.clone();
        self.turn.pass_on();
        self.open_gate();
        let woken = select! {
            _ = self.link.readable(), if reads => Woken::ByPeer,
            _ = self.link.writable(), if blocked => Woken::InTime,
            () = bell.heard() => Woken::ByBell,
            landed = next_landed(&mut self.in_flight), if self.in_flight.is_some() => Woken::ByStore(landed),
            outcome = finished(&mut self.busy), if self.busy.is_some() => Woken::ByOutcome(outcome),
            turn = self.turn.comes(), if self.turn.is_asked() => Woken::ByTurn(turn),
            () = tokio::time::sleep_until(wake_at) => Woken::InTime,
        };
        self.shut_gate();
        match woken {
            Woken::ByPeer if self.is_new && !self.turn.step(&self.services.arrivals) => {}
            Woken::ByPeer => self.receive(),
            Woken::ByTurn(turn) if self.is_new => {
                self.turn = turn;
                self.receive();
            }
            Woken::ByBell => self.heed_the_bell(),
            Woken::ByStore(landed) => self.landed(landed),
            Woken::ByOutcome(outcome) => {
                self.busy = None;
                self.take_up(outcome);
            }
            Woken::ByTurn(turn) => self.turn = turn,
            Woken::InTime => {}
        }
        if reads {
            self.excuse_the_unread(wake_at);
        }
        self.keep_time();
    }

    /// It has subscribed or sent: it belongs to those whom newcomers do not delay.
    fn settle_in(&mut self) {
        if std::mem::take(&mut self.is_new) {
            self.turn = Turn::None;
        }
    }

    /// Reads once, and takes what came in its order: bytes, Pongs, Close.
    fn receive(&mut self) {
        if !self.may_read() {
            return;
        }
        let now = Instant::now();
        let mut closed = None;
        let (session, barrier, subscriptions, life) =
            (&mut self.session, &mut self.barrier, &mut self.subscriptions, &mut self.life);
        let received = self.link.receive(self.outbox.private(), |inbound| {
            // What the broker says to itself is no sign of life.
            if !matches!(inbound, Inbound::Departed(_)) {
                (life.heard, life.probed) = (now, false);
            }
            match inbound {
                Inbound::Bytes(bytes) => {
                    life.wrote = now;
                    session.receive(bytes, now.into_std());
                    if let Some(barrier) = barrier
                        && barrier.client_wrote(now.into_std(), delivery::standings(subscriptions))
                    {
                        delivery::save_settled(subscriptions);
                    }
                }
                Inbound::Pong(payload) => {
                    session.heard(now.into_std());
                    if let Some(barrier) = barrier
                        && barrier.pong(payload, delivery::standings(subscriptions))
                    {
                        delivery::save_settled(subscriptions);
                    }
                }
                Inbound::Departed(payload) => {
                    if let Some(barrier) = barrier
                        && barrier.pong(payload, delivery::standings(subscriptions))
                    {
                        delivery::save_settled(subscriptions);
                    }
                }
                Inbound::Closed(code) => closed = Some(code),
            }
        });
        match received {
            Received::Some | Received::Nothing => {}
            Received::End => closed = closed.or(Some(Some(1006))),
            Received::Broken { code, reason } => self.phase = Phase::Over(Ending::Transport { code, reason }),
        }
        if let Some(code) = closed {
            self.peer_closed(code);
        }
    }

    /// Does what the session and the answers ask for, until there is nothing more to do now.
    fn advance(&mut self) {
        self.take_up_events();
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.submit(&**self.services.registry.store());
        }
    }

    fn take_up_events(&mut self) {
        for _ in 0..EVENTS_AT_ONCE {
            if matches!(self.phase, Phase::Over(_)) {
                return;
            }
            if let Some(event) = self.held.take_if(|_| self.busy.is_none()) {
                self.held = self.handle(*event).map(Box::new);
                if self.held.is_none() {
                    self.forget_decisions();
                }
            }
            // What was answered goes out before any message, whatever is waited for.
            while let Some(bytes) = self.session.poll_transmit() {
                self.answer(&bytes);
            }
            let overload = self.overload().filter(|_| self.session.is_connected());
            let waits_for_receipts = self.session.backlog() >= self.services.settings.limits.receipts;
            self.note_stop(overload.or(waits_for_receipts.then_some(Limit::Receipts)));
            if self.held.is_some() || overload.is_some() {
                // The session is not asked now; its heart-beats go on.
                let soon = (Instant::now() + Duration::from_secs(1)).into_std();
                self.session_wait = Some(self.session.due().map_or(soon, |due| due.min(soon)));
                return;
            }
            match self.session.poll() {
                Output::Transmit(bytes) => self.answer(&bytes),
                Output::Event(Event::Subscribe(_)) if matches!(self.phase, Phase::Gone { .. }) => {}
                Output::Event(event) if matches!(self.phase, Phase::Talking | Phase::Gone { .. }) => {
                    self.frame_since = None;
                    self.pace.begin();
                    self.held = Some(Box::new(event));
                }
                Output::Event(_) => {}
                Output::Wait(until) => {
                    self.session_wait = until;
                    return self.leave_if_gone();
                }
                Output::Closed(ending) => return self.session_closed(ending),
            }
        }
        self.bell.ring();
    }

    fn answer(&mut self, bytes: &[u8]) {
        if !matches!(self.phase, Phase::Gone { .. }) {
            self.link.push(bytes, self.outbox.private());
        }
    }

    /// Whether so much waits that nothing more is taken up.
    fn is_overloaded(&self) -> bool {
        self.overload().is_some()
    }

    /// Which limit is reached, so that nothing more is taken up.
    fn overload(&self) -> Option<Limit> {
        let limits = &self.services.settings.limits;
        let (messages, bytes) = self.in_flight.as_ref().map_or((0, 0), |in_flight| in_flight.load());
        if messages >= limits.in_flight_messages {
            Some(Limit::InFlightMessages)
        } else if bytes as u64 >= limits.in_flight_bytes {
            Some(Limit::InFlightBytes)
        } else {
            (self.outbox.waiting() as u64 >= limits.outbox_bytes).then_some(Limit::OutboxBytes)
        }
    }

    /// Bytes are read as long as they can be taken up; the rest waits with the peer.
    fn may_read(&self) -> bool {
        match self.phase {
            Phase::Talking => !(self.held.is_some() || self.is_overloaded()) || self.session.buffered() == 0,
            Phase::Leaving { .. } | Phase::Stopping { .. } => true,
            Phase::Gone { .. } | Phase::Over(_) => false,
        }
    }

    /// The latest moment to look again.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let far = now + Duration::from_secs(3600);
        let session = self.session_wait.map(Instant::from_std);
        let phase = self.closes_at();
        let ping = self.ping_due().map(Instant::from_std);
        let repeat = self.subscriptions.iter().flat_map(|known| &known.repeats).filter(|due| due.page.is_none());
        let repeat = repeat.map(|due| due.at).min().filter(|_| !self.is_blocked);
        let frame = self.frame_since.map(|_| now + FRAME_SECOND);
        let permit = self.permit.as_ref().and_then(|permit| permit.look_at(now));
        let rest = self.pace.goes_at();
        let due = [session, phase, ping, repeat, frame, permit, rest, Some(self.look_after_life_at(now))];
        due.into_iter().flatten().min().unwrap_or(far).min(far)
    }

    /// What is due by now.
    fn keep_time(&mut self) {
        let now = Instant::now();
        if self.closes_at().is_some_and(|close_at| now >= close_at) {
            return self.close();
        }
        self.look_at_permit();
        self.watch_life(now);
        self.watch_frame(now);
        self.session.timeout(now.into_std());
    }

    /// For the audit log.
    fn note_refused(&self, refusal: &Refusal) {
        if let Some(audit) = &self.services.audit {
            let (address, door) = (self.link.peer().ip(), self.link.kind().name());
            audit.note(Line::refused(&self.person, address, door, refusal.code, &refusal.message));
        }
    }

    /// Whether CONNECTED was said.
    fn was_connected(&self) -> bool {
        !self.session_id.is_empty()
    }
}

async fn next_landed(in_flight: &mut Option<Box<InFlight>>) -> Vec<publish::Landed> {
    match in_flight {
        Some(in_flight) => in_flight.next().await,
        None => std::future::pending().await,
    }
}

async fn finished(busy: &mut Option<Busy>) -> Outcome {
    match busy {
        Some(busy) => busy.await,
        None => std::future::pending().await,
    }
}
