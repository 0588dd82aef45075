//! tungstenite's contexts. Between two messages a context holds nothing, so all
//! connections of a thread use the same one; a connection has one of its own
//! only within a fragmented message.

use std::cell::Cell;
use std::io::{self, Read, Write};

use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::transport::Inbound;

/// Copied at once into a context, which keeps a buffer of at least this size.
const READ_BYTES: usize = 1024;

thread_local! {
    static SHARED: Cell<Option<Box<WebSocketContext>>> = const { Cell::new(None) };
}

/// A context of a connection's own.
pub(super) fn own() -> Box<WebSocketContext> {
    Box::new(WebSocketContext::new(Role::Server, Some(config())))
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(READ_BYTES).write_buffer_size(0)
}

/// Feeds whole frames to contexts: hands out what they complete, and answers.
///
/// Each of its functions says `false` when the peer has closed. After that, and after an error, a
/// context is of no use.
pub(super) struct Feed<'a, Sink> {
    /// Messages and frames have so many bytes at most.
    pub message_bytes_max: usize,
    /// Answers are appended here.
    pub outbound: &'a mut Vec<u8>,
    /// Takes what came in.
    pub sink: &'a mut Sink,
}

/// What a context reads from and writes to.
struct Wire<'a> {
    inbound: &'a [u8],
    outbound: &'a mut Vec<u8>,
}

impl<Sink: FnMut(Inbound<'_>)> Feed<'_, Sink> {
    /// Feeds the context of this thread. No fragmented message may be left incomplete, unless what
    /// follows in `frames` is an error.
    ///
    /// # Errors
    /// The peer broke the protocol.
    pub(super) fn shared(&mut self, frames: &[u8]) -> Result<bool, Error> {
        let mut context = SHARED.take().unwrap_or_else(own);
        let open = self.own(&mut context, frames)?;
        SHARED.set(open.then_some(context));
        Ok(open)
    }

    /// As [`Feed::shared`], for long frames: they are not copied, and nothing grows by them.
    ///
    /// # Errors
    /// The peer broke the protocol.
    pub(super) fn alone(&mut self, frames: Vec<u8>) -> Result<bool, Error> {
        let mut context = WebSocketContext::from_partially_read(frames, Role::Server, Some(config()));
        self.own(&mut context, &[])
    }

    /// Feeds a connection's own context.
    ///
    /// # Errors
    /// The peer broke the protocol.
    pub(super) fn own(&mut self, context: &mut WebSocketContext, frames: &[u8]) -> Result<bool, Error> {
        context.set_config(|config| {
            config.max_message_size = Some(self.message_bytes_max);
            config.max_frame_size = Some(self.message_bytes_max);
        });
        let mut wire = Wire { inbound: frames, outbound: self.outbound };
        // Each read first writes the answer to what the one before has found, a Ping or a Close.
        loop {
            match context.read(&mut wire) {
                Ok(Message::Text(text)) => (self.sink)(Inbound::Bytes(text.as_bytes())),
                Ok(Message::Binary(bytes)) => (self.sink)(Inbound::Bytes(&bytes)),
                Ok(Message::Pong(payload)) => (self.sink)(Inbound::Pong(&payload)),
                Ok(Message::Close(frame)) => (self.sink)(Inbound::Closed(frame.map(|frame| frame.code.into()))),
                Ok(Message::Ping(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(Error::ConnectionClosed) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.inbound.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.inbound.read(buffer) }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbound.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
