//! A socket in memory, for tests whose time stands still: under tokio's paused time the clock jumps whenever nothing is
//! left to do, and would not wait for a kernel.
//!
//! Beside what a socket does, its ends say how much was ever written to them: what a peer was given, whether or not it
//! has read it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use atomic_waker::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One end.
#[derive(Debug)]
pub struct Memory {
    incoming: Arc<Half>,
    outgoing: Arc<Half>,
}

/// What was ever written in one direction.
#[derive(Clone, Debug)]
pub struct Given(Arc<Half>);

#[derive(Debug)]
struct Half {
    state: Mutex<State>,
    room: usize,
    reads: AtomicWaker,
    writes: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    bytes: VecDeque<u8>,
    ever: usize,
    is_over: bool,
}

/// Two ends; `room` bytes may wait in each direction, as in a kernel.
pub fn memory(room: usize) -> (Memory, Memory) {
    let half = || {
        let (reads, writes) = (AtomicWaker::new(), AtomicWaker::new());
        Arc::new(Half { state: Mutex::default(), room, reads, writes })
    };
    let (there, back) = (half(), half());
    (Memory { incoming: back.clone(), outgoing: there.clone() }, Memory { incoming: there, outgoing: back })
}

impl Half {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn close(&self) {
        self.state().is_over = true;
        self.reads.wake();
        self.writes.wake();
    }
}

impl Given {
    /// Bytes that were ever written.
    pub fn bytes(&self) -> usize {
        self.0.state().ever
    }

    /// Whether nothing more will be.
    pub fn is_over(&self) -> bool {
        self.0.state().is_over
    }
}

impl Memory {
    /// What this end was ever given.
    pub fn given(&self) -> Given {
        Given(self.incoming.clone())
    }

    /// Resolves when [`Memory::try_read`] finds something.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| {
            self.incoming.reads.register(context.waker());
            let state = self.incoming.state();
            if state.bytes.is_empty() && !state.is_over { Poll::Pending } else { Poll::Ready(Ok(())) }
        })
        .await
    }

    /// Resolves when [`Memory::try_write`] takes something, or never will again.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|context| {
            self.outgoing.writes.register(context.waker());
            let state = self.outgoing.state();
            if state.bytes.len() >= self.outgoing.room && !state.is_over { Poll::Pending } else { Poll::Ready(Ok(())) }
        })
        .await
    }

    /// Takes what is there; 0 at the end.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.incoming.state();
        let count = buffer.len().min(state.bytes.len());
        if count == 0 && !state.is_over {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.bytes.drain(..count).zip(buffer).for_each(|(byte, place)| *place = byte);
        drop(state);
        self.incoming.writes.wake();
        Ok(count)
    }

    /// Hands over as much as there is room for.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.outgoing.state();
        if state.is_over {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(self.outgoing.room - state.bytes.len());
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.bytes.extend(&bytes[..count]);
        state.ever += count;
        drop(state);
        self.outgoing.reads.wake();
        Ok(count)
    }

    /// Nothing more is written.
    pub fn finish(&self) {
        self.outgoing.close();
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.incoming.close();
        self.outgoing.close();
    }
}

impl AsyncRead for Memory {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(std::pin::pin!(self.readable()).poll(context))?;
        let count = self.try_read(buffer.initialize_unfilled())?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(std::pin::pin!(self.writable()).poll(context))?;
        Poll::Ready(self.try_write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}
