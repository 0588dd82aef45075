//! What a connection does before it is served: it says whom it speaks for, if it is a proxy's, and becomes TLS.
//!
//! Never here: what is spoken afterwards.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::Socket;
use super::proxy_protocol;
use super::tls::Acceptor;

/// The networks of the proxies that are believed when they say for whom they speak.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<[IpNet]>);

impl Proxies {
    /// Those in these networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Proxies {
        Proxies(networks.into_iter().collect())
    }

    /// Whether somebody at this address is one of them.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The way in of one listener.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// These begin with a PROXY header.
    pub announced: Option<Proxies>,
    /// Everybody speaks TLS.
    pub tls: Option<Arc<Acceptor>>,
}

impl Admission {
    /// Whether there is nothing to be done.
    pub(super) fn is_open(&self) -> bool {
        self.announced.is_none() && self.tls.is_none()
    }

    /// A stream that can be served and who is at its other end, if it comes to that.
    pub(super) async fn admit(&self, mut stream: TcpStream, mut peer: SocketAddr) -> Option<(Socket, SocketAddr)> {
        if self.announced.as_ref().is_some_and(|proxies| proxies.has(peer.ip())) {
            match proxy_protocol::read(&mut stream).await {
                Ok(source) => peer = source.unwrap_or(peer),
                Err(reason) => {
                    tracing::warn!(proxy = %peer, "a connection of a trusted proxy is closed: {reason}");
                    return None;
                }
            }
        }
        let Some(acceptor) = &self.tls else { return Some((Socket::Plain(stream), peer)) };
        let stream: TlsStream<TcpStream> = acceptor.accept(stream, peer).await?;
        Some((Socket::Secure(Box::new(stream)), peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_known_by_its_network_whichever_way_its_address_is_written() {
        let proxies = Proxies::new(["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"].map(|text| text.parse().unwrap()));
        for (address, known) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(proxies.has(address.parse().unwrap()), known, "{address}");
        }
    }
}
