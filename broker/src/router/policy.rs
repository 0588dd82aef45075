//! What holds for a room, by its kind and name.

use homeroom_storage::Retention;

use super::destination::Kind;
use crate::settings::{ClassroomPolicy, Durable, Settings, Start};

/// What the settings say of a room.
pub fn policy(settings: &Settings, room: &str) -> ClassroomPolicy {
    let general = ClassroomPolicy { durable: Durable::Asked, start: Start::Now, retention: settings.retention };
    match Kind::of(room) {
        Some((Kind::Topic, classroom)) => settings.classroom(classroom),
        // What nobody has done yet is not forgotten.
        Some((Kind::Queue, _)) => ClassroomPolicy { retention: Retention::ENDLESS, ..general },
        // What was sent to somebody before the first visit waits there.
        Some((Kind::Private, _)) => ClassroomPolicy { start: Start::Earliest, ..general },
        None => general,
    }
}
