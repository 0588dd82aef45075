//! Who asks, and under which scheme, where a trusted proxy asks for somebody: `X-Forwarded-For`, `X-Forwarded-Proto`.
//!
//! Each proxy appends whom it heard it from. So the list is believed from its end, as long as it was a trusted proxy
//! that wrote it; the first address that is none of them is who asks, whatever is written before it.
//!
//! `Forwarded` and `X-Forwarded-Host` are not looked at: nothing here depends on them.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use crate::transport::admission::Proxies;

const NAME: &str = "x-forwarded-for";
const PROTOCOL: &str = "x-forwarded-proto";
/// Nobody is behind more proxies.
const HOPS_MAX: usize = 16;

/// Who is at the other end of a connection from `peer`, of which a request has these headers.
pub(super) fn asker(proxies: &Proxies, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
    if proxies.is_empty() || !proxies.has(peer.ip()) {
        return peer;
    }
    let lines = headers.get_all(NAME).iter().rev().filter_map(|value| value.to_str().ok());
    let hops = lines.flat_map(|line| line.rsplit(',')).map(str::trim).filter(|hop| !hop.is_empty());
    let mut asker = peer;
    for hop in hops.take(HOPS_MAX) {
        // What cannot be read cannot be believed, nor what stands before it.
        let Some(address) = address(hop) else { return asker };
        asker = address;
        if !proxies.has(address.ip()) {
            return asker;
        }
    }
    asker
}

/// The scheme under which a request came, which decides which page is the broker's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scheme {
    /// In the clear.
    Http,
    /// Under TLS.
    Https,
    /// A proxy in front knows and does not say. Then either counts: a page of the other scheme has the same host and
    /// port, and to refuse it would turn the broker's own page away behind every proxy that ends TLS and stays silent.
    #[default]
    Unknown,
}

impl Scheme {
    /// Whether it may be the one with this name.
    pub(super) fn may_be(self, name: &str) -> bool {
        matches!((self, name), (Scheme::Http | Scheme::Unknown, "http") | (Scheme::Https | Scheme::Unknown, "https"))
    }
}

/// The scheme of a request with these headers, on a connection from `peer` that `is_secure` or not. Where connections
/// are `announced` by the PROXY protocol, `peer` is a client and what lies between it and the proxy is not known.
pub(super) fn scheme(
    proxies: &Proxies,
    announced: bool,
    peer: SocketAddr,
    headers: &HeaderMap,
    is_secure: bool,
) -> Scheme {
    match is_secure {
        _ if proxies.has(peer.ip()) => said(headers),
        true => Scheme::Https,
        false if announced => Scheme::Unknown,
        false => Scheme::Http,
    }
}

/// What a trusted proxy says. Proxies that contradict each other have said nothing.
fn said(headers: &HeaderMap) -> Scheme {
    let values = headers.get_all(PROTOCOL).iter().flat_map(|value| value.to_str().unwrap_or_default().split(','));
    let mut schemes = values.take(HOPS_MAX).map(|value| match value.trim().to_ascii_lowercase().as_str() {
        "http" | "ws" => Scheme::Http,
        // Some proxies write what a WebSocket's address begins with.
        "https" | "wss" => Scheme::Https,
        _ => Scheme::Unknown,
    });
    let first = schemes.next().unwrap_or_default();
    if schemes.all(|scheme| scheme == first) { first } else { Scheme::Unknown }
}

/// With or without a port; in IPv6 with or without brackets.
fn address(hop: &str) -> Option<SocketAddr> {
    let alone = |text: &str| text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address.to_canonical(), 0));
    alone(hop).or_else(|| alone(hop.strip_prefix('[')?.strip_suffix(']')?)).or_else(|| {
        hop.parse::<SocketAddr>().ok().map(|known| SocketAddr::new(known.ip().to_canonical(), known.port()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_believed_from_its_end_as_far_as_trusted_proxies_wrote_it() {
        let proxies = Proxies::new(["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap()));
        for (peer, lines, expected) in [
            ("10.0.0.1:1", &["192.0.2.7"][..], "192.0.2.7:0"),
            ("10.0.0.1:1", &["192.0.2.7:5000"], "192.0.2.7:5000"),
            ("10.0.0.1:1", &["203.0.113.9, 192.0.2.7"], "192.0.2.7:0"),
            ("10.0.0.1:1", &["203.0.113.9, 192.0.2.7, 10.0.0.2"], "192.0.2.7:0"),
            ("10.0.0.1:1", &["203.0.113.9", "192.0.2.7,10.0.0.2"], "192.0.2.7:0"),
            ("10.0.0.1:1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3:0"),
            ("[2001:db8::1]:1", &["[2001:db9::7]:80"], "[2001:db9::7]:80"),
            ("[2001:db8::1]:1", &["[2001:db9::7]"], "[2001:db9::7]:0"),
            ("[2001:db8::1]:1", &["2001:db9::7"], "[2001:db9::7]:0"),
            ("[::ffff:10.0.0.1]:1", &["::ffff:192.0.2.7"], "192.0.2.7:0"),
            // Not from a proxy that is listed, or nothing that can be read.
            ("192.0.2.1:1", &["203.0.113.9"], "192.0.2.1:1"),
            ("10.0.0.1:1", &[], "10.0.0.1:1"),
            ("10.0.0.1:1", &[""], "10.0.0.1:1"),
            ("10.0.0.1:1", &["192.0.2.7, unknown"], "10.0.0.1:1"),
            ("10.0.0.1:1", &["203.0.113.9, x, 10.0.0.2"], "10.0.0.2:0"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(NAME, line.parse().unwrap());
            }
            let found = asker(&proxies, peer.parse().unwrap(), &headers);
            assert_eq!(found, expected.parse().unwrap(), "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_scheme_is_that_of_the_connection_unless_a_trusted_proxy_knows_better() {
        use Scheme::{Http, Https, Unknown};
        let proxies = Proxies::new(["10.0.0.0/8".parse().unwrap()]);
        for (peer, is_secure, lines, expected) in [
            ("192.0.2.1:1", false, &[][..], Http),
            ("192.0.2.1:1", true, &[], Https),
            // From anybody else it is nobody's word.
            ("192.0.2.1:1", false, &["https"], Http),
            ("192.0.2.1:1", true, &["http"], Https),
            ("10.0.0.1:1", false, &[], Unknown),
            ("10.0.0.1:1", true, &[], Unknown),
            ("10.0.0.1:1", false, &["https"], Https),
            ("10.0.0.1:1", true, &["http"], Http),
            ("10.0.0.1:1", false, &["HTTPS"], Https),
            ("10.0.0.1:1", false, &["wss"], Https),
            ("10.0.0.1:1", false, &["ws"], Http),
            ("10.0.0.1:1", false, &["https, https"], Https),
            ("10.0.0.1:1", false, &["https, http"], Unknown),
            ("10.0.0.1:1", false, &["https", "http"], Unknown),
            ("10.0.0.1:1", false, &[""], Unknown),
            ("10.0.0.1:1", false, &["gopher"], Unknown),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(PROTOCOL, line.parse().unwrap());
            }
            let found = scheme(&proxies, false, peer.parse().unwrap(), &headers, is_secure);
            assert_eq!(found, expected, "{peer} {is_secure} {lines:?}");
        }
        let client = "192.0.2.1:1".parse().unwrap();
        assert_eq!(scheme(&proxies, true, client, &HeaderMap::new(), false), Unknown);
        assert_eq!(scheme(&proxies, true, client, &HeaderMap::new(), true), Https);
    }

    #[test]
    fn an_endless_list_is_read_to_its_limit() {
        let proxies = Proxies::new(["10.0.0.0/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        headers.insert(NAME, format!("192.0.2.7{}", ", 10.0.0.2".repeat(1_000)).parse().unwrap());
        assert_eq!(asker(&proxies, "10.0.0.1:1".parse().unwrap(), &headers), "10.0.0.2:0".parse().unwrap());
    }
}
