//! `bench doors`: what it costs to keep a page up to date, by short polling, long polling, events or WebSocket.
//!
//! | File | Holds |
//! | --- | --- |
//! | `manner` | what a page says and hears in each way |
//! | `visitor` `shop` | a page that is open, and who publishes, each with its socket |
//! | `house` | thousands of pages on one thread, and when each wants to be told |
//! | `asking` `answer` `update` | requests as browsers write them, answers, and what is published |

mod answer;
mod asking;
mod house;
mod manner;
mod shop;
mod update;
mod visitor;

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::Failure;
use super::flags::{Target, Trial, seconds};
use super::process::{Process, make_room};
use super::progress::Progress;
use super::report::{Results, Stretch};
use super::speech::Speech;
use asking::Asking;
use house::{Counts, House};

#[derive(Args, Clone, Debug, Serialize)]
#[command(after_help = "\
Pages that show a list and wait for updates, as in broker/DASHBOARD.md: open, and
idle but for one update now and then. It is measured while they are open; what
connecting costs is not in it. The ways:

  short      asks every --poll seconds, with If-None-Match; mostly answered 304
  long       asks with wait=25, and again as soon as it is answered
  events     one text/event-stream
  websocket  STOMP, with heart-beats of ten seconds, as stompjs has them
  all        each in turn, each with a result of its own

  requests       of HTTP, with the headers that Chromium sends, over connections
                 that are kept. Pages ask at times of their own, evenly spread
  bytes          both directions, above TCP: heads, bodies, frames, heart-beats
  delay          from the time an update was due to be sent, with a POST on a
                 connection of its own, until a page has read it
  server memory  resident, for each page more, at the end of the measurement
  1,000 pages    the figures for an hour of a thousand pages

--clients 0 is what the broker uses for the updates alone.

Examples:
  homeroom bench doors --way all --server-pid $(pidof homeroom)
  homeroom bench doors --way short --poll 10s --every 10s --for 60s --json
  homeroom bench doors --way events --clients 5000 --server-pid $(pidof homeroom)")]
pub(super) struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    trial: Trial,
    /// How the pages hear of updates
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Choice::All)]
    way: Choice,
    /// Pages that are open
    #[arg(long, value_name = "N", default_value_t = 1000)]
    clients: usize,
    /// Time between two updates
    #[arg(long, value_name = "SECONDS", default_value = "10s", value_parser = interval)]
    #[serde(rename = "every_seconds")]
    every: f64,
    /// How long
    #[arg(long = "for", value_name = "SECONDS", default_value = "60s", value_parser = interval)]
    #[serde(rename = "for_seconds")]
    lasting: f64,
    /// Time between an answer and the next question of short polling. With 2 s an update is a second late on average,
    /// about as late as people who look at a list do not mind
    #[arg(long, value_name = "SECONDS", default_value = "2s", value_parser = interval)]
    #[serde(rename = "poll_seconds")]
    poll: f64,
}

/// Which ways are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Choice {
    /// Short polling
    Short,
    /// Long polling
    Long,
    /// Server-Sent Events
    Events,
    /// STOMP over WebSocket
    Websocket,
    /// Each in turn
    All,
}

/// How a page hears of updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Short,
    Long,
    Events,
    Websocket,
}

/// What holds for all pages of one measurement.
struct Stage<'a> {
    way: Way,
    speech: &'a Speech,
    asking: Asking,
    destination: &'a str,
    /// Between an answer and the next question.
    poll: Duration,
    /// Between two heart-beats.
    beat: Duration,
}

/// What stompjs offers, asks for and keeps to, unless it is told otherwise.
const BEAT: Duration = Duration::from_secs(10);
const HEART_BEAT: &str = "10000,10000";

/// How long updates may still arrive after the measurement, beyond one poll.
const ARRIVED_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    if flags.trial.target.url.starts_with("nats") {
        let url = &flags.trial.target.url;
        return Err(Failure::usage(format!("--url {url}: there are no such doors with NATS. Name a ws:// address.")));
    }
    make_room(flags.clients + 1, "--clients")?;
    let mut flags = flags.clone();
    HEART_BEAT.clone_into(&mut flags.trial.target.heart_beat);
    flags.way.ways().iter().try_for_each(|way| one(&flags, *way))
}

/// One way from beginning to end.
fn one(flags: &Flags, way: Way) -> Result<(), Failure> {
    let mut target = flags.trial.target.clone();
    target.subscribe_headers.push(("x-stream-offset".to_owned(), "first".to_owned()));
    let speech = Speech::new(&target)?;
    let destination = list(&speech, &target)?;
    let stage = Stage {
        way,
        asking: Asking::new(speech.authority(), &destination),
        speech: &speech,
        destination: &destination,
        poll: Duration::from_secs_f64(flags.poll),
        beat: BEAT,
    };
    let server = flags.trial.server()?;
    let resident = || server.map(Process::resident_bytes).transpose();
    let mut house = House::open(&stage)?;
    let before = resident()?;
    house.invite(flags.clients, target.connecting)?;
    rest(&mut house, flags.trial.warm_up())?;

    house.measure();
    let (stretch, begun) = (Stretch::begin(server)?, house.counts());
    sell(&mut house, flags, way)?;
    let (spent, ended) = (stretch.end()?, house.counts());
    let after = resident()?;
    let until = Instant::now() + stage.poll + ARRIVED_WITHIN;
    while house.missing() > 0 && Instant::now() < until {
        house.turn(until)?;
    }

    let mut results = Results::default();
    results.add("way", way.name(), "way", way.name());
    counted(&mut results, flags, (begun, ended), spent.seconds, spent.server_cpu_seconds);
    let heard = &house.heard;
    results.latencies("latency_us", &[("page", "delay", &heard.delays), ("sent", "sent late by", &heard.sent)]);
    results.count("deliveries", heard.count, "updates that pages have");
    results.count("missing", house.missing(), "updates that never came");
    results.count("repeated", heard.repeated, "updates that came again");
    if let (Some(before), Some(after), true) = (before, after, flags.clients > 0) {
        let each = after.saturating_sub(before) / flags.clients as u64;
        results.bytes("rss_bytes_per_client", each, "server memory each");
    }
    results.tell("doors", &flags.trial, flags, &spent)
}

/// A list of its own, which every page has from the beginning.
fn list(speech: &Speech, target: &Target) -> Result<String, Failure> {
    let room = speech.destination()?;
    if target.destination.is_none() {
        return Ok(format!("{room}/top-seller"));
    }
    let random = getrandom::u32().map_err(|error| Failure::new(format!("There is no randomness: {error}.")))?;
    Ok(format!("{room}/top-seller-{random:08x}"))
}

/// Lets time pass with nothing to tell.
fn rest(house: &mut House<'_>, time: Duration) -> Result<(), Failure> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        house.turn(until)?;
    }
    Ok(())
}

/// Publishes by the clock, each update in the middle of its interval.
fn sell(house: &mut House<'_>, flags: &Flags, way: Way) -> Result<(), Failure> {
    let (began, every) = (Instant::now(), Duration::from_secs_f64(flags.every));
    let time = Duration::from_secs_f64(flags.lasting);
    let progress = Progress::timed(way.name(), time);
    let (end, mut due) = (began + time, began + every / 2);
    while Instant::now() < end {
        if due <= Instant::now() {
            house.publish(due)?;
            due += every;
        }
        progress.passed(began.elapsed());
        house.turn(due.min(end))?;
    }
    Ok(())
}

/// What went over the lines, as it is and for an hour of a thousand pages.
fn counted(results: &mut Results, flags: &Flags, (begun, ended): (Counts, Counts), seconds: f64, cpu: Option<f64>) {
    let requests = ended.requests - begun.requests;
    let sent = ended.traffic.sent_bytes - begun.traffic.sent_bytes;
    let received = ended.traffic.received_bytes - begun.traffic.received_bytes;
    results.count("requests", requests, "requests");
    results.bytes("bytes_sent", sent, "bytes to the broker");
    results.bytes("bytes_received", received, "bytes from the broker");
    let connections = ended.traffic.connections - begun.traffic.connections;
    results.count("connections", connections, "connections made anew");
    if flags.clients == 0 {
        return;
    }
    let hour = 3600.0 / seconds * 1000.0 / flags.clients as f64;
    let figures = json!({
        "requests": requests as f64 * hour,
        "bytes": (sent + received) as f64 * hour,
        "cpu_seconds": cpu.map(|cpu| cpu * hour),
    });
    let megabytes = (sent + received) as f64 * hour / 1e6;
    let cpu = cpu.map(|cpu| format!(", {:.1} s of server CPU", cpu * hour)).unwrap_or_default();
    let shown = format!("{:.0} requests, {megabytes:.1} MB{cpu}", requests as f64 * hour);
    results.add("thousand_hours", figures, "1,000 pages for an hour", shown);
}

impl Choice {
    fn ways(self) -> &'static [Way] {
        match self {
            Choice::Short => &[Way::Short],
            Choice::Long => &[Way::Long],
            Choice::Events => &[Way::Events],
            Choice::Websocket => &[Way::Websocket],
            Choice::All => &[Way::Short, Way::Long, Way::Events, Way::Websocket],
        }
    }
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Short => "short",
            Way::Long => "long",
            Way::Events => "events",
            Way::Websocket => "websocket",
        }
    }
}

/// Seconds above zero, with or without their unit.
fn interval(text: &str) -> Result<f64, String> {
    let interval = seconds(text.strip_suffix('s').unwrap_or(text)).ok().filter(|seconds| *seconds >= 0.01);
    interval.ok_or_else(|| "write seconds such as 2s, from 0.01s to 86400s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_seconds_with_or_without_their_unit() {
        assert_eq!((interval("2s"), interval("0.5")), (Ok(2.0), Ok(0.5)));
        for text in ["0", "s", "-1s", "2m", "1e9s"] {
            assert!(interval(text).unwrap_err().contains("such as 2s"), "{text}");
        }
    }
}
