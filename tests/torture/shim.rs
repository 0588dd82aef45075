//! The layer between the broker and its machine, and what it is told.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use homeroom_tests::Setup;
use rustix::io::Errno;

/// The slots of the control file, in the order of `shim.c`.
#[derive(Clone, Copy)]
enum Slot {
    SyncError,
    SyncDelay,
    WriteError,
    WritesError,
    ClockSeconds,
    FailedAt,
}

const SLOTS: usize = 6;

/// What lies below a broker.
pub(crate) struct Shim(File);

impl Shim {
    /// Builds the layer and puts it below the brokers of this setup. It does nothing until it is told to.
    pub(crate) fn below(setup: Setup) -> (Setup, Self) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("torture/shim.c");
        let (library, control) = (setup.directory().join("shim.so"), setup.directory().join("shim.control"));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(source);
        let built = compiler.output().expect("cc runs: apt-get install gcc libc6-dev");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        std::fs::write(&control, [0; SLOTS * 8]).expect("a control file");
        let file = File::options().read(true).write(true).open(&control).expect("the control file");
        let setup = setup.environment("LD_PRELOAD", &library.to_string_lossy());
        (setup.environment("TORTURE_CONTROL", &control.to_string_lossy()), Self(file))
    }

    /// The next sync of the database fails.
    pub(crate) fn fail_next_sync(&self, error: Errno) {
        self.put(Slot::SyncError, error.raw_os_error().into());
    }

    /// The next write to the database fails.
    pub(crate) fn fail_next_write(&self, error: Errno) {
        self.put(Slot::WriteError, error.raw_os_error().into());
    }

    /// Every write to the database fails, until `None`.
    pub(crate) fn fail_writes(&self, error: Option<Errno>) {
        self.put(Slot::WritesError, error.map_or(0, |error| error.raw_os_error().into()));
    }

    /// Every sync of the database takes so much longer.
    pub(crate) fn delay_syncs(&self, millis: i64) {
        self.put(Slot::SyncDelay, millis);
    }

    /// The time of day is so much ahead of the machine's.
    pub(crate) fn set_clock_ahead(&self, seconds: i64) {
        self.put(Slot::ClockSeconds, seconds);
    }

    /// When something failed first, by the clock of histories.
    pub(crate) fn failed_at(&self) -> Option<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, Slot::FailedAt as u64 * 8).expect("the control file has all slots");
        Some(u64::from_ne_bytes(bytes)).filter(|at| *at > 0)
    }

    fn put(&self, slot: Slot, value: i64) {
        self.0.write_all_at(&value.to_ne_bytes(), slot as u64 * 8).expect("the control file can be written");
    }
}
