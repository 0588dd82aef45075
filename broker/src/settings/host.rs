//! A name of the broker, as those who ask it write it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::ParseValueError;

/// What DNS can carry.
const BYTES_MAX: usize = 253;

/// `http.hosts`: a name or an address without scheme and port, in the one spelling that is compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(Box<str>);

impl HostName {
    /// What `text` names; none if it is no name, no IPv4 address and no IPv6 address in brackets.
    pub fn read(text: &str) -> Option<HostName> {
        if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = address.parse().ok()?;
            return Some(HostName(format!("[{address}]").into()));
        }
        // Browsers write other letters as `xn--…`. The underscore is in names of containers.
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_name = (1..=BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed);
        is_name.then(|| HostName(text.to_ascii_lowercase().into()))
    }

    /// In lower case; an IPv6 address as short as it can be, in brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HostName {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<HostName, ParseValueError> {
        HostName::read(text).ok_or_else(|| {
            ParseValueError::new(
                "write each name as it stands in an address, without scheme and without port, for example \
                 \"lessons.school.example\", \"192.0.2.7\" or \"[2001:db8::7]\"; a star is not understood",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling_and_nothing_beside_it() {
        for (written, kept) in [
            ("Lessons.School.Example", "lessons.school.example"),
            ("homeroom_backend", "homeroom_backend"),
            ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
            ("192.0.2.7", "192.0.2.7"),
            ("[2001:DB8:0::7]", "[2001:db8::7]"),
        ] {
            assert_eq!(written.parse::<HostName>().unwrap().as_str(), kept);
        }
        let long = "a".repeat(254);
        for written in
            ["", "*", "*.a", "https://a", "a:80", "u@a", "a/b", "a b", "a,b", "::1", "[::1", "[a]", "ä", "a%2eb", &long]
        {
            assert!(written.parse::<HostName>().is_err(), "{written}");
        }
    }
}
