//! `homeroom doctor`: which doors of a broker work from here, and what stands in the way.
//!
//! | Room | Holds |
//! | --- | --- |
//! | [`target`] | which broker |
//! | [`line`](self::line) [`encryption`] [`events`] | HTTP/1.1, and TLS below it, with a peer that may be hostile |
//! | [`doors`] [`conversation`] [`quiet`] | the probes: they do, and give measurements |
//! | [`measurements`] | what was measured, the same as in the page at `/doctor` |
//! | [`judge`] | pure: from measurements to findings |
//! | [`words`] | findings in plain words, the same as in the page |
//!
//! Never here: classrooms. Nothing is published, subscribed to or stored.

mod conversation;
mod doors;
mod encryption;
mod events;
mod judge;
mod line;
mod measurements;
mod quiet;
mod target;
mod words;

use std::io::Write;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use self::encryption::Encryption;
use self::line::Fault;
use self::measurements::{Doors, Handshake, Measurements, Outcome, Quiets, Reach};
use self::target::Target;
use super::Failure;
use super::failure::of_output;
use super::reach::Trust;
use crate::settings::parse_duration;

#[derive(Args, Debug)]
#[command(after_help = "\
Run it where the pupils sit. It tries every way in which a page can reach the
broker, measures each, and says in plain words what to set and what to ask of
the school's IT. The last part waits for --idle: connections on which nothing is
said are often cut. It enters no classroom and leaves nothing behind.

Browsers may go another way, through a proxy that this command does not use:
the page at /doctor of the same address measures that one.

On a very bad line it ends after --give-up-after, and says what it knows by then.

Examples:
  homeroom doctor https://lessons.school.example
  homeroom doctor https://lessons.school.example --idle 5m         finds cuts after minutes
  homeroom doctor https://lessons.school.example --ca school.pem   trusts this authority too
  homeroom doctor http://127.0.0.1:8080 --idle 5s --json           for scripts

Exit codes:
  0  messages can be had in at least one way
  1  in none; what was found is on standard output all the same
  2  the command line is wrong")]
pub(super) struct Flags {
    /// The broker's address, http:// or https:// (ws:// and wss:// are the same)
    #[arg(env = "HOMEROOM_URL", value_name = "URL")]
    url: String,
    /// How long connections are left quiet, at most 10m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = idle)]
    idle: Duration,
    /// When to end in any case, at most 1h
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = give_up_after)]
    give_up_after: Duration,
    #[command(flatten)]
    trust: Trust,
    /// One JSON object with all measurements and findings
    #[arg(long)]
    json: bool,
}

const IDLE_MAX: Duration = Duration::from_secs(600);
const GIVE_UP_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// Variables that name a proxy, for addresses without TLS and with it.
const PROXY_VARIABLES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const SECURE_PROXY_VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const STEPS: u64 = 6;

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let target = Target::parse(&flags.url, |host| Encryption::with(host, &flags.trust))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("The runtime cannot be started: {error}.")))?;
    let mut measured = nothing_yet(&target);
    let measuring =
        async { tokio::time::timeout(flags.give_up_after, measure(&mut measured, &target, flags.idle)).await };
    if runtime.block_on(measuring).is_err() {
        measured.given_up_seconds = Some(flags.give_up_after.as_secs_f64());
    }
    // A name server that does not answer is not waited for.
    runtime.shutdown_background();
    let findings: Vec<_> = judge::judge(&measured).iter().map(words::said).collect();
    let text = match flags.json {
        true => json!({ "measurements": measured, "findings": findings }).to_string(),
        false => words::report(&measured, &findings),
    };
    writeln!(std::io::stdout(), "{text}").map_err(|error| of_output(&error))?;
    if measured.doors.any_works() {
        return Ok(());
    }
    Err(Failure::new(format!("From here no messages can be had of {}: see the findings.", measured.url)))
}

/// All probes, one after the other; at the end the quiet connections, side by side.
async fn measure(measured: &mut Measurements, target: &Target, idle: Duration) {
    let progress = Progress::new();
    progress.step("reaching it");
    measured.reach = reach(measured, target).await;
    if measured.reach != Reach::Reached {
        return;
    }
    progress.step("WebSocket");
    let (websocket, heartbeat) = conversation::websocket(target).await;
    (measured.doors.websocket, measured.heartbeat_seconds) = (websocket, heartbeat.map(|beat| beat.as_secs_f64()));
    progress.step("event stream");
    measured.doors.events = doors::events(target).await;
    progress.step("long polling");
    measured.doors.long_polling = doors::long_polling(target).await;
    progress.step("sending");
    measured.doors.publishing = doors::publishing(target).await;
    if measured.doors.any_works() {
        progress.step("quiet connections");
        let (websocket, http) = tokio::join!(quiet::websocket(target, idle), quiet::http(target, idle));
        measured.quiet = Quiets { websocket, http };
    }
}

/// How far it is reached: TLS where the address asks for it, and the simplest of all doors.
async fn reach(measured: &mut Measurements, target: &Target) -> Reach {
    if target.is_secure() {
        let tls = match encryption::examine(target).await {
            Ok(tls) => tls,
            Err(fault) => return unreached(fault),
        };
        let is = tls.is;
        measured.tls = Some(tls);
        if is != Handshake::Works {
            return Reach::NoTls;
        }
    }
    match doors::short_polling(target).await {
        Ok((door, clock)) => (measured.doors.short_polling, measured.clock_ahead_seconds) = (door, clock),
        Err(fault @ (Fault::UnknownName | Fault::Unreachable)) => return unreached(fault),
        Err(fault) => measured.doors.short_polling = line::failed(fault),
    }
    let is_strange =
        matches!(measured.doors.short_polling.is, Outcome::Refused | Outcome::Cut | Outcome::Silent | Outcome::Foreign);
    if is_strange && !target.is_secure() && encryption::is_spoken(target).await {
        return Reach::OnlyTls;
    }
    Reach::Reached
}

fn unreached(fault: Fault) -> Reach {
    if fault == Fault::UnknownName { Reach::UnknownName } else { Reach::NoAnswer }
}

fn nothing_yet(target: &Target) -> Measurements {
    let is_set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let variables = if target.is_secure() { SECURE_PROXY_VARIABLES } else { PROXY_VARIABLES };
    Measurements {
        url: target.origin(),
        host: target.host.clone(),
        port: target.port,
        reach: Reach::Reached,
        tls: None,
        doors: Doors::default(),
        quiet: Quiets::default(),
        heartbeat_seconds: None,
        clock_ahead_seconds: None,
        proxy_variable: variables.iter().find(is_set).map(|name| (*name).to_owned()),
        given_up_seconds: None,
    }
}

fn idle(text: &str) -> Result<Duration, String> {
    let idle = parse_duration(text).filter(|idle| (Duration::from_secs(1)..=IDLE_MAX).contains(idle));
    idle.ok_or_else(|| "write a duration from 1s to 10m, such as 60s".to_owned())
}

fn give_up_after(text: &str) -> Result<Duration, String> {
    let after = parse_duration(text).filter(|after| (Duration::from_secs(1)..=GIVE_UP_AFTER_MAX).contains(after));
    after.ok_or_else(|| "write a duration from 1s to 1h, such as 15m".to_owned())
}

/// Where it is, on standard error, if somebody is looking.
struct Progress(ProgressBar);

impl Progress {
    fn new() -> Progress {
        let style = ProgressStyle::with_template("{spinner} {pos}/{len} {msg} {elapsed}");
        let bar = ProgressBar::new(STEPS).with_style(style.expect("the template is right"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress(bar)
    }

    fn step(&self, name: &'static str) {
        self.0.inc(1);
        self.0.set_message(name);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
