//! From an HTTP request to a WebSocket that speaks STOMP.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use homeroom_protocol::{Refusal, Version};
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::asked::Asked;
use super::guest::{self, TICKET};
use super::problem::Problem;
use super::{Door, query, sockjs};
use crate::auth::Credentials;
use crate::connection;
use crate::metrics::Limit;
use crate::transport::sockjs::{ESCAPED_MAX, OPEN};
use crate::transport::websocket::{self, Framing};
use crate::transport::{Link, Socket};

/// What is spoken on a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// STOMP.
    Stomp,
    /// STOMP, at the address that clients of SockJS are given.
    Greeting,
    /// SockJS.
    Sockjs,
}

/// What a handshake came to.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    way: Way,
    /// What the subprotocol names, if one was agreed on.
    version: Option<Version>,
    /// What the request brought to show who asks. What CONNECT brings comes before it.
    brought: Credentials,
}

/// What is spoken at a path that is a way to a WebSocket.
pub(super) fn way(door: &Door, path: &str) -> Option<Way> {
    match path {
        "/ws" => Some(Way::Greeting),
        "/stomp" | "/ws/websocket" => Some(Way::Stomp),
        _ if sockjs::is_websocket(path) => Some(Way::Sockjs),
        _ => door.services.settings.http.websocket_paths.iter().any(|own| own.as_str() == path).then_some(Way::Stomp),
    }
}

/// Answers the handshake. What was agreed on, if one may come in, goes to [`converse`] once the answer has left.
pub(super) fn answer<B>(door: &Door, way: Way, request: &Request<B>) -> (Response<Body>, Option<Agreed>) {
    if way != Way::Stomp
        && let Some(response) = sockjs::instead_of_a_handshake(way == Way::Sockjs, request.method(), request.headers())
    {
        return (response, None);
    }
    if let Err(reason) = door.origins.check(request.headers(), &Asked::beside(request.extensions())) {
        return (plain(StatusCode::FORBIDDEN, reason), None);
    }
    let brought = match brought(door, request) {
        Ok(brought) => brought,
        Err(refusal) => return (Problem::from(refusal).into_response(), None),
    };
    if door.services.shutdown.is_full() {
        door.services.metrics.turned_away(Limit::Connections);
        return (busy(), None);
    }
    let version = subprotocol(request.headers());
    let mut response = match create_response_with_body(request, Body::empty) {
        Ok(response) => response,
        Err(_) if way == Way::Sockjs => return (sockjs::not_a_handshake(), None),
        Err(error) => return (not_a_handshake(&error.to_string()), None),
    };
    if let Some(version) = version {
        let name = HeaderValue::from_static(version.subprotocol());
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    (response, Some(Agreed { way, version, brought }))
}

/// Begins the conversation in a task of its own. `already_read` came behind the request.
pub(super) fn converse(door: &Door, agreed: Agreed, stream: Socket, peer: SocketAddr, already_read: &[u8]) {
    let services = door.services.clone();
    let Agreed { way, version, brought } = agreed;
    let limit = usize::try_from(services.settings.limits.bytes_before_connected).unwrap_or(usize::MAX);
    let session = door.session(version);
    if way != Way::Sockjs {
        let link = Link::websocket(stream, peer, Framing::new(already_read, limit));
        tokio::spawn(connection::serve(services, session, link, brought));
        return;
    }
    let framing = Framing::new(already_read, limit.saturating_mul(ESCAPED_MAX));
    let mut stream = stream;
    tokio::spawn(async move {
        // The first word on a socket that was written to just now: it takes three bytes.
        let said = async {
            stream.write_all(&websocket::framed(OPEN.as_bytes())).await?;
            stream.flush().await
        };
        if said.await.is_ok() {
            connection::serve(services, session, Link::sockjs_websocket(stream, peer, framing), brought).await;
        }
    });
}

/// What a handshake brings to show who asks, where that is asked.
fn brought<B>(door: &Door, request: &Request<B>) -> Result<Credentials, Refusal> {
    if door.services.access.is_none() {
        return Ok(Credentials::Nothing);
    }
    let query = query::pairs(request.uri().query().unwrap_or_default()).unwrap_or_default();
    let ticket = query.iter().find(|(name, _)| name == TICKET).map(|(_, value)| value.as_str());
    guest::credentials(&door.services.settings, request.headers(), ticket)
}

/// The highest version among the offered subprotocols; none if none of ours is offered.
fn subprotocol(headers: &HeaderMap) -> Option<Version> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let names = offered.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    names.filter_map(|name| Version::from_subprotocol(name.trim())).max_by_key(|version| version.number())
}

fn not_a_handshake(reason: &str) -> Response<Body> {
    let mut response = plain(
        StatusCode::UPGRADE_REQUIRED,
        format!("This address speaks STOMP over WebSocket (subprotocols v12.stomp, v11.stomp, v10.stomp). {reason}\n"),
    );
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}

pub(super) fn busy() -> Response<Body> {
    let reason = "The broker has as many connections as limits.connections allows, or is stopping.\n";
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, reason.to_owned());
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

pub(super) fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_offered_is_spoken() {
        for (offered, expected) in [
            ("v10.stomp, v11.stomp, v12.stomp", Some(Version::V1_2)),
            ("v11.stomp,v10.stomp", Some(Version::V1_1)),
            ("mqtt, v10.stomp", Some(Version::V1_0)),
            ("mqtt", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, offered.parse().unwrap());
            assert_eq!(subprotocol(&headers), expected, "{offered}");
        }
        assert_eq!(subprotocol(&HeaderMap::new()), None);
    }
}
