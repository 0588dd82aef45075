//! The broker: its real parts on a simulated disk, started, stopped and killed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use homeroom_checker::Event;
use homeroom_storage::simulated::{Disk, Simulated};
use homeroom_storage::{Engine as _, Store};

use super::history::History;
use super::network::Network;
use crate::auth::{Authenticator, Credentials};
use crate::connection::{self, Services};
use crate::http::{self, Door, Origins, Site};
use crate::server::{parts, services, stop};
use crate::settings::{Engine, Settings};
use crate::transport::admission::Proxies;
use crate::transport::memory::Memory;
use crate::transport::{Link, Socket};

const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// Both sides say so often that they live.
pub(super) const BEAT: Duration = Duration::from_secs(5);

/// Where the broker is, whether it runs or not.
pub(super) struct House {
    settings: Arc<Settings>,
    pub(super) disk: Arc<Disk>,
    pub(super) network: Arc<Network>,
    history: History,
    running: Mutex<Option<Running>>,
}

#[derive(Clone)]
struct Running {
    engine: Arc<Simulated>,
    services: Arc<Services>,
    site: Arc<Site>,
}

impl House {
    pub(super) fn new(disk: Arc<Disk>, network: Arc<Network>, history: History, dispatches: bool) -> House {
        let mut settings = Settings::default();
        settings.storage.engine = Engine::Memory;
        settings.stomp.heartbeat_send = BEAT;
        settings.stomp.heartbeat_receive = BEAT;
        settings.delivery.fast_path = dispatches;
        House { settings: Arc::new(settings), disk, network, history, running: Mutex::default() }
    }

    /// Begins a run on what the disk holds.
    pub(super) fn start(&self) {
        let engine = self.disk.start();
        let store: Store = engine.clone();
        let authenticator = Arc::new(Authenticator::open(&self.settings.access).unwrap());
        let services = services(self.settings.clone(), &store, authenticator).unwrap();
        let door = Door::new(services.clone(), Origins::new(Vec::new(), Vec::new(), true));
        let site = Site::public(door, parts::deadlines(&self.settings), Proxies::default());
        *self.running.lock().unwrap() = Some(Running { engine, services, site });
        self.history.note("world", Event::Up);
    }

    /// Pulls the plug. What is left of the run has neither disk nor network any more: it reaches nobody.
    pub(super) fn crash(&self) {
        let Some(running) = self.running.lock().unwrap().take() else { return };
        running.engine.crash();
        self.network.cut_all();
        self.history.note("world", Event::Down);
    }

    /// Ends a run as `SIGTERM` does.
    pub(super) async fn stop(&self) {
        let Some(running) = self.running.lock().unwrap().take() else { return };
        stop(&running.services, &self.settings).await;
        running.engine.close().await;
        self.network.cut_all();
        self.history.note("world", Event::Down);
    }

    /// Whether the store has given up.
    pub(super) fn has_failed(&self) -> bool {
        let running = self.running.lock().unwrap();
        running
            .as_ref()
            .is_some_and(|running| matches!(*running.engine.health().borrow(), homeroom_storage::Health::Failed { .. }))
    }

    /// A connection to the HTTP listener; `None` while nobody listens.
    pub(super) fn http(&self) -> Option<Memory> {
        let running = self.running.lock().unwrap().clone()?;
        let (near, far) = self.network.line();
        tokio::spawn(http::serve(running.site, Socket::Memory(far), HERE));
        Some(near)
    }

    /// A connection to the STOMP listener; `None` while nobody listens.
    pub(super) fn stomp(&self) -> Option<Memory> {
        let Running { services, .. } = self.running.lock().unwrap().clone()?;
        let (near, far) = self.network.line();
        let (session, link) = (services.session.clone(), Link::tcp(Socket::Memory(far), HERE));
        tokio::spawn(connection::serve(services, session, link, Credentials::Nothing));
        Some(near)
    }
}
