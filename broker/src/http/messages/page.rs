//! Pages: history, short polling, and long polling, which is a page that waits until there is something on it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use homeroom_storage::{Offset, Position};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ask::Ask;
use super::reading::{BYTES, Found, Lost, Reading, patterns};
use super::shape;
use crate::classroom::beginning::Beginning;
use crate::classroom::bell::Bell;
use crate::entrance::enter;
use crate::http::Door;
use crate::http::problem::Problem;
use crate::http::{busy, known_tag};
use crate::metrics::Reads;
use crate::refusals::{bad_request, log_refusal};

/// A page in the order of the logs.
///
/// # Errors
/// What stands in the way.
pub(super) async fn forwards(
    door: &Arc<Door>,
    peer: SocketAddr,
    ask: Ask,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    // Whoever waits is connected, and counted like all others; a page is answered at once.
    let tracked = match ask.wait {
        Some(_) => Some(door.track(peer).map_err(|_| busy())?),
        None => None,
    };
    let _counted = tracked.as_ref().map(|_| door.services.metrics.reads(Reads::Poll));
    let bell = tracked.as_ref().map_or_else(Arc::<Bell>::default, |tracked| tracked.bell().clone());
    // A page without a position is history; to wait for history would make no sense.
    let otherwise = if ask.wait.is_some() { Beginning::Next } else { Beginning::First };
    let mut reading = Reading::open(&door.services, &ask, otherwise, Lost::Refused, bell).await?;
    if reading.position().is_none() {
        let remedy = "A page names a position in each log: ask for fewer classrooms, or for an event stream.";
        return Err(bad_request("the destinations reach no log, or more than 16", remedy).into());
    }
    let until = Instant::now() + ask.wait.unwrap_or(Duration::ZERO);
    let mut found = reading.now(ask.limit).await?;
    while found.is_empty() && Instant::now() < until && !door.services.shutdown.is_stopping() {
        let until = reading.look_at().map_or(until, |look_at| look_at.min(until));
        let _ = tokio::time::timeout_at(until, reading.rung()).await;
        found = reading.now(ask.limit).await?;
    }
    // Between logs there is no order; their times are as good as any.
    found.sort_by_key(|found| found.entry.record.time);
    let (position, more) = (reading.position(), !reading.is_at_head());
    let messages: Vec<Value> = found.iter().map(shape::whole).collect();
    let page = json!({ "messages": messages, "position": position, "more": more });
    Ok(tagged(headers, &format!("{}+{}", position.unwrap_or_default(), found.len()), &page, ask.wait.is_some()))
}

/// A page of the newest, newest first.
///
/// # Errors
/// What stands in the way.
pub(super) async fn backwards(door: &Arc<Door>, ask: &Ask, headers: &HeaderMap) -> Result<Response, Problem> {
    let (patterns, _) = patterns(&door.services, ask).await?;
    let [pattern] = &patterns[..] else { return Err(one_classroom()) };
    let room = enter(&door.services, &pattern.room().ok_or_else(one_classroom)?).await?;
    room.catch_up().await;
    let head = room.recent().head();
    let up_to = match ask.before {
        Some(before) if before.epoch == room.epoch() => Offset(before.offset.0.saturating_sub(1)).min(head),
        Some(_) => return Err(bad_request("before is of another log", "Use a position of this classroom.").into()),
        None => head,
    };
    let entries = room.newest_before(pattern, up_to, ask.limit, BYTES).await.map_err(log_refusal)?;
    let room_bytes = room.name().len();
    let shown = entries.iter().filter(|entry| !entry.has_expired());
    let whole = |entry: &Arc<_>| shape::whole(&Found { entry: Arc::clone(entry), gap: None, room_bytes });
    let messages: Vec<Value> = shown.map(whole).collect();
    let trimmed = room.trimmed().await.map_err(log_refusal)?;
    let oldest = entries.last().filter(|entry| entry.offset().0 > trimmed.0 + 1);
    let before = oldest.map(|entry| Position::new(room.epoch(), entry.offset()).to_string());
    let page =
        json!({ "messages": messages, "position": Position::new(room.epoch(), head).to_string(), "before": before });
    Ok(tagged(headers, &format!("{}:{up_to}-{}", room.epoch(), messages.len()), &page, false))
}

fn one_classroom() -> Problem {
    bad_request("reverse goes through one classroom", "Give one destination, in one classroom.").into()
}

/// The page, or that nothing is new since the client had it.
fn tagged(headers: &HeaderMap, tag: &str, page: &Value, waited: bool) -> Response {
    // A comma would end it where several are named.
    let tag = format!("\"{}\"", tag.replace(',', ";"));
    let keep = if waited { "no-store" } else { "no-cache" };
    let about = [(header::CACHE_CONTROL, HeaderValue::from_static(keep))];
    let known = !waited && known_tag(&tag, headers);
    let mut response = match known {
        true => (StatusCode::NOT_MODIFIED, about).into_response(),
        false => (about, Json(page)).into_response(),
    };
    if let Ok(tag) = HeaderValue::from_str(&format!("W/{tag}")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
