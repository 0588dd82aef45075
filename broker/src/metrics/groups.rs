//! What groups of consumers count, read when somebody asks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::classroom::group::Tally;

/// Reads the tally of all groups at each scrape.
#[derive(Debug)]
pub(super) struct GroupCounters(pub(super) Arc<Tally>);

impl Collector for GroupCounters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let totals = [
            ("queue_redelivered", "Messages of queues and groups delivered again", self.0.redelivered()),
            ("queue_dead_letters", "Messages moved to the dead letters", self.0.dead()),
        ];
        for (name, help, value) in totals {
            let metric = ConstCounter::new(value);
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }
}
