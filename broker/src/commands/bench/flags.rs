//! What all loads are told: which broker, how to speak to it, how to report.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::process::Process;
use crate::commands::sign_in::SignIn;

/// What every load is told.
#[derive(Args, Clone, Debug, Default, Serialize)]
pub(super) struct Trial {
    #[command(flatten)]
    #[serde(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    #[serde(flatten)]
    pub(super) measure: Measure,
}

/// Which broker, and how it wants to be spoken to.
#[derive(Args, Clone, Debug, Default, Serialize)]
pub(super) struct Target {
    /// The broker's WebSocket; nats+ws://host:port speaks NATS (fanout, latency, idle)
    #[arg(long, env = "HOMEROOM_URL", value_name = "URL", default_value = "ws://127.0.0.1:8080/ws")]
    #[serde(skip)]
    pub(super) url: String,
    #[command(flatten)]
    #[serde(skip)]
    pub(super) sign_in: SignIn,
    /// The host named in CONNECT (RabbitMQ: the virtual host, usually /)
    #[arg(long, value_name = "HOST", default_value = "homeroom")]
    pub(super) host: String,
    /// Where to, and how the names of all rooms begin [default: a fresh /topic/bench-…]
    #[arg(long, value_name = "DESTINATION")]
    pub(super) destination: Option<String>,
    /// Give each subscription an id of its own (RabbitMQ's durable subscriptions need it)
    #[arg(long)]
    pub(super) unique_ids: bool,
    /// A header more on each SUBSCRIBE; may be given more than once
    #[arg(long = "subscribe-header", value_name = "NAME:VALUE", value_parser = header)]
    pub(super) subscribe_headers: Vec<(String, String)>,
    /// A header more on each CONNECT; may be given more than once
    #[arg(long = "connect-header", value_name = "NAME:VALUE", value_parser = header)]
    #[serde(skip)]
    pub(super) connect_headers: Vec<(String, String)>,
    /// Heart-beats offered and asked for in CONNECT, in milliseconds
    #[arg(long, value_name = "SENT,WANTED", default_value = "0,0", value_parser = heart_beat)]
    pub(super) heart_beat: String,
    /// Connections being made at a time
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    pub(super) connecting: usize,
}

/// What is measured beside the traffic, and how it is told.
#[derive(Args, Clone, Debug, Default, Serialize)]
pub(super) struct Measure {
    /// Process of the broker on this machine: its CPU time and memory are reported
    #[arg(long, value_name = "PID")]
    #[serde(skip)]
    pub(super) server_pid: Option<u32>,
    /// One JSON object on standard output instead of a table
    #[arg(long)]
    #[serde(skip)]
    pub(super) json: bool,
    /// Load before the measurement, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    #[serde(rename = "warm_up_seconds")]
    pub(super) warm_up: f64,
}

impl Trial {
    /// The broker's process, if it was named.
    pub(super) fn server(&self) -> Result<Option<Process>, Failure> {
        self.measure.server_pid.map(Process::named).transpose()
    }

    /// Load before the measurement.
    pub(super) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.measure.warm_up)
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').filter(|(name, _)| !name.is_empty()).ok_or("write NAME:VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn heart_beat(text: &str) -> Result<String, String> {
    let understood =
        text.split_once(',').is_some_and(|(sent, wanted)| sent.parse::<u32>().is_ok() && wanted.parse::<u32>().is_ok());
    understood.then(|| text.to_owned()).ok_or_else(|| "write two numbers of milliseconds such as 10000,0".to_owned())
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "write a whole number of 1 or more".to_owned())
}

/// At most a day: what is longer is a slip of the hand.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "write seconds, from 0 to 86400".to_owned())
}

/// Messages per second, from one in a thousand seconds on.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.001..=1e6).contains(rate));
    rate.ok_or_else(|| "write messages per second, from 0.001 to 1000000".to_owned())
}

/// Bytes of a body: room for its number, and no more than brokers take.
pub(super) fn body(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes| (16..=1 << 20).contains(bytes));
    bytes.ok_or_else(|| "write bytes, from 16 (a message's number has 16 digits) to 1048576".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_range() {
        assert_eq!(header("durable:true"), Ok(("durable".to_owned(), "true".to_owned())));
        assert!(header(":x").is_err() && header("durable").is_err());
        assert!(heart_beat("10000,0").is_ok() && heart_beat("10 s").is_err() && heart_beat("1,-1").is_err());
        assert!(at_least_one("0").is_err() && at_least_one("-1").is_err());
        assert!(seconds("0.5").is_ok() && seconds("-1").is_err() && seconds("NaN").is_err() && seconds("1e9").is_err());
        assert!(body("15").is_err() && body("200").is_ok() && body("2000000").is_err());
    }
}
