//! Bytes on their way to one link, in one order: the rest of the message that
//! was begun, then what is for this connection alone (RECEIPT, ERROR, Ping,
//! Pong, Close), then messages.
//!
//! Nothing else waits here. A message that the link does not take now is not
//! kept: its reader goes back to it, and the log remembers it.

use std::cell::RefCell;
use std::fmt;
use std::io;

use bytes::Bytes;

use crate::transport::Link;

thread_local! {
    /// Messages that go out together are joined here, once for all connections of a thread.
    static JOINED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Bytes on their way.
#[derive(Default)]
pub(super) struct Outbox {
    begun: Option<Bytes>,
    private: Vec<u8>,
    written: usize,
}

/// What people say is counted, not shown.
impl fmt::Debug for Outbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outbox").field("waiting_bytes", &self.waiting()).finish()
    }
}

/// How far a batch of messages came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// So many left whole.
    pub whole: usize,
    /// One more was begun; its rest goes first from now on.
    pub begun: bool,
}

impl Outbox {
    /// Where private bytes are appended, whole frames only.
    pub(super) fn private(&mut self) -> &mut Vec<u8> {
        &mut self.private
    }

    /// The rest of a message that somebody else began goes first.
    pub(super) fn begin(&mut self, rest: Bytes) {
        debug_assert_eq!(self.waiting(), 0, "a message is begun only where nothing waits");
        self.begun = Some(rest);
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.private.len() - self.written + self.begun.as_ref().map_or(0, Bytes::len)
    }

    /// Whether a message was begun whose rest has not left.
    pub(super) fn is_inside_message(&self) -> bool {
        self.begun.is_some()
    }

    /// Writes what waits; `true` when all of it has left.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn flush(&mut self, link: &mut Link) -> io::Result<bool> {
        while let Some(begun) = &mut self.begun {
            match try_write(link, begun)? {
                0 => return Ok(false),
                count if count == begun.len() => self.begun = None,
                count => drop(begun.split_to(count)),
            }
        }
        while self.written < self.private.len() {
            match try_write(link, &self.private[self.written..])? {
                0 => return Ok(false),
                count => self.written += count,
            }
        }
        (self.private, self.written) = (Vec::new(), 0);
        Ok(true)
    }

    /// Writes messages in one go. Only to be called when nothing waits.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn write(&mut self, link: &mut Link, messages: &[Bytes]) -> io::Result<Batch> {
        debug_assert_eq!(self.waiting(), 0, "messages go behind what waits");
        let mut count = match messages {
            [] => return Ok(Batch { whole: 0, begun: false }),
            [only] => try_write(link, only)?,
            several => JOINED.with_borrow_mut(|joined| {
                joined.clear();
                several.iter().for_each(|message| joined.extend_from_slice(message));
                try_write(link, joined)
            })?,
        };
        for (index, message) in messages.iter().enumerate() {
            if count < message.len() {
                self.begun = (count > 0).then(|| message.slice(count..));
                return Ok(Batch { whole: index, begun: count > 0 });
            }
            count -= message.len();
        }
        Ok(Batch { whole: messages.len(), begun: false })
    }
}

/// Writes what the socket takes: 0 if nothing now.
fn try_write(link: &mut Link, bytes: &[u8]) -> io::Result<usize> {
    match link.try_write(bytes) {
        Ok(0) if !bytes.is_empty() => Err(io::ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
