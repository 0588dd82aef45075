//! What holds for some classrooms and not for others.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use homeroom_storage::Retention;

use super::units;
use super::values::{ParseValueError, one_of};

/// One `[[classrooms]]` entry.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassroomRule {
    /// `match`: the names it holds for.
    pub matches: ClassroomPattern,
    /// What it says.
    pub policy: ClassroomPolicy,
}

/// What holds for a classroom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassroomPolicy {
    /// Which subscriptions are durable.
    pub durable: Durable,
    /// Where a durable subscription begins that nobody has seen before.
    pub start: Start,
    /// What the log keeps: the default with the rule's overrides.
    pub retention: Retention,
}

/// Which subscriptions are durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durable {
    /// `asked`: those whose SUBSCRIBE says so.
    #[default]
    Asked,
    /// `signed-in`: all of signed-in users, under the name of the destination.
    SignedIn,
}

/// Where a durable subscription begins that nobody has seen before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// `now`: with the next message.
    #[default]
    Now,
    /// `earliest`: with the oldest record kept.
    Earliest,
    /// A duration such as `2h`: with the first record that is not older.
    Back(Duration),
}

/// Names of classrooms: `*` stands for any run of characters, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassroomPattern(Box<str>);

impl ClassroomPattern {
    /// Whether the pattern covers a classroom's name, all of it.
    pub fn covers(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().expect("a split has at least one part");
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for ClassroomPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClassroomPattern {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<ClassroomPattern, ParseValueError> {
        let fits =
            !text.is_empty() && text.len() <= 255 && !text.contains(['/', '.']) && !text.contains(char::is_control);
        fits.then(|| ClassroomPattern(text.into())).ok_or_else(|| {
            ParseValueError::new(
                "write the name of a classroom, for example \"7b\", or names with a star, \"7*\"; \
                 it is one segment of a destination, so it holds no / and no dot",
            )
        })
    }
}

impl fmt::Display for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Durable::Asked => "asked",
            Durable::SignedIn => "signed-in",
        })
    }
}

impl FromStr for Durable {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Durable, ParseValueError> {
        one_of(text, &[Durable::Asked, Durable::SignedIn])
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::Now => f.write_str("now"),
            Start::Earliest => f.write_str("earliest"),
            Start::Back(duration) => f.write_str(&units::print_duration(*duration)),
        }
    }
}

impl FromStr for Start {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Start, ParseValueError> {
        match text {
            "now" => Ok(Start::Now),
            "earliest" => Ok(Start::Earliest),
            other => units::duration(other).map(Start::Back).ok_or_else(|| {
                ParseValueError::new("write \"now\", \"earliest\" or how far back to begin, for example \"2h\"")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, covered) in [
            ("7b", "7b", true),
            ("7b", "7bc", false),
            ("*", "", true),
            ("*", "anything", true),
            ("7*", "7b", true),
            ("7*", "17b", false),
            ("*b", "7b", true),
            ("*-*-x", "a-b-x", true),
            ("*-*-x", "a-x", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("ä*", "äb", true),
        ] {
            let parsed: ClassroomPattern = pattern.parse().unwrap();
            assert_eq!(parsed.covers(name), covered, "{pattern} on {name}");
        }
    }
}
