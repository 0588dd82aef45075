//! Request and reply: queues that one session has for itself, in memory, as long
//! as it lives.
//!
//! ```text
//!  requester ── SEND, reply-to:/temp-queue/x ──► a log keeps reply-to:/reply-queue/{secret} ──► replier
//!      ▲                                                                                          │
//!      └── MESSAGE, subscription:/temp-queue/x ◄── mailbox ◄── directory ◄── SEND /reply-queue/{secret}
//! ```
//!
//! Whoever was shown the secret can reply, and nobody can read but the session
//! that asked. A reply is handed over, never stored.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use homeroom_storage::Message;

use crate::classroom::bell::Bell;
use crate::classroom::now_millis;
use crate::metrics::Limit;

/// How much one session may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Reply queues.
    pub queues: usize,
    /// Replies that wait in all of them.
    pub replies: usize,
    /// Bytes of these. One reply always passes.
    pub bytes: usize,
}

/// All reply queues of a broker, by their secrets.
#[derive(Debug)]
pub struct Directory {
    limits: Limits,
    queues: Mutex<HashMap<Box<str>, Queue>>,
}

#[derive(Clone, Debug)]
struct Queue {
    name: Arc<str>,
    mailbox: Arc<Mailbox>,
}

/// Replies on their way to one session.
#[derive(Debug)]
struct Mailbox {
    bell: Arc<Bell>,
    state: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    replies: VecDeque<Reply>,
    /// Those that wait, and slots that are held for more.
    count: usize,
    bytes: usize,
}

/// What came to a reply queue.
#[derive(Debug)]
pub struct Reply {
    /// The queue, as its session calls it.
    pub queue: Arc<str>,
    /// What was sent.
    pub message: Message,
    /// When: milliseconds since 1970.
    pub time: u64,
    bytes: usize,
}

/// Why a reply queue takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Its session has ended, or it never was.
    Gone,
    /// So many wait there already.
    Full,
    /// So many bytes wait there already.
    FullOfBytes,
}

impl Closed {
    /// Which limit that is, if it is one.
    pub fn limit(self) -> Option<Limit> {
        match self {
            Closed::Gone => None,
            Closed::Full => Some(Limit::Replies),
            Closed::FullOfBytes => Some(Limit::ReplyBytes),
        }
    }
}

/// Why there is no further reply queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoQueue {
    /// The session has so many.
    TooMany(usize),
    /// The system gives no secret.
    NoSecret,
}

/// The reply queues of one session. They go with it.
#[derive(Debug)]
pub struct OwnQueues {
    directory: Arc<Directory>,
    mailbox: Arc<Mailbox>,
    /// Names, and under which secrets others know them.
    known: Vec<(Arc<str>, Box<str>)>,
}

/// Room for one reply. It is given back where nothing is delivered.
#[derive(Debug)]
pub struct Slot {
    queue: Queue,
    bytes: usize,
    is_used: bool,
}

impl Directory {
    /// Without any queue.
    pub fn new(limits: Limits) -> Arc<Directory> {
        Arc::new(Directory { limits, queues: Mutex::default() })
    }

    /// Room for a reply of so many bytes.
    ///
    /// # Errors
    /// Why there is none.
    pub fn reserve(&self, secret: &str, bytes: usize) -> Result<Slot, Closed> {
        let queue = self.locked().get(secret).cloned().ok_or(Closed::Gone)?;
        queue.mailbox.locked().admit(bytes, &self.limits)?;
        Ok(Slot { queue, bytes, is_used: false })
    }

    /// How many queues there are.
    pub fn count(&self) -> usize {
        self.locked().len()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Box<str>, Queue>> {
        self.queues.lock().expect("nothing panics while it holds the reply queues")
    }
}

impl Mailbox {
    fn locked(&self) -> MutexGuard<'_, Contents> {
        self.state.lock().expect("nothing panics while it holds a mailbox")
    }
}

impl Contents {
    fn admit(&mut self, bytes: usize, limits: &Limits) -> Result<(), Closed> {
        if self.count > 0 && self.count >= limits.replies {
            return Err(Closed::Full);
        }
        if self.count > 0 && self.bytes + bytes > limits.bytes {
            return Err(Closed::FullOfBytes);
        }
        (self.count, self.bytes) = (self.count + 1, self.bytes + bytes);
        Ok(())
    }

    fn release(&mut self, bytes: usize) {
        (self.count, self.bytes) = (self.count - 1, self.bytes - bytes);
    }
}

impl Slot {
    /// Hands the reply over.
    pub fn deliver(mut self, message: Message) {
        let (queue, bytes) = (self.queue.name.clone(), self.bytes);
        self.queue.mailbox.locked().replies.push_back(Reply { queue, message, time: now_millis(), bytes });
        self.is_used = true;
        self.queue.mailbox.bell.ring();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.is_used {
            self.queue.mailbox.locked().release(self.bytes);
        }
    }
}

impl OwnQueues {
    /// None yet. The bell rings when a reply is there.
    pub fn new(directory: Arc<Directory>, bell: Arc<Bell>) -> OwnQueues {
        let mailbox = Arc::new(Mailbox { bell, state: Mutex::default() });
        OwnQueues { directory, mailbox, known: Vec::new() }
    }

    /// The secret under which others reply to the queue of this name, which is made if it is not there.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn secret_of(&mut self, name: &str) -> Result<&str, NoQueue> {
        let known = self.known.iter().position(|(known, _)| **known == *name);
        let index = known.map_or_else(|| self.open(name), Ok)?;
        Ok(&self.known[index].1)
    }

    fn open(&mut self, name: &str) -> Result<usize, NoQueue> {
        let limit = self.directory.limits.queues;
        if self.known.len() >= limit {
            return Err(NoQueue::TooMany(limit));
        }
        let secret: Box<str> = secret().ok_or(NoQueue::NoSecret)?.into();
        let name: Arc<str> = name.into();
        let queue = Queue { name: name.clone(), mailbox: self.mailbox.clone() };
        self.directory.locked().insert(secret.clone(), queue);
        self.known.push((name, secret));
        Ok(self.known.len() - 1)
    }

    /// The next reply, in the order in which they came.
    pub fn take(&self) -> Option<Reply> {
        let mut mailbox = self.mailbox.locked();
        let reply = mailbox.replies.pop_front()?;
        mailbox.release(reply.bytes);
        Some(reply)
    }
}

impl Drop for OwnQueues {
    fn drop(&mut self) {
        let mut queues = self.directory.locked();
        for (_, secret) in &self.known {
            queues.remove(secret);
        }
    }
}

/// 128 bits that nobody can guess, in hexadecimal digits.
fn secret() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(body: &'static str) -> Message {
        let body = Bytes::from_static(body.as_bytes());
        Message { destination: "/reply-queue/x".into(), headers: [].into(), body, publisher: None }
    }

    fn session(directory: &Arc<Directory>) -> OwnQueues {
        OwnQueues::new(directory.clone(), Arc::new(Bell::default()))
    }

    fn directory() -> Arc<Directory> {
        Directory::new(Limits { queues: 2, replies: 3, bytes: 100 })
    }

    #[test]
    fn a_name_has_one_secret_and_the_same_name_of_another_session_another() {
        let directory = directory();
        let (mut alice, mut bob) = (session(&directory), session(&directory));
        let secret = alice.secret_of("x").expect("there is room").to_owned();
        assert_eq!(alice.secret_of("x"), Ok(&*secret));
        assert_ne!(bob.secret_of("x"), Ok(&*secret));
        directory.reserve(&secret, 10).expect("there is room").deliver(message("hello"));
        assert!(bob.take().is_none());
        let reply = alice.take().expect("it was handed over");
        assert_eq!((&*reply.queue, &*reply.message.body), ("x", &b"hello"[..]));
        assert!(alice.take().is_none());
    }

    #[test]
    fn a_queue_goes_with_its_session_also_from_under_a_slot_that_is_held() {
        let directory = directory();
        let mut alice = session(&directory);
        let secret = alice.secret_of("x").expect("there is room").to_owned();
        let held = directory.reserve(&secret, 10).expect("there is room");
        drop(alice);
        held.deliver(message("too late"));
        assert_eq!(directory.reserve(&secret, 10).err(), Some(Closed::Gone));
        assert!(directory.locked().is_empty());
    }

    #[test]
    fn queues_replies_and_bytes_are_limited_and_one_reply_always_passes() {
        let directory = directory();
        let mut alice = session(&directory);
        let secret = alice.secret_of("x").expect("the first").to_owned();
        assert!(alice.secret_of("y").is_ok());
        assert_eq!(alice.secret_of("z"), Err(NoQueue::TooMany(2)));
        let full = |bytes| matches!(directory.reserve(&secret, bytes), Err(Closed::Full | Closed::FullOfBytes));
        drop(directory.reserve(&secret, 1_000).expect("one always passes"));
        let first = directory.reserve(&secret, 60).expect("there is room");
        assert!(full(41), "bytes");
        let second = directory.reserve(&secret, 20).expect("there is room");
        let third = directory.reserve(&secret, 20).expect("there is room");
        assert!(full(0), "a fourth");
        drop(second);
        directory.reserve(&secret, 20).expect("it was given back").deliver(message("a"));
        first.deliver(message("b"));
        third.deliver(message("c"));
        assert!(full(0));
        let taken = std::iter::from_fn(|| alice.take()).map(|reply| reply.message.body).collect::<Vec<_>>();
        assert_eq!(taken, ["a", "b", "c"]);
        assert!(!full(100));
    }
}
