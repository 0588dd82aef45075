//! What the broker holds now, read when somebody asks: all of it goes when those go for whom it is held.

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// How many of what.
pub type Held = Vec<(&'static str, usize)>;

/// Counts at each scrape, once there is something to count.
#[derive(Clone, Default)]
pub(super) struct HeldCounters(Arc<OnceLock<Box<dyn Fn() -> Held + Send + Sync>>>);

impl HeldCounters {
    /// From now on `count` says how much there is.
    pub(super) fn count_with(&self, count: impl Fn() -> Held + Send + Sync + 'static) {
        // Only the first has a say: there is one broker for these.
        let _ = self.0.set(Box::new(count));
    }
}

impl fmt::Debug for HeldCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldCounters").finish_non_exhaustive()
    }
}

impl Collector for HeldCounters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(count) = self.0.get() else { return Ok(()) };
        let help = "What is held in memory now, for those who are here";
        let mut family = encoder.encode_descriptor("held", help, None, MetricType::Gauge)?;
        for (what, count) in count() {
            let labels = [("what", what)];
            let metric = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            metric.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
