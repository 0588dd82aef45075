//! A class that goes on by the clock: messages at fixed times, whatever the broker does.
//!
//! A delay counts from the time a message was meant to be sent. So a broker
//! that makes the publisher wait is charged for it, and for all that waited
//! behind: nothing is omitted because it was late.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::Failure;
use super::crowd::Crowd;
use super::report::Delays;
use super::speech::{Letter, marker};

/// Messages at a fixed rate, and how long each took to whom.
pub(super) struct Timetable {
    publisher: usize,
    receivers: Range<usize>,
    /// One for each room; messages go to them in turn, and receivers are dealt out to them in turn.
    letters: Vec<Letter>,
    began: Instant,
    every: Duration,
    /// Of each message sent so far: whom it has not reached, and where its delays are written.
    sent: Vec<Sent>,
    books: Vec<Book>,
    open: Option<usize>,
    bytes: Vec<u8>,
}

struct Sent {
    missing: u32,
    book: Option<u32>,
}

/// Delays of the messages of one stretch.
pub(super) struct Book {
    /// From the intended time to each receiver.
    pub(super) every: Delays,
    /// From the intended time to the last receiver.
    pub(super) last: Delays,
    /// From the intended time to when it was sent: what this client is late by.
    pub(super) sent: Delays,
}

impl Timetable {
    /// The first message is due now; nothing is written down until a book is opened.
    pub(super) fn new(publisher: usize, receivers: Range<usize>, letters: Vec<Letter>, rate: f64) -> Timetable {
        Timetable {
            publisher,
            receivers,
            letters,
            began: Instant::now(),
            every: Duration::from_secs_f64(1.0 / rate),
            sent: Vec::new(),
            books: Vec::new(),
            open: None,
            bytes: Vec::new(),
        }
    }

    /// The delays of messages that are due from now on go into a new book.
    pub(super) fn open_book(&mut self) {
        self.open = Some(self.books.len());
        self.books.push(Book { every: Delays::new(), last: Delays::new(), sent: Delays::new() });
    }

    /// The delays of messages that are due from now on are written nowhere.
    pub(super) fn close_book(&mut self) {
        self.open = None;
    }

    /// The books in the order in which they were opened.
    pub(super) fn books(&self) -> &[Book] {
        &self.books
    }

    /// When the next message is meant to be sent.
    pub(super) fn due(&self) -> Instant {
        self.due_of(self.sent.len())
    }

    /// Sends all that is due.
    pub(super) fn send(&mut self, crowd: &mut Crowd) -> Result<(), Failure> {
        self.bytes.clear();
        let now = Instant::now();
        loop {
            let due = self.due();
            if due > now {
                break;
            }
            let room = self.sent.len() % self.letters.len();
            self.letters[room].write(&mut self.bytes, self.sent.len() as u64);
            if let Some(book) = self.open {
                self.books[book].sent.record(now - due);
            }
            let (each, more) = (self.receivers.len() / self.letters.len(), self.receivers.len() % self.letters.len());
            let missing = (each + usize::from(room < more)) as u32;
            self.sent.push(Sent { missing, book: self.open.map(|book| book as u32) });
        }
        if self.bytes.is_empty() { Ok(()) } else { crowd.say(self.publisher, &self.bytes) }
    }

    /// A receiver of this class has a message.
    #[inline]
    pub(super) fn heard(&mut self, who: usize, message: &[u8]) {
        if !self.receivers.contains(&who) {
            return;
        }
        let Some(number) = marker(message).map(|number| number as usize) else { return };
        let due = self.due_of(number);
        let Some(Sent { missing, book }) = self.sent.get_mut(number) else { return };
        *missing = missing.saturating_sub(1);
        let Some(book) = book else { return };
        let delay = due.elapsed();
        let book = &mut self.books[*book as usize];
        book.every.record(delay);
        if *missing == 0 {
            book.last.record(delay);
        }
    }

    /// Deliveries that have not come, of messages in a book.
    pub(super) fn missing(&self) -> u64 {
        self.sent.iter().filter(|sent| sent.book.is_some()).map(|sent| u64::from(sent.missing)).sum()
    }

    fn due_of(&self, number: usize) -> Instant {
        self.began + self.every.mul_f64(number as f64)
    }
}
