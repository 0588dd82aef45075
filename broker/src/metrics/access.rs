//! Who came in and who did not, read when somebody asks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::auth::Authenticator;

/// Reads the counts of the authenticator at each scrape.
#[derive(Debug)]
pub(super) struct AccessCounters(pub(super) Arc<Authenticator>);

impl Collector for AccessCounters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let tally = self.0.tally();
        let let_in: Vec<_> = tally.let_in().collect();
        let help = "Those who showed who they are, by what they came with";
        family(&mut encoder, "authenticated", help, "by", &let_in)?;
        let denied: Vec<_> = tally.denied().collect();
        family(&mut encoder, "authentications_denied", "Those who did not, by the reason", "why", &denied)?;
        let Some(keys) = self.0.fetched_keys() else { return Ok(()) };
        let levels = [
            (
                "jwks_age_seconds",
                "Since the keys of tokens were fetched; -1 if never",
                keys.age().map(|age| age.as_secs()),
            ),
            ("jwks_failing", "Whether they could not be fetched the last time", Some(u64::from(keys.fails()))),
        ];
        for (name, help, value) in levels {
            let metric = ConstGauge::new(value.map_or(-1, |value| i64::try_from(value).unwrap_or(i64::MAX)));
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    counts: &[(&'static str, u64)],
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in counts {
        let labels = [(label, *value)];
        ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
