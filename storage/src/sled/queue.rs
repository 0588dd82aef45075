//! What waits for the writer: bounded in bytes, taken in the order it came.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::append::Lanes;
use crate::erase::{EraseError, Erased, Erasure};
use crate::{Append, CursorsError, LogError, LogName, Offset, Opened, Retention, Settlement, Slot};

/// Records of one commit at most.
const BATCH_RECORDS_MAX: usize = 1024;
/// Bytes of one commit, exceeded by at most one record.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Where an answer goes. Nobody may be waiting any more.
pub(crate) type Reply<T, E> = oneshot::Sender<Result<T, E>>;

/// What the writer is asked to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Store a record, or several.
    Append { append: Append, cost: usize, slot: Slot },
    /// An append of these lanes was refused at the door: those behind it fail.
    Break(Lanes),
    /// Make a log or give it a retention, and follow it.
    Open { log: LogName, retention: Retention, reply: Reply<Opened, LogError> },
    /// Make all cursors durable.
    SyncCursors(Reply<(), CursorsError>),
    /// Move cursors, all or none.
    Settle { settlements: Vec<Settlement>, reply: Reply<(), CursorsError> },
    /// Forget records.
    Trim { log: LogName, up_to: Offset, reply: Reply<(), LogError> },
    /// Forget a log.
    Delete { log: LogName, reply: Reply<(), LogError> },
    /// Forget for good.
    Erase { what: Erasure, reply: Reply<Erased, EraseError> },
    /// Finish.
    Close(oneshot::Sender<()>),
}

/// What [`Queue::take`] found.
#[derive(Debug)]
pub(crate) enum Work {
    /// Jobs that share a commit.
    Together(Vec<Job>),
    /// A job that needs what came before it to be committed.
    Alone(Job),
    /// Nothing came in time.
    Nothing,
    /// The engine was dropped and all is done.
    Ended,
}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    came: Condvar,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    ended: bool,
    /// The writer waits, and has to be woken: a wake-up is a system call, even one that wakes nobody.
    idle: bool,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Queue {
        Queue { state: Mutex::default(), came: Condvar::new(), bytes_max }
    }

    /// Queues a job. One that comes after the end is dropped, and with it its reply, which is an answer too.
    pub(crate) fn push(&self, job: Job) {
        drop(self.push_all([job]));
    }

    /// Queues jobs in their order, and wakes the writer once. What comes after the end, and appends for which
    /// there is no room, are given back. The latter break their lanes in their place, so that those of the lane
    /// that wait already do not suffer.
    pub(crate) fn push_all(&self, jobs: impl IntoIterator<Item = Job>) -> Vec<Job> {
        let (mut state, mut given_back) = (self.state(), Vec::new());
        for job in jobs {
            let bytes = state.bytes + job.bytes();
            if state.ended {
                job.break_lanes();
                given_back.push(job);
            } else if job.bytes() > 0 && bytes > self.bytes_max {
                state.jobs.extend(job.lanes().map(Job::Break));
                given_back.push(job);
            } else {
                state.bytes = bytes;
                state.jobs.push_back(job);
            }
        }
        let wakes = state.idle && !state.jobs.is_empty();
        state.idle &= !wakes;
        drop(state);
        if wakes {
            self.came.notify_one();
        }
        given_back
    }

    /// Takes all that may share a commit, waiting for the first of it.
    pub(crate) fn take(&self, patience: Duration) -> Work {
        let idle = |state: &mut State| {
            state.idle = state.jobs.is_empty() && !state.ended;
            state.idle
        };
        let waited = self.came.wait_timeout_while(self.state(), patience, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.idle = false;
        match state.jobs.front() {
            None if state.ended => Work::Ended,
            None => Work::Nothing,
            Some(job) if job.is_alone() => state.pop().map_or(Work::Nothing, Work::Alone),
            Some(_) => Work::Together(state.gather()),
        }
    }

    /// Takes no more.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.came.notify_one();
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn gather(&mut self) -> Vec<Job> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH_RECORDS_MAX
            && bytes < BATCH_BYTES_MAX
            && self.jobs.front().is_some_and(|job| !job.is_alone())
            && let Some(job) = self.pop()
        {
            bytes += job.bytes();
            batch.push(job);
        }
        batch
    }

    fn pop(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        self.bytes -= job.bytes();
        Some(job)
    }
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Job::Append { cost, .. } => cost + 128,
            _ => 0,
        }
    }

    /// Those that break when the job is not taken.
    fn lanes(&self) -> Option<Lanes> {
        match self {
            Job::Append { append, .. } => Some(append.lanes()),
            _ => None,
        }
    }

    fn break_lanes(&self) {
        match self {
            Job::Break(lanes) => lanes.break_off(),
            job => job.lanes().iter().for_each(Lanes::break_off),
        }
    }

    fn is_alone(&self) -> bool {
        matches!(self, Job::Trim { .. } | Job::Delete { .. } | Job::Erase { .. } | Job::Close(_))
    }
}
