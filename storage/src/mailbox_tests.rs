//! What the mailbox does on one thread and on two; their interleavings: `tests/tail_under_loom.rs`.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::mailbox::{Mailbox, Wakes};

#[derive(Default)]
struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_reader_is_woken_once_for_all_that_was_put_in_together() {
    let (mailbox, counted) = (Mailbox::default(), Arc::<Counted>::default());
    let waker = counted.clone().into();
    let context = Context::from_waker(&waker);
    assert!(mailbox.poll_take(&context).is_pending());
    let mut wakes = Wakes::default();
    (0..100).for_each(|number| mailbox.put([number], &mut wakes));
    assert_eq!(counted.0.load(Ordering::Relaxed), 0, "the writer is not done");
    drop(wakes);
    assert_eq!(counted.0.load(Ordering::Relaxed), 1);
    assert_eq!(mailbox.take(), (0..100).collect::<Vec<_>>());
}

#[test]
fn what_was_put_in_before_the_end_is_taken_before_the_end_is_seen() {
    let mailbox = Mailbox::default();
    let context = Context::from_waker(Waker::noop());
    mailbox.put([1], &mut Wakes::default());
    mailbox.shut();
    assert_eq!(mailbox.poll_take(&context), Poll::Ready(VecDeque::from([1])));
    assert_eq!(mailbox.poll_take(&context), Poll::Ready(VecDeque::new()));
}

#[tokio::test]
async fn nothing_is_lost_between_a_writer_and_a_reader_on_two_threads() {
    const ALL: usize = 20_000;
    let mailbox = Arc::new(Mailbox::default());
    let writer = std::thread::spawn({
        let mailbox = Arc::clone(&mailbox);
        move || {
            for first in (0..ALL).step_by(10) {
                let mut wakes = Wakes::default();
                (first..first + 10).for_each(|number| mailbox.put([number], &mut wakes));
            }
            mailbox.shut();
        }
    });
    let mut taken = Vec::new();
    loop {
        let items = poll_fn(|context| mailbox.poll_take(context)).await;
        if items.is_empty() {
            break;
        }
        taken.extend(items);
    }
    writer.join().unwrap();
    assert_eq!(taken, (0..ALL).collect::<Vec<_>>());
}
