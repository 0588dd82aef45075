//! What was measured: the same in `--json`, in the page at `/doctor` and in the cases that both are judged by.

use serde::{Deserialize, Serialize};

/// All of one run. Times in seconds, round trips in milliseconds.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Measurements {
    /// As a browser names the origin: `http://host:port`, the port left out if it is the usual one.
    pub(super) url: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) reach: Reach,
    /// Of `https://` alone.
    #[serde(default)]
    pub(super) tls: Option<Tls>,
    pub(super) doors: Doors,
    pub(super) quiet: Quiets,
    /// How often the broker offers to send a heart-beat; 0 is never.
    #[serde(default)]
    pub(super) heartbeat_seconds: Option<f64>,
    /// The broker's clock beside ours.
    #[serde(default)]
    pub(super) clock_ahead_seconds: Option<f64>,
    /// A variable that names a proxy, which was not used.
    #[serde(default)]
    pub(super) proxy_variable: Option<String>,
    /// After so long it was given up, and what was not measured by then is not known.
    #[serde(default)]
    pub(super) given_up_seconds: Option<f64>,
}

/// How far a connection came.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reach {
    Reached,
    UnknownName,
    NoAnswer,
    /// Something answers, but there is no TLS with it.
    NoTls,
    /// In the clear nothing is answered, and TLS is spoken there.
    OnlyTls,
}

/// What came of a handshake. Texts of a peer have lost what could harm a terminal.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Tls {
    pub(super) is: Handshake,
    /// Such as `TLS 1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// The best version that it has, such as `HTTP/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) http: Option<String>,
    /// Of the certificate that was shown, whether it was good or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) certificate: Option<Shown>,
    /// What TLS has against it, where that says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// A certificate, for people. Days in UTC, such as `2027-03-31`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Shown {
    pub(super) issuer: String,
    pub(super) names: String,
    pub(super) from: String,
    pub(super) until: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Handshake {
    Works,
    /// The certificate is signed by nobody who is known here.
    Untrusted,
    /// It is for other names.
    WrongName,
    /// It does not hold any more, or not yet.
    Untimely,
    /// It is wrong in another way.
    Unusable,
    /// What answers is no TLS.
    Plain,
    /// The other side has something against it.
    Refused,
    /// It broke off.
    #[default]
    Closed,
    Silent,
}

/// The ways in which messages come, the best first, and the way they go over HTTP.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Doors {
    pub(super) websocket: Door,
    pub(super) events: Door,
    pub(super) long_polling: Door,
    pub(super) short_polling: Door,
    pub(super) publishing: Door,
}

/// One way.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Door {
    pub(super) is: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) round_trip_ms: Option<RoundTrip>,
    /// The HTTP status that stood in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    /// When it ended too soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after_seconds: Option<f64>,
}

/// What came of it. The words for people are in `words.json`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Works,
    /// No answer of ours: an error on the way, or no connection.
    Refused,
    /// WebSocket: opened, and closed before CONNECTED.
    Closed,
    /// Begun, and then nothing.
    Silent,
    /// Events that came together though they were said one after the other.
    Buffered,
    /// An answer that broke off, or was replaced when it was late.
    Cut,
    /// The same answer twice where each is new.
    Cached,
    /// Another body than was sent.
    Altered,
    /// An answer that is none of Homeroom's.
    Foreign,
    /// The broker does not know the origin.
    TurnedAway,
    /// The broker has no place.
    Busy,
    #[default]
    Untried,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct RoundTrip {
    pub(super) median: f64,
    pub(super) worst: f64,
}

/// What became of connections on which nothing was said.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Quiets {
    pub(super) websocket: Quiet,
    pub(super) http: Quiet,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum Quiet {
    /// It still worked after so long a silence.
    Open { seconds: f64 },
    /// It was closed after so long a silence.
    Cut { seconds: f64 },
    /// Nobody closed it, but after this silence nothing came through.
    Lost { seconds: f64 },
    #[default]
    Untried,
}

impl Doors {
    /// Whether messages can be had in any way.
    pub(super) fn any_works(&self) -> bool {
        self.reading().iter().any(|door| door.is == Outcome::Works)
    }

    /// The ways in which messages come, the best first.
    pub(super) fn reading(&self) -> [&Door; 4] {
        [&self.websocket, &self.events, &self.long_polling, &self.short_polling]
    }

    /// All of them, by the names that `words.json` knows.
    pub(super) fn named(&self) -> [(&'static str, &Door); 5] {
        let [websocket, events, long_polling, short_polling] = self.reading();
        [
            ("websocket", websocket),
            ("events", events),
            ("long_polling", long_polling),
            ("short_polling", short_polling),
            ("publishing", &self.publishing),
        ]
    }
}

impl Door {
    /// One of which nothing more is known.
    pub(super) fn is(is: Outcome) -> Door {
        Door { is, ..Door::default() }
    }

    /// One that works, with its round trips.
    pub(super) fn works(samples: &[f64]) -> Door {
        Door { round_trip_ms: RoundTrip::of(samples), ..Door::is(Outcome::Works) }
    }
}

impl RoundTrip {
    /// Of samples in milliseconds; none of none.
    pub(super) fn of(samples: &[f64]) -> Option<RoundTrip> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (median, worst) = (sorted.get(sorted.len() / 2)?, sorted.last()?);
        Some(RoundTrip { median: *median, worst: *worst })
    }
}
