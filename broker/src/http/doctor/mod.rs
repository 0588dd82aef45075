//! `/v1/doctor/…`: what a network is measured with, from where a user sits.
//!
//! | Request | Answer |
//! | --- | --- |
//! | `GET ticks?seconds=N` | events, one at once and one every second, for N seconds: who holds them back? |
//! | `GET quiet?seconds=N` | an event at once, silence for N seconds, a last event: who cuts what is silent? |
//! | `GET wait?seconds=N` | nothing for N seconds, then all of it, as a long poll has it |
//! | `POST echo` | the body, as it came |
//!
//! Never here: classrooms, logs, anything that is stored. Each GET counts as a connection, and there are
//! `limits.doctor_probes` of them at a time.

pub(super) mod described;
mod probe;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use self::probe::{Probe, Script};
use super::body::Bounds;
use super::openapi::{Api, Route};
use super::problem::Problem;
use super::{Door, query};
use crate::metrics::Limit;
use crate::refusals::{bad_request, code, refusal, shorten};

/// Nobody waits longer for an answer.
const SECONDS_MAX: u32 = 600;
/// Bytes of a body that is sent back.
const ECHO_BYTES_MAX: usize = 4 * 1024;

/// How many look at their network at a time.
#[derive(Debug)]
pub(super) struct Desk {
    places: Arc<Semaphore>,
    places_max: usize,
}

impl Desk {
    /// One with so many places.
    pub(super) fn new(places_max: usize) -> Desk {
        Desk { places: Arc::new(Semaphore::new(places_max)), places_max }
    }
}

/// The API with what is below `/v1/doctor/`.
pub(super) fn beside(api: Api) -> Api {
    api.at("/v1/doctor/ticks", [Route::get(ticks, described::ticks())])
        .at("/v1/doctor/quiet", [Route::get(quiet, described::quiet())])
        .at("/v1/doctor/wait", [Route::get(wait, described::wait())])
        .at("/v1/doctor/echo", [Route::post(echo, described::echo())])
}

async fn ticks(door: State<Arc<Door>>, peer: Extension<SocketAddr>, query: RawQuery) -> Result<Response, Problem> {
    let time = seconds(query.0.as_deref())?;
    Ok(events(begin(&door, peer.0, Script::Ticks(time))?))
}

async fn quiet(door: State<Arc<Door>>, peer: Extension<SocketAddr>, query: RawQuery) -> Result<Response, Problem> {
    let time = seconds(query.0.as_deref())?;
    Ok(events(begin(&door, peer.0, Script::Quiet(time))?))
}

async fn wait(door: State<Arc<Door>>, peer: Extension<SocketAddr>, query: RawQuery) -> Result<Response, Problem> {
    let time = seconds(query.0.as_deref())?;
    let mut probe = begin(&door, peer.0, Script::Wait(time))?;
    // An answer that is begun only now is what a long poll waits for.
    let said = probe.next().await.unwrap_or_default();
    Ok(([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], said).into_response())
}

async fn echo(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let within = door.services.settings.http.upgrade_timeout;
    let bounds = Bounds { bytes_max: ECHO_BYTES_MAX, limit: Limit::BodyBytes, within };
    let (body, _taken) = door.intake.read(request.into_body(), bounds).await?;
    // Whatever it is, no browser takes it for a page of ours.
    let about =
        [(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((about, body).into_response())
}

/// A probe, if there is a place for it.
fn begin(door: &Door, peer: SocketAddr, script: Script) -> Result<Probe, Problem> {
    let Ok(place) = door.doctor.places.clone().try_acquire_owned() else {
        door.services.metrics.turned_away(Limit::DoctorProbes);
        return Err(no_place(door.doctor.places_max));
    };
    let tracked = door.track(peer).map_err(|_| super::busy())?;
    Ok(Probe::new(script, door.services.shutdown.clone(), tracked, place))
}

fn events(probe: Probe) -> Response {
    let mut response = Body::from_stream(probe.pieces()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // As real event streams have it: what is measured is what they meet.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The parameter `seconds`.
fn seconds(query: Option<&str>) -> Result<Duration, Problem> {
    let mut found = None;
    for (name, value) in query::pairs(query.unwrap_or_default())? {
        match &*name {
            "seconds" => found = Some(value),
            _ if name.starts_with('_') => {}
            _ => {
                let reason = format!("there is no parameter \"{}\"", shorten(&name));
                return Err(bad_request(&reason, "Known are seconds.").into());
            }
        }
    }
    let remedy = "Write seconds=N with N from 0 to 600, such as seconds=60.";
    let text = found.ok_or_else(|| bad_request("seconds is not given", remedy))?;
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=f64::from(SECONDS_MAX)).contains(number));
    let number = number.ok_or_else(|| bad_request(&format!("seconds is \"{}\"", shorten(&text)), remedy))?;
    Ok(Duration::from_secs_f64(number))
}

fn no_place(places: usize) -> Problem {
    let (reason, remedy) = match places {
        0 => ("limits.doctor_probes is 0".to_owned(), "Whoever runs the broker can allow the doctor there."),
        _ => (format!("limits.doctor_probes allows {places} at a time"), "Try again in a minute."),
    };
    Problem::new(refusal(code::LIMIT, "too many measure at once", reason, places > 0, remedy))
        .with_status(StatusCode::TOO_MANY_REQUESTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_number_from_0_to_600() {
        for (query, wanted) in [("seconds=0", 0.0), ("seconds=0.25&_=17", 0.25), ("seconds=600", 600.0)] {
            assert_eq!(seconds(Some(query)).expect(query).as_secs_f64(), wanted);
        }
        for query in
            ["", "seconds=", "seconds=-1", "seconds=601", "seconds=NaN", "seconds=inf", "seconds=1e999", "second=1"]
        {
            assert!(seconds(Some(query)).is_err(), "{query}");
        }
    }
}
