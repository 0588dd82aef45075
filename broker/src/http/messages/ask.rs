//! What a GET asks for: the query, and the few headers that say the same.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use homeroom_storage::Position;

use crate::classroom::beginning::Beginning;
use crate::classroom::now_millis;
use crate::connection::POSITIONS_MAX;
use crate::http::guest::{Guest, TICKET};
use crate::http::problem::Problem;
use crate::refusals::{bad_request, shorten};
use crate::settings::parse_duration;

/// Messages on a page, unless `limit` says otherwise.
pub(super) const LIMIT: usize = 100;
/// ... and at most.
pub(super) const LIMIT_MAX: usize = 1_000;
/// A long poll waits so long at most: proxies cut what is silent for longer.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(60);
/// Where a browser's `EventSource` says where it was.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// All parameters, for those who misspell one.
const KNOWN: &str = "destination, after, before, rewind, from, limit, reverse, wait, cursor, as, last_event_id";

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// One or more, as written.
    pub(super) destinations: Vec<String>,
    /// Where to begin, if it says so.
    pub(super) beginning: Option<Beginning>,
    /// Messages at most on a page.
    pub(super) limit: usize,
    /// The newest first.
    pub(super) reverse: bool,
    /// Before this, where the newest come first.
    pub(super) before: Option<Position>,
    /// How long to wait for something.
    pub(super) wait: Option<Duration>,
    /// Where the cursor of this name stands.
    pub(super) cursor: Option<String>,
    /// An event's data is the whole message as JSON, not its body.
    pub(super) whole: bool,
    /// Who asks.
    pub(super) guest: Guest,
}

impl Ask {
    /// Reads a request; `streams` says that the answer does not end.
    ///
    /// # Errors
    /// What is wrong with it, by its name and value.
    pub(super) fn read(
        query: &[(String, String)],
        headers: &HeaderMap,
        streams: bool,
        guest: Guest,
    ) -> Result<Ask, Problem> {
        let mut ask = Ask {
            destinations: Vec::new(),
            beginning: None,
            limit: LIMIT,
            reverse: false,
            before: None,
            wait: None,
            cursor: None,
            whole: false,
            guest,
        };
        for (name, value) in query {
            ask.take(name, value)?;
        }
        if let Some(seen) = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()).filter(|_| streams) {
            // A browser that comes back knows better than the address it was once given.
            ask.beginning = Some(after("Last-Event-ID", seen)?);
        }
        ask.check()?;
        Ok(ask)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "destination" => self.destinations.push(value.to_owned()),
            "after" | "last_event_id" => self.beginning = Some(after(name, value)?),
            "before" => {
                self.before = Some(value.parse().map_err(|_| wrong(name, value, "a position such as 81234:42"))?);
            }
            "rewind" => self.beginning = Some(rewind(value)?),
            "from" => self.beginning = Some(from(value)?),
            "limit" => self.limit = limit(value)?,
            "reverse" => self.reverse = truth(name, value)?,
            "wait" => self.wait = Some(wait(value)?),
            "cursor" => self.cursor = Some(value.to_owned()),
            "as" => self.whole = whole(value)?,
            // Whoever came with it was let in by it.
            TICKET => {}
            // What keeps caches from answering is nobody's parameter.
            _ if name.starts_with('_') => {}
            _ => {
                let reason = format!("there is no parameter \"{}\"", shorten(name));
                return Err(bad_request(&reason, &format!("Known are {KNOWN}.")).into());
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Problem> {
        if self.destinations.is_empty() {
            let remedy =
                "Add destination=/topic/{classroom}/{channel}, more than once if you like; * and ** are wildcards.";
            return Err(bad_request("no destination is given", remedy).into());
        }
        if self.destinations.len() > POSITIONS_MAX {
            let reason = format!("{} destinations are given, {POSITIONS_MAX} are the limit", self.destinations.len());
            return Err(bad_request(&reason, "Use a wildcard, or ask more than once.").into());
        }
        let backwards = self.reverse && (self.wait.is_some() || self.beginning.is_some() || self.cursor.is_some());
        if backwards {
            let remedy = "With reverse=true write before=POSITION to go further back.";
            return Err(bad_request("reverse goes with limit and before alone", remedy).into());
        }
        if self.before.is_some() && !self.reverse {
            return Err(bad_request("before goes with reverse=true", "Write after=POSITION to go forwards.").into());
        }
        Ok(())
    }
}

fn wrong(name: &str, value: &str, wanted: &str) -> Problem {
    bad_request(&format!("{name} is \"{}\"", shorten(value)), &format!("Write {wanted}.")).into()
}

fn after(name: &str, value: &str) -> Result<Beginning, Problem> {
    let positions: Result<Vec<Position>, _> = value.split(',').map(|part| part.trim().parse()).collect();
    let positions = positions.ok().filter(|positions| positions.len() <= POSITIONS_MAX);
    let wanted = "the position of the last message you saw, such as 81234:42, or several with commas between";
    positions.map(Beginning::After).ok_or_else(|| wrong(name, value, wanted))
}

fn rewind(value: &str) -> Result<Beginning, Problem> {
    if let Ok(count) = value.parse::<u32>() {
        return Ok(Beginning::Last(count.into()));
    }
    let age = parse_duration(value).and_then(|age| u64::try_from(age.as_millis()).ok());
    let begin = age.map(|age| Beginning::Time(now_millis().saturating_sub(age)));
    begin.ok_or_else(|| wrong("rewind", value, "how many messages to go back, rewind=10, or how long, rewind=2m"))
}

fn from(value: &str) -> Result<Beginning, Problem> {
    match value {
        "first" => Ok(Beginning::First),
        "next" => Ok(Beginning::Next),
        _ => Err(wrong("from", value, "first or next")),
    }
}

fn limit(value: &str) -> Result<usize, Problem> {
    let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| wrong("limit", value, &format!("a number from 1 to {LIMIT_MAX}")))
}

fn truth(name: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong(name, value, "true or false")),
    }
}

fn wait(value: &str) -> Result<Duration, Problem> {
    let seconds = value.parse::<u64>().ok().map(Duration::from_secs).or_else(|| parse_duration(value));
    let wait = seconds.filter(|wait| *wait <= WAIT_MAX);
    wait.ok_or_else(|| wrong("wait", value, &format!("seconds, at most {}", WAIT_MAX.as_secs())))
}

fn whole(value: &str) -> Result<bool, Problem> {
    match value {
        "message" => Ok(true),
        "body" => Ok(false),
        _ => Err(wrong("as", value, "as=body for the body alone, or as=message for all of it as JSON")),
    }
}
