//! Where a reader begins, as any door may ask for it.

use homeroom_storage::{LogError, Offset, OffsetRange, Position, Seek};

use super::Room;
use super::entry::Mark;
use crate::router::Pattern;

/// A rewind goes back so many messages at most.
const REWIND_MAX: u64 = 10_000;

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// With the oldest record that is kept.
    First,
    /// With whatever comes next.
    Next,
    /// Before so many of the newest messages.
    Last(u64),
    /// With the first offset that is at least this.
    At(Offset),
    /// Not before this time, milliseconds since 1970.
    Time(u64),
    /// Behind these positions, each in its log.
    After(Vec<Position>),
}

/// Where that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// Behind this; `None` for what comes next.
    pub mark: Option<Mark>,
    /// A position that was given was taken up.
    pub resumed: bool,
    /// What is missing between it and the mark.
    pub gap: Option<Gap>,
}

/// What cannot be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// These offsets.
    Range(OffsetRange),
    /// The position was not of this log: nobody knows.
    Unknown,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Gap::Range(range) => range.fmt(f),
            Gap::Unknown => f.write_str("unknown"),
        }
    }
}

impl Room {
    /// Finds the place in its log. A position of another epoch or beyond the head is the oldest record.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn begin(&self, pattern: &Pattern, beginning: &Beginning) -> Result<Begun, LogError> {
        let after = match beginning {
            Beginning::Next => return Ok(Begun::default()),
            Beginning::After(positions) => return self.resume(positions).await,
            Beginning::Last(count) => return self.newest(pattern, *count).await,
            Beginning::First => Offset::ZERO,
            // As in RabbitMQ, what lies beyond the end is the end.
            Beginning::At(offset) => Offset(offset.0.saturating_sub(1)).min(self.recent().head()),
            Beginning::Time(millis) => self.seek(Seek::Time(*millis)).await?,
        };
        let trimmed = self.trimmed().await?;
        let asked_for = matches!(beginning, Beginning::At(_));
        let gap = range(after, trimmed).filter(|_| asked_for).map(Gap::Range);
        Ok(Begun { mark: Some(Mark::after(after.max(trimmed))), resumed: true, gap })
    }

    /// Before the newest `count` messages that the pattern covers. Others lie between them: so the log is
    /// looked through backwards, in stretches that grow.
    async fn newest(&self, pattern: &Pattern, count: u64) -> Result<Begun, LogError> {
        let wanted = usize::try_from(count.min(REWIND_MAX)).unwrap_or(usize::MAX);
        if wanted == 0 {
            return Ok(Begun { resumed: true, ..Begun::default() });
        }
        let begun = |mark| Begun { mark: Some(mark), resumed: true, gap: None };
        let (head, trimmed) = (self.recent().head(), self.trimmed().await?);
        let mut stretch = count.min(REWIND_MAX);
        loop {
            let after = self.seek(Seek::Last(stretch)).await?.max(trimmed);
            let found = self.newest_marks(pattern, after, head, wanted + 1).await?;
            match (found.len() > wanted, found.front()) {
                // The one before the first wanted message.
                (true, Some(before)) => return Ok(begun(*before)),
                _ if after <= trimmed => return Ok(begun(Mark::after(after))),
                _ => stretch = stretch.saturating_mul(8),
            }
        }
    }

    async fn resume(&self, positions: &[Position]) -> Result<Begun, LogError> {
        let trimmed = self.trimmed().await?;
        let known = positions.iter().find(|position| position.epoch == self.epoch());
        let Some(position) = known.filter(|position| position.offset <= self.recent().head()) else {
            return Ok(Begun { mark: Some(Mark::after(trimmed)), resumed: false, gap: Some(Gap::Unknown) });
        };
        let mark = Mark { offset: position.offset, part: position.part.unwrap_or(Mark::WHOLE) };
        let gap = range(mark.passed(), trimmed).map(Gap::Range);
        Ok(Begun { mark: Some(mark.max(Mark::after(trimmed))), resumed: true, gap })
    }
}

/// The offsets behind `after` up to `trimmed`, if there are any.
fn range(after: Offset, trimmed: Offset) -> Option<OffsetRange> {
    (after < trimmed).then(|| OffsetRange { first: Offset(after.0 + 1), last: trimmed })
}
