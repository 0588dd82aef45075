//! A path at which WebSocket is offered beside our own.

use std::fmt;
use std::str::FromStr;

use super::ParseValueError;

/// The broker answers these itself, and all that begins with the others.
const OWN: [&str; 6] = ["/", "/ws", "/stomp", "/v1", "/doctor", "/openapi.json"];
const BELOW_OWN: [&str; 3] = ["/v1/", "/assets/", "/ws/"];

/// `http.websocket_paths`: the path of a request, exactly as clients write it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebSocketPath(Box<str>);

impl WebSocketPath {
    /// As it stands in the request.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebSocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for WebSocketPath {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<WebSocketPath, ParseValueError> {
        if !is_path(text) {
            return Err(ParseValueError::new(
                "write each path exactly as clients ask for it, from its first / on, without host and without query, \
                 for example \"/api/ws/websocket\"",
            ));
        }
        if OWN.contains(&text) || BELOW_OWN.iter().any(|own| text.starts_with(own)) {
            return Err(ParseValueError::new(format!(
                "the broker itself answers \"{text}\": choose another path, or leave it out and use /ws or /stomp, \
                 where WebSocket is always offered"
            )));
        }
        Ok(WebSocketPath(text.into()))
    }
}

/// RFC 3986, 3.3: segments of these characters. Clients remove `.` and `..` before they ask.
fn is_path(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    let is_clean = |segment: &str| !matches!(segment, "." | "..");
    text.starts_with('/') && text.bytes().all(is_allowed) && text.split('/').all(is_clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_kept_as_it_is_written() {
        for text in ["/websocket/websocket", "/api/ws/websocket", "/a%20b", "/v1x", "/stomp/"] {
            assert_eq!(text.parse::<WebSocketPath>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_path_or_our_own_is_refused_with_what_to_write() {
        for (text, remedy) in [
            ("", "for example"),
            ("websocket", "from its first /"),
            ("ws://broker.example/websocket", "without host"),
            ("/websocket?token=1", "without query"),
            ("/websocket#top", "exactly"),
            ("/web socket", "exactly"),
            ("/wébsocket", "exactly"),
            ("/api/../ws", "exactly"),
            ("/", "the broker itself answers \"/\""),
            ("/ws", "use /ws or /stomp"),
            ("/stomp", "use /ws or /stomp"),
            ("/v1", "choose another"),
            ("/doctor", "choose another"),
            ("/v1/time", "choose another"),
            ("/assets/x", "choose another"),
            ("/openapi.json", "choose another"),
            ("/ws/websocket", "choose another"),
        ] {
            let error = text.parse::<WebSocketPath>().unwrap_err().to_string();
            assert!(error.contains(remedy), "{text}: {error}");
        }
    }
}
