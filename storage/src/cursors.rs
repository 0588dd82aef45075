//! Cursors: how far each durable subscription has come.

use std::ops::RangeInclusive;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{Epoch, LogName, Offset};

/// Whose cursor, on which log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CursorKey {
    /// The log it stands on.
    pub log: LogName,
    /// The owner with its namespace, as the broker spells it (`user:alice`, `user:alice/tablet`, `client:tablet`).
    pub owner: Arc<str>,
    /// The durable subscription's name.
    pub name: Arc<str>,
}

/// Everything up to `offset` has been received, and the ranges above it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The incarnation of the log the offsets belong to.
    pub epoch: Epoch,
    /// The low mark.
    pub offset: Offset,
    /// Acknowledged one by one above the low mark: sorted, apart from each other, at most 1,024 ranges.
    pub above: Vec<RangeInclusive<u64>>,
    /// When it was last used, milliseconds since 1970. Cursors nobody used for long are forgotten.
    pub used: u64,
}

/// Why a cursor could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cursors are unavailable: {0}")]
pub struct CursorsError(pub String);

/// The cursor half of an engine.
///
/// A cursor moves only forward within an epoch: a save that lies behind what is
/// known is merged into it (the higher low mark, the union above it). A save
/// under the log's present epoch replaces a cursor of any other epoch; a save
/// under an epoch that is not the log's present one is ignored.
pub trait Cursors: Send + Sync {
    /// The cursor as last saved, durable or not.
    fn load(&self, key: &CursorKey) -> BoxFuture<'static, Result<Option<Cursor>, CursorsError>>;

    /// Saves behind: durable within a second, or with the next [`Cursors::sync`].
    fn save(&self, key: &CursorKey, cursor: Cursor);

    /// Resolves when every save made before the call is durable.
    fn sync(&self) -> BoxFuture<'static, Result<(), CursorsError>>;

    /// Forgets a cursor, durably. Unknown ones are no error.
    fn forget(&self, key: &CursorKey) -> BoxFuture<'static, Result<(), CursorsError>>;

    /// All cursors on a log, in no order.
    fn on_log(&self, log: &LogName) -> Vec<(CursorKey, Cursor)>;
}
