//! What a client of SockJS asks for before it has a session.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::cors::{KEEP_LONG, NEVER_EXPIRES};
use crate::http::{Door, known_tag, upgrade};

/// For people who look whether something is there.
const GREETING: &str = "Welcome to SockJS!\n";
/// sockjs-protocol, "IFrame page": exactly this, with the address of the client.
const IFRAME: [&str; 2] = [
    "<!DOCTYPE html>\n<html>\n<head>\n  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n  \
     <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n  <script src=\"",
    "\"></script>\n  <script>\n    document.domain = document.domain;\n    SockJS.bootstrap_iframe();\n  </script>\n\
     </head>\n<body>\n  <h2>Don't panic!</h2>\n  \
     <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>\n</body>\n</html>",
];

/// The greeting at the base address.
pub(super) fn greeting() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=UTF-8")], GREETING).into_response()
}

/// What the broker offers, and something that nobody can guess, for browsers that have nothing of the kind.
pub(super) fn info() -> Response {
    let entropy = getrandom::u32().unwrap_or_default();
    let info = serde_json::json!({ "websocket": true, "origins": ["*:*"], "cookie_needed": false, "entropy": entropy });
    ([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], info.to_string()).into_response()
}

/// `iframe.html`, with any version before the dot.
pub(super) fn is_iframe(name: &str) -> bool {
    let version = name.strip_prefix("iframe").and_then(|rest| rest.strip_suffix(".html"));
    let is_version = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    version.is_some_and(|version| version.is_empty() || version.starts_with('-') && version.bytes().all(is_version))
}

/// A page in a hidden frame that speaks for one of another site. It has the broker's own origin, so it may stand
/// only in pages that may connect.
pub(super) fn iframe(door: &Door, asked: &HeaderMap) -> Response {
    let settings = &door.services.settings;
    let Some(url) = &settings.sockjs.client_url else {
        let reason = "There is no page for hidden frames: set client_url in the [sockjs] section of the broker's \
                      settings, if browsers that cannot ask across sites need it.\n";
        return upgrade::plain(StatusCode::NOT_FOUND, reason.to_owned());
    };
    let body = [IFRAME[0], url.as_str(), IFRAME[1]].concat();
    let tag = format!("\"{:016x}\"", fingerprint(body.as_bytes()));
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, KEEP_LONG);
    headers.insert(header::EXPIRES, NEVER_EXPIRES);
    headers.insert(header::CONTENT_SECURITY_POLICY, frame_ancestors(door));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if known_tag(&tag, asked) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
    (headers, body).into_response()
}

/// Pages in which a frame of ours may stand: those that may connect.
pub(super) fn frame_ancestors(door: &Door) -> HeaderValue {
    let allowed = door.services.settings.http.allowed_origins.iter().map(|origin| format!(" {}", origin.as_str()));
    let policy = format!("frame-ancestors 'self'{}", allowed.collect::<String>());
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("frame-ancestors 'self'"))
}

/// FNV-1a: the same page has the same tag in every process.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iframe_may_name_any_version() {
        for name in ["iframe.html", "iframe-a.html", "iframe-.html", "iframe-0.1.2abc-dirty.2144.html"] {
            assert!(is_iframe(name), "{name}");
        }
        for name in
            ["iframe.htm", "iframe", "IFRAME.HTML", "iframe.HTML", "iframe.xml", "iframe-/.html", "iframex.html"]
        {
            assert!(!is_iframe(name), "{name}");
        }
    }
}
