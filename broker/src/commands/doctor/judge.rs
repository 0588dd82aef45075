//! From measurements to findings. Pure, and the same rules as in `web/src/doctor/judge.ts`: the cases in
//! `web/src/doctor/cases.json` hold both to it.

use std::collections::BTreeMap;

use super::measurements::{Door, Handshake, Measurements, Outcome, Quiet, Reach};

/// One thing to be said, by its name in `words.json`, and what stands in its blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) id: &'static str,
    pub(super) blanks: BTreeMap<&'static str, String>,
}

/// Heart-beats keep a connection if they come well before it is cut.
const MARGIN: f64 = 1.5;
/// Over HTTP the broker says something at least every 25 s.
const HTTP_SPEAKS_SECONDS: f64 = 25.0;
const SLOW_MS: f64 = 1_000.0;
const CLOCK_SECONDS: f64 = 5.0;

/// What is to be said, the most important first; never nothing.
pub(super) fn judge(measured: &Measurements) -> Vec<Finding> {
    let mut findings = Findings { measured, found: Vec::new() };
    findings.look();
    findings.found
}

struct Findings<'a> {
    measured: &'a Measurements,
    found: Vec<Finding>,
}

impl Findings<'_> {
    fn look(&mut self) {
        match self.measured.reach {
            Reach::UnknownName => self.say("unknown-name", []),
            Reach::NoAnswer => self.say("unreachable", []),
            Reach::NoTls => self.tls(),
            Reach::OnlyTls => self.say("only-tls", []),
            Reach::Reached => self.doors(),
        }
        if let Some(after) = self.measured.given_up_seconds {
            self.say("given-up", [("seconds", seconds(after))]);
        }
        if self.found.is_empty() {
            self.say("all-well", []);
        }
        if let Some(variable) = &self.measured.proxy_variable {
            self.say("proxy-unused", [("variable", variable.clone())]);
        }
    }

    fn tls(&mut self) {
        let tls = self.measured.tls.clone().unwrap_or_default();
        let reason = ("reason", tls.reason.unwrap_or_default());
        match (tls.is, tls.certificate) {
            (Handshake::Untrusted, Some(shown)) => self.say("certificate-untrusted", [("issuer", shown.issuer)]),
            (Handshake::WrongName, Some(shown)) => self.say("certificate-wrong-name", [("names", shown.names)]),
            (Handshake::Untimely, Some(shown)) => {
                self.say("certificate-untimely", [("from", shown.from), ("until", shown.until)]);
            }
            (Handshake::Plain, _) => self.say("tls-unknown", []),
            (Handshake::Refused, _) => self.say("tls-refused", [reason]),
            (Handshake::Closed, _) => self.say("tls-closed", []),
            (Handshake::Silent, _) => self.say("tls-silent", []),
            (Handshake::Works, _) => {}
            (_, _) => self.say("certificate-unusable", [reason]),
        }
    }

    fn doors(&mut self) {
        let doors = &self.measured.doors;
        let any = |outcome| doors.named().iter().any(|(_, door)| door.is == outcome);
        if doors.short_polling.is == Outcome::Foreign && doors.websocket.is != Outcome::Works {
            return self.say("not-homeroom", []);
        }
        if any(Outcome::TurnedAway) {
            // Whatever else was refused was refused for the same reason.
            return self.say("origin-refused", []);
        }
        if any(Outcome::Busy) {
            self.say("busy", []);
        } else if !doors.any_works() && self.measured.given_up_seconds.is_none() {
            return self.say("nothing-works", []);
        }
        self.websocket();
        self.http();
        self.quiet();
        self.line();
    }

    fn websocket(&mut self) {
        match self.measured.doors.websocket.is {
            Outcome::Refused | Outcome::Foreign | Outcome::Cut => self.say("websocket-refused", []),
            Outcome::Closed => self.say("websocket-closed", []),
            Outcome::Silent => self.say("websocket-silent", []),
            _ => {}
        }
    }

    fn http(&mut self) {
        let doors = &self.measured.doors;
        let fails = |door: &Door| !matches!(door.is, Outcome::Works | Outcome::Busy | Outcome::Untried);
        match doors.short_polling.is {
            Outcome::Cached => self.say("answers-cached", []),
            _ if fails(&doors.short_polling) => self.say("requests-blocked", []),
            _ => {}
        }
        match doors.events.is {
            Outcome::Buffered => self.say("events-buffered", []),
            _ if fails(&doors.events) => self.say("events-blocked", []),
            _ => {}
        }
        // What does not let silence be does not let anybody wait: that is said below, with the time.
        let no_silence = matches!(self.measured.quiet.http, Quiet::Cut { .. } | Quiet::Lost { .. });
        match (doors.long_polling.is, doors.long_polling.after_seconds) {
            (Outcome::Cut | Outcome::Silent, _) if no_silence => {}
            (Outcome::Cut, Some(after)) => self.say("polling-cut", [("seconds", seconds(after))]),
            _ if fails(&doors.long_polling) => self.say("polling-blocked", []),
            _ => {}
        }
        if fails(&doors.publishing) {
            self.say("post-blocked", []);
        }
    }

    fn quiet(&mut self) {
        let heartbeat = self.measured.heartbeat_seconds.unwrap_or_default();
        match self.measured.quiet.websocket {
            Quiet::Cut { seconds: after } if heartbeat == 0.0 || after <= heartbeat * MARGIN => {
                let [interval, milliseconds] = half(after);
                let blanks = [("seconds", seconds(after)), ("interval", interval), ("milliseconds", milliseconds)];
                self.say("websocket-quiet-cut", blanks);
            }
            Quiet::Lost { seconds: after } => self.say("websocket-quiet-lost", [("seconds", seconds(after))]),
            _ => {}
        }
        match self.measured.quiet.http {
            Quiet::Cut { seconds: after } if after <= HTTP_SPEAKS_SECONDS => {
                let [interval, _] = half(after);
                let wait = (after / 2.0).floor().max(1.0).to_string();
                let blanks = [("seconds", seconds(after)), ("interval", interval), ("wait", wait)];
                self.say("http-quiet-cut", blanks);
            }
            Quiet::Lost { seconds: after } => self.say("http-quiet-lost", [("seconds", seconds(after))]),
            _ => {}
        }
    }

    fn line(&mut self) {
        let reading = self.measured.doors.reading();
        let best = reading.iter().find(|door| door.is == Outcome::Works);
        if let Some(trip) = best.and_then(|door| door.round_trip_ms)
            && trip.median > SLOW_MS
        {
            self.say("slow", [("milliseconds", trip.median.round().to_string())]);
        }
        if let Some(ahead) = self.measured.clock_ahead_seconds
            && ahead.abs() > CLOCK_SECONDS
        {
            self.say("clock-wrong", [("seconds", seconds(ahead.abs()))]);
        }
    }

    fn say<const N: usize>(&mut self, id: &'static str, blanks: [(&'static str, String); N]) {
        let Measurements { url, host, port, .. } = self.measured;
        let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let place =
            [("url", url.clone()), ("host", host.clone()), ("port", port.to_string()), ("authority", authority)];
        self.found.push(Finding { id, blanks: place.into_iter().chain(blanks).collect() });
    }
}

/// `2.5 s`, and whole from 10 on.
pub(super) fn seconds(seconds: f64) -> String {
    format!("{} s", short(seconds))
}

/// One digit behind the point below 10, none from there on.
pub(super) fn short(number: f64) -> f64 {
    let tenths = (number * 10.0).round() / 10.0;
    if tenths < 10.0 { tenths } else { number.round() }
}

/// Half of a time, rounded down: as a setting, and in milliseconds.
fn half(seconds: f64) -> [String; 2] {
    let half = seconds * 500.0;
    let step = if half < 1_000.0 { 100.0 } else { 1_000.0 };
    let milliseconds = ((half / step).floor() * step).max(100.0);
    let interval =
        if milliseconds < 1_000.0 { format!("{milliseconds}ms") } else { format!("{}s", milliseconds / 1_000.0) };
    [interval, milliseconds.to_string()]
}

#[cfg(test)]
#[path = "cases_tests.rs"]
mod cases_tests;
