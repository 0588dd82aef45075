//! Every way a peer can be wrong, with its ERROR text.

use crate::session::Refusal;
use crate::{Command, Frame, Limit, Version};

/// Bytes that are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The first line is no command of STOMP. Shown shortened and without anything that could confuse a log.
    #[error("{0:?} is not a STOMP command")]
    CommandUnknown(String),
    /// A NUL came before the empty line that ends the headers.
    #[error("the frame ended before its headers did")]
    HeadCutShort,
    /// A header line has no colon.
    #[error("a header line has no colon")]
    HeaderWithoutColon,
    /// A header line begins with its colon.
    #[error("a header has no name")]
    HeaderNameEmpty,
    /// Command or headers are not UTF-8.
    #[error("command or headers are not UTF-8")]
    HeaderNotUtf8,
    /// A backslash is followed by something undefined.
    #[error("a header has an escape that STOMP {version} does not define")]
    HeaderEscapeUndefined {
        /// The version spoken.
        version: Version,
    },
    /// A CR that does not end a line, in STOMP 1.2.
    #[error("a header has a carriage return that does not end its line")]
    HeaderCarriageReturn,
    /// Command line and headers are too long together.
    #[error("the headers of one frame may have {limit} bytes")]
    HeaderBytesExceeded {
        /// Bytes allowed.
        limit: usize,
    },
    /// Too many headers.
    #[error("a frame may have {limit} headers")]
    HeadersExceeded {
        /// Headers allowed.
        limit: usize,
    },
    /// The body is, or is announced to be, too long.
    #[error("a body may have {limit} bytes")]
    BodyBytesExceeded {
        /// Bytes allowed.
        limit: usize,
    },
    /// `content-length` is not a number.
    #[error("content-length is not a number of bytes")]
    ContentLengthInvalid,
    /// There is no NUL where `content-length` says that the body ends.
    #[error("the body does not end where content-length says")]
    ContentLengthWrong,
}

/// Frames that are wrong here and now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bytes that are no frame.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Something came before CONNECT.
    #[error("{0} came before CONNECT")]
    NotConnected(Command),
    /// A second CONNECT.
    #[error("{0} came on a connection that is connected")]
    AlreadyConnected(Command),
    /// A frame that only servers send.
    #[error("{0} is for servers to send")]
    CommandOfServer(Command),
    /// A command that came with a later version.
    #[error("{0} does not exist in STOMP {1}")]
    CommandNotInVersion(Command, Version),
    /// No version in common; the ones spoken here, lowest first.
    #[error("supported protocol versions are {}", numbers(.0, " "))]
    NoCommonVersion(Vec<Version>),
    /// CONNECT and all before CONNECTED is too long.
    #[error("{limit} bytes may be sent before CONNECTED")]
    ConnectBytesExceeded {
        /// Bytes allowed.
        limit: usize,
    },
    /// CONNECT did not come in time.
    #[error("the connection was not made in time")]
    ConnectLate,
    /// A header that must be there is not.
    #[error("{command} needs the header {header}")]
    HeaderMissing {
        /// The frame.
        command: Command,
        /// What it lacks.
        header: &'static str,
    },
    /// A header has a value that means nothing.
    #[error("{header} of {command} must be {expected}")]
    HeaderInvalid {
        /// The frame.
        command: Command,
        /// The header.
        header: &'static str,
        /// What would have been right.
        expected: &'static str,
    },
    /// An id, receipt or transaction is too long to be kept.
    #[error("{header} may have {limit} bytes")]
    IdentifierBytesExceeded {
        /// The header.
        header: &'static str,
        /// Bytes allowed.
        limit: usize,
    },
    /// SUBSCRIBE with an id that is taken.
    #[error("this connection has a subscription of that id already")]
    SubscriptionTaken,
    /// Too many subscriptions.
    #[error("a connection may have {limit} subscriptions")]
    SubscriptionsExceeded {
        /// Subscriptions allowed.
        limit: usize,
    },
    /// A transaction that was not begun, or has ended.
    #[error("{0} names a transaction that is not open")]
    TransactionUnknown(Command),
    /// BEGIN with the name of an open transaction.
    #[error("a transaction of that name is open already")]
    TransactionTaken,
    /// Too many transactions at a time.
    #[error("a connection may have {limit} transactions open")]
    TransactionsExceeded {
        /// Transactions allowed.
        limit: usize,
    },
    /// Too many frames in a transaction.
    #[error("a transaction may hold {limit} frames")]
    TransactionOperationsExceeded {
        /// Frames allowed.
        limit: usize,
    },
    /// Too many bytes in open transactions.
    #[error("open transactions may hold {limit} bytes together")]
    TransactionBytesExceeded {
        /// Bytes allowed.
        limit: usize,
    },
    /// A transaction stayed open for too long.
    #[error("a transaction was open for more than {limit_seconds} s")]
    TransactionTooOld {
        /// Seconds allowed.
        limit_seconds: u64,
    },
}

/// Codes of ERROR frames that the protocol gives by itself.
const LIMIT_EXCEEDED: u16 = 106;
const BAD_REQUEST: u16 = 107;

impl Fault {
    /// What ERROR says about it.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let (code, retryable, remedy) = self.row();
        let message = if code == LIMIT_EXCEEDED { "limit exceeded" } else { "bad request" };
        Refusal { code, message: message.to_owned(), reason: self.to_string(), retryable, remedy: remedy.to_owned() }
    }

    /// Which limit was hit, if it was one.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        match self {
            Fault::Decode(DecodeError::HeaderBytesExceeded { .. }) => Some(Limit::HeaderBytes),
            Fault::Decode(DecodeError::HeadersExceeded { .. }) => Some(Limit::Headers),
            Fault::Decode(DecodeError::BodyBytesExceeded { .. }) => Some(Limit::BodyBytes),
            Fault::ConnectBytesExceeded { .. } => Some(Limit::ConnectBytes),
            Fault::ConnectLate => Some(Limit::ConnectTime),
            Fault::IdentifierBytesExceeded { .. } => Some(Limit::IdentifierBytes),
            Fault::SubscriptionsExceeded { .. } => Some(Limit::Subscriptions),
            Fault::TransactionsExceeded { .. } => Some(Limit::Transactions),
            Fault::TransactionOperationsExceeded { .. } => Some(Limit::TransactionOperations),
            Fault::TransactionBytesExceeded { .. } => Some(Limit::TransactionBytes),
            Fault::TransactionTooOld { .. } => Some(Limit::TransactionAge),
            _ => None,
        }
    }

    /// The table: code, whether the same may succeed later, what to do.
    #[rustfmt::skip]
    fn row(&self) -> (u16, bool, &'static str) {
        use DecodeError as D;
        match self {
            Fault::Decode(D::CommandUnknown(_)) => (BAD_REQUEST, false, "Begin each frame with a command of STOMP, in capitals, on a line of its own. For HTTP and WebSocket use the HTTP port."),
            Fault::Decode(D::HeadCutShort) => (BAD_REQUEST, false, "End the headers with an empty line and the frame with one NUL behind its body. A header cannot hold a NUL."),
            Fault::Decode(D::HeaderWithoutColon) => (BAD_REQUEST, false, "Write each header as name, colon, value on one line, and an empty line before the body."),
            Fault::Decode(D::HeaderNameEmpty) => (BAD_REQUEST, false, "Write each header as name, colon, value on one line."),
            Fault::Decode(D::HeaderNotUtf8) => (BAD_REQUEST, false, "Write headers in UTF-8. A body may hold any bytes."),
            Fault::Decode(D::HeaderEscapeUndefined { .. }) => (BAD_REQUEST, false, "Write a backslash in a header as two. A line feed is backslash n, a colon backslash c and, in STOMP 1.2, a carriage return backslash r."),
            Fault::Decode(D::HeaderCarriageReturn) => (BAD_REQUEST, false, "Write a carriage return in a header as backslash r."),
            Fault::Decode(D::HeaderBytesExceeded { .. }) => (LIMIT_EXCEEDED, false, "Put less into headers and more into the body, or have the limit raised."),
            Fault::Decode(D::HeadersExceeded { .. }) => (LIMIT_EXCEEDED, false, "Send fewer headers, or have the limit raised."),
            Fault::Decode(D::BodyBytesExceeded { .. }) => (LIMIT_EXCEEDED, false, "Send a shorter body, for instance a link to the content, or have the limit raised."),
            Fault::Decode(D::ContentLengthInvalid) => (BAD_REQUEST, false, "Give the bytes of the body in decimal digits, or leave content-length out."),
            Fault::Decode(D::ContentLengthWrong) => (BAD_REQUEST, false, "Count bytes, not characters, and put one NUL behind the body; or leave content-length out."),
            Fault::NotConnected(_) => (BAD_REQUEST, false, "Send CONNECT first and wait for CONNECTED."),
            Fault::AlreadyConnected(_) => (BAD_REQUEST, false, "Send CONNECT once for each connection."),
            Fault::CommandOfServer(_) => (BAD_REQUEST, false, "Use SEND to publish."),
            Fault::CommandNotInVersion(..) => (BAD_REQUEST, false, "Ask for STOMP 1.1 or later in accept-version of CONNECT."),
            Fault::NoCommonVersion(_) => (BAD_REQUEST, false, "Name one of them in accept-version of CONNECT; over WebSocket, also offer its subprotocol."),
            Fault::ConnectBytesExceeded { .. } => (LIMIT_EXCEEDED, false, "Send CONNECT with fewer headers and wait for CONNECTED before sending more."),
            Fault::ConnectLate => (LIMIT_EXCEEDED, true, "Send CONNECT as soon as the connection is open."),
            Fault::HeaderMissing { .. } => (BAD_REQUEST, false, "Add the header."),
            Fault::HeaderInvalid { .. } => (BAD_REQUEST, false, "Correct the header."),
            Fault::IdentifierBytesExceeded { .. } => (LIMIT_EXCEEDED, false, "Use a shorter one; a counter will do."),
            Fault::SubscriptionTaken => (BAD_REQUEST, false, "Give every SUBSCRIBE an id of its own, or UNSUBSCRIBE the other first."),
            Fault::SubscriptionsExceeded { .. } => (LIMIT_EXCEEDED, false, "UNSUBSCRIBE what is no longer needed, or subscribe once with a wildcard."),
            Fault::TransactionUnknown(_) => (BAD_REQUEST, false, "Send BEGIN with that name first. COMMIT and ABORT end a transaction."),
            Fault::TransactionTaken => (BAD_REQUEST, false, "Give every BEGIN a name of its own, or COMMIT or ABORT the other first."),
            Fault::TransactionsExceeded { .. } => (LIMIT_EXCEEDED, false, "COMMIT or ABORT a transaction before the next BEGIN."),
            Fault::TransactionOperationsExceeded { .. } => (LIMIT_EXCEEDED, false, "COMMIT in smaller transactions."),
            Fault::TransactionBytesExceeded { .. } => (LIMIT_EXCEEDED, false, "COMMIT in smaller transactions."),
            Fault::TransactionTooOld { .. } => (LIMIT_EXCEEDED, true, "COMMIT or ABORT sooner. Nothing of the transaction has happened."),
        }
    }
}

impl DecodeError {
    /// For a first line that is no command. What is shown of it is short, and plain enough for any log and any version.
    pub(crate) fn unknown_command(word: &str) -> DecodeError {
        let plain = |character: char| if character.is_ascii_graphic() && character != '\\' { character } else { ' ' };
        DecodeError::CommandUnknown(word.chars().take(COMMAND_CHARACTERS_SHOWN).map(plain).collect())
    }
}

impl Refusal {
    /// STOMP 1.2, ERROR: "The ERROR frame SHOULD contain a message header with a short
    /// description of the error, and the body MAY contain more detailed information".
    pub(crate) fn frame(&self, receipt_id: Option<&str>, version: Option<&str>) -> Frame {
        let mut frame = self.told(Frame::new(Command::Error), receipt_id);
        if let Some(version) = version {
            frame.headers.push("version", version);
        }
        frame
    }

    /// `frame` with all that there is to say.
    pub(crate) fn told(&self, frame: Frame, receipt_id: Option<&str>) -> Frame {
        let mut frame = frame
            .with("message", &self.message)
            .with("code", &self.code.to_string())
            .with("reason", &self.reason)
            .with("retryable", if self.retryable { "true" } else { "false" })
            // With the charset: stompit 1.0.0 throws at the body of a bare text/plain, and nobody can catch it.
            .with("content-type", "text/plain;charset=utf-8");
        // "If the error is related to a specific frame sent from the client, the server
        // SHOULD add additional headers to help identify the original frame".
        if let Some(receipt_id) = receipt_id {
            frame.headers.push("receipt-id", receipt_id);
        }
        frame.with_body(self.remedy.clone())
    }
}

/// Enough to recognise another protocol by.
const COMMAND_CHARACTERS_SHOWN: usize = 24;

/// Version numbers, one after the other.
pub(crate) fn numbers(versions: &[Version], separator: &str) -> String {
    versions.iter().map(|version| version.number()).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_says_what_was_wrong_and_what_to_do() {
        let table = [
            (
                Fault::from(DecodeError::unknown_command("GET / HTTP/1.1")),
                107,
                "\"GET / HTTP/1.1\" is not a STOMP command",
            ),
            (DecodeError::HeadCutShort.into(), 107, "the frame ended before its headers did"),
            (DecodeError::HeaderWithoutColon.into(), 107, "a header line has no colon"),
            (DecodeError::HeaderNameEmpty.into(), 107, "a header has no name"),
            (DecodeError::HeaderNotUtf8.into(), 107, "command or headers are not UTF-8"),
            (
                DecodeError::HeaderEscapeUndefined { version: Version::V1_1 }.into(),
                107,
                "a header has an escape that STOMP 1.1 does not define",
            ),
            (
                DecodeError::HeaderCarriageReturn.into(),
                107,
                "a header has a carriage return that does not end its line",
            ),
            (DecodeError::HeaderBytesExceeded { limit: 16 }.into(), 106, "the headers of one frame may have 16 bytes"),
            (DecodeError::HeadersExceeded { limit: 64 }.into(), 106, "a frame may have 64 headers"),
            (DecodeError::BodyBytesExceeded { limit: 7 }.into(), 106, "a body may have 7 bytes"),
            (DecodeError::ContentLengthInvalid.into(), 107, "content-length is not a number of bytes"),
            (DecodeError::ContentLengthWrong.into(), 107, "the body does not end where content-length says"),
            (Fault::NotConnected(Command::Send), 107, "SEND came before CONNECT"),
            (Fault::AlreadyConnected(Command::Stomp), 107, "STOMP came on a connection that is connected"),
            (Fault::CommandOfServer(Command::Message), 107, "MESSAGE is for servers to send"),
            (Fault::CommandNotInVersion(Command::Nack, Version::V1_0), 107, "NACK does not exist in STOMP 1.0"),
            (
                Fault::NoCommonVersion(vec![Version::V1_0, Version::V1_2]),
                107,
                "supported protocol versions are 1.0 1.2",
            ),
            (Fault::ConnectBytesExceeded { limit: 5 }, 106, "5 bytes may be sent before CONNECTED"),
            (Fault::ConnectLate, 106, "the connection was not made in time"),
            (Fault::HeaderMissing { command: Command::Ack, header: "id" }, 107, "ACK needs the header id"),
            (
                Fault::HeaderInvalid { command: Command::Subscribe, header: "ack", expected: "auto" },
                107,
                "ack of SUBSCRIBE must be auto",
            ),
            (Fault::IdentifierBytesExceeded { header: "receipt", limit: 9 }, 106, "receipt may have 9 bytes"),
            (Fault::SubscriptionTaken, 107, "this connection has a subscription of that id already"),
            (Fault::SubscriptionsExceeded { limit: 3 }, 106, "a connection may have 3 subscriptions"),
            (Fault::TransactionUnknown(Command::Commit), 107, "COMMIT names a transaction that is not open"),
            (Fault::TransactionTaken, 107, "a transaction of that name is open already"),
            (Fault::TransactionsExceeded { limit: 1 }, 106, "a connection may have 1 transactions open"),
            (Fault::TransactionOperationsExceeded { limit: 2 }, 106, "a transaction may hold 2 frames"),
            (Fault::TransactionBytesExceeded { limit: 8 }, 106, "open transactions may hold 8 bytes together"),
            (Fault::TransactionTooOld { limit_seconds: 60 }, 106, "a transaction was open for more than 60 s"),
        ];
        for (fault, code, reason) in table {
            let refusal = fault.refusal();
            assert_eq!((refusal.code, refusal.reason.as_str()), (code, reason));
            assert_eq!(fault.limit().is_some(), code == LIMIT_EXCEEDED, "{fault:?}");
            assert!(refusal.remedy.ends_with('.') && !refusal.remedy.contains(['\n', '\0']), "{fault:?}");
        }
    }

    #[test]
    fn what_is_shown_of_a_strange_command_is_short_and_plain() {
        let shown = DecodeError::unknown_command(&format!("\u{16}\u{3}\u{1}\\ä{}", "A".repeat(100)));
        assert_eq!(shown, DecodeError::CommandUnknown(format!("     {}", "A".repeat(19))));
    }
}
