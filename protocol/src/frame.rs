//! One frame: a command, headers in order, a body of bytes.

use std::fmt;

use bytes::Bytes;

use crate::Headers;

/// A frame, of either direction.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// What is wanted or told.
    pub command: Command,
    /// In the order in which they came, unescaped.
    pub headers: Headers,
    /// Byte for byte. In an allocation of its own: a frame kept does not keep what was read beside it.
    pub body: Bytes,
}

impl Frame {
    /// A frame without headers and body.
    #[must_use]
    pub fn new(command: Command) -> Frame {
        Frame { command, headers: Headers::new(), body: Bytes::new() }
    }

    /// The same with one header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Frame {
        self.headers.push(name, value);
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Frame {
        self.body = body.into();
        self
    }
}

/// Bodies are what people wrote: they are counted, not shown.
impl fmt::Debug for Frame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Frame")
            .field("command", &self.command)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

macro_rules! commands {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal,)*) => {
        /// The first line of a frame. Case matters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Command { $($(#[doc = $doc])* $name,)* }

        impl Command {
            /// Every command, of clients first.
            pub const ALL: &'static [Command] = &[$(Command::$name,)*];

            /// As it is written.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Command::$name => $word,)* }
            }

            /// The command written so.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Command> {
                match word { $($word => Some(Command::$name),)* _ => None }
            }
        }
    };
}

commands! {
    /// Begins a conversation.
    Connect = "CONNECT",
    /// CONNECT by another name, since STOMP 1.1.
    Stomp = "STOMP",
    /// Publishes.
    Send = "SEND",
    /// Asks for messages.
    Subscribe = "SUBSCRIBE",
    /// Ends a subscription.
    Unsubscribe = "UNSUBSCRIBE",
    /// Acknowledges.
    Ack = "ACK",
    /// Refuses, since STOMP 1.1.
    Nack = "NACK",
    /// Begins a transaction.
    Begin = "BEGIN",
    /// Makes a transaction happen.
    Commit = "COMMIT",
    /// Forgets a transaction.
    Abort = "ABORT",
    /// Ends the conversation.
    Disconnect = "DISCONNECT",
    /// The answer to CONNECT.
    Connected = "CONNECTED",
    /// One message of a subscription.
    Message = "MESSAGE",
    /// A frame that asked for it has had its effect.
    Receipt = "RECEIPT",
    /// Something was wrong; the conversation is over.
    Error = "ERROR",
}

impl Command {
    /// Only servers say this.
    #[must_use]
    pub fn is_of_server(self) -> bool {
        matches!(self, Command::Connected | Command::Message | Command::Receipt | Command::Error)
    }

    /// STOMP 1.2, Value Encoding: all frames except CONNECT and CONNECTED escape,
    /// "to remain backward compatible with STOMP 1.0".
    pub(crate) fn escapes(self) -> bool {
        !matches!(self, Command::Connect | Command::Stomp | Command::Connected)
    }

    /// STOMP 1.2, Body: "Only the SEND, MESSAGE, and ERROR frames MAY have a body."
    /// We keep to it; what a peer writes into other frames is read and dropped.
    pub(crate) fn may_have_body(self) -> bool {
        matches!(self, Command::Send | Command::Message | Command::Error)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_there_and_back() {
        for command in Command::ALL {
            assert_eq!(Command::from_word(&command.to_string()), Some(*command));
        }
        assert_eq!(Command::ALL.len(), 15);
        assert_eq!(Command::from_word("send"), None);
        assert_eq!(Command::from_word(""), None);
    }

    #[test]
    fn what_people_write_is_not_shown_in_logs() {
        let frame = Frame::new(Command::Send).with("passcode", "sesame").with_body("my answer");
        let shown = format!("{frame:?}");
        assert!(!shown.contains("sesame") && !shown.contains("my answer"), "{shown}");
        assert!(shown.contains("body_bytes: 9"), "{shown}");
    }
}
