//! `[access.hook]`: a service that is asked whether somebody may do something.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::values::one_of;
use super::{ParseValueError, ServerUrl};
use crate::auth::Secret;

/// `[access.hook]`: whom to ask, for what, and how long its answers count. It may refuse what the rules allow, and
/// allows nothing that they do not.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// Where; `None` asks nobody.
    pub url: Option<ServerUrl>,
    /// Allows an address without TLS on another machine.
    pub over_http: bool,
    /// What it is shown, so that it knows who asks.
    pub token: Option<Secret>,
    /// The file that holds it.
    pub token_file: Option<PathBuf>,
    /// What it is asked for.
    pub acts: Vec<Act>,
    /// From the question to the last byte of its answer.
    pub timeout: Duration,
    /// So long an answer counts that does not say how long.
    pub cache: Duration,
    /// Answers that are remembered.
    pub cache_entries: usize,
    /// Questions that are under way at a time; others wait.
    pub concurrency: usize,
}

impl Default for Hook {
    fn default() -> Hook {
        Hook {
            url: None,
            over_http: false,
            token: None,
            token_file: None,
            acts: Act::ALL.to_vec(),
            timeout: Duration::from_secs(2),
            cache: Duration::from_secs(30),
            cache_entries: 100_000,
            concurrency: 64,
        }
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Come in.
    Connect,
    /// Read, live or from the log.
    Subscribe,
    /// Publish.
    Send,
    /// Share a classroom's messages with others, which takes them away from those.
    Group,
}

impl Act {
    /// All of them.
    pub const ALL: [Act; 4] = [Act::Connect, Act::Subscribe, Act::Send, Act::Group];

    /// As the service reads it.
    pub fn name(self) -> &'static str {
        match self {
            Act::Connect => "connect",
            Act::Subscribe => "subscribe",
            Act::Send => "send",
            Act::Group => "group",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Act {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Act, ParseValueError> {
        one_of(text, &Act::ALL)
    }
}
