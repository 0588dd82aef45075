//! Where a record stands: an epoch and an offset, with one text form.

use std::fmt;
use std::str::FromStr;

/// One incarnation of a log. A log that was lost and begun again has another
/// epoch, so that an old position is never mistaken for a new one. Unique
/// among all logs of a store; below 2^53, so that JavaScript reads it exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// The place of a record in its log. Grows with every record, from 1; an
/// engine may leave gaps. [`Offset::ZERO`] stands before the first record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(pub u64);

impl Offset {
    /// Before the first record of any log.
    pub const ZERO: Offset = Offset(0);
}

/// Offsets from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OffsetRange {
    /// The first offset of the range.
    pub first: Offset,
    /// The last offset of the range.
    pub last: Offset,
}

/// `epoch:offset`, or `epoch:offset.part` for one message inside a record of
/// several (parts count from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The log's incarnation.
    pub epoch: Epoch,
    /// The record's place.
    pub offset: Offset,
    /// The message inside the record; `None` names the whole record.
    pub part: Option<u16>,
}

/// A text that is no `epoch:offset` or `epoch:offset.part` in decimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no position: it is written epoch:offset, for example 81234:42")]
pub struct ParsePositionError(pub String);

impl Position {
    /// The position of a whole record.
    pub fn new(epoch: Epoch, offset: Offset) -> Position {
        Position { epoch, offset, part: None }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for OffsetRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)?;
        self.part.map_or(Ok(()), |part| write!(f, ".{part}"))
    }
}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Position, ParsePositionError> {
        parse(text).ok_or_else(|| ParsePositionError(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<Position> {
    let (epoch, rest) = text.split_once(':')?;
    let (offset, part) = match rest.split_once('.') {
        Some((offset, part)) => (offset, Some(decimal(part)?.try_into().ok()?)),
        None => (rest, None),
    };
    Some(Position { epoch: Epoch(decimal(epoch)?), offset: Offset(decimal(offset)?), part })
}

/// Digits alone: `u64::from_str` would also take a sign.
fn decimal(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_has_one_text_form() {
        for (text, part) in [("7:42", None), ("7:42.0", Some(0)), ("7:42.65535", Some(65535))] {
            let position = Position { epoch: Epoch(7), offset: Offset(42), part };
            assert_eq!(position.to_string(), text);
            assert_eq!(text.parse(), Ok(position));
        }
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in ["", ":", "7", "7:", ":7", "+7:1", "7:-1", "7:1.", "7:1.65536", "7:1.2.3", "7:99999999999999999999"]
        {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
