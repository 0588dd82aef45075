//! A class that goes on beside a storm, with a thread of its own: what it waits for is the broker, not this client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Failure;
use super::crowd::Heard;
use super::scene::Scene;
use super::timetable::Timetable;

/// The running class.
pub(super) struct Beside {
    wish: Arc<Wish>,
    thread: JoinHandle<Result<Timetable, Failure>>,
}

#[derive(Default)]
struct Wish {
    write_down: AtomicBool,
    end: AtomicBool,
}

/// How long messages may still arrive after the last was sent.
const ARRIVED_WITHIN: Duration = Duration::from_secs(10);

impl Beside {
    /// Goes on from now; nothing is written down yet.
    pub(super) fn start(mut scene: Scene, mut class: Timetable) -> Beside {
        let wish = Arc::new(Wish::default());
        let told = Arc::clone(&wish);
        let thread = std::thread::spawn(move || {
            let mut writing = false;
            while !told.end.load(Ordering::Acquire) {
                let write_down = told.write_down.load(Ordering::Acquire);
                match (writing, write_down) {
                    (false, true) => class.open_book(),
                    (true, false) => class.close_book(),
                    _ => {}
                }
                writing = write_down;
                class.send(&mut scene.crowd)?;
                let due = class.due();
                turn(&mut scene, &mut class, due)?;
            }
            let until = Instant::now() + ARRIVED_WITHIN;
            while class.missing() > 0 && Instant::now() < until {
                turn(&mut scene, &mut class, until)?;
            }
            Ok(class)
        });
        Beside { wish, thread }
    }

    /// Opens a book for messages from now on, or closes it.
    pub(super) fn write_down(&self, whether: bool) {
        self.wish.write_down.store(whether, Ordering::Release);
    }

    /// Ends the class and waits for what is under way.
    pub(super) fn end(self) -> Result<Timetable, Failure> {
        self.wish.end.store(true, Ordering::Release);
        self.thread.join().unwrap_or_else(|_| Err(Failure::new("The class beside ended by a bug of this program.")))
    }
}

/// Waits until something happens or until then; the class hears its messages.
pub(super) fn turn(scene: &mut Scene, class: &mut Timetable, until: Instant) -> Result<(), Failure> {
    scene.crowd.turn(Some(until), &mut |who, what| {
        if let Heard::Message(message) = what {
            class.heard(who, message);
        }
    })
}
