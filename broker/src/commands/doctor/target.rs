//! Which broker: what a person writes as its address.

use std::net::Ipv6Addr;

use axum::http::Uri;

use crate::commands::Failure;

/// Where a broker is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
}

/// Paths at which people know a broker; it is looked at as a whole.
const PATHS: [&str; 5] = ["", "/", "/ws", "/stomp", "/doctor"];

impl Target {
    /// `http://host:port`, `ws://host:port/ws` or `host:port`.
    ///
    /// # Errors
    /// What to write instead.
    pub(super) fn parse(text: &str) -> Result<Target, Failure> {
        let wrong = |what: &str| {
            let shown: String = text.chars().filter(|character| !character.is_control()).take(100).collect();
            Failure::usage(format!("{shown} {what}"))
        };
        let write = "write the broker's address, such as http://lessons.school.example:8080";
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = whole.parse().map_err(|_| wrong(&format!("cannot be read: {write}.")))?;
        match uri.scheme_str() {
            Some("http" | "ws") => {}
            Some("https" | "wss") => {
                return Err(wrong(
                    "is an address with TLS, which this command does not speak: open it with /doctor behind it in a \
                     browser, which measures the same, or give the broker's own address behind the TLS, with http://.",
                ));
            }
            _ => return Err(wrong(&format!("is no http:// address: {write}."))),
        }
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(|| wrong(&format!("names no host alone: {write}.")))?;
        if !PATHS.contains(&uri.path()) || uri.query().is_some() {
            return Err(wrong(&format!("has a path, and the broker is looked at as a whole: {write}.")));
        }
        // `Authority` takes a port that is none for no port.
        let port = match authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':')) {
            None => Some(80),
            Some(port) => port.parse().ok().filter(|port| *port != 0),
        };
        let port = port.ok_or_else(|| wrong(&format!("has no port from 1 to 65535: {write}.")))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong(&format!("names no host: {write}.")));
        }
        Ok(Target { host, port })
    }

    /// As a URL and the header `Host` have it.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.parse::<Ipv6Addr>().is_ok() { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 80 { host } else { format!("{host}:{}", self.port) }
    }

    /// As a browser names the origin of its pages.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, host, port, origin) in [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080, "http://127.0.0.1:8080"),
            ("ws://lessons.example/ws", "lessons.example", 80, "http://lessons.example"),
            ("lessons.example:8080", "lessons.example", 8080, "http://lessons.example:8080"),
            ("localhost", "localhost", 80, "http://localhost"),
            ("http://[::1]:8080/", "::1", 8080, "http://[::1]:8080"),
        ] {
            let target = Target::parse(text).expect(text);
            assert_eq!((&*target.host, target.port, &*target.origin()), (host, port, origin), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        for (text, remedy) in [
            ("", "write the broker's address"),
            ("http://", "write the broker's address"),
            ("https://lessons.example", "/doctor"),
            ("wss://lessons.example/ws", "/doctor"),
            ("ftp://lessons.example", "no http://"),
            ("http://lessons.example:99999", "port"),
            ("http://lessons.example:0", "port"),
            ("http://alice:secret@lessons.example", "no host alone"),
            ("http://lessons.example/a/b", "as a whole"),
            ("http://a b", "cannot be read"),
            ("http://a\u{1b}[31m", "cannot be read"),
        ] {
            let failure = Target::parse(text).expect_err(text).to_string();
            assert!(failure.contains(remedy) && !failure.contains('\u{1b}'), "{text}: {failure}");
        }
    }
}
