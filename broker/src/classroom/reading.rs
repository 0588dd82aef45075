//! What a room reads from its log.

use std::collections::VecDeque;
use std::sync::Arc;

use homeroom_storage::{LogError, Offset, Position, Record};

use super::Room;
use super::entry::{Entry, Mark};
use super::pages::{Asked, LogPage, PAGE, PageRead};
use crate::router::Pattern;

impl Room {
    /// The page of the log that holds what follows `after`, if it is kept; otherwise it is being read,
    /// and whoever waits for it is rung when it is there.
    pub(super) fn page(self: &Arc<Self>, after: Offset, exactly: bool) -> Result<Arc<LogPage>, Arc<PageRead>> {
        // An engine that has to ask elsewhere is not waited for: then a page is good until it is let go.
        let trimmed = self.kept().map_or(Offset::ZERO, |bounds| bounds.trimmed);
        match self.pages.ask(after, exactly, trimmed) {
            Asked::Kept(page) => Ok(page),
            Asked::Coming(read) => Err(read),
            Asked::Begin(read) => {
                tokio::spawn(Reading { room: self.clone(), read: read.clone(), found: None }.run());
                Err(read)
            }
        }
    }

    /// One record, to be shown again.
    pub(crate) async fn record_at(&self, offset: Offset) -> Result<LogPage, LogError> {
        self.read(Offset(offset.0.saturating_sub(1)), offset).await
    }

    /// Up to where everything has been passed by whoever had the message at a position last.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn passed_at(&self, position: Position) -> Result<Offset, LogError> {
        let Some(part) = position.part else { return Ok(position.offset) };
        let record = self.record_at(position.offset).await?;
        let is_last = record.entries.last().is_none_or(|entry| entry.index <= part);
        Ok(if is_last { position.offset } else { Offset(position.offset.0.saturating_sub(1)) })
    }

    /// A page of the log that begins with this record.
    pub(crate) async fn page_from(&self, first: Offset) -> Result<LogPage, LogError> {
        self.read(Offset(first.0.saturating_sub(1)), self.recent.head()).await
    }

    /// The marks of the newest `count` messages a pattern covers, between two offsets.
    pub(crate) async fn newest_marks(
        &self,
        pattern: &Pattern,
        mut after: Offset,
        up_to: Offset,
        count: usize,
    ) -> Result<VecDeque<Mark>, LogError> {
        let mut newest = VecDeque::new();
        while after < up_to {
            let page = self.read(after, up_to).await?;
            for entry in page.entries.iter().filter(|entry| pattern.matches(&entry.path)) {
                newest.push_back(entry.mark());
                if newest.len() > count {
                    newest.pop_front();
                }
            }
            after = page.through;
        }
        Ok(newest)
    }

    /// The newest messages a pattern covers up to an offset, newest first: at most `count`, and about `bytes`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn newest_before(
        &self,
        pattern: &Pattern,
        up_to: Offset,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<Arc<Entry>>, LogError> {
        let trimmed = self.trimmed().await?;
        let mut stretch = count as u64;
        let marks = loop {
            let after = Offset(up_to.0.saturating_sub(stretch)).max(trimmed);
            let marks = self.newest_marks(pattern, after, up_to, count).await?;
            if marks.len() >= count || after <= trimmed {
                break marks;
            }
            stretch = stretch.saturating_mul(8);
        };
        let (mut newest, mut taken) = (Vec::new(), 0);
        for mark in marks.into_iter().rev() {
            let record = self.record_at(mark.offset).await?;
            newest.extend(record.entries.into_iter().find(|entry| entry.mark() == mark));
            taken += newest.last().map_or(0, |entry: &Arc<Entry>| entry.message().cost());
            if taken >= bytes {
                break;
            }
        }
        Ok(newest)
    }

    async fn read(&self, after: Offset, up_to: Offset) -> Result<LogPage, LogError> {
        let page = self.store.read(&self.log, after, up_to, PAGE).await?;
        let bytes: usize = page.records.iter().map(|record| record.cost()).sum();
        let is_full = page.records.len() >= PAGE.records || bytes >= PAGE.bytes;
        let entries = page.records.iter().flat_map(|record| self.entries_of(record)).collect();
        Ok(LogPage { after, entries, through: page.through, missing: page.missing, is_full })
    }

    fn entries_of(&self, record: &Arc<Record>) -> impl Iterator<Item = Arc<Entry>> {
        record.messages.iter().enumerate().map(|(index, message)| {
            let index = u16::try_from(index).expect("a record has at most 65,535 messages");
            Arc::new(Entry::new(record.clone(), index, self.rules.path_of(self.name(), &message.destination), 0, true))
        })
    }
}

/// A page on its way. Whatever becomes of the read, those who wait are told.
struct Reading {
    room: Arc<Room>,
    read: Arc<PageRead>,
    found: Option<Result<Arc<LogPage>, LogError>>,
}

impl Reading {
    async fn run(mut self) {
        self.found = Some(self.room.read(self.read.after, self.read.up_to).await.map(Arc::new));
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let given_up = || Err(LogError::Unavailable("the read was given up".to_owned()));
        self.room.pages.finish(&self.read, self.found.take().unwrap_or_else(given_up));
    }
}
