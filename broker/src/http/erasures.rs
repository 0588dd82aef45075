//! `/v1/erasures`: what a person or a classroom left goes for good; for admins.
//!
//! The answer comes when it is done. Whoever does not wait for it has it done all the same.

pub(super) mod described;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use homeroom_protocol::Refusal;
use homeroom_storage::erase::EraseError;
use serde::Deserialize;

use super::Door;
use super::access::{ADMIN, Who, let_in, not_theirs, refuse_others};
use super::body::Bounds;
use super::openapi::{Api, Route};
use super::problem::Problem;
use crate::access::Pass;
use crate::audit::Line;
use crate::connection::Services;
use crate::erasure::Whose;
use crate::metrics::Limit;
use crate::refusals::{bad_request, code, refusal};

/// Two names and what is around them.
const BODY_BYTES_MAX: usize = 4096;
const REMEDY: &str = "Send {\"classroom\": \"7b\"} or {\"user\": \"alice\"} as JSON.";

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    classroom: Option<String>,
    user: Option<String>,
}

/// The route beside those of `api`.
pub(super) fn beside(api: Api) -> Api {
    api.at("/v1/erasures", [Route::post(erase, described::erase())])
}

async fn erase(door: State<Arc<Door>>, query: RawQuery, who: Who, body: Body) -> Response {
    let answer = async {
        let (_, pass, pairs) = let_in(&door, query.0.as_deref(), &who).await?;
        refuse_others(&pairs, &[])?;
        if !pass.principal().has_role(ADMIN) {
            return Err(not_theirs("erase").into());
        }
        let within = door.services.settings.http.upgrade_timeout;
        let bounds = Bounds { bytes_max: BODY_BYTES_MAX, limit: Limit::BodyBytes, within };
        let (body, _taken) = door.intake.read(body, bounds).await?;
        let whose = named(&body)?;
        Ok(carry_out(&door, pass, whose).await?.into_response())
    };
    answer.await.unwrap_or_else(|problem: Problem| problem.into_response())
}

fn named(body: &[u8]) -> Result<Whose, Refusal> {
    let asked: Asked = serde_json::from_slice(body)
        .map_err(|error| bad_request(&format!("the body says nothing to erase: {error}"), REMEDY))?;
    let whose = Whose::new(asked.classroom.as_deref(), asked.user.as_deref());
    whose.map_err(|wrong| bad_request(&format!("the body says nothing to erase: {wrong}"), REMEDY))
}

/// One at a time, and to its end, whether or not somebody waits.
async fn carry_out(door: &Arc<Door>, pass: Arc<Pass>, whose: Whose) -> Result<impl IntoResponse + use<>, Problem> {
    let turn = door.erasing.clone().try_acquire_owned().map_err(|_| {
        let reason = "the store is being written anew for another erasure";
        let refusal = refusal(code::NOT_AVAILABLE, "erasing", reason, true, "Ask again when that one is answered.");
        Problem::new(refusal).with_status(StatusCode::CONFLICT)
    })?;
    let services = door.services.clone();
    let erasing = tokio::spawn(async move {
        let erased = erase_all(&services, &whose).await;
        if let (Some(audit), Ok(_)) = (&services.audit, &erased) {
            audit.note(Line::erased(pass.person(), whose.to_string()));
        }
        drop(turn);
        erased
    });
    let said =
        erasing.await.map_err(|_| not_erased("the task failed"))?.map_err(|error| not_erased(&error.to_string()))?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(said)))
}

async fn erase_all(services: &Services, whose: &Whose) -> Result<serde_json::Value, EraseError> {
    let (registry, what) = (&services.registry, whose.erasure());
    // Before, so that none of it is stored again as a dead letter; and once more for what was read meanwhile.
    registry.forget_messages(&*what.messages);
    let erased = registry.store().erase(what.clone()).await;
    registry.forget_messages(&*what.messages);
    Ok(whose.object(&erased?))
}

fn not_erased(reason: &str) -> Refusal {
    let remedy = "Look at the disk and at /health/ready, and ask once more.";
    refusal(code::NOT_AVAILABLE, "not erased", reason, true, remedy)
}
