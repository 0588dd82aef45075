//! Who may read figures. They name no user and no classroom, but they tell strangers how a school lives.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use homeroom_protocol::Refusal;

use crate::audit::Line;
use crate::auth::Identity;
use crate::connection::Services;
use crate::http::{Problem, credentials};
use crate::refusals::{code, refusal};

/// These may. Who has nothing but the second may do nothing else: it is for what collects figures.
const ROLES: [&str; 2] = ["admin", "metrics"];

/// What the audit log calls this door.
const DOOR: &str = "management";

/// Around whatever shows figures.
pub(super) async fn guard(
    State(services): State<Arc<Services>>,
    Extension(from): Extension<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match admit(&services, request.headers(), from).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => Problem::from(refusal).into_response(),
    }
}

async fn admit(services: &Services, headers: &HeaderMap, from: SocketAddr) -> Result<(), Refusal> {
    let Some(access) = services.access.as_ref().filter(|_| services.settings.listen.figures_are_asked_for()) else {
        return Ok(());
    };
    let credentials = credentials(&services.settings, headers, None)?;
    let (person, answer) = match access.let_in(credentials, None, from.ip(), Arc::default()).await {
        Ok(pass) if ROLES.iter().any(|role| pass.principal().has_role(role)) => return Ok(()),
        Ok(pass) => (pass.person().clone(), not_theirs()),
        Err(refusal) => (Identity::default(), refusal),
    };
    if let Some(audit) = &services.audit {
        audit.note(Line::refused(&person, from.ip(), DOOR, answer.code, &answer.message));
    }
    Err(answer)
}

fn not_theirs() -> Refusal {
    let reason = "only the roles admin and metrics may read figures";
    let remedy = "Ask with a key of `homeroom key add NAME --role metrics`, or have listen.management_asks looked at.";
    refusal(code::PERMISSION_DENIED, "permission denied", reason, false, remedy)
}
