//! `/v1/tickets` and `/v1/revocations`, on brokers where not everybody may do everything.
//!
//! | Request | Answer |
//! | --- | --- |
//! | `POST /v1/tickets` | a text that lets whoever asks in once more, soon, where no header can be sent |
//! | `GET /v1/revocations` | what is revoked; for admins |
//! | `POST /v1/revocations?user=…` | a user, `token=…`, or `user=…&classroom=…` holds no more; a teacher may the last |
//! | `DELETE`, with the same query | it may come in again |

pub(super) mod described;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use homeroom_protocol::Refusal;
use serde_json::json;

use super::guest::{Guest, TICKET};
use super::openapi::{Api, Route};
use super::problem::Problem;
use super::{Door, query};
use crate::access::{Access, Pass, Revocation, RevocationError};
use crate::audit::Line;
use crate::auth::TICKET_LASTS;
use crate::refusals::{bad_request, code, refusal, shorten};

/// Looks after the broker.
pub(super) const ADMIN: &str = "admin";
/// Looks after the classrooms of the token.
const TEACHER: &str = "teacher";

/// From where a request comes, and its headers.
pub(super) type Who = (Extension<SocketAddr>, HeaderMap);

/// The routes beside those of `api`.
pub(super) fn beside(api: Api) -> Api {
    api.at("/v1/tickets", [Route::post(ticket, described::ticket())]).at(
        "/v1/revocations",
        [
            Route::get(list, described::list()),
            Route::post(revoke, described::revoke()),
            Route::delete(restore, described::restore()),
        ],
    )
}

async fn ticket(door: State<Arc<Door>>, query: RawQuery, who: Who) -> Response {
    answer(async {
        let (access, pass, pairs) = let_in(&door, query.0.as_deref(), &who).await?;
        refuse_others(&pairs, &[])?;
        let ticket = access.ticket(&pass)?;
        let left = pass.time_left().map_or(TICKET_LASTS, |left| left.min(TICKET_LASTS));
        let mut said = json!({ "ticket": ticket.expose(), "expires_in": left.as_secs() });
        if let Some(user) = &pass.person().user {
            said["user"] = json!(&**user);
        }
        if let Some(left) = pass.time_left() {
            said["signed_in_for"] = json!(left.as_secs());
        }
        Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(said)).into_response())
    })
    .await
}

async fn list(door: State<Arc<Door>>, query: RawQuery, who: Who) -> Response {
    answer(async {
        let (access, pass, pairs) = let_in(&door, query.0.as_deref(), &who).await?;
        refuse_others(&pairs, &[])?;
        if !pass.principal().has_role(ADMIN) {
            return Err(not_theirs("see what is revoked").into());
        }
        let said = json!({ "revocations": access.gatekeeper().revocations() });
        Ok(([(header::CACHE_CONTROL, "no-store")], Json(said)).into_response())
    })
    .await
}

async fn revoke(door: State<Arc<Door>>, query: RawQuery, who: Who) -> Response {
    answer(async {
        let (access, pass, pairs) = let_in(&door, query.0.as_deref(), &who).await?;
        let revocation = named(&pairs, &pass)?;
        let what = revocation.to_string();
        // It is on the disk when this is answered, and holds before.
        let told = tokio::task::spawn_blocking(move || access.gatekeeper().revoke(&revocation)).await;
        note(&door, &pass, true, what);
        let told = told.map_err(|_| not_kept("the task failed"))?.map_err(|error| not_added(&error))?;
        Ok(Json(json!({ "told": told })).into_response())
    })
    .await
}

async fn restore(door: State<Arc<Door>>, query: RawQuery, who: Who) -> Response {
    answer(async {
        let (access, pass, pairs) = let_in(&door, query.0.as_deref(), &who).await?;
        let revocation = named(&pairs, &pass)?;
        let what = revocation.to_string();
        let known = tokio::task::spawn_blocking(move || access.gatekeeper().restore(&revocation)).await;
        let known = known.map_err(|_| still_held("the task failed"))?;
        match known.map_err(|error| still_held(&error.to_string()))? {
            true => {
                note(&door, &pass, false, what);
                Ok(StatusCode::NO_CONTENT.into_response())
            }
            false => Err(Problem::new(bad_request("this was not revoked", "GET /v1/revocations lists what is."))
                .with_status(StatusCode::NOT_FOUND)),
        }
    })
    .await
}

fn note(door: &Door, by: &Pass, is_revoked: bool, what: String) {
    if let Some(audit) = &door.services.audit {
        audit.note(Line::revoked(by.person(), is_revoked, what));
    }
}

async fn answer(answer: impl Future<Output = Result<Response, Problem>>) -> Response {
    answer.await.unwrap_or_else(IntoResponse::into_response)
}

pub(super) type Pairs = Vec<(String, String)>;

pub(super) async fn let_in(
    door: &Door,
    written: Option<&str>,
    who: &Who,
) -> Result<(Arc<Access>, Arc<Pass>, Pairs), Problem> {
    let pairs = query::pairs(written.unwrap_or_default())?;
    let guest = Guest::let_in(door, &who.1, &pairs, Some(who.0.0)).await?;
    match (&door.services.access, guest.pass()) {
        (Some(access), Some(pass)) => Ok((access.clone(), pass.clone(), pairs)),
        _ => Err(bad_request("nobody has to show who they are here", "Set [access] in the broker's settings.").into()),
    }
}

/// What is to be revoked, if they may revoke it.
fn named(pairs: &[(String, String)], pass: &Pass) -> Result<Revocation, Problem> {
    refuse_others(pairs, &["user", "classroom", "token"])?;
    let value = |wanted: &str| {
        let found = pairs.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| Box::<str>::from(value.as_str())).filter(|value| !value.is_empty())
    };
    let revocation = match (value("user"), value("classroom"), value("token")) {
        (Some(user), Some(classroom), None) => Revocation::Member { user, classroom },
        (Some(user), None, None) => Revocation::User { user },
        (None, None, Some(token)) => Revocation::Proof { token },
        _ => {
            let remedy = "Write user=NAME, token=ID (its jti, or the name of a key), or user=NAME&classroom=NAME.";
            return Err(bad_request("the query names nothing that can be revoked", remedy).into());
        }
    };
    let principal = pass.principal();
    let teaches =
        |classroom: &str| principal.has_role(TEACHER) && principal.classrooms.iter().any(|own| **own == *classroom);
    match &revocation {
        _ if principal.has_role(ADMIN) => Ok(revocation),
        Revocation::Member { classroom, .. } if teaches(classroom) => Ok(revocation),
        _ => Err(not_theirs("revoke this").into()),
    }
}

pub(super) fn refuse_others(pairs: &[(String, String)], known: &[&str]) -> Result<(), Refusal> {
    match pairs.iter().find(|(name, _)| name != TICKET && !known.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => {
            let reason = format!("there is no parameter \"{}\"", shorten(name));
            let remedy = match known {
                [] => "There are none.".to_owned(),
                known => format!("Known are {}.", known.join(", ")),
            };
            Err(bad_request(&reason, &remedy))
        }
    }
}

pub(super) fn not_theirs(what: &str) -> Refusal {
    let remedy = "Ask with the credentials of an admin; a teacher may remove users from the classrooms of the token.";
    refusal(code::PERMISSION_DENIED, "permission denied", format!("only some may {what}"), false, remedy)
}

fn not_added(error: &RevocationError) -> Refusal {
    match error {
        RevocationError::Full => {
            refusal(code::LIMIT, "too many revocations", error.to_string(), false, "DELETE those that are over.")
        }
        _ => not_kept(&error.to_string()),
    }
}

/// Nothing was given back.
fn still_held(reason: &str) -> Refusal {
    refusal(code::NOT_AVAILABLE, "not kept", reason, true, "It is still revoked. Look at the disk, and try once more.")
}

/// It holds until the broker ends.
fn not_kept(reason: &str) -> Refusal {
    let remedy = "It holds until the broker ends, and not after that. Look at the disk, and revoke it once more.";
    refusal(code::NOT_AVAILABLE, "not kept", reason, true, remedy)
}
