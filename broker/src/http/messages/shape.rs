//! Messages as HTTP readers see them. JSON and event streams stop here.

use std::fmt::Write as _;

use data_encoding::BASE64;
use homeroom_storage::Position;
use serde_json::{Map, Value, json};

use super::reading::Found;
use crate::classroom::entry::Entry;
use crate::connection::envelope::is_shown;

/// A message as JSON.
pub(super) fn whole(Found { entry, gap, .. }: &Found) -> Value {
    let message = entry.message();
    let mut object = json!({
        "position": position(entry).map(|position| position.to_string()),
        "destination": &*message.destination,
        "time": entry.record.time,
    });
    let Value::Object(members) = &mut object else { return object };
    members.extend(message.publisher.as_deref().map(|user| ("user".to_owned(), user.into())));
    members.extend(gap.as_ref().map(|gap| ("gap".to_owned(), gap.clone().into())));
    let shown = message.headers.iter().filter(|(name, _)| is_shown(name));
    let mut headers = Map::new();
    for (name, value) in shown {
        // The first of repeated headers counts.
        headers.entry(&**name).or_insert_with(|| (**value).into());
    }
    if !headers.is_empty() {
        members.insert("headers".to_owned(), headers.into());
    }
    match std::str::from_utf8(&message.body) {
        Ok(text) => members.insert("body".to_owned(), text.into()),
        Err(_) => members.insert("body_base64".to_owned(), BASE64.encode(&message.body).into()),
    };
    object
}

/// Where a message is; `None` for one that no log keeps.
pub(super) fn position(entry: &Entry) -> Option<Position> {
    entry.durable.then(|| entry.position())
}

/// A message as an event: its channel, its body or all of it, and behind which place to go on.
pub(super) fn event(found: &Found, id: Option<&str>, is_whole: bool) -> String {
    let message = found.entry.message();
    let mut text = String::with_capacity(message.body.len() + 128);
    if let Some(gap) = found.gap.as_ref().filter(|_| !is_whole) {
        text.push_str(&gap_event(gap));
    }
    if let Some(id) = id {
        let _ = writeln!(text, "id: {id}");
    }
    if let Some(channel) = channel(&found.entry, found.room_bytes) {
        let _ = writeln!(text, "event: {channel}");
    }
    if is_whole {
        // JSON has no plain ends of lines.
        let _ = write!(text, "data: {}\n\n", whole(found));
        return text;
    }
    match std::str::from_utf8(&message.body) {
        Ok(body) => data(&mut text, body),
        Err(_) => data(&mut text, &BASE64.encode(&message.body)),
    }
    text.push('\n');
    text
}

/// Says what nobody can read any more.
pub(super) fn gap_event(gap: &str) -> String {
    format!("event: gap\ndata: {gap}\n\n")
}

/// Every line of a body is a field of its own, so that none of them can pass for another field.
fn data(text: &mut String, body: &str) {
    for line in body.replace("\r\n", "\n").split(['\n', '\r']) {
        let _ = writeln!(text, "data: {line}");
    }
}

/// What stands behind the room in a message's destination.
fn channel(entry: &Entry, room_bytes: usize) -> Option<&str> {
    entry.path.get(room_bytes + 1..).filter(|channel| !channel.is_empty())
}
