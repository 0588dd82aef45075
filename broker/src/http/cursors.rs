//! `/v1/cursors/{name}`: how far somebody has come, kept by the broker. The same cursor that a STOMP durable
//! subscription of that name uses.

pub(super) mod described;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use homeroom_storage::{Cursor, CursorKey, CursorsError, Offset, Position};
use serde_json::json;

use super::Door;
use super::guest::{Guest, TICKET};
use super::problem::Problem;
use super::query;
use crate::classroom::Room;
use crate::entrance::enter;
use crate::refusals::{bad_request, code, destination_refusal, nobody_in_particular, refusal, shorten, unavailable};

/// The longest name, as for a durable subscription.
const NAME_BYTES_MAX: usize = 255;

/// Parameters in the query.
const DESTINATION: &str = "destination";
const POSITION: &str = "position";

/// From where a request comes, and its headers.
type Who = (Extension<SocketAddr>, HeaderMap);

/// What every request says.
struct Asked {
    key: CursorKey,
    room: Arc<Room>,
    position: Option<String>,
}

/// Where the cursor stands.
pub(super) async fn show(door: State<Arc<Door>>, name: Path<String>, query: RawQuery, who: Who) -> Response {
    answer(async {
        let Asked { key, room, .. } = ask(&door, &name, &[DESTINATION], query.0.as_deref(), &who).await?;
        let stored = room.store().load(&key).await.map_err(|error| store_problem(&error))?;
        let cursor = stored.ok_or_else(|| unknown(&name))?;
        Ok(Json(json!({ "position": Position::new(cursor.epoch, cursor.offset).to_string() })).into_response())
    })
    .await
}

/// Moves the cursor forward; durable when this is answered.
pub(super) async fn put(door: State<Arc<Door>>, name: Path<String>, query: RawQuery, who: Who) -> Response {
    answer(async {
        let Asked { key, room, position } =
            ask(&door, &name, &[DESTINATION, POSITION], query.0.as_deref(), &who).await?;
        let remedy = "Add position=E:N, the position of the last message that was handled.";
        let text = position.ok_or_else(|| bad_request("no position is given", remedy))?;
        let position: Position =
            text.parse().map_err(|_| bad_request(&format!("position is \"{}\"", shorten(&text)), remedy))?;
        if position.epoch != room.epoch() || position.offset > room.recent().head() {
            let reason = format!("{position} is no position of this classroom");
            return Err(bad_request(&reason, "Use one that a message or a page of this classroom had.").into());
        }
        let offset = room.passed_at(position).await.map_err(crate::refusals::log_refusal)?;
        let known = room
            .store()
            .load(&key)
            .await
            .map_err(|error| store_problem(&error))?
            .filter(|known| known.epoch == room.epoch());
        // What was sent to somebody else under this name stays known as sent.
        let delivered = known.map_or(Offset::ZERO, |known| known.delivered).max(offset);
        let cursor = Cursor { epoch: room.epoch(), offset, above: Vec::new(), delivered, used: room.used_now() };
        room.store().save(&key, cursor);
        room.store().sync().await.map_err(|error| store_problem(&error))?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

/// Forgets the cursor; durable when this is answered.
pub(super) async fn delete(door: State<Arc<Door>>, name: Path<String>, query: RawQuery, who: Who) -> Response {
    answer(async {
        let Asked { key, room, .. } = ask(&door, &name, &[DESTINATION], query.0.as_deref(), &who).await?;
        room.store().forget(&key).await.map_err(|error| store_problem(&error))?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

async fn answer(answer: impl Future<Output = Result<Response, Problem>>) -> Response {
    answer.await.unwrap_or_else(IntoResponse::into_response)
}

async fn ask(door: &Door, name: &str, known: &[&str], query: Option<&str>, who: &Who) -> Result<Asked, Problem> {
    let (mut destination, mut position) = (None, None);
    let pairs = query::pairs(query.unwrap_or_default())?;
    let guest = Guest::let_in(door, &who.1, &pairs, Some(who.0.0)).await?;
    for (parameter, value) in &pairs {
        match &**parameter {
            TICKET => {}
            DESTINATION => destination = Some(value.clone()),
            POSITION if known.contains(&POSITION) => position = Some(value.clone()),
            _ => {
                let reason = format!("there is no parameter \"{}\"", shorten(parameter));
                return Err(bad_request(&reason, &format!("Known are {}.", known.join(", "))).into());
            }
        }
    }
    if name.len() > NAME_BYTES_MAX {
        let reason = format!("a cursor's name has at most {NAME_BYTES_MAX} bytes, this one has {}", name.len());
        return Err(bad_request(&reason, "Use a shorter one.").into());
    }
    let remedy = "Add destination=/topic/{classroom}/{channel}: a cursor stands in one classroom.";
    let destination = destination.ok_or_else(|| bad_request("no destination is given", remedy))?;
    let (services, person) = (&door.services, guest.person());
    let shared = &services.settings.stomp.shared_logins;
    let pattern = services.registry.rules().subscribable(&destination, person.alone(shared));
    let pattern = pattern.map_err(|error| destination_refusal(&error))?;
    guest.may_subscribe(&pattern).await?;
    let in_one = pattern.room().ok_or_else(|| bad_request("the destination reaches several classrooms", remedy))?;
    let owner = person.owner(shared).ok_or_else(nobody_in_particular)?;
    let room = enter(services, &in_one).await?;
    room.catch_up().await;
    Ok(Asked { key: CursorKey { log: room.log().clone(), owner, name: name.into() }, room, position })
}

fn unknown(name: &str) -> Problem {
    let reason = format!("nobody has kept a place under the name \"{}\" here", shorten(name));
    let remedy = "PUT it with a position, or subscribe durably under this name.";
    Problem::new(refusal(code::UNKNOWN_DESTINATION, "unknown cursor", reason, false, remedy))
}

fn store_problem(error: &CursorsError) -> Problem {
    unavailable(&error.to_string()).into()
}
