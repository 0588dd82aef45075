//! `/v1/messages`: the logs over HTTP, with the positions of every other door.
//!
//! | Request | Room |
//! | --- | --- |
//! | POST | [`publish`]: what STOMP's SEND does |
//! | GET | [`page`]: history and short polling |
//! | GET with `wait` | [`page`]: long polling |
//! | GET with `Accept: text/event-stream` or `application/x-ndjson` | [`stream`] |
//!
//! All of them begin a [`reading`] as [`ask`] says, and write what it finds as
//! [`shape`] has it. What all of it looks like from outside is [`described`].

mod ask;
mod asked;
mod batch;
pub(super) mod described;
mod page;
mod publish;
mod reading;
mod shape;
mod store;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use self::ask::Ask;
pub(super) use self::publish::publish;
use self::stream::Format;
use super::Door;
use super::guest::Guest;
use super::problem::Problem;
use super::query;

/// `GET /v1/messages`.
pub(super) async fn read(
    State(door): State<Arc<Door>>,
    Extension(peer): Extension<SocketAddr>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer(&door, peer, query.as_deref(), &headers).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(
    door: &Arc<Door>,
    peer: SocketAddr,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let format = wanted(headers);
    let query = query::pairs(query.unwrap_or_default())?;
    let guest = Guest::let_in(door, headers, &query, Some(peer)).await?;
    let ask = Ask::read(&query, headers, format.is_some(), guest)?;
    match format {
        Some(format) => stream::open(door, peer, ask, format).await,
        None if ask.reverse => page::backwards(door, &ask, headers).await,
        None => page::forwards(door, peer, ask, headers).await,
    }
}

/// The kind of stream that is asked for; `None` for a page.
fn wanted(headers: &HeaderMap) -> Option<Format> {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|value| value.split(',')).filter_map(|part| part.split(';').next());
    types.find_map(|name| match name.trim() {
        "text/event-stream" => Some(Format::Events),
        "application/x-ndjson" => Some(Format::Lines),
        _ => None,
    })
}
