//! What is said where there is nothing: no such path, or no such method of one.
//!
//! Never here: messages, cursors, files and sessions that are not there. What answers for them says so itself.
//!
//! # Why not the number of an unknown destination?
//!
//! Whoever reads 102 looks for the mistake in the destination. Here it is in the address.

use axum::Router;
use axum::http::{Method, StatusCode, Uri};

use super::problem::Problem;
use crate::refusals::{code, refusal, shorten};

/// The router with these answers. `there_is` says where to find what is there.
pub(super) fn told<S: Clone + Send + Sync + 'static>(router: Router<S>, there_is: &'static str) -> Router<S> {
    router
        .method_not_allowed_fallback(no_such_method)
        .fallback(async move |uri: Uri| no_such_path(uri.path(), there_is))
}

/// The path has other methods. Whoever routes says in `Allow` which.
pub(super) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let reason = format!("{} is no method of \"{}\"", shorten(method.as_str()), shorten(uri.path()));
    let remedy = "The header Allow names the methods that it has.";
    Problem::new(refusal(code::BAD_REQUEST, "no such method", reason, false, remedy))
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
}

fn no_such_path(path: &str, there_is: &str) -> Problem {
    let reason = format!("there is nothing at \"{}\"", shorten(path));
    Problem::new(refusal(code::BAD_REQUEST, "no such path", reason, false, there_is)).with_status(StatusCode::NOT_FOUND)
}
