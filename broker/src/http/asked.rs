//! Where a request believes it is: which host it names, and under which scheme.
//!
//! A request names one host, in `Host` or in the address (`:authority` of HTTP/2). Where two could be meant, some proxy
//! or page may mean the one and we the other, so it is refused.

use axum::http::uri::Authority;
use axum::http::{Extensions, Request, Version, header};
use homeroom_protocol::Refusal;

use super::forwarded::Scheme;
use crate::refusals::{bad_request, shorten};
use crate::settings::HostName;

/// A host and, where it is written, a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    name: HostName,
    port: Option<u16>,
}

/// What a request names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// By which scheme it came, as far as that is known.
    pub(super) scheme: Scheme,
    /// None in HTTP/1.0, which need not name one.
    pub(super) host: Option<Host>,
}

impl Asked {
    /// What `request` names.
    ///
    /// # Errors
    /// It names no host, more than one, or none that there could be.
    pub(super) fn of<B>(request: &Request<B>, scheme: Scheme) -> Result<Asked, Refusal> {
        let mut headers = request.headers().get_all(header::HOST).iter();
        let (first, second) = (headers.next(), headers.next());
        if second.is_some() {
            return Err(refused("there are several Host headers"));
        }
        let header = first.map(|host| host.to_str().map_err(|_| refused("Host is no text"))).transpose()?;
        let address = request.uri().authority().map(Authority::as_str);
        let named = match (header, address) {
            (Some(header), Some(address)) if !header.eq_ignore_ascii_case(address) => {
                return Err(refused("Host and the address that is asked for name different hosts"));
            }
            (None, None) if request.version() < Version::HTTP_11 => return Ok(Asked { scheme, host: None }),
            (header, address) => header.or(address).ok_or_else(|| refused("there is no Host header"))?,
        };
        let host = Host::read(named).ok_or_else(|| refused(&format!("Host is \"{}\"", shorten(named))))?;
        Ok(Asked { scheme, host: Some(host) })
    }

    /// What was found out about a request before it was handed on.
    pub(super) fn beside(extensions: &Extensions) -> Asked {
        extensions.get().cloned().unwrap_or_default()
    }
}

fn refused(reason: &str) -> Refusal {
    bad_request(reason, "Name the host, and its port if it is not the usual one, in one Host header.")
}

impl Host {
    /// `name`, or `name:port`.
    pub(super) fn read(text: &str) -> Option<Host> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => {
                let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                (name, Some(port.parse().ok().filter(|_| is_number)?))
            }
            _ => (text, None),
        };
        Some(Host { name: HostName::read(name)?, port })
    }

    /// Without the port.
    pub(super) fn name(&self) -> &HostName {
        &self.name
    }

    /// With the port that is meant where none is written.
    pub(super) fn port_or(&self, usual: u16) -> u16 {
        self.port.unwrap_or(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str, version: Version, hosts: &[&str]) -> Result<Asked, Refusal> {
        let builder = Request::builder().uri(uri).version(version);
        let request = hosts.iter().fold(builder, |builder, host| builder.header(header::HOST, *host));
        Asked::of(&request.body(()).unwrap(), Scheme::Http)
    }

    #[test]
    fn a_request_names_one_host_and_no_second() {
        const H1: Version = Version::HTTP_11;
        const H2: Version = Version::HTTP_2;
        for (uri, version, hosts, expected) in [
            ("/", H1, &["School.example:8080"][..], "school.example"),
            ("/", H1, &["[::1]:8080"], "[::1]"),
            ("/", H1, &["[0:0::1]"], "[::1]"),
            ("http://school.example/", H1, &["school.example"], "school.example"),
            ("https://school.example/", H2, &[], "school.example"),
            ("https://school.example/", H2, &["SCHOOL.example"], "school.example"),
            ("/", H2, &["school.example"], "school.example"),
        ] {
            let host = asked(uri, version, hosts).unwrap().host.unwrap();
            assert_eq!(host.name().as_str(), expected, "{uri} {hosts:?}");
        }
        assert_eq!(asked("/", Version::HTTP_10, &[]).unwrap().host, None);
        for (uri, version, hosts) in [
            ("/", H1, &[][..]),
            ("/", H2, &[]),
            ("/", H1, &[""]),
            ("/", H1, &["school.example", "school.example"]),
            ("/", Version::HTTP_10, &["a", "b"]),
            ("http://evil.example/", H1, &["school.example"]),
            ("https://evil.example/", H2, &["school.example"]),
            ("https://school.example/", H2, &["school.example", "evil.example"]),
            ("/", H1, &["school.example, evil.example"]),
            ("/", H1, &["school.example@evil.example"]),
            ("/", H1, &["school.example/x"]),
            ("/", H1, &["school.example#"]),
            ("/", H1, &["school.example:"]),
            ("/", H1, &["school.example:+80"]),
            ("/", H1, &["school.example:99999"]),
            ("/", H1, &["school.example:80:80"]),
            ("/", H1, &["http://school.example"]),
            ("/", H1, &["::1"]),
            ("/", H1, &["[::1"]),
            ("/", H1, &["school%2eexample"]),
            ("/", H1, &["school.example\u{e4}"]),
        ] {
            let refusal = asked(uri, version, hosts).expect_err(&format!("{uri} {hosts:?}"));
            assert_eq!(refusal.code, crate::refusals::code::BAD_REQUEST);
        }
    }
}
