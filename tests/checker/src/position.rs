//! A place in a log, as brokers and clients write it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A place in a log: `epoch:offset`, and `epoch:offset.part` within a record of several messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "&str", into = "String")]
pub struct Position {
    /// The log's incarnation. Positions of different epochs have no order.
    pub epoch: u64,
    /// The record.
    pub offset: u64,
    /// The message in its record.
    pub part: u16,
}

/// A text that is no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no position; one is written epoch:offset or epoch:offset.part")]
pub struct NoPosition(String);

impl Position {
    /// The place of a record.
    pub fn new(epoch: u64, offset: u64) -> Position {
        Position { epoch, offset, part: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { epoch, offset, part } = self;
        if *part == 0 { write!(f, "{epoch}:{offset}") } else { write!(f, "{epoch}:{offset}.{part}") }
    }
}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Position, NoPosition> {
        let read = || {
            let (epoch, place) = text.split_once(':')?;
            let (offset, part) = place.split_once('.').unwrap_or((place, "0"));
            Some(Position { epoch: epoch.parse().ok()?, offset: offset.parse().ok()?, part: part.parse().ok()? })
        };
        read().ok_or_else(|| NoPosition(text.to_owned()))
    }
}

impl TryFrom<&str> for Position {
    type Error = NoPosition;

    fn try_from(text: &str) -> Result<Position, NoPosition> {
        text.parse()
    }
}

impl From<Position> for String {
    fn from(position: Position) -> String {
        position.to_string()
    }
}
