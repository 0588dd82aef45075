//! How far messages have come that nobody acknowledges.
//!
//! ```text
//!  sent ──Ping──► pinged ──Pong──► reached ──a write──► shown once ──a write, one interval later──► settled
//! ```
//!
//! A browser answers Pings in frame order, below its page's program: a Pong
//! shows that all before the Ping is at the browser, and says nothing of the
//! page. Two writes of the page after it, one heart-beat interval apart, show
//! that the page ran twice since; only then may the cursor of an `ack:auto`
//! subscription move. Without heart-beats from the client there is nothing to
//! wait for and *reached* has to do; without Pings (TCP) *sent* has.

use std::time::{Duration, Instant};

use crate::transport::pipe::Answering;

/// A client's timer may fire a little early: this share of the interval counts as all of it.
const INTERVAL_SHARE: f64 = 0.9;
/// A second Ping follows an unanswered one after this time; a peer that answers only the newest is heard then.
const PING_AGAIN: Duration = Duration::from_secs(1);
/// Chromium stops answering when about twice as much waits for the page.
const BROWSER_HOLDS_BYTES: u64 = 64 << 10;
/// Where nothing is durable, Pings only bound what waits at the browser.
const PLAIN_PING_BYTES: u64 = 1 << 20;

/// What confirms a message of an `auto` subscription on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The page showed twice that it runs.
    Page,
    /// The message is at the browser.
    Browser,
    /// The message left the broker.
    Written,
    /// The same, where the link says so later than with the write.
    Departed,
}

impl Confirmation {
    /// The value of `auto-confirm`.
    pub fn name(self) -> &'static str {
        match self {
            Confirmation::Page => "page",
            Confirmation::Browser => "browser",
            Confirmation::Written | Confirmation::Departed => "written",
        }
    }
}

/// How far one log's messages have come, in its offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Written to the link.
    pub sent: u64,
    /// Before the outstanding Pings, older first.
    pinged: [u64; 2],
    /// At the browser.
    pub reached: u64,
    shown_once: u64,
    /// The cursor may stand here.
    pub settled: u64,
}

impl Standing {
    /// Everything up to here was settled before.
    pub fn at(offset: u64) -> Standing {
        Standing { sent: offset, pinged: [offset; 2], reached: offset, shown_once: offset, settled: offset }
    }

    /// Records up to here were considered and all that was for the subscription has left. Where nothing
    /// waits to be settled, what was passed over is settled too.
    pub fn pass(&mut self, offset: u64) {
        if offset <= self.sent {
            return;
        }
        match self.settled == self.sent {
            true => *self = Standing::at(offset),
            false => self.sent = offset,
        }
    }

    /// What was reached counts as settled: the client said good-bye after it.
    pub fn settle_reached(&mut self) {
        self.settled = self.reached;
    }

    /// What was sent counts as settled: nothing more can be known of this link.
    pub fn settle_sent(&mut self) {
        *self = Standing::at(self.sent);
    }
}

/// When to Ping.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// At most this long after a message.
    pub after: Duration,
    /// Or after this many bytes.
    pub bytes: u64,
    /// More than this may not be at the browser without a write of its page.
    pub reached_bytes_max: u64,
}

/// One connection's Pings and what their answers show.
#[derive(Debug)]
pub struct Barrier {
    confirmation: Confirmation,
    interval: Duration,
    pace: Pace,
    nonce: u64,
    outstanding: [Option<Outstanding>; 2],
    counter: u64,
    unpinged_bytes: u64,
    unpinged_since: Option<Instant>,
    reached_bytes: u64,
    shown_once_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    counter: u64,
    bytes: u64,
    at: Instant,
}

impl Barrier {
    /// `answering` says who answers Pings; `heart_beat` is what the client promised to send, zero is none. `nonce`
    /// keeps Pongs of another connection from being taken for ours.
    pub fn new(answering: Option<Answering>, heart_beat: Duration, pace: Pace, nonce: u64) -> Barrier {
        let confirmation = match (answering, heart_beat.is_zero()) {
            (None, _) => Confirmation::Written,
            (Some(Answering::Departure), _) => Confirmation::Departed,
            (Some(Answering::Client), true) => Confirmation::Browser,
            (Some(Answering::Client), false) => Confirmation::Page,
        };
        Barrier {
            confirmation,
            interval: heart_beat,
            pace,
            nonce,
            outstanding: [None; 2],
            counter: 0,
            unpinged_bytes: 0,
            unpinged_since: None,
            reached_bytes: 0,
            shown_once_at: None,
        }
    }

    /// What confirms messages here.
    pub fn confirmation(&self) -> Confirmation {
        self.confirmation
    }

    /// Messages of `bytes` went out.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        if self.confirmation != Confirmation::Written {
            self.unpinged_bytes += bytes as u64;
            self.unpinged_since.get_or_insert(now);
        }
    }

    /// When the next Ping is due; `durable` says whether a cursor waits for it.
    pub fn ping_due(&self, durable: bool) -> Option<Instant> {
        let since = self.unpinged_since?;
        let enough = if durable { self.pace.bytes } else { PLAIN_PING_BYTES };
        let due = match (self.unpinged_bytes >= enough, durable) {
            (true, _) => since,
            (false, true) => since + self.pace.after,
            (false, false) => return None,
        };
        match self.outstanding {
            [None, None] => Some(due),
            [Some(first), None] => Some(due.max(first.at + PING_AGAIN)),
            _ => None,
        }
    }

    /// After so many bytes more the time of the next Ping is to be looked at again.
    pub fn quiet_bytes(&self, durable: bool) -> usize {
        let enough = if durable { self.pace.bytes } else { PLAIN_PING_BYTES };
        let quiet = match (self.confirmation, durable) {
            (Confirmation::Written, true) => 0,
            (Confirmation::Written, false) => u64::MAX,
            // Its Pong is waited for, and looks after the next one.
            _ if self.outstanding[1].is_some() => u64::MAX,
            (_, true) if self.unpinged_since.is_none() => 0,
            _ => enough.saturating_sub(self.unpinged_bytes),
        };
        usize::try_from(quiet).unwrap_or(usize::MAX)
    }

    /// Makes the Ping that goes out behind the last whole message.
    pub fn ping<'a>(&mut self, standings: impl Iterator<Item = &'a mut Standing>, now: Instant) -> [u8; 16] {
        self.counter += 1;
        let slot = usize::from(self.outstanding[0].is_some());
        for standing in standings {
            standing.pinged[slot] = standing.sent;
        }
        self.outstanding[slot] = Some(Outstanding { counter: self.counter, bytes: self.unpinged_bytes, at: now });
        (self.unpinged_bytes, self.unpinged_since) = (0, None);
        let mut payload = [0; 16];
        payload[..8].copy_from_slice(&self.nonce.to_be_bytes());
        payload[8..].copy_from_slice(&self.counter.to_be_bytes());
        payload
    }

    /// A Pong came. One that answers no outstanding Ping shows nothing; the
    /// newest confirms all before it. Says whether anything was reached.
    pub fn pong<'a>(&mut self, payload: &[u8], standings: impl Iterator<Item = &'a mut Standing>) -> bool {
        let Some(counter) = self.counter_of(payload) else { return false };
        let Some(slot) = self.outstanding.iter().position(|ping| ping.is_some_and(|ping| ping.counter == counter))
        else {
            return false;
        };
        for standing in standings {
            standing.reached = standing.reached.max(standing.pinged[slot]);
            standing.pinged[0] = standing.pinged[1];
            if self.confirmation != Confirmation::Page {
                standing.settled = standing.reached;
            }
        }
        self.reached_bytes += self.outstanding[..=slot].iter().flatten().map(|ping| ping.bytes).sum::<u64>();
        self.outstanding = if slot == 0 { [self.outstanding[1], None] } else { [None; 2] };
        true
    }

    /// The client's program wrote something. Says whether anything was settled.
    pub fn client_wrote<'a>(&mut self, now: Instant, standings: impl Iterator<Item = &'a mut Standing>) -> bool {
        self.reached_bytes = 0;
        if self.confirmation != Confirmation::Page {
            return false;
        }
        let waited = self.shown_once_at.map(|since| now - since);
        if waited.is_some_and(|waited| waited < self.interval.mul_f64(INTERVAL_SHARE)) {
            return false;
        }
        let (mut settled, mut shown) = (false, false);
        for standing in standings {
            settled |= standing.shown_once > standing.settled;
            standing.settled = standing.settled.max(standing.shown_once);
            shown |= standing.reached > standing.shown_once;
            standing.shown_once = standing.shown_once.max(standing.reached);
        }
        self.shown_once_at = shown.then_some(now);
        settled
    }

    /// Whether so much is at the browser without a sign of its page that readers wait.
    pub fn is_full(&self) -> bool {
        self.confirmation == Confirmation::Page && self.reached_bytes >= self.pace.reached_bytes_max
    }

    /// Whether a Ping waits for its Pong.
    pub fn is_waiting(&self) -> bool {
        self.outstanding[0].is_some()
    }

    /// Whether a Pong may wait behind data that the page has not taken: then it is late, not dead.
    pub fn waits_behind_data(&self) -> bool {
        let bytes: u64 = self.outstanding.iter().flatten().map(|ping| ping.bytes).sum();
        self.is_waiting() && bytes + self.unpinged_bytes >= BROWSER_HOLDS_BYTES
    }

    fn counter_of(&self, payload: &[u8]) -> Option<u64> {
        let (nonce, counter) = payload.split_at_checked(8)?;
        (nonce == self.nonce.to_be_bytes()).then(|| counter.try_into().ok().map(u64::from_be_bytes))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_secs(10);
    const PACE: Pace = Pace { after: Duration::from_millis(250), bytes: 64 << 10, reached_bytes_max: 1000 };

    struct Page {
        barrier: Barrier,
        standing: Standing,
        now: Instant,
    }

    impl Page {
        fn new(heart_beat: Duration) -> Page {
            let barrier = Barrier::new(Some(Answering::Client), heart_beat, PACE, 7);
            Page { barrier, standing: Standing::default(), now: Instant::now() }
        }

        fn send(&mut self, offset: u64) -> [u8; 16] {
            self.standing.sent = offset;
            self.barrier.sent(600, self.now);
            self.barrier.ping([&mut self.standing].into_iter(), self.now)
        }

        fn pong(&mut self, payload: &[u8]) {
            self.barrier.pong(payload, [&mut self.standing].into_iter());
        }

        fn write_after(&mut self, pause: Duration) -> u64 {
            self.now += pause;
            self.barrier.client_wrote(self.now, [&mut self.standing].into_iter());
            self.standing.settled
        }
    }

    #[test]
    fn a_pong_without_heart_beats_settles_nothing() {
        let mut page = Page::new(BEAT);
        let ping = page.send(5);
        page.pong(&ping);
        assert_eq!((page.standing.reached, page.standing.settled), (5, 0));
    }

    #[test]
    fn two_writes_an_interval_apart_settle_what_was_reached() {
        let mut page = Page::new(BEAT);
        let ping = page.send(5);
        page.pong(&ping);
        assert_eq!(page.write_after(BEAT), 0);
        assert_eq!(page.write_after(BEAT / 2), 0, "too soon after the first");
        assert_eq!(page.write_after(BEAT / 2), 5);
    }

    #[test]
    fn writes_before_the_pong_do_not_count() {
        let mut page = Page::new(BEAT);
        let ping = page.send(5);
        page.write_after(BEAT);
        page.write_after(BEAT);
        page.pong(&ping);
        assert_eq!(page.write_after(BEAT), 0);
        assert_eq!(page.write_after(BEAT), 5);
    }

    #[test]
    fn under_steady_traffic_the_cursor_trails_by_two_intervals() {
        let mut page = Page::new(BEAT);
        for offset in 1..=10 {
            let ping = page.send(offset);
            page.pong(&ping);
            let settled = page.write_after(BEAT);
            assert_eq!(settled, offset.saturating_sub(1), "after message {offset}");
        }
    }

    #[test]
    fn a_pong_never_asked_for_shows_nothing() {
        let mut page = Page::new(Duration::ZERO);
        let ping = page.send(5);
        let mut forged = ping;
        forged[15] += 1;
        for payload in [&forged[..], &ping[..8], b"", &[0; 16]] {
            page.pong(payload);
            assert_eq!(page.standing.reached, 0);
        }
        page.pong(&ping);
        page.standing.sent = 9;
        page.pong(&ping);
        assert_eq!(page.standing.reached, 5, "an answer counts once");
    }

    #[test]
    fn the_newest_pong_confirms_all_before_it() {
        let mut page = Page::new(Duration::ZERO);
        let (_first, second) = (page.send(5), page.send(9));
        page.pong(&second);
        assert_eq!((page.standing.reached, page.standing.settled), (9, 9));
        assert!(!page.barrier.is_waiting());
    }

    #[test]
    fn the_older_pong_confirms_only_its_own() {
        let mut page = Page::new(Duration::ZERO);
        let (first, second) = (page.send(5), page.send(9));
        page.pong(&first);
        assert_eq!(page.standing.reached, 5);
        page.pong(&second);
        assert_eq!(page.standing.reached, 9);
    }

    #[test]
    fn readers_wait_while_a_browser_holds_much_and_its_page_is_silent() {
        let mut page = Page::new(BEAT);
        for offset in [1, 2] {
            assert!(!page.barrier.is_full());
            let ping = page.send(offset);
            page.pong(&ping);
        }
        assert!(page.barrier.is_full());
        page.write_after(Duration::ZERO);
        assert!(!page.barrier.is_full());
    }

    #[test]
    fn one_ping_is_in_flight_and_one_may_follow() {
        let mut page = Page::new(BEAT);
        page.barrier.sent(1, page.now);
        assert_eq!(page.barrier.ping_due(true), Some(page.now + PACE.after));
        page.send(1);
        page.barrier.sent(1, page.now);
        assert_eq!(page.barrier.ping_due(true), Some(page.now + PING_AGAIN));
        page.send(2);
        page.barrier.sent(1 << 20, page.now);
        assert_eq!(page.barrier.ping_due(true), None);
    }
}
