//! Heart-beats: what two peers settle on, and a table of timers.

use std::time::{Duration, Instant};

/// What was negotiated. Zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeartBeats {
    /// We say something at least this often.
    pub(crate) send: Duration,
    /// The peer says something at least this often.
    pub(crate) receive: Duration,
    /// How long the peer may be silent. STOMP 1.2, Heart-beating: "because of timing
    /// inaccuracies, the receiver SHOULD be tolerant and take into account an error margin".
    pub(crate) silence_max: Duration,
}

/// Longer intervals than this are taken for this: about 50 days.
const INTERVAL_MAX: Duration = Duration::from_millis(u32::MAX as u64);

impl HeartBeats {
    /// STOMP 1.2, Heart-beating: with `<cx>,<cy>` from the client and `<sx>,<sy>`
    /// from the server, "if `<cx>` is 0 … or `<sy>` is 0 … then there will be none;
    /// otherwise, there will be heart-beats every MAX(`<cx>`,`<sy>`) milliseconds",
    /// and the same with `<sx>` and `<cy>` the other way.
    pub(crate) fn negotiate(client: (Duration, Duration), server: (Duration, Duration), tolerance: f32) -> HeartBeats {
        let settle = |can: Duration, wants: Duration| {
            if can.is_zero() || wants.is_zero() { Duration::ZERO } else { can.max(wants).min(INTERVAL_MAX) }
        };
        let receive = settle(client.0, server.1);
        let tolerance = if tolerance.is_nan() { TOLERANCE_MIN } else { tolerance.clamp(TOLERANCE_MIN, TOLERANCE_MAX) };
        HeartBeats { send: settle(server.0, client.1), receive, silence_max: receive.mul_f32(tolerance) }
    }
}

/// A tolerance is a number of intervals within these.
const TOLERANCE_MIN: f32 = 1.0;
const TOLERANCE_MAX: f32 = 100.0;

/// Reads `heart-beat:<x>,<y>`, two numbers of milliseconds.
pub(crate) fn parse(value: &str) -> Option<(Duration, Duration)> {
    let (x, y) = value.split_once(',')?;
    Some((milliseconds(x)?, milliseconds(y)?))
}

fn milliseconds(digits: &str) -> Option<Duration> {
    let digits = digits.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // More than fits is more than anybody waits.
    is_number.then(|| Duration::from_millis(digits.parse().unwrap_or(u64::MAX)))
}

/// When something is to happen without anybody saying anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// CONNECTED should have been said by now. Set at the very first moment.
    Connect,
    /// A heart-beat is due. Set whenever something was written.
    Send,
    /// The peer may have been silent for too long. Set when it could be at the earliest;
    /// what was read since then is looked at when it rings.
    Receive,
    /// The oldest transaction has been open for too long. Set by BEGIN.
    Transaction,
}

impl Timer {
    pub(crate) const ALL: [Timer; 4] = [Timer::Connect, Timer::Send, Timer::Receive, Timer::Transaction];
}

/// The moment of each timer that runs.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    moments: [Option<Instant>; 4],
    /// The first of them: asked for far more often than it changes.
    next: Option<Instant>,
}

impl Timers {
    /// Runs `timer` until `after` has passed. Zero stops it.
    pub(crate) fn start(&mut self, timer: Timer, now: Instant, after: Duration) {
        self.set(timer, if after.is_zero() { None } else { now.checked_add(after) });
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.set(timer, None);
    }

    pub(crate) fn stop_all(&mut self) {
        *self = Timers::default();
    }

    /// The next moment at which something is to happen.
    #[inline]
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// A timer that has run out, if there is one. It is stopped.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let ran_out = |timer: &Timer| self.moments[*timer as usize].is_some_and(|moment| moment <= now);
        let timer = Timer::ALL.into_iter().find(ran_out)?;
        self.stop(timer);
        Some(timer)
    }

    fn set(&mut self, timer: Timer, moment: Option<Instant>) {
        self.moments[timer as usize] = moment;
        self.next = self.moments.iter().flatten().min().copied();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_two_wishes_wins_and_zero_is_none() {
        let table = [
            ("0,0", (10_000, 10_000), (0, 0)),
            ("10000,10000", (10_000, 10_000), (10_000, 10_000)),
            ("5000,20000", (10_000, 10_000), (20_000, 10_000)),
            ("20000,5000", (10_000, 10_000), (10_000, 20_000)),
            ("1000,0", (10_000, 10_000), (0, 10_000)),
            ("0,1000", (10_000, 10_000), (10_000, 0)),
            ("1000,1000", (0, 0), (0, 0)),
            (" 1 , 2 ", (5, 7), (5, 7)),
            ("99999999999999999999999,1", (1, 1), (1, u64::from(u32::MAX))),
        ];
        for (client, server, (send, receive)) in table {
            let milliseconds = Duration::from_millis;
            let server = (milliseconds(server.0), milliseconds(server.1));
            let negotiated = HeartBeats::negotiate(parse(client).unwrap(), server, 2.0);
            assert_eq!((negotiated.send, negotiated.receive), (milliseconds(send), milliseconds(receive)), "{client}");
            let twice = negotiated.receive * 2;
            assert!(negotiated.silence_max.abs_diff(twice) <= twice / 1_000_000, "{client}");
        }
    }

    #[test]
    fn a_strange_tolerance_is_brought_into_bounds() {
        let ten_seconds = (Duration::from_secs(10), Duration::from_secs(10));
        for (tolerance, seconds) in [(2.5, 25), (0.0, 10), (-1.0, 10), (f32::NAN, 10), (f32::INFINITY, 1000)] {
            let negotiated = HeartBeats::negotiate(ten_seconds, ten_seconds, tolerance);
            assert_eq!(negotiated.silence_max, Duration::from_secs(seconds), "{tolerance}");
        }
    }

    #[test]
    fn what_is_not_two_numbers_is_not_a_heart_beat() {
        for value in ["", "1", "1,", ",1", "-1,1", "1,+1", "a,b", "1,2,3", "1.5,2"] {
            assert_eq!(parse(value), None, "{value:?}");
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some moment to count from")]
    #[test]
    fn timers_run_out_one_by_one() {
        let now = Instant::now();
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.start(Timer::Send, now, Duration::from_secs(2));
        timers.start(Timer::Receive, now, Duration::from_secs(1));
        timers.start(Timer::Connect, now, Duration::ZERO);
        timers.start(Timer::Transaction, now, Duration::MAX);
        assert_eq!(timers.next(), Some(now + Duration::from_secs(1)));
        assert_eq!(timers.expired(now), None);
        let later = now + Duration::from_secs(2);
        assert_eq!(timers.expired(later), Some(Timer::Send));
        assert_eq!(timers.expired(later), Some(Timer::Receive));
        assert_eq!(timers.expired(later), None);
    }
}
