//! Findings and measurements in plain words. The words are those of the page: `web/src/doctor/words.json`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::judge::{Finding, seconds, short};
use super::measurements::{Door, Measurements, Outcome, Quiet, Reach, Tls};

/// One finding as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Said {
    pub(super) id: &'static str,
    pub(super) what: String,
    pub(super) set: Vec<String>,
    pub(super) ask: Vec<String>,
}

#[derive(Deserialize)]
struct Words {
    doors: BTreeMap<String, String>,
    outcomes: BTreeMap<String, String>,
    quiet: BTreeMap<String, String>,
    tls: String,
    headings: BTreeMap<String, String>,
    findings: BTreeMap<String, Advice>,
}

#[derive(Deserialize)]
struct Advice {
    what: String,
    set: Vec<String>,
    ask: Vec<String>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../web/src/doctor/words.json")).expect("a test reads the same words")
});

/// A finding with its blanks filled in.
pub(super) fn said(finding: &Finding) -> Said {
    let advice = &WORDS.findings[finding.id];
    let all = |texts: &[String]| texts.iter().map(|text| filled(text, &finding.blanks)).collect();
    Said { id: finding.id, what: filled(&advice.what, &finding.blanks), set: all(&advice.set), ask: all(&advice.ask) }
}

/// All of it, for people, and for those whom they ask: lines without an end at the last one.
pub(super) fn report(measured: &Measurements, findings: &[Said]) -> String {
    let mut out = filled(heading("title"), &BTreeMap::from([("url", measured.url.clone())]));
    out.push_str("\n\n");
    if measured.reach == Reach::Reached {
        tables(&mut out, measured);
    }
    out.push_str(heading("findings"));
    for (place, finding) in findings.iter().enumerate() {
        let _ = write!(out, "\n{}. {}", place + 1, finding.what);
        let advice = finding.set.iter().map(|text| ("set", text)).chain(finding.ask.iter().map(|text| ("ask", text)));
        for (kind, text) in advice {
            let _ = write!(out, "\n   {} {text}", heading(kind));
        }
    }
    out
}

fn tables(out: &mut String, measured: &Measurements) {
    if let Some(tls) = &measured.tls {
        let _ = writeln!(out, "{}\n{}\n", heading("tls"), handshake(tls));
    }
    let _ = writeln!(out, "{}", heading("doors"));
    for (name, door) in measured.doors.named() {
        let _ = writeln!(out, "{}", row(&WORDS.doors[name], &outcome(door)));
    }
    let _ = writeln!(out, "\n{}", heading("quiet"));
    for (name, quiet) in [("WebSocket", measured.quiet.websocket), ("HTTP", measured.quiet.http)] {
        let _ = writeln!(out, "{}", row(name, &held(quiet)));
    }
    out.push('\n');
}

fn handshake(tls: &Tls) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let shown = tls.certificate.as_ref();
    let of_certificate = [("issuer", shown.map(|shown| &shown.issuer)), ("until", shown.map(|shown| &shown.until))];
    let blanks = of_certificate.map(|(name, value)| (name, text(&value.cloned())));
    row(&text(&tls.version), &filled(&WORDS.tls, &blanks.into_iter().chain([("http", text(&tls.http))]).collect()))
}

fn row(name: &str, text: &str) -> String {
    format!("  {name:<16}{text}")
}

fn outcome(door: &Door) -> String {
    let text = WORDS.outcomes[&name(door.is)].clone();
    match (door.round_trip_ms, door.status) {
        (Some(trip), _) if door.is == Outcome::Works => {
            format!("{text}, {} ms, {} ms", short(trip.median), short(trip.worst))
        }
        (_, Some(status)) => format!("{text} ({status})"),
        _ => text,
    }
}

fn held(quiet: Quiet) -> String {
    let (name, after) = match quiet {
        Quiet::Open { seconds } => ("open", seconds),
        Quiet::Cut { seconds } => ("cut", seconds),
        Quiet::Lost { seconds } => ("lost", seconds),
        Quiet::Untried => ("untried", 0.0),
    };
    filled(&WORDS.quiet[name], &BTreeMap::from([("seconds", seconds(after))]))
}

fn heading(name: &str) -> &'static str {
    &WORDS.headings[name]
}

/// The name of an outcome in the words, which is its name in JSON.
fn name(outcome: Outcome) -> String {
    serde_json::to_value(outcome).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// `{name}` becomes what stands in its blank.
fn filled(text: &str, blanks: &BTreeMap<&'static str, String>) -> String {
    blanks.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_words() {
        use Outcome::*;
        for outcome in
            [Works, Refused, Closed, Silent, Buffered, Cut, Cached, Altered, Foreign, TurnedAway, Busy, Untried]
        {
            assert!(WORDS.outcomes.contains_key(&name(outcome)), "{outcome:?}");
        }
    }
}
