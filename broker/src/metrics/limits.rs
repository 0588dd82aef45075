//! How often each limit was hit. All are there from the first scrape on, at nought.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Each limit with its key in the settings.
macro_rules! limits {
    ($($name:ident = $key:literal,)*) => {
        /// A limit of the settings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Limit {
            $(#[doc = concat!("`", $key, "`")] $name,)*
        }

        impl Limit {
            /// All of them.
            pub const ALL: &[Limit] = &[$(Limit::$name,)*];

            /// Its key in the settings.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Limit::$name => $key,)*
                }
            }
        }
    };
}

limits! {
    Connections = "limits.connections",
    ConnectionsPerAddress = "limits.connections_per_address",
    ConnectionsPerUser = "limits.connections_per_user",
    AcceptsPerSecond = "limits.accepts_per_second",
    HandshakesPerAddress = "limits.handshakes_per_address",
    Subscriptions = "limits.subscriptions",
    HeaderCount = "limits.header_count",
    HeaderBytes = "limits.header_bytes",
    BodyBytes = "limits.body_bytes",
    BytesBeforeConnected = "limits.bytes_before_connected",
    IdentifierBytes = "limits.identifier_bytes",
    Transactions = "limits.transactions",
    TransactionMessages = "limits.transaction_messages",
    TransactionBytes = "limits.transaction_bytes",
    TransactionAge = "limits.transaction_age",
    OutboxBytes = "limits.outbox_bytes",
    InFlightBytes = "limits.in_flight_bytes",
    InFlightMessages = "limits.in_flight_messages",
    Classrooms = "limits.classrooms",
    Receipts = "limits.receipts",
    ReplyQueues = "limits.reply_queues",
    DoctorProbes = "limits.doctor_probes",
    Replies = "limits.replies",
    ReplyBytes = "limits.reply_bytes",
    PublishPerUser = "limits.publish_per_user",
    PublishPerService = "limits.publish_per_service",
    PublishPerClassroom = "limits.publish_per_classroom",
    PublishWait = "limits.publish_wait",
    ConnectWithin = "stomp.connect_within",
    FrameWithin = "stomp.frame_within",
    HeaderTimeout = "http.header_timeout",
    HeaderBytesMax = "http.header_bytes_max",
    UpgradeTimeout = "http.upgrade_timeout",
    Handshakes = "tls.handshakes",
    HandshakeTimeout = "tls.handshake_timeout",
    QueueBytes = "queues.bytes",
    Prefetch = "delivery.prefetch",
}

impl Limit {
    /// Its label: the key, without the section that most are in.
    pub fn label(self) -> &'static str {
        self.key().strip_prefix("limits.").unwrap_or(self.key())
    }
}

/// How often each limit was hit. Clones count together.
#[derive(Clone, Debug)]
pub struct Hits {
    family: Family<Label, Counter>,
    /// In the order of [`Limit::ALL`]: counting looks nothing up.
    counters: Vec<Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    limit: &'static str,
}

impl Default for Hits {
    fn default() -> Hits {
        let family = Family::<Label, Counter>::default();
        let counter = |limit: &Limit| family.get_or_create(&Label { limit: limit.label() }).clone();
        let counters = Limit::ALL.iter().map(counter).collect();
        Hits { family, counters }
    }
}

impl Hits {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "How often a limit of the settings made somebody wait or be refused";
        registry.register("limit_hits", help, self.family.clone());
    }

    /// Somebody was refused, or has to wait.
    pub fn hit(&self, limit: Limit) {
        self.counters[limit as usize].inc();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::settings::{Sources, load};

    #[test]
    fn every_key_of_the_limits_has_a_metric_and_every_metric_a_key() {
        let loaded = load(&Sources::default()).expect("the defaults are right");
        let keys: BTreeSet<&str> = loaded.entries.iter().map(|entry| &*entry.key).collect();
        let counted: BTreeSet<&str> = Limit::ALL.iter().map(|limit| limit.key()).collect();
        let uncounted: Vec<&&str> =
            keys.iter().filter(|key| key.starts_with("limits.") && !counted.contains(**key)).collect();
        assert!(uncounted.is_empty(), "no metric counts when these are hit: {uncounted:?}");
        let unknown: Vec<&&str> = counted.difference(&keys).collect();
        assert!(unknown.is_empty(), "no setting is called so: {unknown:?}");
    }

    #[test]
    fn all_are_shown_from_the_beginning_and_each_counts_for_itself() {
        let (mut registry, hits) = (Registry::default(), Hits::default());
        hits.register(&mut registry);
        hits.hit(Limit::PublishWait);
        let mut shown = String::new();
        prometheus_client::encoding::text::encode(&mut shown, &registry).expect("a String takes it");
        for limit in Limit::ALL {
            let count = u8::from(*limit == Limit::PublishWait);
            let line = format!("limit_hits_total{{limit=\"{}\"}} {count}\n", limit.label());
            assert!(shown.contains(&line), "{line} is not in {shown}");
        }
    }
}
