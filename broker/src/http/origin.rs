//! Whose pages may connect: those of the broker's own host, and those listed.
//!
//! Any page in a user's browser can open a connection to loopback. So an origin
//! has to be the very host that was asked for, and where we listen on loopback,
//! that host has to be loopback by name: a foreign name that points here is not.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

/// Whose pages may connect.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    allowed: Vec<String>,
    loopback_only: bool,
}

impl Origins {
    /// The broker's own pages and those of `allowed` origins, compared exactly.
    /// `loopback_only` says that the listener can be reached from this machine alone.
    pub fn new(allowed: Vec<String>, loopback_only: bool) -> Origins {
        Origins { allowed, loopback_only }
    }

    /// Whether a request may become a connection. One without an `Origin` comes from no page.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), String> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().map_err(|_| refusal("an origin that is no text"))?;
        if self.allowed.iter().any(|allowed| allowed == origin) {
            return Ok(());
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let (scheme, authority) = origin.split_once("://").ok_or_else(|| refusal(origin))?;
        let same = matches!(scheme, "http" | "https")
            && with_port(authority, scheme).eq_ignore_ascii_case(&with_port(host, scheme));
        if same && (!self.loopback_only || is_loopback(host)) { Ok(()) } else { Err(refusal(origin)) }
    }

    /// Whether a request may be answered. Browsers leave `Origin` out where a page reads from its own host. So where
    /// we listen on loopback, that host has to be loopback by name, or that of an allowed origin.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn admit(&self, headers: &HeaderMap) -> Result<(), String> {
        self.check(headers)?;
        let Some(host) = headers.get(header::HOST) else { return Ok(()) };
        let host = host.to_str().map_err(|_| refusal_of_host("a name that is no text"))?;
        let known = |allowed: &String| {
            allowed.split_once("://").is_some_and(|(scheme, authority)| {
                with_port(authority, scheme).eq_ignore_ascii_case(&with_port(host, scheme))
            })
        };
        let is_known = !self.loopback_only || is_loopback(host) || self.allowed.iter().any(known);
        let from_a_page = headers.contains_key(header::ORIGIN);
        if is_known || from_a_page { Ok(()) } else { Err(refusal_of_host(host)) }
    }
}

fn refusal(origin: &str) -> String {
    format!(
        "Pages of the origin {origin} may not connect. If they should, add it exactly so to allowed_origins \
         in the [http] section of the broker's settings."
    )
}

fn refusal_of_host(host: &str) -> String {
    format!(
        "This broker listens on loopback and is not known as {host}. If that is its name for others, add its origin, \
         for example https://{host}, to allowed_origins in the [http] section of the broker's settings."
    )
}

/// The authority with its port written out.
fn with_port(authority: &str, scheme: &str) -> String {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = if scheme == "https" { 443 } else { 80 };
    if has_port { authority.to_owned() } else { format!("{authority}:{port}") }
}

/// Whether a host is loopback whoever is asked for its address.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origins: &Origins, origin: &str, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        headers.insert(header::HOST, host.parse().unwrap());
        origins.check(&headers).is_ok()
    }

    #[test]
    fn the_brokers_own_pages_may_connect_and_no_others() {
        let origins = Origins::new(vec!["https://school.example".into()], false);
        for (origin, host, allowed) in [
            ("http://broker.example:8080", "broker.example:8080", true),
            ("https://broker.example", "broker.example", true),
            ("https://broker.example", "broker.example:443", true),
            ("http://Broker.Example", "broker.example", true),
            ("https://school.example", "broker.example", true),
            ("https://school.example:8443", "broker.example", false),
            ("https://school.example.evil.example", "broker.example", false),
            ("https://evilschool.example", "broker.example", false),
            ("http://school.example", "broker.example", false),
            ("http://broker.example:8081", "broker.example:8080", false),
            ("null", "broker.example", false),
            ("file://", "broker.example", false),
            ("", "broker.example", false),
        ] {
            assert_eq!(check(&origins, origin, host), allowed, "{origin} at {host}");
        }
    }

    #[test]
    fn on_loopback_a_foreign_name_that_points_here_is_foreign() {
        let origins = Origins::new(vec![], true);
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "127.0.0.2"] {
            assert!(check(&origins, &format!("http://{host}"), host), "{host}");
        }
        assert!(!check(&origins, "http://evil.example:8080", "evil.example:8080"));
        assert!(!check(&origins, "http://localhost.evil.example", "localhost.evil.example"));
    }

    #[test]
    fn on_loopback_a_page_cannot_read_by_a_name_that_points_here() {
        let admitted = |origins: &Origins, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            origins.admit(&headers).is_ok()
        };
        let here = Origins::new(vec!["https://lessons.example".into()], true);
        for (host, expected) in
            [("localhost:8080", true), ("[::1]:8080", true), ("lessons.example", true), ("evil.example:8080", false)]
        {
            assert_eq!(admitted(&here, host), expected, "{host}");
            assert!(admitted(&Origins::new(vec![], false), host), "{host}");
        }
        assert!(here.admit(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn a_request_from_no_page_may_connect() {
        assert_eq!(Origins::default().check(&HeaderMap::new()), Ok(()));
    }
}
