//! From an HTTP request to a WebSocket that speaks STOMP.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use homeroom_protocol::{self as stomp, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::Door;
use crate::connection::{self, Services};
use crate::transport::Link;
use crate::transport::websocket::Framing;

/// Who is at the other end of the socket, as the accept loop saw it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Answers the handshake and hands the socket to a connection.
pub(super) async fn websocket(State(door): State<Arc<Door>>, mut request: Request) -> Response<Body> {
    if let Err(reason) = door.origins.check(request.headers()) {
        return plain(StatusCode::FORBIDDEN, reason);
    }
    if door.services.shutdown.is_full() {
        door.services.metrics.turned_away("connections");
        return busy();
    }
    let version = subprotocol(request.headers());
    let peer = request.extensions().get::<Peer>().map_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)), |peer| peer.0);
    let upgrade = hyper::upgrade::on(&mut request);
    let mut response = match create_response_with_body(&request, Body::empty) {
        Ok(response) => response,
        Err(error) => return not_a_handshake(&error.to_string()),
    };
    if let Some(version) = version {
        let name = HeaderValue::from_static(version.subprotocol());
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    tokio::spawn(converse(door.services.clone(), upgrade, peer, version));
    response
}

async fn converse(services: Arc<Services>, upgrade: OnUpgrade, peer: SocketAddr, version: Option<Version>) {
    // A peer that goes away between request and answer has no conversation.
    let Ok(upgraded) = upgrade.await else { return };
    let Some((stream, already_read)) = socket(upgraded) else { return };
    let limit = usize::try_from(services.settings.limits.bytes_before_connected).unwrap_or(usize::MAX);
    let link = Link::websocket(stream, peer, Framing::new(&already_read, limit));
    let session = match version {
        None => services.session.clone(),
        Some(version) => Arc::new(stomp::Settings { versions: vec![version], ..(*services.session).clone() }),
    };
    connection::serve(services, session, link).await;
}

/// The socket below hyper, and what hyper has read of the WebSocket already.
fn socket(upgraded: Upgraded) -> Option<(TcpStream, Vec<u8>)> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf.to_vec()))
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

fn busy() -> Response<Body> {
    let reason = "The broker has as many connections as limits.connections allows, or is stopping.\n";
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, reason.to_owned());
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
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
