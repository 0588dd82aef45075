//! What the store counts, read when somebody asks.

use std::fmt;

use homeroom_storage::{COMMIT_BUCKETS_MICROS, Counters, Store};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

const MICROS: f64 = 1_000_000.0;

/// Reads the store's counters at each scrape.
#[derive(Debug)]
pub(super) struct StoreCounters(pub(super) Store);

impl Collector for StoreCounters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counters = self.0.counters();
        let totals = [
            ("store_records", "Records made durable", counters.appended_records),
            ("store_bytes", "Bytes of records made durable", counters.appended_bytes),
            ("store_trimmed_records", "Records removed by retention", counters.trimmed_records),
            ("store_scrubbed_records", "Records verified by the scrub after opening", counters.scrubbed_records),
        ];
        for (name, help, value) in totals {
            let metric = ConstCounter::new(value);
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let levels = [
            ("store_queued_bytes", "Bytes that wait to be written", counters.queued_bytes),
            ("store_disk_bytes", "Bytes of the store's files", counters.disk_bytes),
            ("store_free_bytes", "Bytes free on the store's file system", counters.free_bytes),
            ("store_blobs", "Files that are never synced: anything but 0 is an alarm", counters.blobs),
            ("store_damaged_logs", "Logs that are damaged and fenced off", self.0.damaged().len() as u64),
            (
                "store_scrub_ended",
                "Whether all that was stored at opening is verified",
                u64::from(counters.scrub_ended),
            ),
            ("store_damaged_cursor_pages", "Cursor pages that could not be read", counters.damaged_cursor_pages),
        ];
        for (name, help, value) in levels {
            let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        commits(&counters, &mut encoder)
    }
}

/// Group commits by their duration.
fn commits(counters: &Counters, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let mut below = 0;
    let mut buckets: Vec<(f64, u64)> = Vec::with_capacity(COMMIT_BUCKETS_MICROS.len() + 1);
    for (limit, count) in COMMIT_BUCKETS_MICROS.iter().zip(counters.commit_buckets) {
        // The store counts cumulatively; the encoder adds up by itself.
        buckets.push((*limit as f64 / MICROS, count - below));
        below = count;
    }
    buckets.push((f64::MAX, counters.commits.saturating_sub(below)));
    let sum = counters.commit_micros as f64 / MICROS;
    let mut metric = encoder.encode_descriptor(
        "store_commit_seconds",
        "Group commits, flush and sync together",
        None,
        MetricType::Histogram,
    )?;
    metric.encode_histogram::<[(&str, &str); 0]>(sum, counters.commits, &buckets, None)
}
