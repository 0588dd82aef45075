//! `POST /v1/messages`: one message as it is, or a batch.
//!
//! Everything that can be refused without the body is refused before it is
//! read. `http/serve.rs` sees what came whole to its end: a client that goes
//! away after its last byte has its message stored.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use homeroom_protocol::Refusal;
use homeroom_storage::{Appended, Offset, Position};
use serde_json::json;

use super::asked::Asked;
use super::store::{self, Stored};
use crate::http::body::Bounds;
use crate::http::guest::Guest;
use crate::http::problem::Problem;
use crate::http::{Door, query};
use crate::metrics::Limit;
use crate::publication::{self, Publication};
use crate::rate::{Account, TooFast};
use crate::refusals::{code, refusal};
use crate::router::{classroom_of, reply_queue};
use crate::shutdown::Tracked;

type Answer = Result<Response, Problem>;

/// Publishes, and answers when it is durable.
pub(in crate::http) async fn publish(State(door): State<Arc<Door>>, request: Request) -> Answer {
    let peer = request.extensions().get::<SocketAddr>().copied();
    let (parts, body) = request.into_parts();
    let query = query::pairs(parts.uri.query().unwrap_or_default())?;
    let guest = Guest::let_in(&door, &parts.headers, &query, peer).await?;
    let publisher = Publisher { door: &door, peer, asked: Asked::read(&parts, &query, guest)? };
    // Headers hold on to the buffer that they were read into, and the body may take its time.
    drop(parts);
    if publisher.asked.is_batch {
        return publisher.batch(body).await;
    }
    match reply_queue(&publisher.asked.destination) {
        Some(secret) => publisher.reply(secret, body).await,
        None => publisher.one(body).await,
    }
}

/// Who publishes, and what was asked but for the body.
struct Publisher<'a> {
    door: &'a Door,
    peer: Option<SocketAddr>,
    asked: Asked,
}

impl Publisher<'_> {
    async fn one(&self, body: Body) -> Answer {
        let services = &self.door.services;
        let said = self.asked.said(services)?;
        let mut publication = publication::read(services.registry.rules(), &self.asked.destination, said)?;
        self.asked.guest.may_send(&publication.place.path).await?;
        let account = self.pass(1)?;
        let (body, taken) = self.door.intake.read(body, self.bounds()).await?;
        publication.message.body = body;
        let _ends_before_the_broker = self.track()?;
        let location = location(&publication);
        // Boxed, so that thousands who have not sent all yet hold no room for it.
        let stored = Box::pin(store::one(services, self.asked.guest.person(), &account, publication)).await;
        drop(taken);
        Ok(stored?.map_or_else(shown, |appended| created(&appended, location)))
    }

    async fn reply(&self, secret: &str, body: Body) -> Answer {
        let services = &self.door.services;
        let mut message = publication::message(self.asked.destination.clone(), self.asked.said(services)?)?;
        self.pass(1)?;
        message.body = self.door.intake.read(body, self.bounds()).await?.0;
        store::reply(services, secret, message);
        Ok(shown())
    }

    async fn batch(&self, body: Body) -> Answer {
        let services = &self.door.services;
        let (body, taken) = self.door.intake.read(body, self.bounds()).await?;
        let joint = self.asked.joint(services, &body).await?;
        drop(body);
        let account = self.pass(joint.homes.len())?;
        let _ends_before_the_broker = self.track()?;
        let stored = Box::pin(store::together(services, self.asked.guest.person(), &account, joint)).await;
        drop(taken);
        stored.map(|stored| all_created(&stored))
    }

    fn bounds(&self) -> Bounds {
        let settings = &self.door.services.settings;
        let (bytes_max, limit) = match self.asked.is_batch {
            false => (settings.limits.body_bytes, Limit::BodyBytes),
            true => (settings.limits.transaction_bytes, Limit::TransactionBytes),
        };
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Bounds { bytes_max, limit, within: settings.http.upgrade_timeout }
    }

    /// Whose messages these are, if they may send so many now: over HTTP nobody waits.
    fn pass(&self, count: usize) -> Result<Account, TooFast> {
        let (services, guest) = (&self.door.services, &self.asked.guest);
        let from = self.peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let account = services.publishing.of_request(guest.pass().map(|pass| pass.principal()).as_deref(), from);
        let passed = account.pass(count, Duration::ZERO);
        passed.inspect_err(|too_fast| services.metrics.hit(too_fast.limit)).map(|_| account)
    }

    /// Counts as a connection until it is answered, so that a stop waits for it.
    fn track(&self) -> Result<Option<Tracked>, Refusal> {
        let Some(peer) = self.peer else { return Ok(None) };
        self.door.track(peer).map(Some).map_err(|_| {
            let reason = "the broker has as many connections as its limits allow, or is stopping";
            let remedy = "It was not stored. Send it again in a few seconds.";
            refusal(code::NOT_AVAILABLE, "not available", reason, true, remedy)
        })
    }
}

/// Where the message can be had again, but for its position: that a classroom's message has.
fn location(publication: &Publication) -> Option<String> {
    classroom_of(publication.place.room())?;
    Some(format!("/v1/messages?destination={}", query::encoded(&publication.place.shown)))
}

fn created(appended: &Appended, location: Option<String>) -> Response {
    let answer = json!({ "position": appended.position.to_string(), "duplicate": appended.duplicate });
    let mut response = answered(StatusCode::CREATED, &answer);
    let Position { epoch, offset: Offset(offset), .. } = appended.position;
    let location = location.map(|page| format!("{page}&after={epoch}%3A{}&limit=1", offset.saturating_sub(1)));
    if let Some(location) = location.and_then(|location| HeaderValue::try_from(location).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn all_created(stored: &Stored) -> Response {
    let positions: Vec<Option<String>> =
        stored.positions.iter().map(|position| position.map(|position| position.to_string())).collect();
    answered(StatusCode::CREATED, &json!({ "positions": positions, "duplicate": stored.duplicate }))
}

/// Handed to those who are here, and kept by no log.
fn shown() -> Response {
    answered(StatusCode::ACCEPTED, &json!({ "position": null, "duplicate": false }))
}

fn answered(status: StatusCode, answer: &serde_json::Value) -> Response {
    let about = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, about, answer.to_string()).into_response()
}
