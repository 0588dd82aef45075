//! The pair that is shown, and how another one takes its place.
//!
//! The files are read every few seconds and compared by what they hold. That survives whatever way they are
//! replaced, also Kubernetes' symbolic links and network file systems, of which no notification tells.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::pair::{Contents, Fault, Files, Pair};
use crate::metrics::Metrics;

/// How often it is told that the certificate ends soon, or has ended.
const TOLD_EVERY: Duration = Duration::from_secs(24 * 3600);

/// The pair that handshakes show from now on. Connections that are there go on under the one they began with.
pub struct Current(ArcSwap<Pair>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().certified.clone())
    }
}

/// Keeps the pair in use up to date with its files.
pub struct Reload {
    files: Files,
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    /// What was tried last, good or bad.
    tried: Contents,
    /// What was found and is not tried before it has been found twice: the other file may be still to come.
    found: Option<Contents>,
    /// Files that cannot be read were told of.
    unreadable: bool,
}

impl Reload {
    /// Begins with what the files hold now. One that has ended is used all the same: some clients do not mind, and a
    /// broker that does not start helps nobody.
    ///
    /// # Errors
    /// Why they cannot be used.
    pub fn begin(files: Files, metrics: Arc<Metrics>) -> Result<(Reload, Arc<Current>), Vec<Fault>> {
        let contents = files.read()?;
        let pair = files.understand(&contents)?;
        tell(&files, &pair);
        metrics.tls().expires(seconds(pair.not_after));
        let current = Arc::new(Current(ArcSwap::from_pointee(pair)));
        let (found, unreadable) = (None, false);
        Ok((Reload { files, current: current.clone(), metrics, tried: contents, found, unreadable }, current))
    }

    /// Looks every `look_every`, if that is not zero, and at every SIGHUP.
    pub async fn run(mut self, look_every: Duration, mut hangups: Signal) {
        let looks = !look_every.is_zero();
        let mut look = tokio::time::interval(if looks { look_every } else { TOLD_EVERY });
        let mut tell_again = tokio::time::interval(TOLD_EVERY);
        look.reset();
        tell_again.reset();
        loop {
            let asked = tokio::select! {
                _ = look.tick(), if looks => false,
                hangup = hangups.recv() => match hangup {
                    Some(()) => true,
                    None => return,
                },
                _ = tell_again.tick() => {
                    warn(&self.files, &self.current.0.load());
                    continue;
                }
            };
            let files = self.files.clone();
            // A file system may take its time; nobody else waits for it.
            let Ok(contents) = tokio::task::spawn_blocking(move || files.read()).await else { continue };
            self.look(contents, asked, SystemTime::now());
        }
    }

    /// Takes up what the files hold. Whoever asks for it gets an answer in any case.
    fn look(&mut self, contents: Result<Contents, Vec<Fault>>, asked: bool, now: SystemTime) {
        let contents = match contents {
            Ok(contents) => contents,
            Err(_) if !asked && self.unreadable => return,
            Err(faults) => {
                self.unreadable = true;
                return self.keep(&faults);
            }
        };
        self.unreadable = false;
        if !asked {
            if contents == self.tried {
                self.found = None;
                return;
            }
            if self.found.as_ref() != Some(&contents) {
                self.found = Some(contents);
                return;
            }
        }
        self.found = None;
        let pair = self.files.understand(&contents);
        self.tried = contents;
        let pair = pair.and_then(|pair| self.files.untimely(&pair, now).map_or(Ok(pair), |fault| Err(vec![fault])));
        match pair {
            Err(faults) => self.keep(&faults),
            Ok(pair) => {
                tell(&self.files, &pair);
                self.metrics.tls().expires(seconds(pair.not_after));
                self.metrics.tls().reloaded(true);
                self.current.0.store(Arc::new(pair));
            }
        }
    }

    fn keep(&self, faults: &[Fault]) {
        self.metrics.tls().reloaded(false);
        for fault in faults {
            tracing::error!(setting = fault.key, "the certificate in use stays: {fault}");
        }
    }
}

/// SIGHUP from now on; until then it ends the process.
///
/// # Errors
/// Those of the system.
pub fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Hears SIGHUP where there is nothing to reload.
pub async fn without_any(mut hangups: Signal) {
    while hangups.recv().await.is_some() {
        tracing::info!("SIGHUP reloads certificates, and there is none: all other settings hold until the next start");
    }
}

/// What an operator wants to see of a pair that is used from now on.
fn tell(files: &Files, pair: &Pair) {
    let left = pair.not_after.duration_since(SystemTime::now()).unwrap_or_default();
    tracing::info!(names = pair.names.join(" "), days_left = left.as_secs() / (24 * 3600), "certificate in use");
    warn(files, pair);
}

fn warn(files: &Files, pair: &Pair) {
    let now = SystemTime::now();
    if let Some(fault) = files.untimely(pair, now) {
        tracing::error!(setting = fault.key, "{fault}");
    } else {
        files.warnings(pair, now).iter().for_each(|warning| tracing::warn!(setting = warning.key, "{warning}"));
    }
}

fn seconds(moment: SystemTime) -> i64 {
    let seconds = moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
