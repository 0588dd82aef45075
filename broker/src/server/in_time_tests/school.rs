//! A broker in memory whose clock goes with tokio's time, and those who speak for the school.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;

use crate::access::Revocation;
use crate::auth::token::{Signer, Statement};
use crate::auth::{Authenticator, Clock, Credentials, Secret};
use crate::connection::{self, Services};
use crate::http::{self, Door, Origins, Site};
use crate::server::{open_store, parts, services};
use crate::settings::{Engine, Settings};
use crate::transport::admission::Proxies;
use crate::transport::memory::{Memory, memory};
use crate::transport::{Link, Socket};

const SECRET: &str = "only-for-tests-0123456789-abcdefghijklmnop";
/// So much a kernel takes for somebody who does not read.
pub(super) const KERNEL_BYTES: usize = 16 * 1024;
pub(super) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A broker in memory.
#[derive(Clone)]
pub(super) struct School {
    services: Arc<Services>,
    site: Arc<Site>,
    authenticator: Arc<Authenticator>,
}

/// What alice shows, and by which name it can be revoked.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) id: Box<str>,
}

impl School {
    pub(super) async fn open() -> School {
        let mut settings = Settings::default();
        settings.storage.engine = Engine::Memory;
        settings.access.jwt.secret = Some(SECRET.into());
        settings.access.jwt.leeway = Duration::ZERO;
        settings.delivery.refusal_delay_max = Duration::ZERO;
        let settings = Arc::new(settings);
        let authenticator = Authenticator::open(&settings.access).unwrap().going_by(Clock::of_tokio());
        let authenticator = Arc::new(authenticator);
        let store = open_store(&settings).await.unwrap();
        let services = services(settings.clone(), &store, authenticator.clone()).unwrap();
        let door = Door::new(services.clone(), Origins::new(Vec::new(), Vec::new(), true));
        let site = Site::public(door, parts::deadlines(&settings), Proxies::default());
        School { services, site, authenticator }
    }

    /// The next moment at which a token may end.
    pub(super) fn whole_second(&self) -> Instant {
        let since = self.authenticator.clock().now().duration_since(UNIX_EPOCH).unwrap();
        Instant::now() + Duration::from_secs(since.as_secs() + 1) - since
    }

    /// A connection to the HTTP listener.
    pub(super) fn http(&self) -> Memory {
        let (near, far) = memory(KERNEL_BYTES);
        tokio::spawn(http::serve(self.site.clone(), Socket::Memory(far), SocketAddr::new(HERE, 1)));
        near
    }

    /// A connection to the STOMP listener.
    pub(super) fn stomp(&self) -> Memory {
        let (near, far) = memory(KERNEL_BYTES);
        let link = Link::tcp(Socket::Memory(far), SocketAddr::new(HERE, 2));
        let session = self.services.session.clone();
        tokio::spawn(connection::serve(self.services.clone(), session, link, Credentials::Nothing));
        near
    }

    /// Shows who somebody of both classes is, from now on for so long.
    pub(super) async fn token(&self, user: &str, role: &str, lifetime: Duration) -> Token {
        let statement = Statement {
            user: user.to_owned(),
            roles: vec![role.to_owned()],
            classrooms: vec!["7b".to_owned(), "8a".to_owned()],
            lifetime,
            ..Statement::default()
        };
        let signer = Signer::of_secret(&Secret::from(SECRET)).unwrap();
        let names = &self.services.settings.access.jwt.claims;
        let token = signer.sign(&statement, names, self.authenticator.clock().now()).unwrap();
        let principal = self.authenticator.authenticate(Credentials::Bearer(token.clone()), HERE).await.unwrap();
        Token { text: token.expose().to_owned(), id: (*principal.proof.unwrap()).into() }
    }

    pub(super) fn revoke(&self, revocation: &Revocation) {
        let access = self.services.access.as_ref().unwrap();
        access.gatekeeper().revoke(revocation).unwrap();
    }
}
