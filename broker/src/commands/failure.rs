//! How a command ends that could not do its work.

use std::fmt;
use std::process::ExitCode;

/// One paragraph: what, which value, what to do. And whether the same would fail again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// Something failed (exit code 1).
    pub(crate) fn new(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), code: 1 }
    }

    /// The command line or the configuration is wrong (exit code 2).
    pub(crate) fn usage(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), code: 2 }
    }

    /// For the shell.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl From<crate::settings::Problems> for Failure {
    fn from(problems: crate::settings::Problems) -> Failure {
        Failure::usage(problems.to_string())
    }
}

/// Writing to standard output failed, which a pipe to `head` does in good order.
pub(super) fn of_output(error: &std::io::Error) -> Failure {
    let code = u8::from(error.kind() != std::io::ErrorKind::BrokenPipe);
    Failure { text: format!("Standard output cannot be written: {error}."), code }
}
