//! Who asks, where a trusted proxy asks for somebody: `X-Forwarded-For`.
//!
//! Each proxy appends whom it heard it from. So the list is believed from its end, as long as it was a trusted proxy
//! that wrote it; the first address that is none of them is who asks, whatever is written before it.
//!
//! `Forwarded`, `X-Forwarded-Proto` and `X-Forwarded-Host` are not looked at: nothing here depends on them.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use crate::transport::admission::Proxies;

const NAME: &str = "x-forwarded-for";
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
    fn an_endless_list_is_read_to_its_limit() {
        let proxies = Proxies::new(["10.0.0.0/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        headers.insert(NAME, format!("192.0.2.7{}", ", 10.0.0.2".repeat(1_000)).parse().unwrap());
        assert_eq!(asker(&proxies, "10.0.0.1:1".parse().unwrap(), &headers), "10.0.0.2:0".parse().unwrap());
    }
}
