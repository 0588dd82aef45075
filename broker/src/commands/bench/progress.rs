//! How far a run has come, on standard error, if somebody is looking.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that goes away at its end.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Towards `total` of something countable.
    pub(super) fn new(name: &'static str, total: u64) -> Progress {
        Progress::styled(name, total, "{msg:>11} {wide_bar} {pos}/{len}")
    }

    /// Towards the end of a time.
    pub(super) fn timed(name: &'static str, time: Duration) -> Progress {
        Progress::styled(name, time.as_millis() as u64, "{msg:>11} {wide_bar} {elapsed}")
    }

    fn styled(name: &'static str, total: u64, template: &str) -> Progress {
        let style = ProgressStyle::with_template(template).expect("the template is right");
        Progress { bar: ProgressBar::new(total).with_style(style).with_message(name) }
    }

    /// So far.
    pub(super) fn set(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// So much of the time has passed.
    pub(super) fn passed(&self, time: Duration) {
        self.set(time.as_millis() as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
