//! What is counted of TLS.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What came of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// A stream.
    Done,
    /// The two could not agree, or one went away.
    Failed,
    /// It took too long.
    Late,
    /// The peer does not speak TLS.
    NotTls,
    /// Too many were waiting.
    TurnedAway,
}

/// Handshakes and certificates.
#[derive(Debug, Default)]
pub struct TlsCounters {
    handshakes: Family<Outcome, Counter>,
    reloads: Family<Outcome, Counter>,
    expiration: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

impl TlsCounters {
    /// Registered at nought. Until when a certificate holds is shown once there is one.
    pub(super) fn registered(registry: &mut Registry) -> TlsCounters {
        let counters = TlsCounters::default();
        registry.register("tls_handshakes", "TLS handshakes, by result", counters.handshakes.clone());
        let help = "Certificates that were found to be new, by what came of them";
        registry.register("tls_reloads", help, counters.reloads.clone());
        let help = "When the certificate in use ends, in seconds since 1970; 0 without TLS";
        registry.register("tls_certificate_expiration_timestamp_seconds", help, counters.expiration.clone());
        counters
    }

    /// A handshake is over.
    pub fn handshake(&self, outcome: Handshake) {
        let result = match outcome {
            Handshake::Done => "done",
            Handshake::Failed => "failed",
            Handshake::Late => "late",
            Handshake::NotTls => "not_tls",
            Handshake::TurnedAway => "turned_away",
        };
        self.handshakes.get_or_create(&Outcome { result }).inc();
    }

    /// A new pair was taken, or the one before was kept.
    pub fn reloaded(&self, taken: bool) {
        self.reloads.get_or_create(&Outcome { result: if taken { "taken" } else { "refused" } }).inc();
    }

    /// A certificate is in use that ends so many seconds after 1970.
    pub fn expires(&self, seconds: i64) {
        self.expiration.set(seconds);
    }
}
