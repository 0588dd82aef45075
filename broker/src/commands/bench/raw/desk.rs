//! How the threads of the bare server hand things to each other.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use mio::net::TcpStream;
use mio::{Poll, Token, Waker};

use super::publication::Publication;

/// One client of one thread. `birth` tells it from others that had its place before.
#[derive(Clone, Copy)]
pub(super) struct Address {
    pub(super) worker: usize,
    pub(super) client: usize,
    pub(super) birth: u32,
}

/// What one thread asks of another.
pub(super) enum Order {
    Adopt(TcpStream),
    Publish(Arc<Publication>),
    Answer(Address, Vec<u8>),
}

/// Where orders for a thread are put.
pub(super) struct Desk {
    orders: Mutex<Vec<Order>>,
    waker: Waker,
}

/// What a thread is woken by.
pub(super) const WAKER: Token = Token(usize::MAX - 1);

impl Desk {
    /// A desk and what wakes its thread.
    pub(super) fn new() -> io::Result<(Desk, Poll)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        Ok((Desk { orders: Mutex::new(Vec::new()), waker }, poll))
    }

    /// Hands orders over. Only the first of those who wait wakes the thread.
    pub(super) fn put(&self, orders: Vec<Order>) {
        let mut waiting = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.is_empty();
        waiting.extend(orders);
        drop(waiting);
        if first {
            // It fails only when the thread is gone, and then the process ends.
            let _ = self.waker.wake();
        }
    }

    /// All that was handed over since.
    pub(super) fn take(&self) -> Vec<Order> {
        std::mem::take(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
