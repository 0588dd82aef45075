//! Streams that do not end: events for browsers (WHATWG, Server-sent events), lines of JSON for programs.
//!
//! A stream is asked for more only when its socket took what came before: a slow reader falls behind in the
//! log and holds one piece in memory.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::time::Instant;

use super::ask::Ask;
use super::reading::{Found, Lost, Reading};
use super::shape;
use crate::classroom::beginning::Beginning;
use crate::http::Door;
use crate::http::busy;
use crate::http::problem::Problem;
use crate::metrics::{Counted, Reads};
use crate::shutdown::Tracked;

/// Proxies cut what is silent: so something is said this often.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(20);
/// A browser comes back after this time, in milliseconds.
pub(super) const RETRY: &str = "retry: 2000\n";
/// Messages in one piece of a stream.
const PIECE: usize = 256;

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `text/event-stream`.
    Events,
    /// `application/x-ndjson`.
    Lines,
}

/// One stream.
struct Flow {
    door: Arc<Door>,
    reading: Reading,
    format: Format,
    whole: bool,
    first: Option<String>,
    spoke: Instant,
    _counted: Counted,
    _tracked: Tracked,
}

/// Begins a stream.
///
/// # Errors
/// What stands in the way.
pub(super) async fn open(door: &Arc<Door>, peer: SocketAddr, ask: Ask, format: Format) -> Result<Response, Problem> {
    let tracked = door.track(peer).map_err(|_| busy())?;
    let bell = tracked.bell().clone();
    let reading = Reading::open(&door.services, &ask, Beginning::Next, Lost::Told, bell).await?;
    let lease = reading.lease();
    let flow = Flow {
        first: Some(beginning(&reading, format)),
        door: door.clone(),
        reading,
        format,
        whole: ask.whole,
        spoke: Instant::now(),
        _counted: door.services.metrics.reads(Reads::Stream),
        _tracked: tracked,
    };
    let pieces = stream::unfold(Box::new(flow), |mut flow| async move {
        let piece = flow.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(piece)), flow))
    });
    let media_type = match format {
        Format::Events => "text/event-stream",
        Format::Lines => "application/x-ndjson",
    };
    let mut response = Body::from_stream(pieces).into_response();
    if let Some(lease) = lease {
        response.extensions_mut().insert(lease);
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would keep it until it has enough.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Where the stream begins: whoever is cut off before the first message goes on from here.
fn beginning(reading: &Reading, format: Format) -> String {
    let (position, lost) = (reading.position(), reading.is_lost());
    match format {
        Format::Events => {
            let id = position.map_or_else(String::new, |position| format!("id: {position}\n"));
            let gap = if lost { shape::gap_event("unknown") } else { String::new() };
            format!("{RETRY}{id}\n{gap}")
        }
        Format::Lines => {
            let gap = lost.then_some("unknown");
            format!("{}\n", serde_json::json!({ "position": position, "gap": gap }))
        }
    }
}

impl Flow {
    /// What is to be written next; `None` at the end of the broker, or of the log.
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            if self.door.services.shutdown.is_stopping() {
                return None;
            }
            // Whoever is cut off comes back and is told what is wrong.
            self.reading.join_new_rooms().await.ok()?;
            let mut found = Vec::new();
            self.reading.fill(PIECE, &mut found).ok()?;
            if !found.is_empty() {
                self.spoke = Instant::now();
                return Some(self.written(&found));
            }
            let silent_until = self.spoke + SILENCE_MAX;
            let until = self.reading.look_at().map_or(silent_until, |look_at| look_at.min(silent_until));
            if tokio::time::timeout_at(until, self.reading.rung()).await.is_err() {
                if until < silent_until {
                    continue;
                }
                self.spoke = Instant::now();
                return Some(match self.format {
                    Format::Events => ":\n\n".to_owned(),
                    Format::Lines => "\n".to_owned(),
                });
            }
        }
    }

    fn written(&mut self, found: &[Found]) -> String {
        match self.format {
            Format::Lines => found.iter().map(|found| format!("{}\n", shape::whole(found))).collect(),
            Format::Events => {
                let ids = self.reading.ids(found);
                let events = found.iter().zip(ids);
                events.map(|(found, id)| shape::event(found, id.as_deref(), self.whole)).collect()
            }
        }
    }
}
