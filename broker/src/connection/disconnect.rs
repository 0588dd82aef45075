//! Every ending has a name. One table: what ERROR says, the WebSocket close
//! code, the label in metrics, and whether to come back.
//!
//! | Close code | Meaning |
//! | --- | --- |
//! | 1000 | after DISCONNECT, or the peer closed |
//! | 1002, 1007, 1009 | the peer broke WebSocket's rules, or a message is too large |
//! | 1012 | the broker is restarting: come back |
//! | 40nn | come back later; `nn` is the error's number less 100 |
//! | 45nn | do not come back unchanged; `nn` as above |

use bytes::Bytes;
use homeroom_protocol::Refusal;

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// DISCONNECT was answered.
    Disconnected,
    /// The peer closed, normally or not.
    PeerClosed {
        /// With a normal WebSocket close, or the end of a TCP stream after DISCONNECT.
        normally: bool,
    },
    /// Something was refused.
    Refused {
        /// What.
        refusal: Refusal,
        /// The ERROR that says so.
        error: Bytes,
    },
    /// Nothing was heard for too long.
    Silent,
    /// The peer broke the transport's rules.
    Transport {
        /// The close code that RFC 6455 has for it.
        code: u16,
        /// In words.
        reason: String,
    },
    /// The broker stops.
    Stopping,
}

impl Ending {
    /// The WebSocket close code.
    pub fn close_code(&self) -> u16 {
        match self {
            Ending::Disconnected | Ending::PeerClosed { .. } => 1000,
            Ending::Refused { refusal, .. } if refusal.retryable => 4000 + refusal.code.saturating_sub(100),
            Ending::Refused { refusal, .. } => 4500 + refusal.code.saturating_sub(100),
            Ending::Silent => 4012,
            Ending::Transport { code, .. } => *code,
            Ending::Stopping => 1012,
        }
    }

    /// The WebSocket close reason.
    pub fn reason(&self) -> &str {
        match self {
            Ending::Disconnected | Ending::PeerClosed { .. } => "",
            Ending::Refused { refusal, .. } => &refusal.message,
            Ending::Silent => "nothing was heard for too long",
            Ending::Transport { reason, .. } => reason,
            Ending::Stopping => "the broker is restarting",
        }
    }

    /// The label in metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Ending::Disconnected => "disconnected",
            Ending::PeerClosed { normally: true } => "closed",
            Ending::PeerClosed { normally: false } => "lost",
            Ending::Refused { .. } => "refused",
            Ending::Silent => "silent",
            Ending::Transport { .. } => "transport",
            Ending::Stopping => "stopping",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusals::{code, refusal};

    #[test]
    fn the_close_code_says_whether_to_come_back() {
        let later = refusal(code::NOT_AVAILABLE, "storage-full", "", true, "");
        let never = refusal(code::BAD_REQUEST, "bad request", "", false, "");
        let refused = |refusal| Ending::Refused { refusal, error: Bytes::new() };
        assert_eq!(refused(later).close_code(), 4008);
        assert_eq!(refused(never).close_code(), 4507);
        assert_eq!(Ending::Stopping.close_code(), 1012);
    }
}
