//! The three versions of STOMP and how two peers settle on one.

use std::fmt;

/// A version of STOMP. Later ones compare as greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// STOMP 1.0: no escaping, no heart-beats, subscriptions known by destination.
    #[default]
    V1_0,
    /// STOMP 1.1: escaping, heart-beats, NACK, subscription ids.
    V1_1,
    /// STOMP 1.2: ACK by the MESSAGE's `ack` header, CR LF as end of line.
    V1_2,
}

impl Version {
    /// All versions, highest first.
    pub const ALL: [Version; 3] = [Version::V1_2, Version::V1_1, Version::V1_0];

    /// The number as it stands in `accept-version` and `version`.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Version::V1_0 => "1.0",
            Version::V1_1 => "1.1",
            Version::V1_2 => "1.2",
        }
    }

    /// The version called so in `accept-version`.
    #[must_use]
    pub fn from_number(number: &str) -> Option<Version> {
        Version::ALL.into_iter().find(|version| version.number() == number)
    }

    /// The name of the WebSocket subprotocol that speaks this version.
    #[must_use]
    pub fn subprotocol(self) -> &'static str {
        match self {
            Version::V1_0 => "v10.stomp",
            Version::V1_1 => "v11.stomp",
            Version::V1_2 => "v12.stomp",
        }
    }

    /// The version that a WebSocket subprotocol speaks.
    #[must_use]
    pub fn from_subprotocol(name: &str) -> Option<Version> {
        Version::ALL.into_iter().find(|version| version.subprotocol() == name)
    }

    /// The highest version both sides speak. `accept` is the value of CONNECT's
    /// `accept-version`; names in it that nobody knows are passed over.
    pub(crate) fn negotiate(accept: Option<&str>, supported: &[Version]) -> Option<Version> {
        // STOMP 1.1, Protocol Negotiation: "If the accept-version header is
        // missing, it means that the client only supports version 1.0".
        let accept = accept.unwrap_or("1.0");
        accept
            .split(',')
            .filter_map(|number| Version::from_number(number.trim()))
            .filter(|version| supported.contains(version))
            .max()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_there_and_back() {
        for version in Version::ALL {
            assert_eq!(Version::from_number(&version.to_string()), Some(version));
            assert_eq!(Version::from_subprotocol(version.subprotocol()), Some(version));
        }
        assert_eq!(Version::from_subprotocol("mqtt"), None);
        assert_eq!(Version::from_number("1.3"), None);
    }

    #[test]
    fn the_highest_common_version_is_spoken() {
        use Version::{V1_0, V1_1, V1_2};
        let table: [(Option<&str>, &[Version], Option<Version>); 11] = [
            (None, &Version::ALL, Some(V1_0)),
            (None, &[V1_2], None),
            (Some("1.2"), &Version::ALL, Some(V1_2)),
            (Some("1.0,1.1,1.2"), &Version::ALL, Some(V1_2)),
            (Some("1.2,1.1,1.0"), &[V1_1], Some(V1_1)),
            (Some(" 1.1 , 1.0 "), &Version::ALL, Some(V1_1)),
            (Some("1.0,2.1"), &Version::ALL, Some(V1_0)),
            (Some("2.1"), &Version::ALL, None),
            (Some(""), &Version::ALL, None),
            (Some("1.1"), &[V1_2], None),
            (Some("1.20"), &Version::ALL, None),
        ];
        for (accept, supported, spoken) in table {
            assert_eq!(Version::negotiate(accept, supported), spoken, "{accept:?} against {supported:?}");
        }
    }
}
