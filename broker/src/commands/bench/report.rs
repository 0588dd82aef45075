//! What came out, as a table for people or as JSON for programs.

use std::io::Write;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Failure;
use super::flags::Trial;
use super::process::{CpuTime, Process};
use crate::commands::failure::of_output;

/// Results in the order in which they are told.
#[derive(Default)]
pub(super) struct Results {
    json: Map<String, Value>,
    rows: Vec<(String, String)>,
}

impl Results {
    /// One figure: its key in JSON, what a person calls it, and as a person reads it.
    pub(super) fn add(&mut self, key: &str, value: impl Into<Value>, name: &str, shown: impl Into<String>) {
        self.json.insert(key.to_owned(), value.into());
        self.rows.push((name.to_owned(), shown.into()));
    }

    /// A word to people; programs see that a key is not there.
    pub(super) fn remark(&mut self, name: &str, shown: &str) {
        self.rows.push((name.to_owned(), shown.to_owned()));
    }

    /// A figure with its unit.
    pub(super) fn figure(&mut self, key: &str, value: f64, name: &str, unit: &str) {
        self.add(key, rounded(value), name, format!("{} {unit}", grouped(value)).trim_end());
    }

    /// A count.
    pub(super) fn count(&mut self, key: &str, value: u64, name: &str) {
        self.add(key, value, name, grouped(value as f64));
    }

    /// Bytes.
    pub(super) fn bytes(&mut self, key: &str, value: u64, name: &str) {
        let shown = match value {
            0..10_000 => format!("{value} B"),
            10_000..10_000_000 => format!("{:.1} KiB", value as f64 / 1024.0),
            _ => format!("{:.1} MiB", value as f64 / 1_048_576.0),
        };
        self.add(key, value, name, shown);
    }

    /// Several latencies below one key.
    pub(super) fn latencies(&mut self, key: &str, all: &[(&str, &str, &Delays)]) {
        let mut object = Map::new();
        for (inner, name, delays) in all {
            object.insert((*inner).to_owned(), delays.json());
            self.rows.push(((*name).to_owned(), delays.shown()));
        }
        self.json.insert(key.to_owned(), object.into());
    }

    /// What a million of something cost the broker, if that is known.
    pub(super) fn cpu_per_million(&mut self, what: &str, count: u64, cpu_seconds: Option<f64>) {
        if let Some(cpu) = cpu_seconds {
            let each = cpu / count.max(1) as f64 * 1e6;
            let key = format!("cpu_seconds_per_million_{what}");
            self.figure(&key, each, "server CPU", &format!("s per million {what}"));
        }
    }

    /// The broker's memory now, if its process was named.
    pub(super) fn memory(&mut self, server: Option<Process>) -> Result<(), Failure> {
        if let Some(server) = server {
            self.bytes("rss_bytes", server.resident_bytes()?, "server memory");
        }
        Ok(())
    }

    /// Adds what the measured stretch took, and writes all of it to standard output.
    pub(super) fn tell(
        mut self,
        bench: &str,
        trial: &Trial,
        settings: &impl Serialize,
        spent: &Spent,
    ) -> Result<(), Failure> {
        spent.tell(&mut self);
        let url = &trial.target.url;
        let mut out = std::io::stdout().lock();
        let written = if trial.measure.json {
            let settings = serde_json::to_value(settings).expect("flags are plain JSON");
            let report = json!({ "bench": bench, "url": url, "settings": settings, "results": self.json });
            writeln!(out, "{report}")
        } else {
            let width = self.rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
            let head = writeln!(out, "{bench}  {url}\n");
            self.rows
                .iter()
                .fold(head, |so_far, (name, shown)| so_far.and_then(|()| writeln!(out, "  {name:<width$}  {shown}")))
        };
        written.map_err(|error| of_output(&error))
    }
}

/// CPU time of the broker and of this program over a stretch of the run.
pub(super) struct Stretch {
    began: std::time::Instant,
    server: Option<(Process, CpuTime)>,
    own: CpuTime,
}

/// What a [`Stretch`] took.
pub(super) struct Spent {
    pub(super) seconds: f64,
    pub(super) server_cpu_seconds: Option<f64>,
    own_cpu_seconds: f64,
}

impl Stretch {
    /// From now on.
    pub(super) fn begin(server: Option<Process>) -> Result<Stretch, Failure> {
        let server = server.map(|process| Ok::<_, Failure>((process, process.cpu_time()?))).transpose()?;
        Ok(Stretch { server, own: Process::own().cpu_time()?, began: std::time::Instant::now() })
    }

    /// Until now.
    pub(super) fn end(&self) -> Result<Spent, Failure> {
        let seconds = self.began.elapsed().as_secs_f64();
        let server = self.server.as_ref();
        let server = server.map(|(process, before)| Ok::<_, Failure>(process.cpu_time()?.since(before)));
        let own_cpu_seconds = Process::own().cpu_time()?.since(&self.own);
        Ok(Spent { seconds, server_cpu_seconds: server.transpose()?, own_cpu_seconds })
    }
}

impl Spent {
    /// How busy this program was: near 1 it is the bottleneck.
    fn tell(&self, results: &mut Results) {
        results.figure("seconds", self.seconds, "measured", "s");
        if let Some(cpu) = self.server_cpu_seconds {
            results.figure("cpu_seconds", cpu, "server CPU in all", "s");
        }
        let busy = self.own_cpu_seconds / self.seconds.max(f64::EPSILON);
        results.figure("client_busy", busy, "this client", "of a core");
    }
}

/// Durations in a histogram, exact to a percent.
pub(super) struct Delays {
    /// In microseconds.
    histogram: Histogram<u64>,
}

/// Longer delays count as this one. In microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;

impl Delays {
    pub(super) fn new() -> Delays {
        Delays { histogram: Histogram::new_with_max(LONGEST_US, 3).expect("the bounds are legal") }
    }

    pub(super) fn record(&mut self, delay: std::time::Duration) {
        self.histogram.saturating_record((delay.as_micros() as u64).min(LONGEST_US));
    }

    /// All of another one.
    pub(super) fn add(&mut self, other: &Delays) {
        self.histogram.add(&other.histogram).expect("the bounds are the same");
    }

    /// How many were recorded.
    pub(super) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// In microseconds, at a quantile from 0 to 1.
    pub(super) fn at(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile)
    }

    fn json(&self) -> Value {
        json!({
            "p50": self.at(0.50), "p90": self.at(0.90), "p99": self.at(0.99), "max": self.histogram.max(),
            "count": self.histogram.len(),
        })
    }

    fn shown(&self) -> String {
        let millis = |us: u64| format!("{:.2}", us as f64 / 1e3);
        let [p50, p90, p99] = [0.50, 0.90, 0.99].map(|quantile| millis(self.at(quantile)));
        let max = millis(self.histogram.max());
        format!("p50 {p50}  p90 {p90}  p99 {p99}  max {max} ms, {} times", grouped(self.histogram.len() as f64))
    }
}

/// Six digits are more than any of this is good for.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10_f64.powi(5 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// For people: four digits at least, thousands set apart.
fn grouped(value: f64) -> String {
    if value.abs() < 1000.0 && value.fract() != 0.0 {
        let digits = if value.abs() < 10.0 { 3 } else { 1 };
        return format!("{value:.digits$}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(grouped(0.0), "0");
        assert_eq!(grouped(5.4321), "5.432");
        assert_eq!(grouped(54.321), "54.3");
        assert_eq!(grouped(1_234_567.8), "1,234,568");
        assert_eq!(grouped(-1000.0), "-1,000");
        assert_eq!(rounded(1_234_567.8), 1_234_570.0);
        assert_eq!(rounded(0.000_012_345_67), 0.000_012_345_7);
    }

    #[test]
    fn delays_keep_their_quantiles_and_their_maximum() {
        let mut delays = Delays::new();
        (1..=100).for_each(|millis| delays.record(Duration::from_millis(millis)));
        delays.record(Duration::from_secs(100_000));
        let json = delays.json();
        assert!((50_000..=52_000).contains(&json["p50"].as_u64().unwrap()), "{json}");
        assert!(json["max"].as_u64().unwrap() >= LONGEST_US, "{json}");
        assert_eq!(json["count"], 101);
    }
}
