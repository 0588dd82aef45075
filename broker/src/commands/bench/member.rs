//! One of a crowd: a line and the conversation on it.

use std::io;
use std::net::SocketAddr;

use mio::{Interest, Registry, Token};

use super::conversation::{Asked, Conversation, Stage};
use super::crowd::Heard;
use super::framing::Side;
use super::line::Line;
use super::speech::Speech;

/// One connection of the crowd.
pub(super) struct Member {
    pub(super) line: Line,
    pub(super) conversation: Conversation,
}

/// How a member begins.
pub(super) struct Opening {
    /// CONNECT as it goes over the line.
    pub(super) connect: Vec<u8>,
    /// SUBSCRIBE, if it listens.
    pub(super) subscribe: Option<Vec<u8>>,
}

impl Member {
    /// Begins to connect; `token` is what its events will carry.
    pub(super) fn connect(
        address: SocketAddr,
        registry: &Registry,
        token: Token,
        speech: &Speech,
        opening: Opening,
    ) -> Result<Member, String> {
        let connect = || {
            let stream = mio::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            let mut line = Line::new(stream, Side::Client);
            // Edges: one registration for good, and no system call but reads and writes.
            registry.register(line.source(), token, Interest::READABLE | Interest::WRITABLE)?;
            line.say(&speech.upgrade())?;
            Ok(line)
        };
        let line = connect().map_err(|error| unreachable(&error))?;
        Ok(Member { line, conversation: Conversation::new(opening) })
    }

    /// What this event brings; an error is the end of the connection.
    pub(super) fn event(
        &mut self,
        speech: &Speech,
        event: &mio::event::Event,
        buffer: &mut [u8],
        asked: &mut Asked,
        ear: &mut impl FnMut(Heard<'_>),
    ) -> Result<(), String> {
        let stage = self.conversation.stage;
        let ended = |error: io::Error| match stage {
            Stage::Upgrading => unreachable(&error),
            _ => error.to_string(),
        };
        if event.is_writable() {
            self.line.flush().map_err(ended)?;
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            let conversation = &mut self.conversation;
            let mut outcome = Ok(());
            let read = self.line.read(buffer, |piece| {
                if outcome.is_ok() {
                    outcome = conversation.hear(speech, piece, asked, ear);
                }
            });
            outcome?;
            if !asked.reply.is_empty() {
                self.line.say(&asked.reply).map_err(ended)?;
            }
            if !read.map_err(ended)? {
                return Err("the broker closed it without a word".to_owned());
            }
        }
        Ok(())
    }
}

fn unreachable(error: &io::Error) -> String {
    format!("{error}. Is the broker running there? Name another address with --url")
}
