//! What is wrong with a configuration, all of it at once.

use std::fmt;
use std::str::FromStr;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything.
    Default,
    /// A line of a file.
    File {
        /// As it was named.
        path: String,
        /// From 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line, with its dashes.
    Flag(String),
}

impl Source {
    /// The line in its file; what is in no file comes after all lines.
    pub(super) fn line(&self) -> usize {
        match self {
            Source::File { line, .. } => *line,
            _ => usize::MAX,
        }
    }
}

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was said.
    pub source: Source,
    /// The key, `section.key`; empty if the file cannot be read at all.
    pub key: String,
    /// The value as it was written; `None` if the key itself is the problem.
    pub value: Option<String>,
    /// What is wrong and what to do.
    pub remedy: String,
}

/// Everything that is wrong: never empty. Displayed as one paragraph each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// In the order of the file, then by key.
    pub(crate) fn sorted(mut problems: Vec<Problem>) -> Problems {
        problems.sort_by_cached_key(|problem| (problem.source.line(), problem.key.clone()));
        Problems(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("The configuration has a problem:")?,
            count => write!(f, "The configuration has {count} problems:")?,
        }
        self.0.iter().try_for_each(|problem| write!(f, "\n\n{problem}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", self.source)?;
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, "\n    {}", self.remedy)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str(DEFAULT),
            Source::File { path, line } => write!(f, "{path}:{line}"),
            Source::Environment(name) => write!(f, "{ENVIRONMENT}{name}"),
            Source::Flag(name) => write!(f, "{FLAG}{name}"),
        }
    }
}

/// The way back from the text that a layered value carries as its origin.
impl FromStr for Source {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Source, Self::Err> {
        if let Some(name) = text.strip_prefix(ENVIRONMENT) {
            return Ok(Source::Environment(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix(FLAG) {
            return Ok(Source::Flag(name.to_owned()));
        }
        let file = text.rsplit_once(':').and_then(|(path, line)| Some((path, line.parse().ok()?)));
        Ok(file.map_or(Source::Default, |(path, line)| Source::File { path: path.to_owned(), line }))
    }
}

const DEFAULT: &str = "default";
const ENVIRONMENT: &str = "environment variable ";
const FLAG: &str = "flag ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_one_text_form() {
        for source in [
            Source::Default,
            Source::File { path: "C:/school/homeroom.toml".to_owned(), line: 12 },
            Source::Environment("HOMEROOM__LISTEN__HTTP".to_owned()),
            Source::Flag("--listen".to_owned()),
        ] {
            assert_eq!(source.to_string().parse(), Ok(source));
        }
    }
}
