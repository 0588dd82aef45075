//! Every record is read once after opening, so that damage is found before a class needs it.
//!
//! Opening looks at the ends of each log only. The rest is read later, by a
//! thread of its own that rests nine times as long as it works, exactly as a
//! reader would: what a reader finds damaged, the scrub does too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::disk::Fault;
use super::reader::read;
use super::state::{LogState, Shared};
use crate::{Budget, Offset};

/// One slice: some milliseconds of reading.
const SLICE: Budget = Budget { records: 1024, bytes: 256 * 1024 };
/// How much longer than each slice the rest after it is.
const REST: u32 = 9;
/// How long it waits for a database that is closed for lack of space.
const CLOSED: Duration = Duration::from_secs(1);

/// Reads all that is there now, in slices, until done or until the store is gone.
pub(crate) fn spawn(shared: &Arc<Shared>, after: Duration) {
    let weak = Arc::downgrade(shared);
    let scrub = move || {
        thread::sleep(after);
        run(&weak);
    };
    if let Err(error) = thread::Builder::new().name("store-scrub".into()).spawn(scrub) {
        warn!(%error, "records are verified only when they are read: no thread could be started");
    }
}

fn run(shared: &Weak<Shared>) {
    let begun = Instant::now();
    let logs = shared.upgrade().map_or(Vec::new(), |shared| shared.all_logs());
    let mut records = 0;
    for log in logs {
        let mut next = Some(Offset::ZERO);
        let up_to = log.bounds().head;
        while let Some(after) = next {
            let Some(shared) = shared.upgrade() else { return };
            let slice = Instant::now();
            let read = slice_of(&shared, &log, after, up_to);
            if let Slice::Read { records: more, .. } = read {
                records += more;
                shared.counters().scrubbed_records += more;
            }
            // A store that is dropped meanwhile need not wait for the rest to be over.
            drop(shared);
            let rest = slice.elapsed() * REST;
            next = match read {
                Slice::Read { through, .. } => (through < up_to).then_some(through),
                Slice::Closed => Some(after),
                Slice::Over => None,
            };
            thread::sleep(if matches!(read, Slice::Closed) { CLOSED } else { rest });
        }
    }
    if let Some(shared) = shared.upgrade() {
        shared.counters().scrub_ended = true;
        let damaged = shared.all_logs().iter().filter(|log| log.lock().damage.is_some()).count();
        info!(records, damaged, took = ?begun.elapsed(), "every record of the store was read and verified");
    }
}

/// What came of one slice.
enum Slice {
    Read {
        records: u64,
        through: Offset,
    },
    /// There is no database to read just now.
    Closed,
    /// Nothing more can be read of this log.
    Over,
}

fn slice_of(shared: &Shared, log: &LogState, after: Offset, up_to: Offset) -> Slice {
    let Some(disk) = shared.disk() else { return Slice::Closed };
    match catch_unwind(AssertUnwindSafe(|| read(&disk, log, after, up_to, SLICE))) {
        Ok(Ok(page)) => Slice::Read { records: page.records.len() as u64, through: page.through },
        Ok(Err(Fault::Damaged(reason))) => {
            log.fence_off(&reason);
            Slice::Over
        }
        Ok(Err(fault)) => {
            warn!(log = %log.name, %fault, "a log could not be verified");
            Slice::Over
        }
        Err(_) => {
            log.fence_off("sled panics when it is read");
            Slice::Over
        }
    }
}
