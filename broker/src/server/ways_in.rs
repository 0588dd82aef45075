//! What each listener asks of those who come in, and who keeps its certificate fresh.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::parts;
use crate::connection::Services;
use crate::settings::{Listener, Settings};
use crate::transport::admission::Admission;
use crate::transport::tls::accept::Spoken;
use crate::transport::tls::reload::{Reload, hangups, without_any};
use crate::transport::tls::{Acceptor, Fault, Files};

/// The ways in of all listeners.
pub(super) struct WaysIn(BTreeMap<Listener, Admission>);

impl WaysIn {
    /// As the settings say, with the certificate as it is now and whatever becomes of it.
    ///
    /// # Errors
    /// Why the certificate or its key cannot be used.
    pub(super) fn open(services: &Arc<Services>, tasks: &mut JoinSet<()>) -> Result<WaysIn, Vec<Fault>> {
        let settings = &services.settings;
        let mut ways_in = WaysIn::announced(settings);
        match parts::tls_files(&settings.tls) {
            Some(files) => ways_in.encrypt(files, services, tasks)?,
            // Without anything to reload, a terminal that is closed ends what runs in it, as ever.
            None if std::io::stdin().is_terminal() => {}
            None => drop(hangups().map(|hangups| tasks.spawn(without_any(hangups)))),
        }
        Ok(ways_in)
    }

    /// The way in of a listener.
    pub(super) fn of(&self, listener: Listener) -> Admission {
        self.0.get(&listener).cloned().unwrap_or_default()
    }

    /// Of the lesson page.
    pub(super) fn scheme(&self) -> &'static str {
        if self.of(Listener::Http).tls.is_some() { "https" } else { "http" }
    }

    fn announced(settings: &Settings) -> WaysIn {
        let admission = || Admission { announced: Some(parts::proxies(settings)), tls: None };
        WaysIn(settings.proxies.proxy_protocol.iter().map(|listener| (*listener, admission())).collect())
    }

    fn encrypt(&mut self, files: Files, services: &Services, tasks: &mut JoinSet<()>) -> Result<(), Vec<Fault>> {
        let settings = &services.settings;
        let (reload, current) = Reload::begin(files, services.metrics.clone())?;
        match hangups() {
            Ok(hangups) => drop(tasks.spawn(reload.run(settings.tls.look_every, hangups))),
            Err(error) => tracing::error!(%error, "signals cannot be received: the certificate stays until the end"),
        }
        let listeners = &settings.tls.listeners;
        let spoken: Vec<Spoken> = listeners.iter().map(|listener| spoken(*listener)).collect();
        let acceptors = Acceptor::of(&spoken, &current, parts::tls_rules(settings), &services.metrics);
        let acceptors = acceptors.expect("the cipher suites that are built in go with both versions");
        for (listener, acceptor) in listeners.iter().zip(acceptors) {
            self.0.entry(*listener).or_default().tls = Some(acceptor);
        }
        Ok(())
    }
}

fn spoken(listener: Listener) -> Spoken {
    match listener {
        Listener::Http | Listener::Management => Spoken::Http,
        Listener::Stomp => Spoken::Stomp,
    }
}
