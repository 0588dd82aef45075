//! `homeroom bench`: loads for any broker that speaks STOMP over WebSocket, and the bare server beside it.
//!
//! | File | Holds |
//! | --- | --- |
//! | `fanout` `latency` `idle` `durable` `late` `storm` | one load each: its flags, its loop, its figures |
//! | `doors` | a page kept up to date in four ways, one folder with its own loop |
//! | `raw` | the bare server, the floor of all figures |
//! | `scene` | rooms, listeners, a publisher |
//! | `crowd` `member` `conversation` | thousands of connections on one thread |
//! | `arrivals` | whose turn it is to connect |
//! | `alarm` | waking at a time, to the microsecond |
//! | `closed_loop` | messages that wait for those before them |
//! | `timetable` | a class that goes on by the clock |
//! | `beside` | such a class on a thread of its own |
//! | `pupil` | students who missed messages, and what they have by now |
//! | `speech` `stomp` `nats` | what is said and heard |
//! | `socket` `line` `framing` | nonblocking sockets, and the WebSocket frames on them, for both sides |
//! | `flags` | what every load is told |
//! | `process` `report` `progress` | what it cost, and how it is told |
//!
//! # Report
//!
//! With `--json` one object: `{"bench":"fanout","url":"ws://…","settings":{…},"results":{…}}`.
//! `settings` are the flags, without secrets. `results` hold, each only where it is known:
//!
//! | Key | Of | Meaning |
//! | --- | --- | --- |
//! | `seconds` | all | of the measured stretch |
//! | `cpu_seconds` | all, with `--server-pid` | CPU time of the broker over it |
//! | `client_busy` | all | CPU time of this program over it, per second: near 1 it is the bottleneck |
//! | `messages` `deliveries` `deliveries_per_second` `cpu_seconds_per_million_deliveries` `rss_bytes` | fanout | |
//! | `connects_per_second` `cpu_seconds_per_1000_connects` `rss_bytes_per_connection` `rss_bytes_before` `rss_bytes` `rss_bytes_after` | idle | |
//! | `latency_us: {every, last, sent}` `deliveries` `cpu_seconds_per_million_deliveries` `missing` `rss_bytes` | latency | to every receiver, to the last one of each message, and what the client itself was late by; deliveries that never came |
//! | `confirmed` `confirmed_per_second` `cpu_seconds_per_million_confirmed` `latency_us: {receipt}` `rss_bytes` | durable | |
//! | `latency_us: {complete}` `deliveries` `repeated` `out_of_order` `rss_bytes` | late | from the first packet until a student has all |
//! | `complete_us: {first, half, last}` `deliveries` `cpu_seconds_per_million_deliveries` `repeated` `out_of_order` `rss_bytes_peak` `rss_bytes` | storm | since the first packet of the first student |
//! | `latency_us: {before, during, before_last, during_last, sent}` `p99_ratio` | storm, with `--beside` | of the class beside; the ratio is `during` to `before` |
//! | `way` `requests` `bytes_sent` `bytes_received` `connections` `deliveries` `missing` `repeated` `rss_bytes_per_client` `latency_us: {page, sent}` | doors | one object for each way |
//! | `thousand_hours: {requests, bytes, cpu_seconds}` | doors | for an hour of a thousand pages |
//!
//! A latency is `{"p50":…,"p90":…,"p99":…,"max":…,"count":…}` in microseconds.
//!
//! Never here: anything of the broker. A load knows it by its address alone.

mod alarm;
mod arrivals;
mod beside;
mod closed_loop;
mod conversation;
mod crowd;
mod doors;
mod durable;
mod fanout;
mod flags;
mod framing;
mod idle;
mod late;
mod latency;
mod line;
mod member;
mod nats;
mod process;
mod progress;
mod pupil;
mod raw;
mod report;
mod scene;
mod socket;
mod speech;
mod stomp;
mod storm;
mod timetable;

use clap::{Args, Subcommand};

use super::Failure;

#[derive(Args, Debug)]
#[command(after_help = "\
All but `raw` put a load on the broker at --url: Homeroom, or another broker
that speaks STOMP over WebSocket, to compare. With --server-pid they report what
the broker's process used. `homeroom bench LOAD --help` says what the figures mean.

The load runs on one thread, whose cost is told as \"this client\": near 1 it is
the bottleneck, and rates and latencies say little of the broker. On one machine
it also takes a core from the broker: compare CPU times rather than rates, and
compare with `raw`, measured in turn with the broker, several times.

Examples:
  homeroom bench fanout --receivers 2000 --server-pid $(pidof homeroom)
  homeroom bench latency --receivers 300 --rate 20    how long a quiz question takes to the class
  homeroom bench storm --students 1000 --beside 300   the bell rings while a class goes on
  homeroom bench doors --way all                      four ways to keep a page up to date
  homeroom bench raw --listen 127.0.0.1:9999          then the same with --url ws://127.0.0.1:9999/

Exit codes:
  0  done
  1  the broker could not be reached, refused or lost something; standard error says which
  2  the command line is wrong")]
pub(super) struct Flags {
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, Subcommand)]
enum Load {
    /// Bring messages to many receivers, in a closed loop.
    Fanout(fanout::Flags),
    /// Send by the clock, and see when each receiver and the last one has it.
    Latency(latency::Flags),
    /// Publish, and count what is confirmed.
    Durable(durable::Flags),
    /// Come back, one student after the other, for what was missed.
    Late(late::Flags),
    /// Come back all at once.
    Storm(storm::Flags),
    /// Connect, subscribe and be quiet.
    Idle(idle::Flags),
    /// Keep pages up to date by short polling, long polling, events and WebSocket, and see what each costs.
    Doors(doors::Flags),
    /// Run the bare server: sockets and shared bytes, the floor that any broker stands on.
    Raw(raw::Flags),
}

/// Runs one load, or the bare server.
pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    match &flags.load {
        Load::Fanout(flags) => fanout::run(flags),
        Load::Latency(flags) => latency::run(flags),
        Load::Durable(flags) => durable::run(flags),
        Load::Late(flags) => late::run(flags),
        Load::Storm(flags) => storm::run(flags),
        Load::Idle(flags) => idle::run(flags),
        Load::Doors(flags) => doors::run(flags),
        Load::Raw(flags) => raw::run(flags),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use crate::commands::Cli;

    #[test]
    fn every_load_shows_examples() {
        let mut program = Cli::command();
        let bench = program.find_subcommand_mut("bench").unwrap();
        for load in bench.get_subcommands_mut().filter(|load| load.get_name() != "help") {
            let help = load.render_long_help().to_string();
            assert!(help.contains("Examples:") && help.contains("homeroom bench"), "{}", load.get_name());
        }
    }
}
