//! `[tls]` and `[proxies]`: what comes before the first word of HTTP or STOMP.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::ParseValueError;
use super::values::one_of;

/// `[tls]`: encryption, switched on by naming a certificate and its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// A file in PEM: the certificate, and behind it those that it is signed by.
    pub certificate: Option<PathBuf>,
    /// A file in PEM: its private key.
    pub key: Option<PathBuf>,
    /// Which listeners speak TLS and nothing else.
    pub listeners: BTreeSet<Listener>,
    /// The oldest version that is spoken.
    pub minimum_version: TlsVersion,
    /// From the accepted connection to the end of the handshake.
    pub handshake_timeout: Duration,
    /// So many handshakes are under way at a time; the others wait.
    pub handshakes: usize,
    /// How often it is looked whether the files have changed; zero is never.
    pub look_every: Duration,
}

impl Default for Tls {
    fn default() -> Tls {
        Tls {
            certificate: None,
            key: None,
            listeners: [Listener::Http, Listener::Stomp].into(),
            minimum_version: TlsVersion::V1_2,
            handshake_timeout: Duration::from_secs(5),
            handshakes: 1024,
            look_every: Duration::from_secs(5),
        }
    }
}

/// `[proxies]`: who may say that it speaks for somebody else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proxies {
    /// Addresses or networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted: Vec<Network>,
    /// On these listeners each of them begins with a header of the PROXY protocol, version 2.
    pub proxy_protocol: BTreeSet<Listener>,
}

/// One of the three that the broker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listener {
    /// HTTP and WebSocket.
    Http,
    /// STOMP over TCP.
    Stomp,
    /// Health and metrics.
    Management,
}

/// `tls.minimum_version`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2 and 1.3.
    #[default]
    V1_2,
    /// 1.3 alone.
    V1_3,
}

/// Addresses with the same beginning; or one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// As others have it.
    pub fn as_net(self) -> IpNet {
        self.0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

impl FromStr for Network {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Network, ParseValueError> {
        let one = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        one.or_else(|_| text.parse()).ok().filter(|net| net.trunc() == *net).map(Network).ok_or_else(|| {
            ParseValueError::new(
                "write addresses or networks of your proxies, for example [\"192.0.2.7\", \"10.1.0.0/16\"]; in a \
                 network all bits behind its length are 0",
            )
        })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Listener::Http => "http",
            Listener::Stomp => "stomp",
            Listener::Management => "management",
        })
    }
}

impl FromStr for Listener {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Listener, ParseValueError> {
        one_of(text, &[Listener::Http, Listener::Stomp, Listener::Management])
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsVersion::V1_2 => "1.2",
            TlsVersion::V1_3 => "1.3",
        })
    }
}

impl FromStr for TlsVersion {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<TlsVersion, ParseValueError> {
        one_of(text, &[TlsVersion::V1_2, TlsVersion::V1_3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_kept_as_it_is_written() {
        for text in ["192.0.2.7", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::1"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        for text in ["", "proxy.example", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0", "*"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
