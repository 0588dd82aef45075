//! The doors over HTTP, tried one after the other.

use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use serde_json::Value;

use super::events::Events;
use super::line::{Fault, Line, WITHIN, failed, refused, whole};
use super::measurements::{Door, Outcome};
use super::target::Target;
use crate::classroom::now_millis;

/// Round trips of each door.
pub(super) const SAMPLES: usize = 10;
/// What is late by much would take too long for ten.
const SLOW_SAMPLES: usize = 5;
/// Two answers within the same millisecond could not be told apart.
const BETWEEN: Duration = Duration::from_millis(20);
/// Events that are said over so long come over so long ...
const TICKS_SECONDS: f64 = 2.0;
/// ... or a part of it, on a bad line; what was held back comes at once.
const SPREAD_MIN: f64 = TICKS_SECONDS / 4.0;
/// As long as a poll is tried; how much longer a silence may be is measured by itself.
const WAIT_SECONDS: f64 = 3.0;
const SHORT_WAIT_SECONDS: f64 = 0.1;

/// Short polling, and how far the broker's clock is ahead, in seconds.
pub(super) async fn short_polling(target: &Target) -> Result<(Door, Option<f64>), Fault> {
    let mut line = Line::open(target).await?;
    let mut clock: Option<(f64, f64)> = None;
    let (mut trips, mut times) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        let (began, sent_at) = (Instant::now(), now_millis());
        let response = match line.ask(Method::GET, "/v1/time", "", WITHIN).await {
            Ok(response) if response.status() == StatusCode::OK => response,
            Ok(response) => return Ok((strange(refused(response).await), None)),
            Err(fault) => return Ok((failed(fault), None)),
        };
        let body = match whole(response.into_body(), WITHIN).await {
            Ok(body) => body,
            Err(fault) => return Ok((failed(fault), None)),
        };
        let Some(time) = server_time(&body) else { return Ok((Door::is(Outcome::Foreign), None)) };
        let trip = milliseconds(began);
        // The quickest answer says best what time it was.
        if clock.is_none_or(|(best, _)| trip < best) {
            clock = Some((trip, (time - (sent_at as f64 + trip / 2.0)) / 1_000.0));
        }
        trips.push(trip);
        times.push(time);
        tokio::time::sleep(BETWEEN).await;
    }
    let is_cached = times.windows(2).any(|pair| pair[0] == pair[1]);
    let door = if is_cached { Door::is(Outcome::Cached) } else { Door::works(&trips) };
    // What a cache says is no clock.
    Ok((door, clock.map(|(_, ahead)| ahead).filter(|_| !is_cached)))
}

/// Whether a broker answers here at all.
pub(super) async fn answers(target: &Target) -> bool {
    let Ok(mut line) = Line::open(target).await else { return false };
    let Ok(response) = line.ask(Method::GET, "/v1/time", "", WITHIN).await else { return false };
    whole(response.into_body(), WITHIN).await.is_ok_and(|body| server_time(&body).is_some())
}

/// A page that is no problem of ours, and no error of something between, is another server's.
fn strange(door: Door) -> Door {
    let is_other = matches!(door.status, Some(200..=399 | 401 | 404 | 405 | 511));
    if door.is == Outcome::Refused && is_other { Door { is: Outcome::Foreign, ..door } } else { door }
}

/// Long polling: an answer that comes when it should, and the same a little late, again and again.
pub(super) async fn long_polling(target: &Target) -> Door {
    let mut trips = Vec::new();
    let waits = [WAIT_SECONDS].into_iter().chain([SHORT_WAIT_SECONDS; SLOW_SAMPLES]);
    for wait in waits {
        let mut line = match Line::open(target).await {
            Ok(line) => line,
            Err(fault) => return failed(fault),
        };
        let began = Instant::now();
        let path = format!("/v1/doctor/wait?seconds={wait}");
        let door = match late(&mut line, &path, Duration::from_secs_f64(wait) + WITHIN).await {
            Ok(Ok(time)) if time.is_some() => None,
            Ok(Ok(_)) => Some(Door::is(Outcome::Foreign)),
            Ok(Err(door)) => Some(door),
            Err(fault) => Some(failed(fault)),
        };
        let took = began.elapsed().as_secs_f64();
        if let Some(door) = door {
            // Whatever answers instead of the broker when it is late has cut the wait.
            let is_late = took > wait / 2.0 || door.is == Outcome::Cut;
            let is_cut = is_late && matches!(door.is, Outcome::Cut | Outcome::Refused | Outcome::Foreign);
            return if is_cut { Door { is: Outcome::Cut, after_seconds: Some(took), ..door } } else { door };
        }
        trips.push((took - wait).max(0.0) * 1_000.0);
    }
    Door::works(&trips)
}

async fn late(line: &mut Line, path: &str, within: Duration) -> Result<Result<Option<f64>, Door>, Fault> {
    let response = line.ask(Method::GET, path, "", within).await?;
    if response.status() != StatusCode::OK {
        return Ok(Err(refused(response).await));
    }
    Ok(Ok(server_time(&whole(response.into_body(), WITHIN).await?)))
}

/// Event streams: said one after the other, do they come one after the other?
pub(super) async fn events(target: &Target) -> Door {
    match spread(target).await {
        Ok(Ok(spread)) if spread < SPREAD_MIN => return Door::is(Outcome::Buffered),
        Ok(Ok(_)) => {}
        Ok(Err(door)) => return door,
        Err(fault) => return failed(fault),
    }
    let mut trips = Vec::new();
    for _ in 0..SLOW_SAMPLES {
        match first_event(target).await {
            Ok(Some(trip)) => trips.push(trip),
            Ok(None) => return Door::is(Outcome::Cut),
            Err(fault) => return failed(fault),
        }
    }
    Door::works(&trips)
}

/// Seconds from the first event to the last.
async fn spread(target: &Target) -> Result<Result<f64, Door>, Fault> {
    let mut line = Line::open(target).await?;
    let within = WITHIN + Duration::from_secs_f64(TICKS_SECONDS);
    let response = line.ask(Method::GET, &format!("/v1/doctor/ticks?seconds={TICKS_SECONDS}"), "", within).await?;
    if response.status() != StatusCode::OK {
        return Ok(Err(refused(response).await));
    }
    let mut events = Events::new(response.into_body(), within);
    let mut came = Vec::new();
    while let Some(names) = events.next().await? {
        came.extend(names.iter().filter(|name| *name == "tick").map(|_| Instant::now()));
    }
    let all = came.len() > TICKS_SECONDS as usize;
    let (Some(first), Some(last), true) = (came.first(), came.last(), all) else {
        return Ok(Err(Door::is(if came.is_empty() { Outcome::Foreign } else { Outcome::Cut })));
    };
    Ok(Ok((*last - *first).as_secs_f64()))
}

/// Milliseconds from the question to the first event, on a connection that is open.
async fn first_event(target: &Target) -> Result<Option<f64>, Fault> {
    let mut line = Line::open(target).await?;
    let began = Instant::now();
    let response = line.ask(Method::GET, "/v1/doctor/ticks?seconds=0", "", WITHIN).await?;
    let mut events = Events::new(response.into_body(), WITHIN);
    while let Some(names) = events.next().await? {
        if !names.is_empty() {
            return Ok(Some(milliseconds(began)));
        }
    }
    Ok(None)
}

/// Publishing: does a body arrive as it was sent?
pub(super) async fn publishing(target: &Target) -> Door {
    const BODY: &str = "{\"doctor\":\"Ä quiz, <b>100 %</b>\"}";
    let mut line = match Line::open(target).await {
        Ok(line) => line,
        Err(fault) => return failed(fault),
    };
    let mut trips = Vec::new();
    for _ in 0..SAMPLES {
        let began = Instant::now();
        let response = match line.ask(Method::POST, "/v1/doctor/echo", BODY, WITHIN).await {
            Ok(response) if response.status() == StatusCode::OK => response,
            Ok(response) => return refused(response).await,
            Err(fault) => return failed(fault),
        };
        match whole(response.into_body(), WITHIN).await {
            Ok(body) if body == BODY.as_bytes() => trips.push(milliseconds(began)),
            Ok(_) => return Door::is(Outcome::Altered),
            Err(fault) => return failed(fault),
        }
    }
    Door::works(&trips)
}

fn server_time(body: &[u8]) -> Option<f64> {
    serde_json::from_slice::<Value>(body).ok()?["server_time"].as_f64()
}

pub(super) fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1_000.0
}
