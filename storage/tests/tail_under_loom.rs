//! The live end of a log under loom: the interleavings of the engine that publishes with the task that takes.
//!
//! Shown: each record comes once and in its order, the reader is woken for each (or loom finds that all threads rest),
//! the end comes behind the last record, and what was taken is not counted any more. The tail and its mailbox are the
//! store's own source; a record is reduced to its number.

#[path = "../src/mailbox.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store uses more of it than these models")]
mod mailbox;
#[path = "../src/tail.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store uses more of it than these models")]
mod tail;

/// What the live end shares between threads.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
}

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::{Arc, Notify};
use loom::thread;

use crate::mailbox::Wakes;
use crate::tail::{TAIL_BYTES_MAX, Tail, Tails};

/// A record as far as the tail knows it.
#[derive(Debug)]
struct Record {
    number: u64,
    cost: usize,
}

impl Record {
    fn cost(&self) -> usize {
        self.cost
    }
}

/// Runs a model; three forced switches find every known mistake, and all interleavings are too many.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

struct Parked(Notify);

impl Wake for Parked {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
}

/// Runs a future on this thread; nobody wakes it but its own wakers.
fn block_on<F: Future>(future: F) -> F::Output {
    let parked = std::sync::Arc::new(Parked(Notify::new()));
    let waker = Waker::from(parked.clone());
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => parked.0.wait(),
        }
    }
}

fn publish(tails: &mut Tails, numbers: &[u64], cost: usize) {
    let records: Vec<Arc<Record>> = numbers.iter().map(|number| Arc::new(Record { number: *number, cost })).collect();
    let mut wakes = Wakes::default();
    tails.publish(&records, &mut wakes);
}

fn read_to_the_end(mut tail: Tail) -> Vec<u64> {
    let mut seen = Vec::new();
    while let Some(record) = block_on(tail.next()) {
        seen.push(record.number);
    }
    seen
}

#[test]
fn each_record_comes_once_in_order_and_then_the_end() {
    model(|| {
        let mut tails = Tails::default();
        let tail = tails.follow();
        let reader = thread::spawn(move || read_to_the_end(tail));
        publish(&mut tails, &[1], 10);
        publish(&mut tails, &[2, 3], 10);
        tails.end();
        assert_eq!(reader.join().expect("a reader never panics"), [1, 2, 3]);
    });
}

#[test]
fn a_reader_that_takes_what_is_too_much_lets_the_log_go_on() {
    model(|| {
        let mut tails = Tails::default();
        let mut tail = tails.follow();
        publish(&mut tails, &[1], TAIL_BYTES_MAX);
        assert!(tails.is_overfull());
        let reader = thread::spawn(move || {
            let first = block_on(tail.next()).map(|record| record.number);
            (first, tail)
        });
        publish(&mut tails, &[2], 10);
        let (first, mut tail) = reader.join().expect("a reader never panics");
        assert!(first == Some(1) && !tails.is_overfull());
        assert_eq!(tail.try_next().map(|record| record.number), Some(2));
    });
}

#[test]
fn a_reader_that_goes_holds_nobody_up() {
    model(|| {
        let mut tails = Tails::default();
        let (gone, stays) = (tails.follow(), tails.follow());
        let going = thread::spawn(move || drop(gone));
        let reader = thread::spawn(move || read_to_the_end(stays));
        publish(&mut tails, &[1], TAIL_BYTES_MAX);
        going.join().expect("it only goes");
        tails.end();
        assert_eq!(reader.join().expect("a reader never panics"), [1]);
    });
}
