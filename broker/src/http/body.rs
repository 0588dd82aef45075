//! Bodies of requests, read with bounds in bytes and time.
//!
//! A request holds what came of its body and no more. All bodies together are
//! bounded too: thousands that are half sent must not take the broker's memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::problem::Problem;
use crate::metrics::{Hits, Limit};
use crate::refusals::{code, refusal};

/// A large body has this much more time ...
const MORE_TIME: Duration = Duration::from_secs(1);
/// ... for every so many bytes of it that have come.
const MORE_BYTES: usize = 16 * 1024;

/// How large one body may be, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes.
    pub(super) bytes_max: usize,
    /// The setting that says so.
    pub(super) limit: Limit,
    /// Until its end, if it is small.
    pub(super) within: Duration,
}

/// Bytes of all bodies that have come and are not done with.
#[derive(Debug)]
pub(super) struct Intake {
    bytes: AtomicUsize,
    bytes_max: usize,
    hits: Hits,
}

/// What came of one body. Its bytes count until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    intake: Arc<Intake>,
    bytes: usize,
}

impl Intake {
    /// Takes so many bytes, and counts what is refused.
    pub(super) fn new(bytes_max: usize, hits: Hits) -> Arc<Intake> {
        Arc::new(Intake { bytes: AtomicUsize::new(0), bytes_max, hits })
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// That it is too large, too slow or broken off, or that there is no room for it now.
    pub(super) async fn read(self: &Arc<Self>, body: Body, bounds: Bounds) -> Result<(Bytes, Taken), Problem> {
        let announced = body.size_hint().lower();
        if announced > bounds.bytes_max as u64 {
            self.hits.hit(bounds.limit);
            return Err(too_large(&format!("{announced} bytes are announced"), bounds));
        }
        let mut taken = Taken { intake: self.clone(), bytes: 0 };
        let read = self.collect(body, bounds, &mut taken).await?;
        Ok((read.into(), taken))
    }

    async fn collect(&self, mut body: Body, bounds: Bounds, taken: &mut Taken) -> Result<Vec<u8>, Problem> {
        let began = Instant::now();
        let mut read = Vec::new();
        loop {
            let more = MORE_TIME * u32::try_from(read.len() / MORE_BYTES).unwrap_or(u32::MAX);
            let frame = tokio::time::timeout_at(began + bounds.within + more, body.frame()).await;
            let late = |_| {
                self.hits.hit(Limit::UpgradeTimeout);
                too_slow(read.len())
            };
            let Some(frame) = frame.map_err(late)? else { break };
            // Trailers say nothing that is asked here.
            let Ok(data) = frame.map_err(|_| broken_off(read.len()))?.into_data() else { continue };
            if read.len() + data.len() > bounds.bytes_max {
                self.hits.hit(bounds.limit);
                return Err(too_large("more came", bounds));
            }
            taken.more(data.len())?;
            read.extend_from_slice(&data);
        }
        // It may stay in memory as long as its message does: without the room it grew into.
        read.shrink_to_fit();
        Ok(read)
    }
}

impl Taken {
    fn more(&mut self, bytes: usize) -> Result<(), Problem> {
        let before = self.intake.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes > self.intake.bytes_max { Err(crowded(self.intake.bytes_max)) } else { Ok(()) }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.intake.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn too_large(what: &str, Bounds { bytes_max, limit, .. }: Bounds) -> Problem {
    let setting = limit.key();
    let remedy =
        format!("Send less at once, or a link to what is too large; {setting} in the broker's settings is the limit.");
    let reason = format!("the body may have {bytes_max} bytes, and {what}");
    Problem::new(refusal(code::LIMIT, "message too large", reason, false, &remedy)).closing()
}

fn too_slow(bytes: usize) -> Problem {
    let remedy = "Send the body whole. http.upgrade_timeout in the broker's settings says how long one may take.";
    let reason = format!("{bytes} bytes of the body came, but not its end");
    let refusal = refusal(code::BAD_REQUEST, "body too slow", reason, true, remedy);
    Problem::new(refusal).with_status(StatusCode::REQUEST_TIMEOUT).closing()
}

fn broken_off(bytes: usize) -> Problem {
    let reason = format!("the body was broken off after {bytes} bytes, or is no HTTP");
    let remedy = "Nothing was stored. Send the request again, whole.";
    Problem::new(refusal(code::BAD_REQUEST, "bad request", reason, true, remedy)).closing()
}

fn crowded(bytes_max: usize) -> Problem {
    let reason = format!("{bytes_max} bytes of requests are being taken in, which is the limit");
    let remedy = "It was not stored. Send it again in a few seconds, or have storage.queue_bytes_max raised.";
    Problem::new(refusal(code::LIMIT, "too much at once", reason, true, remedy)).closing()
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use futures_util::stream;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes_max: 10, limit: Limit::BodyBytes, within: Duration::from_secs(10) };

    fn pieces(pieces: &[&'static str]) -> Body {
        let pieces: Vec<Result<Bytes, std::io::Error>> = pieces.iter().map(|piece| Ok(Bytes::from(*piece))).collect();
        Body::from_stream(stream::iter(pieces))
    }

    fn status(answer: Result<(Bytes, Taken), Problem>) -> u16 {
        answer.map_or_else(|problem| problem.into_response().status().as_u16(), |_| 200)
    }

    #[tokio::test]
    async fn a_body_may_fill_its_bounds_and_no_more() {
        let intake = Intake::new(100, Hits::default());
        let (body, taken) = intake.read(pieces(&["hello", "world"]), BOUNDS).await.expect("it fits");
        assert_eq!((&*body, intake.bytes.load(Ordering::Relaxed)), (&b"helloworld"[..], 10));
        drop(taken);
        assert_eq!(status(intake.read(pieces(&["hello", "world", "!"]), BOUNDS).await), 413);
        assert_eq!(status(intake.read(Body::from("hello world"), BOUNDS).await), 413);
        assert_eq!(intake.bytes.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded() {
        let intake = Intake::new(15, Hits::default());
        let first = intake.read(pieces(&["0123456789"]), BOUNDS).await.expect("there is room");
        assert_eq!(status(intake.read(pieces(&["012345"]), BOUNDS).await), 429);
        drop(first);
        assert_eq!(status(intake.read(pieces(&["012345"]), BOUNDS).await), 200);
    }

    #[tokio::test]
    async fn a_body_that_does_not_end_is_given_up() {
        let silence = stream::pending::<Result<Bytes, std::io::Error>>();
        let bounds = Bounds { within: Duration::from_millis(1), ..BOUNDS };
        assert_eq!(status(Intake::new(100, Hits::default()).read(Body::from_stream(silence), bounds).await), 408);
    }
}
