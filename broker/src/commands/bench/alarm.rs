//! Waking at a time, to the microsecond: the kernel's own wait counts in milliseconds.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// A timer among the sockets.
pub(super) struct Alarm {
    timer: OwnedFd,
    /// When it will ring, or has rung.
    set_to: Option<Instant>,
}

/// What the alarm's events carry.
pub(super) const ALARM: Token = Token(usize::MAX);

/// From here on the kernel's own wait is good enough.
const FAR: Duration = Duration::from_millis(20);

/// So much before the time it rings, and the rest is spent asking: waking up takes some of it.
const SPENT_ASKING: Duration = Duration::from_micros(100);

impl Alarm {
    /// Set to nothing.
    pub(super) fn new(registry: &Registry) -> io::Result<Alarm> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), ALARM, Interest::READABLE)?;
        Ok(Alarm { timer, set_to: None })
    }

    /// How long to wait for events at most; the alarm sees to it that it is not longer than until then.
    pub(super) fn set(&mut self, until: Instant) -> io::Result<Duration> {
        let left = until.saturating_duration_since(Instant::now());
        if left <= SPENT_ASKING {
            return Ok(Duration::ZERO);
        }
        if left >= FAR {
            return Ok(left - FAR / 2);
        }
        if self.set_to != Some(until) {
            let left = left - SPENT_ASKING;
            let value = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
            let once = Timespec { tv_sec: 0, tv_nsec: 0 };
            let timer = Itimerspec { it_interval: once, it_value: value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &timer)?;
            self.set_to = Some(until);
        }
        // In case the alarm has rung already and somebody waits for the same time again.
        Ok(left)
    }
}
