//! `[sockjs]`: STOMP in requests and answers, where WebSocket does not get through.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::ParseValueError;

/// `[sockjs]`: SockJS sessions below `/ws/`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sockjs {
    /// A session whose client asks for nothing ends after so long.
    pub gone_after: Duration,
    /// A client that waits for messages hears something this often.
    pub heartbeat: Duration,
    /// An answer that streams ends after so many bytes, and the client asks for the next.
    pub answer_bytes: u64,
    /// Where browsers that cannot ask across sites load the client from; `None` is off.
    pub client_url: Option<ClientUrl>,
}

impl Default for Sockjs {
    fn default() -> Sockjs {
        Sockjs {
            gone_after: Duration::from_secs(5),
            heartbeat: Duration::from_secs(25),
            answer_bytes: 128 << 10,
            client_url: None,
        }
    }
}

/// An address of the script `sockjs.js`, as it stands in a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientUrl(Box<str>);

impl ClientUrl {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClientUrl {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<ClientUrl, ParseValueError> {
        let begins = ["https://", "http://", "/"].iter().any(|begin| text.starts_with(begin));
        // It goes into a page as it is.
        let is_safe = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>&`\\".contains(&byte);
        if begins && text.bytes().all(is_safe) {
            return Ok(ClientUrl(text.into()));
        }
        Err(ParseValueError::new(
            "write the address of sockjs.js, for example \"https://school.example/sockjs.min.js\", or \"off\" to do \
             without",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_could_break_out_of_the_page_is_refused() {
        for text in ["/sockjs.js", "https://school.example/sockjs.min.js?v=1.6.1"] {
            assert_eq!(text.parse::<ClientUrl>().unwrap().as_str(), text);
        }
        for text in ["", "sockjs.js", "javascript:alert(1)", "/a\"></script>", "/a b", "/ä", "/a&b"] {
            assert!(text.parse::<ClientUrl>().is_err(), "{text}");
        }
    }
}
