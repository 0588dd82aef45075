//! Connections on which nothing is said: how long do they stay?

use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};

use super::conversation::{Conversation, Heard};
use super::events::Events;
use super::line::{Fault, Line, WITHIN};
use super::measurements::Quiet;
use super::target::Target;

/// A WebSocket, quiet for `time` at most.
pub(super) async fn websocket(target: &Target, time: Duration) -> Quiet {
    let Ok(mut conversation) = Conversation::open(target, time).await else { return Quiet::Untried };
    let (until, mut heard, mut longest) = (Instant::now() + time, Instant::now(), Duration::ZERO);
    loop {
        match tokio::time::timeout_at(until.into(), conversation.next()).await {
            Ok(Heard::End) => return Quiet::Cut { seconds: heard.elapsed().as_secs_f64() },
            Ok(Heard::Frame(_) | Heard::Sign) => {
                longest = longest.max(heard.elapsed());
                heard = Instant::now();
            }
            Err(_) => break,
        }
    }
    let seconds = longest.max(heard.elapsed()).as_secs_f64();
    // What was given up by something on the way looks open until the next word.
    if conversation.ends_well().await { Quiet::Open { seconds } } else { Quiet::Lost { seconds } }
}

/// An answer over HTTP, quiet for `time`.
pub(super) async fn http(target: &Target, time: Duration) -> Quiet {
    let Ok(mut line) = Line::open(target).await else { return Quiet::Untried };
    let asked = Instant::now();
    let cut = |since: Instant| Quiet::Cut { seconds: since.elapsed().as_secs_f64() };
    let within = time + WITHIN;
    let path = format!("/v1/doctor/quiet?seconds={}", time.as_secs_f64());
    let response = match line.ask(Method::GET, &path, "", within).await {
        Ok(response) => response,
        Err(Fault::Silent) => return Quiet::Lost { seconds: asked.elapsed().as_secs_f64() },
        Err(_) => return cut(asked),
    };
    match response.status() {
        StatusCode::OK => {}
        // What answers for a broker that seems to be gone.
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => return cut(asked),
        _ => return Quiet::Untried,
    }
    let (mut events, mut heard) = (Events::new(response.into_body(), within), asked);
    loop {
        match events.next().await {
            Ok(Some(names)) if names.iter().any(|name| name == "end") => {
                return Quiet::Open { seconds: time.as_secs_f64() };
            }
            Ok(Some(_)) => heard = Instant::now(),
            Ok(None) | Err(Fault::Broken) => return cut(heard),
            Err(Fault::Silent) => return Quiet::Lost { seconds: time.as_secs_f64() },
            Err(_) => return Quiet::Untried,
        }
    }
}
