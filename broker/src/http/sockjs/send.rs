//! What a client says: a JSON list of texts in the body of a request, read piece by piece.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::session::Session;
use crate::http::{Door, upgrade};
use crate::transport::sockjs::{Broken, Texts};

/// A long body has this much more time ...
const BODY_SECOND: Duration = Duration::from_secs(1);
/// ... for every so many bytes of it that have come.
const BODY_BYTES: u32 = 16 * 1024;

/// Hands the body of a request to its session.
pub(super) async fn take(door: &Door, id: &str, body: Body) -> Response {
    let Some(session) = door.sockjs.open(id) else { return StatusCode::NOT_FOUND.into_response() };
    let patience = door.services.settings.stomp.frame_within;
    match hand_over(&session, body, patience).await {
        Ok(()) => {
            // Firefox takes what has no type for XML and complains.
            let text = HeaderValue::from_static("text/plain; charset=UTF-8");
            (StatusCode::NO_CONTENT, [(header::CONTENT_TYPE, text)]).into_response()
        }
        Err(Untaken::Gone) => StatusCode::NOT_FOUND.into_response(),
        Err(Untaken::Late) => {
            upgrade::plain(StatusCode::REQUEST_TIMEOUT, "The body took longer than stomp.frame_within.\n".to_owned())
        }
        Err(Untaken::Broken(broken)) => {
            let status = match broken {
                Broken::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
                Broken::Empty | Broken::Json => StatusCode::INTERNAL_SERVER_ERROR,
            };
            upgrade::plain(status, format!("{broken}\n"))
        }
    }
}

/// Why a body, or the rest of it, was not handed over.
enum Untaken {
    Gone,
    Late,
    Broken(Broken),
}

/// Whole texts are handed over as they come; nothing is read while the conversation takes none.
async fn hand_over(session: &Arc<Session>, mut body: Body, patience: Duration) -> Result<(), Untaken> {
    let Ok(_turn) = session.sending.acquire().await else { return Err(Untaken::Gone) };
    let mut texts = Texts::new(session.far.message_bytes_max());
    let (mut until, mut bytes) = (Instant::now() + patience, 0_u32);
    loop {
        let Ok(piece) = tokio::time::timeout_at(until, body.frame()).await else { return Err(Untaken::Late) };
        let Some(piece) = piece else { break };
        let Ok(piece) = piece.map_err(drop).and_then(|frame| frame.into_data().map_err(drop)) else {
            return Err(Untaken::Broken(Broken::Json));
        };
        let mut whole = Vec::new();
        let read = texts.read(&piece, |text| whole.extend((!text.is_empty()).then(|| Bytes::from(text))));
        let begun = Instant::now();
        for text in whole {
            if !session.far.feed(text).await {
                return Err(Untaken::Gone);
            }
        }
        read.map_err(Untaken::Broken)?;
        bytes = bytes.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
        // The time that the conversation took is not the client's.
        until += begun.elapsed() + BODY_SECOND * (bytes / BODY_BYTES);
        bytes %= BODY_BYTES;
    }
    texts.finish().map_err(Untaken::Broken)
}
