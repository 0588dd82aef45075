//! SockJS below `/ws/`: both directions of STOMP over plain HTTP, where a school's proxy blocks WebSocket.
//!
//! ```text
//!  POST …/xhr_send ─► send ─► session ─► pipe ─► conversation
//!  POST …/xhr      ◄─ receive ◄─┘ ▲ └── pipe ◄──┘
//!                                 └─ table: one receiver, gone after a while without one
//! ```
//!
//! As <https://sockjs.github.io/sockjs-protocol/> has it; `tests/README.md` says what is left out, and why.
//!
//! Never here: STOMP frames and what they mean.

mod cors;
mod pages;
mod receive;
mod send;
mod session;
mod table;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};

use self::cors::Cors;
use self::receive::Manner;
pub(super) use self::session::Session;
pub(super) use self::table::Sessions;
use super::{Door, upgrade};

/// sockjs-protocol, `verify_not_cached`.
const NEVER_KEEP: HeaderValue =
    HeaderValue::from_static("no-store, no-cache, no-transform, must-revalidate, max-age=0");
/// Bytes of a session's name.
const SESSION_ID_MAX: usize = 128;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place<'a> {
    Greeting,
    Info,
    Iframe,
    Receive(Manner, &'a str),
    Send(&'a str),
}

impl Place<'_> {
    fn of(path: &str) -> Option<Place<'_>> {
        let below = path.strip_prefix("/ws/")?;
        match below {
            "" => return Some(Place::Greeting),
            "info" => return Some(Place::Info),
            _ if pages::is_iframe(below) => return Some(Place::Iframe),
            _ => {}
        }
        let (session, transport) = session_and_transport(below)?;
        match transport {
            "xhr_send" => Some(Place::Send(session)),
            _ => Some(Place::Receive(Manner::of(transport)?, session)),
        }
    }

    /// The one method beside OPTIONS.
    fn method(&self) -> Method {
        match self {
            Place::Receive(Manner::Poll | Manner::Stream, _) | Place::Send(_) => Method::POST,
            _ => Method::GET,
        }
    }
}

/// sockjs-protocol, "Session URLs": any server and session, "but not an empty string, anything containing dots".
fn session_and_transport(below: &str) -> Option<(&str, &str)> {
    let mut segments = below.split('/');
    let (server, session, transport) = (segments.next()?, segments.next()?, segments.next()?);
    let is_name = |name: &str| !name.is_empty() && !name.contains('.') && name.len() <= SESSION_ID_MAX;
    (is_name(server) && is_name(session) && segments.next().is_none()).then_some((session, transport))
}

/// Whether SockJS over WebSocket is at this path.
pub(super) fn is_websocket(path: &str) -> bool {
    let below = path.strip_prefix("/ws/").and_then(session_and_transport);
    below.is_some_and(|(_, transport)| transport == "websocket")
}

/// The answer to a request that asks for no WebSocket where there is one: `below` `/ws`, or there itself.
pub(super) fn instead_of_a_handshake(below: bool, method: &Method, headers: &HeaderMap) -> Option<Response> {
    let asks = headers.contains_key(header::UPGRADE);
    match below {
        true if method != Method::GET => Some(not_allowed("GET")),
        true if !asks => Some(not_a_handshake()),
        false if !asks && matches!(*method, Method::GET | Method::HEAD) => Some(pages::greeting()),
        _ => None,
    }
}

/// A handshake that is none, on the way of SockJS.
pub(super) fn not_a_handshake() -> Response {
    upgrade::plain(StatusCode::BAD_REQUEST, "Not a valid websocket request: this address speaks SockJS.\n".to_owned())
}

/// Everything below `/ws/` but WebSockets.
pub(super) async fn answer(
    State(door): State<Arc<Door>>,
    Extension(peer): Extension<SocketAddr>,
    request: Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let Some(place) = Place::of(head.uri.path()) else { return StatusCode::NOT_FOUND.into_response() };
    if matches!(place, Place::Greeting | Place::Iframe) && head.method == Method::GET {
        return match place {
            Place::Greeting => pages::greeting(),
            _ => pages::iframe(&door, &head.headers),
        };
    }
    let cors = match Cors::check(&door, &head) {
        Ok(cors) => cors,
        Err(reason) => return upgrade::plain(StatusCode::FORBIDDEN, reason),
    };
    if head.method == Method::OPTIONS {
        return cors.preflight(&place.method(), &head.headers);
    }
    if head.method != place.method() {
        return not_allowed(if place.method() == Method::GET { "OPTIONS, GET" } else { "OPTIONS, POST" });
    }
    let mut response = match place {
        Place::Info => pages::info(),
        Place::Send(session) => send::take(&door, session, body).await,
        Place::Receive(manner, session) => receive::answer(&door, session, manner, peer, head.uri.query()).await,
        Place::Greeting | Place::Iframe => StatusCode::NOT_FOUND.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, NEVER_KEEP);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // nginx would keep a stream until it has enough.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    cors.apply(headers);
    response
}

fn not_allowed(methods: &'static str) -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, methods)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_session_and_how_it_is_served() {
        for (path, place) in [
            ("/ws/", Some(Place::Greeting)),
            ("/ws/info", Some(Place::Info)),
            ("/ws/iframe-1.6.1.html", Some(Place::Iframe)),
            ("/ws/000/abc/xhr", Some(Place::Receive(Manner::Poll, "abc"))),
            ("/ws/abcdefgh_i-j%20/a_b-c%20/xhr_streaming", Some(Place::Receive(Manner::Stream, "a_b-c%20"))),
            ("/ws/000/abc/eventsource", Some(Place::Receive(Manner::Events, "abc"))),
            ("/ws/000/abc/htmlfile", Some(Place::Receive(Manner::Html, "abc"))),
            ("/ws/000/abc/xhr_send", Some(Place::Send("abc"))),
        ] {
            assert_eq!(Place::of(path), place, "{path}");
        }
        for rest in ["a", "a.html", "/", "//", "a/a", "a/a/", "//xhr", "a./a/xhr", "a/a./xhr", "./././xhr", "a/b/jsonp"]
        {
            assert_eq!(Place::of(&format!("/ws/{rest}")), None, "{rest}");
        }
        assert!(
            is_websocket("/ws/0/a/websocket") && !is_websocket("/ws/websocket") && !is_websocket("/ws/0/websocket")
        );
    }
}
