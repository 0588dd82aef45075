//! `homeroom serve`.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigFlag, Failure, access, certificate};
use crate::server::{self, Addresses, RunError};
use crate::settings::{Entry, Flag, Loaded, Settings, Sources, load};
use crate::telemetry;

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Once all addresses are bound, one line of JSON on standard output says which
they are; everything else goes to standard error. Flags win over variables such
as HOMEROOM__LISTEN__HTTP, those over the file. RUST_LOG replaces log.filter.

SIGTERM and Ctrl-C stop in good order: receipts are finished, connections are
closed over a few seconds, the store is synced. A second one stops at once.
SIGHUP reads the certificate of [tls] and its key again.

Examples:
  homeroom serve                                       on this machine alone, records in ./data
  homeroom serve --config /etc/homeroom.toml
  homeroom serve --listen 127.0.0.1:0 --stomp off      any free port, no STOMP over TCP
  homeroom serve --listen 0.0.0.0:8080 --open-to-anyone

Exit codes:
  0  stopped in good order
  1  something failed, for example an address that is in use
  2  the command line or the configuration is wrong")]
pub(super) struct Flags {
    #[command(flatten)]
    config: ConfigFlag,
    /// The data directory [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// HTTP, WebSocket and the lesson page [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// STOMP over TCP, or "off" [default: 127.0.0.1:61613]
    #[arg(long, value_name = "ADDRESS")]
    stomp: Option<String>,
    /// Health and metrics, or "off" [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDRESS")]
    management: Option<String>,
    /// Allow addresses that other machines can reach, although nobody has to show who they are: whoever
    /// reaches the broker may read and send everything. Not needed once access.users, access.keys or
    /// access.jwt is set
    #[arg(long)]
    open_to_anyone: bool,
    /// "human" or "json" [default: human]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Flags {
    fn settings(&self) -> Vec<Flag> {
        let data = self.data.clone().map(|path| OsString::from(path).to_string_lossy().into_owned());
        let all = [
            ("--data", "storage.path", data),
            ("--listen", "listen.http", self.listen.clone()),
            ("--stomp", "listen.stomp", self.stomp.clone()),
            ("--management", "listen.management", self.management.clone()),
            ("--open-to-anyone", "listen.open_to_anyone", self.open_to_anyone.then(|| "true".to_owned())),
            ("--log-format", "log.format", self.log_format.clone()),
        ];
        all.into_iter().filter_map(|(name, key, value)| Some(Flag { name, key, value: value? })).collect()
    }
}

pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let loaded = load(&Sources::of_process(flags.config.config.clone(), flags.settings()))?;
    certificate::usable(&loaded)?;
    let Loaded { settings, entries } = loaded;
    let instead = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    telemetry::init(&settings.log, instead.as_deref()).map_err(|error| Failure::usage(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("The runtime cannot be started: {error}.")))?;
    runtime.block_on(broker(settings, &entries))
}

/// Runs the broker until it is told to stop.
async fn broker(settings: Settings, entries: &[Entry]) -> Result<(), Failure> {
    let stop = stop_asked()?;
    server::run(settings, announce, stop).await.map_err(|error| match error {
        RunError::Access(unusable) => access::problems(unusable, entries).into(),
        error => Failure::new(error.to_string()),
    })
}

/// Tells scripts and tests, in one line on standard output, where the broker listens.
fn announce(addresses: &Addresses) {
    let line = Announcement { event: "listening", addresses };
    let line = serde_json::to_string(&line).expect("addresses are plain JSON");
    // Nobody may be reading, and then nobody needs to know.
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[derive(Serialize)]
struct Announcement<'a> {
    event: &'static str,
    #[serde(flatten)]
    addresses: &'a Addresses,
}

/// Resolves at the first SIGTERM or Ctrl-C. The second ends the process where it stands.
fn stop_asked() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::new(format!("Signals cannot be received: {error}.")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let (asked, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () };
        next().await;
        tracing::info!("stopping in good order; once more stops at once");
        let _ = asked.send(());
        next().await;
        tracing::warn!("stopped at once");
        std::process::exit(1);
    });
    Ok(async move {
        let _ = told.await;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_sets_its_key() {
        let flags = Flags {
            data: Some("/srv/data".into()),
            listen: Some("127.0.0.1:0".to_owned()),
            stomp: Some("off".to_owned()),
            management: Some("0.0.0.0:9090".to_owned()),
            open_to_anyone: true,
            log_format: Some("json".to_owned()),
            ..Flags::default()
        };
        let settings = load(&Sources { flags: flags.settings(), ..Sources::default() }).unwrap().settings;
        assert_eq!(settings.storage.path, PathBuf::from("/srv/data"));
        assert_eq!(settings.listen.http, "127.0.0.1:0".parse().unwrap());
        assert_eq!(settings.listen.stomp, None);
        assert_eq!(settings.listen.management, Some("0.0.0.0:9090".parse().unwrap()));
        assert!(settings.listen.open_to_anyone);
        assert_eq!(settings.log.format, crate::settings::LogFormat::Json);
    }
}
