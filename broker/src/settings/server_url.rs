//! Another server that is asked: for the keys of tokens, or for decisions.

use std::fmt;
use std::str::FromStr;

use super::ParseValueError;
use super::values::has_port;

/// Its address: scheme, host, port and path.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    is_https: bool,
    host: Box<str>,
    port: u16,
    authority: Box<str>,
    path: Box<str>,
}

impl ServerUrl {
    /// Whether it is asked over TLS.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// The host, without the brackets of IPv6.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as they stand in the address.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        &*self.host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for ServerUrl {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<ServerUrl, ParseValueError> {
        parsed(text).ok_or_else(|| {
            ParseValueError::new(
                "write an address such as \"https://school.example/a/path\", without a user and a fragment, or \"off\"",
            )
        })
    }
}

fn parsed(text: &str) -> Option<ServerUrl> {
    let uri: hyper::Uri = text.parse().ok()?;
    let (is_https, own_port) = match uri.scheme_str()? {
        "https" => (true, 443),
        "http" => (false, 80),
        _ => return None,
    };
    let authority = uri.authority()?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = match authority.port() {
        Some(_) => authority.port_u16()?,
        None if has_port(authority.as_str()) => return None,
        None => own_port,
    };
    let plain = !host.is_empty() && !text.contains(['@', '#']);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    plain.then(|| ServerUrl {
        is_https,
        host: host.into(),
        port,
        authority: authority.as_str().into(),
        path: path.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        for (text, host, port, path) in [
            ("https://school.example/keys?v=1", "school.example", 443, "/keys?v=1"),
            ("http://127.0.0.1:8080/keys", "127.0.0.1", 8080, "/keys"),
            ("http://[::1]:9/", "::1", 9, "/"),
            ("https://a.example/", "a.example", 443, "/"),
        ] {
            let url: ServerUrl = text.parse().unwrap();
            assert_eq!((url.host(), url.port(), url.path(), url.to_string().as_str()), (host, port, path, text));
        }
        for text in [
            "",
            "school.example/keys",
            "ftp://a/",
            "https://u:p@a/",
            "https:///x",
            "https://a:b/",
            "/keys",
            "https://a/#x",
        ] {
            assert!(text.parse::<ServerUrl>().is_err(), "{text}");
        }
        let is_near = |text: &str| text.parse::<ServerUrl>().unwrap().is_loopback();
        assert!(is_near("http://localhost/") && is_near("http://[::1]/") && is_near("http://127.9.9.9:1/"));
        assert!(!is_near("http://localhost.example/") && !is_near("http://10.0.0.1/"));
    }
}
