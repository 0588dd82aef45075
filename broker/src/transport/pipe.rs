//! A stream without a socket: a conversation holds the near end, a SockJS session the far one.
//!
//! ```text
//!  conversation ─ try_write ─►  whole WebSocket frames  ─ take ──► session ─► answers of HTTP
//!  conversation ◄─ receive ──  bytes, Pongs, the end    ◄─ feed ── session ◄─ requests
//! ```
//!
//! A write is taken whole, or not at all while enough waits: so what waits is bounded by that and one write.
//!
//! Never here: HTTP, JSON, what the frames mean.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::Poll;

use atomic_waker::AtomicWaker;
use bytes::Bytes;

use super::{Inbound, Received};

/// Handed to the conversation at once.
const READ_BYTES: usize = 16 * 1024;

/// Whose answer a Ping has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// The client's: it asks for what follows when it has what came before.
    Client,
    /// The broker's own: what came before has left it. Nobody knows more.
    Departure,
}

/// The conversation's end.
#[derive(Debug)]
pub struct Near {
    shared: Arc<Shared>,
    answering: Answering,
}

/// The session's end.
#[derive(Debug)]
pub struct Far(Arc<Shared>);

/// Writes at the near end.
#[derive(Clone, Debug)]
pub struct Writer(Arc<Shared>);

/// What is done when what waits is forgotten.
pub type WhenForgotten = Arc<dyn Fn() + Send + Sync>;

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    waiting_max: usize,
    message_bytes_max: AtomicUsize,
    near_reads: AtomicWaker,
    near_writes: AtomicWaker,
    far_reads: AtomicWaker,
    far_writes: AtomicWaker,
}

#[derive(Default)]
struct State {
    inbound: VecDeque<Bytes>,
    inbound_bytes: usize,
    answer: Option<Bytes>,
    outbound: Vec<u8>,
    /// What waited was dropped: the far end is not to have it any more.
    forgotten: bool,
    when_forgotten: Option<Weak<dyn Fn() + Send + Sync>>,
    /// Nothing more is written at the near end.
    finished: bool,
    /// Nobody is at the near end.
    left: bool,
    /// Nobody is at the far end.
    closed: bool,
}

/// Two ends. `waiting_max` bytes may wait in each direction, and one write more; `message_bytes_max` is what the
/// peer may say in one message until the near end allows more.
pub fn pipe(waiting_max: usize, message_bytes_max: usize, answering: Answering) -> (Near, Far) {
    let shared = Arc::new(Shared {
        state: Mutex::default(),
        waiting_max,
        message_bytes_max: AtomicUsize::new(message_bytes_max),
        near_reads: AtomicWaker::new(),
        near_writes: AtomicWaker::new(),
        far_reads: AtomicWaker::new(),
        far_writes: AtomicWaker::new(),
    });
    (Near { shared: shared.clone(), answering }, Far(shared))
}

/// What people say is counted, not shown.
impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("State");
        shown.field("inbound_bytes", &self.inbound_bytes).field("outbound_bytes", &self.outbound.len());
        shown.field("finished", &self.finished).field("left", &self.left).field("closed", &self.closed).finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds a pipe")
    }
}

impl Near {
    /// Whose answer a Ping has.
    pub fn answering(&self) -> Answering {
        self.answering
    }

    /// Writes for those who do not hold this end.
    pub fn writer(&self) -> Writer {
        Writer(self.shared.clone())
    }

    /// Resolves when [`Near::receive`] finds something.
    pub async fn readable(&self) {
        poll_fn(|context| {
            self.shared.near_reads.register(context.waker());
            let state = self.shared.lock();
            let some = !state.inbound.is_empty() || state.answer.is_some() || state.closed;
            if some { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Resolves when a write is taken, or can never be.
    pub async fn writable(&self) {
        poll_fn(|context| {
            self.shared.near_writes.register(context.waker());
            let state = self.shared.lock();
            let some = state.outbound.len() < self.shared.waiting_max || state.closed;
            if some { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Takes some of what came.
    pub fn receive(&self, mut sink: impl FnMut(Inbound<'_>)) -> Received {
        let (piece, answer, closed) = {
            let mut state = self.shared.lock();
            let piece = state.inbound.front_mut().map(|first| first.split_to(first.len().min(READ_BYTES)));
            state.inbound_bytes -= piece.as_ref().map_or(0, Bytes::len);
            if state.inbound.front().is_some_and(Bytes::is_empty) {
                state.inbound.pop_front();
            }
            (piece, state.answer.take(), state.closed && state.inbound.is_empty())
        };
        self.shared.far_writes.wake();
        if let Some(answer) = &answer {
            sink(match self.answering {
                Answering::Client => Inbound::Pong(answer),
                Answering::Departure => Inbound::Departed(answer),
            });
        }
        if let Some(piece) = &piece {
            sink(Inbound::Bytes(piece));
        }
        match (closed, piece.is_some() || answer.is_some()) {
            (true, _) => Received::End,
            (false, true) => Received::Some,
            (false, false) => Received::Nothing,
        }
    }

    /// The peer may say more in one message.
    pub fn raise_limit(&self, message_bytes_max: usize) {
        self.shared.message_bytes_max.store(message_bytes_max, Ordering::Relaxed);
    }

    /// Drops what nobody has taken.
    pub fn forget_unread(&self) {
        let mut state = self.shared.lock();
        (state.outbound, state.forgotten) = (Vec::new(), true);
        let told = state.when_forgotten.take();
        drop(state);
        if let Some(told) = told.and_then(|told| told.upgrade()) {
            told();
        }
    }

    /// Nothing more is written.
    pub fn finish(&self) {
        self.shared.lock().finished = true;
        self.shared.far_reads.wake();
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        (state.finished, state.left) = (true, true);
        (state.inbound, state.inbound_bytes) = (VecDeque::new(), 0);
        drop(state);
        self.shared.far_reads.wake();
        self.shared.far_writes.wake();
    }
}

impl Writer {
    /// Takes all of it.
    ///
    /// # Errors
    /// `WouldBlock` while enough waits, `BrokenPipe` when nobody is at the far end.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if state.outbound.len() >= self.0.waiting_max {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.outbound.extend_from_slice(bytes);
        drop(state);
        self.0.far_reads.wake();
        Ok(bytes.len())
    }
}

impl Far {
    /// Resolves when [`Far::take`] finds something, or never will again.
    pub async fn readable(&self) {
        poll_fn(|context| {
            self.0.far_reads.register(context.waker());
            let state = self.0.lock();
            if state.outbound.is_empty() && !state.finished { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// All that waits: whole frames as WebSocket has them.
    pub fn take(&self) -> Vec<u8> {
        let taken = std::mem::take(&mut self.0.lock().outbound);
        self.0.near_writes.wake();
        taken
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        let state = self.0.lock();
        state.outbound.is_empty() && state.finished
    }

    /// Whether the near end has dropped what nobody had taken.
    pub fn is_forgotten(&self) -> bool {
        self.0.lock().forgotten
    }

    /// Has this done when the near end drops what nobody has taken, at once if it has, as long as somebody keeps it.
    /// The newest counts.
    pub fn when_forgotten(&self, told: &WhenForgotten) {
        let mut state = self.0.lock();
        if state.forgotten {
            drop(state);
            return told();
        }
        state.when_forgotten = Some(Arc::downgrade(told));
    }

    /// Bytes that the peer may say in one message.
    pub fn message_bytes_max(&self) -> usize {
        self.0.message_bytes_max.load(Ordering::Relaxed)
    }

    /// Hands over what the peer said, once there is room. `false` if nobody hears it. One at a time may wait.
    pub async fn feed(&self, bytes: Bytes) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let taken = poll_fn(|context| {
            self.0.far_writes.register(context.waker());
            let mut state = self.0.lock();
            if state.left || state.closed {
                return Poll::Ready(false);
            }
            if state.inbound_bytes >= self.0.waiting_max {
                return Poll::Pending;
            }
            state.inbound_bytes += bytes.len();
            state.inbound.push_back(bytes.clone());
            Poll::Ready(true)
        })
        .await;
        self.0.near_reads.wake();
        taken
    }

    /// Answers a Ping, and all before it.
    pub fn answer(&self, ping: Bytes) {
        self.0.lock().answer = Some(ping);
        self.0.near_reads.wake();
    }

    /// Nobody is here any more. What waits is dropped.
    pub fn close(&self) {
        let mut state = self.0.lock();
        (state.closed, state.outbound, state.when_forgotten) = (true, Vec::new(), None);
        drop(state);
        self.0.near_reads.wake();
        self.0.near_writes.wake();
        self.0.far_writes.wake();
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn ends() -> (Near, Far) {
        pipe(10, 100, Answering::Client)
    }

    #[test]
    fn a_write_is_taken_whole_or_not_at_all() {
        let (near, far) = ends();
        let writer = near.writer();
        assert_eq!(writer.try_write(b"123456").unwrap(), 6);
        assert_eq!(writer.try_write(b"1234567890").unwrap(), 10);
        assert_eq!(writer.try_write(b"x").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(near.writable().now_or_never().is_none());
        assert_eq!(far.take(), b"1234561234567890");
        assert!(near.writable().now_or_never().is_some());
    }

    #[test]
    fn what_is_fed_waits_for_room_and_comes_in_its_order() {
        let (near, far) = ends();
        assert_eq!(far.feed(Bytes::from_static(b"0123456789")).now_or_never(), Some(true));
        assert_eq!(far.feed(Bytes::from_static(b"x")).now_or_never(), None);
        let mut heard = Vec::new();
        assert_eq!(near.receive(|inbound| heard.push(format!("{inbound:?}"))), Received::Some);
        assert_eq!(far.feed(Bytes::from_static(b"x")).now_or_never(), Some(true));
        far.answer(Bytes::from_static(b"1"));
        far.answer(Bytes::from_static(b"2"));
        near.receive(|inbound| heard.push(format!("{inbound:?}")));
        assert_eq!(heard.len(), 3, "the newer answer is for both: {heard:?}");
        assert_eq!(near.receive(|_| ()), Received::Nothing);
    }

    #[test]
    fn what_people_say_is_not_shown() {
        let (near, far) = ends();
        near.writer().try_write(b"canary").unwrap();
        assert_eq!(far.feed(Bytes::from_static(b"canary")).now_or_never(), Some(true));
        let shown = format!("{near:?} {far:?}");
        assert!(!shown.contains("canary") && !shown.contains("99, 97"), "{shown}");
    }

    #[test]
    fn what_nobody_has_taken_can_be_forgotten() {
        let (near, far) = ends();
        near.writer().try_write(b"0123456789").unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counts = count.clone();
        let told: WhenForgotten = Arc::new(move || {
            counts.fetch_add(1, Ordering::Relaxed);
        });
        far.when_forgotten(&told);
        assert!(!far.is_forgotten());
        near.forget_unread();
        near.writer().try_write(b"last").unwrap();
        assert_eq!(far.take(), b"last");
        far.when_forgotten(&told);
        assert!(far.is_forgotten() && count.load(Ordering::Relaxed) == 2, "told then, and at once who asks later");
    }

    #[test]
    fn who_leaves_is_missed_at_the_other_end() {
        let (near, far) = ends();
        far.close();
        assert!(near.readable().now_or_never().is_some());
        assert_eq!(near.receive(|_| ()), Received::End);
        assert_eq!(near.writer().try_write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let (near, far) = ends();
        near.writer().try_write(b"last").unwrap();
        drop(near);
        assert!(!far.is_over());
        assert_eq!(far.take(), b"last");
        assert!(far.is_over() && far.readable().now_or_never().is_some());
        assert_eq!(far.feed(Bytes::from_static(b"x")).now_or_never(), Some(false));
    }
}
