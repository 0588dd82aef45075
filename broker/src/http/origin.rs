//! Whose pages may connect: those of the broker's own address, and those listed.
//!
//! | A page of | may connect |
//! | --- | --- |
//! | an origin in `http.allowed_origins`, letter for letter | always |
//! | the very scheme, host and port that it asks for | if that host is a name of ours |
//! | any other origin, `null`, two of them | never |
//!
//! Any page in a user's browser can open a connection to loopback, and its own name may be made to point here. So what
//! counts as a name of ours is what `http.hosts` lists; without it, where we listen on loopback, what is loopback by
//! name, and elsewhere any name, since we know none.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

use super::asked::{Asked, Host};
use crate::refusals::shorten;
use crate::settings::HostName;

/// Whose pages may connect.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    allowed: Vec<String>,
    hosts: Vec<HostName>,
    loopback_only: bool,
}

impl Origins {
    /// The broker's own pages and those of `allowed` origins, compared exactly. `hosts` are the broker's own names, if
    /// they are known. `loopback_only` says that the listener can be reached from this machine alone.
    pub fn new(allowed: Vec<String>, hosts: Vec<HostName>, loopback_only: bool) -> Origins {
        Origins { allowed, hosts, loopback_only }
    }

    /// For a listener at `address` that operators read. On loopback it goes by names of loopback and those of `hosts`, so
    /// that no page reads it by a name that is made to point here; elsewhere by any name.
    pub fn of_operators(hosts: &[HostName], address: IpAddr) -> Origins {
        let loopback_only = address.to_canonical().is_loopback();
        let own = match address {
            IpAddr::V4(_) => address.to_string(),
            IpAddr::V6(_) => format!("[{address}]"),
        };
        let usual = ["localhost", "127.0.0.1", "[::1]", &own].into_iter().filter_map(HostName::read);
        let hosts = if loopback_only { usual.chain(hosts.iter().cloned()).collect() } else { Vec::new() };
        Origins { allowed: Vec::new(), hosts, loopback_only }
    }

    /// Whether a request to operators' figures may be answered. What checks health may name no host: it is no browser.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn show(&self, headers: &HeaderMap, asked: &Asked) -> Result<(), String> {
        if asked.host.is_some() {
            self.expect(asked)?;
        }
        self.check(headers, asked)
    }

    /// Whether a request is for us at all, whoever asks. Everything is, until the settings list our names.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn expect(&self, asked: &Asked) -> Result<(), String> {
        match &asked.host {
            _ if self.hosts.is_empty() => Ok(()),
            Some(host) if self.hosts.contains(host.name()) => Ok(()),
            Some(host) => Err(unlisted(host.name().as_str())),
            None => Err(unlisted("nothing at all")),
        }
    }

    /// Whether a request may become a connection. One without an `Origin` comes from no page.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn check(&self, headers: &HeaderMap, asked: &Asked) -> Result<(), String> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (origin, more) = (origins.next(), origins.next());
        let Some(origin) = origin else { return Ok(()) };
        if more.is_some() {
            return Err(refusal("that is several at once"));
        }
        let origin = origin.to_str().map_err(|_| refusal("that is no text"))?;
        let is_allowed = self.allowed.iter().any(|allowed| allowed == origin);
        if is_allowed || self.is_own(origin, asked) { Ok(()) } else { Err(refusal(shorten(origin))) }
    }

    /// Whether a request may be answered. Browsers leave `Origin` out where a page reads from its own host. So where
    /// we listen on loopback, that host has to be loopback by name, or that of an allowed origin.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn admit(&self, headers: &HeaderMap, asked: &Asked) -> Result<(), String> {
        self.check(headers, asked)?;
        let Some(host) = &asked.host else { return Ok(()) };
        let from_a_page = headers.contains_key(header::ORIGIN);
        let of_an_allowed = || self.allowed.iter().any(|allowed| names(allowed, host));
        if from_a_page || self.is_ours(host) || of_an_allowed() {
            return Ok(());
        }
        Err(refusal_of_host(host.name().as_str()))
    }

    /// Whether a page of this origin came from where it now asks.
    fn is_own(&self, origin: &str, asked: &Asked) -> bool {
        let Some((scheme, _)) = origin.split_once("://") else { return false };
        let of_the_same = |host| names(origin, host) && self.is_ours(host);
        asked.scheme.may_be(scheme) && asked.host.as_ref().is_some_and(of_the_same)
    }

    fn is_ours(&self, host: &Host) -> bool {
        match &*self.hosts {
            [] => !self.loopback_only || is_loopback(host.name().as_str()),
            hosts => hosts.contains(host.name()),
        }
    }
}

/// Whether an origin's host and port are these.
fn names(origin: &str, host: &Host) -> bool {
    let (usual, authority) = match origin.split_once("://") {
        Some(("http", authority)) => (80, authority),
        Some(("https", authority)) => (443, authority),
        _ => return false,
    };
    Host::read(authority).is_some_and(|own| own.name() == host.name() && own.port_or(usual) == host.port_or(usual))
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

fn unlisted(host: &str) -> String {
    format!(
        "This broker was asked for as {host}, which is none of its names. If it is one, add it to hosts in the [http] \
         section of the broker's settings."
    )
}

/// Whether a host is loopback whoever is asked for its address.
fn is_loopback(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::forwarded::Scheme;
    use super::*;

    fn asked(scheme: Scheme, host: &str) -> Asked {
        Asked { scheme, host: Some(Host::read(host).unwrap()) }
    }

    fn check(origins: &Origins, origin: &str, scheme: Scheme, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        origins.check(&headers, &asked(scheme, host)).is_ok()
    }

    #[test]
    fn the_brokers_own_pages_may_connect_and_no_others() {
        use Scheme::{Http, Https, Unknown};
        let origins = Origins::new(vec!["https://school.example".into()], vec![], false);
        for (origin, scheme, host, allowed) in [
            ("http://broker.example:8080", Http, "broker.example:8080", true),
            ("https://broker.example:8080", Http, "broker.example:8080", false),
            ("https://broker.example", Https, "broker.example", true),
            ("https://broker.example", Https, "broker.example:443", true),
            ("http://broker.example", Https, "broker.example", false),
            ("http://broker.example", Https, "broker.example:80", false),
            ("https://broker.example", Http, "broker.example", false),
            ("http://broker.example", Unknown, "broker.example", true),
            ("https://broker.example", Unknown, "broker.example", true),
            ("ws://broker.example", Unknown, "broker.example", false),
            ("http://Broker.Example", Http, "broker.example", true),
            ("http://[::1]:80", Http, "[0::1]", true),
            ("https://school.example", Http, "broker.example", true),
            ("https://school.example:8443", Http, "broker.example", false),
            ("https://school.example.evil.example", Http, "broker.example", false),
            ("https://evilschool.example", Http, "broker.example", false),
            ("http://school.example", Http, "broker.example", false),
            ("http://broker.example:8081", Http, "broker.example:8080", false),
            ("null", Http, "broker.example", false),
            ("file://", Http, "broker.example", false),
            ("", Http, "broker.example", false),
        ] {
            assert_eq!(check(&origins, origin, scheme, host), allowed, "{origin} at {scheme:?} {host}");
        }
        let mut two = HeaderMap::new();
        two.append(header::ORIGIN, "https://school.example".parse().unwrap());
        two.append(header::ORIGIN, "https://school.example".parse().unwrap());
        assert!(origins.check(&two, &asked(Http, "broker.example")).is_err());
    }

    #[test]
    fn on_loopback_a_foreign_name_that_points_here_is_foreign() {
        let origins = Origins::new(vec![], vec![], true);
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "127.0.0.2"] {
            assert!(check(&origins, &format!("http://{host}"), Scheme::Http, host), "{host}");
        }
        for host in ["evil.example:8080", "localhost.evil.example"] {
            assert!(!check(&origins, &format!("http://{host}"), Scheme::Http, host), "{host}");
        }
    }

    #[test]
    fn elsewhere_it_is_foreign_as_soon_as_our_names_are_listed() {
        let hosts = vec![HostName::read("lessons.example").unwrap()];
        for loopback_only in [true, false] {
            let known = Origins::new(vec![], hosts.clone(), loopback_only);
            for (host, expected) in [
                ("lessons.example", true),
                ("Lessons.example:8080", true),
                ("evil.example", false),
                ("localhost", false),
            ] {
                assert_eq!(known.expect(&asked(Scheme::Http, host)).is_ok(), expected, "{host}");
                assert_eq!(check(&known, &format!("http://{host}"), Scheme::Http, host), expected, "{host}");
            }
            assert!(known.expect(&Asked::default()).is_err());
        }
        let any = Origins::new(vec![], vec![], false);
        assert!(any.expect(&asked(Scheme::Http, "evil.example")).is_ok() && any.expect(&Asked::default()).is_ok());
    }

    #[test]
    fn on_loopback_a_page_cannot_read_by_a_name_that_points_here() {
        let admitted =
            |origins: &Origins, host: &str| origins.admit(&HeaderMap::new(), &asked(Scheme::Http, host)).is_ok();
        let here = Origins::new(vec!["https://lessons.example".into()], vec![], true);
        for (host, expected) in
            [("localhost:8080", true), ("[::1]:8080", true), ("lessons.example", true), ("evil.example:8080", false)]
        {
            assert_eq!(admitted(&here, host), expected, "{host}");
            assert!(admitted(&Origins::new(vec![], vec![], false), host), "{host}");
        }
        assert!(here.admit(&HeaderMap::new(), &Asked::default()).is_ok());
    }

    #[test]
    fn operators_read_by_names_of_loopback_and_listed_ones() {
        let listed = [HostName::read("metrics.example").unwrap()];
        let shown = |address: &str, host: &str| {
            let origins = Origins::of_operators(&listed, address.parse().unwrap());
            origins.show(&HeaderMap::new(), &asked(Scheme::Http, host)).is_ok()
        };
        for (host, expected) in [
            ("localhost:9090", true),
            ("127.0.0.1:9090", true),
            ("[::1]:9090", true),
            ("127.0.0.7:9090", true),
            ("metrics.example", true),
            ("evil.example:9090", false),
            ("localhost.evil.example", false),
        ] {
            assert_eq!(shown("127.0.0.7", host), expected, "{host}");
            assert!(shown("192.0.2.1", host) && shown("::", host), "{host}");
        }
        let here = Origins::of_operators(&[], "::1".parse().unwrap());
        assert!(here.show(&HeaderMap::new(), &Asked::default()).is_ok(), "a check of health in HTTP/1.0");
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, "https://evil.example".parse().unwrap());
        assert!(here.show(&headers, &asked(Scheme::Http, "localhost:9090")).is_err());
    }

    #[test]
    fn a_request_from_no_page_may_connect() {
        assert_eq!(Origins::default().check(&HeaderMap::new(), &Asked::default()), Ok(()));
    }
}
