//! Which broker: what a person writes as its address.

use std::net::Ipv6Addr;

use axum::http::Uri;

use super::encryption::Encryption;
use crate::commands::Failure;
use crate::commands::reach::port;

/// Where a broker is looked for.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// With `https://`.
    pub(super) encryption: Option<Encryption>,
}

/// Paths at which people know a broker; it is looked at as a whole.
const PATHS: [&str; 5] = ["", "/", "/ws", "/stomp", "/doctor"];

impl Target {
    /// `http://host:port`, `ws://host:port/ws` or `host:port`, and `https://` and `wss://`, for which `encrypt` says
    /// how to speak with a host.
    ///
    /// # Errors
    /// What to write instead.
    pub(super) fn parse(
        text: &str,
        encrypt: impl FnOnce(&str) -> Result<Encryption, Failure>,
    ) -> Result<Target, Failure> {
        let wrong = |what: &str| {
            let shown: String = text.chars().filter(|character| !character.is_control()).take(100).collect();
            Failure::usage(format!("{shown} {what}"))
        };
        let write = "write the broker's address, such as http://lessons.school.example:8080";
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = whole.parse().map_err(|_| wrong(&format!("cannot be read: {write}.")))?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(wrong(&format!("is no http:// or https:// address: {write}."))),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(|| wrong(&format!("names no host alone: {write}.")))?;
        if !PATHS.contains(&uri.path()) || uri.query().is_some() {
            return Err(wrong(&format!("has a path, and the broker is looked at as a whole: {write}.")));
        }
        let port = port(authority, usual_port(secure))
            .ok_or_else(|| wrong(&format!("has no port from 1 to 65535: {write}.")))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong(&format!("names no host: {write}.")));
        }
        let encryption = if secure { Some(encrypt(&host)?) } else { None };
        Ok(Target { host, port, encryption })
    }

    /// As a URL and the header `Host` have it.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.parse::<Ipv6Addr>().is_ok() { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual_port(self.is_secure()) { host } else { format!("{host}:{}", self.port) }
    }

    /// As a browser names the origin of its pages.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", if self.is_secure() { "https" } else { "http" }, self.authority())
    }

    /// The address of its WebSocket.
    pub(super) fn websocket(&self) -> String {
        format!("{}://{}/ws", if self.is_secure() { "wss" } else { "ws" }, self.authority())
    }

    /// The same port, spoken to in the clear.
    pub(super) fn in_the_clear(&self) -> Target {
        Target { encryption: None, ..self.clone() }
    }

    pub(super) fn is_secure(&self) -> bool {
        self.encryption.is_some()
    }
}

fn usual_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
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
            ("https://lessons.example", "lessons.example", 443, "https://lessons.example"),
            ("wss://lessons.example:80/ws", "lessons.example", 80, "https://lessons.example:80"),
            ("https://[::1]/", "::1", 443, "https://[::1]"),
        ] {
            let target = Target::parse(text, Encryption::with_nobody).expect(text);
            assert_eq!((&*target.host, target.port, &*target.origin()), (host, port, origin), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        for (text, remedy) in [
            ("", "write the broker's address"),
            ("http://", "write the broker's address"),
            ("https://-.example", "no name"),
            ("ftp://lessons.example", "no http://"),
            ("http://lessons.example:99999", "port"),
            ("http://lessons.example:0", "port"),
            ("http://alice:secret@lessons.example", "no host alone"),
            ("http://lessons.example/a/b", "as a whole"),
            ("http://a b", "cannot be read"),
            ("http://a\u{1b}[31m", "cannot be read"),
        ] {
            let failure = Target::parse(text, Encryption::with_nobody).expect_err(text).to_string();
            assert!(failure.contains(remedy) && !failure.contains('\u{1b}'), "{text}: {failure}");
        }
    }
}
