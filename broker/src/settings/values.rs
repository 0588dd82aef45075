//! Values of a single key that are more than a number or a text.

use std::fmt;
use std::str::FromStr;

/// A text that is no such value; says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseValueError(String);

impl ParseValueError {
    pub(super) fn new(remedy: impl Into<String>) -> ParseValueError {
        ParseValueError(remedy.into())
    }
}

/// `storage.engine`: which engine keeps the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// On disk.
    #[default]
    Sled,
    /// In memory: everything is forgotten at the end.
    Memory,
}

/// `destinations.unprefixed`: what a destination without a known prefix is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unprefixed {
    /// An error that names the prefixes.
    #[default]
    Refused,
    /// `x` is `/queue/x`.
    Queue,
    /// `x` is `/topic/x`.
    Topic,
}

/// `listen.management_asks`: when whoever reads figures there has to show who they are, as far as anybody has to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManagementAsks {
    /// Unless the listener is on loopback.
    #[default]
    Elsewhere,
    /// On loopback too.
    Always,
    /// Nowhere.
    Never,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for a person.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// An origin as browsers send it: scheme, host and, where it is not the scheme's own, port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Box<str>);

impl Origin {
    /// As a browser writes it in its `Origin` header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where in a topic destination the classroom's name stands, for example
/// `/topic/course/{classroom}/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassroomShape(Vec<ShapeSegment>);

/// One segment of a [`ClassroomShape`], after `/topic/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShapeSegment {
    /// This text.
    Literal(Box<str>),
    /// `{classroom}`: the name. Exactly one segment is this.
    Classroom,
    /// `*`: one segment, whatever it is.
    One,
    /// `**`: the rest, also nothing. Only at the end.
    Rest,
}

impl ClassroomShape {
    /// The segments after `/topic/`.
    pub fn segments(&self) -> &[ShapeSegment] {
        &self.0
    }
}

/// The value that is written like `text`, or an error that lists all.
pub(super) fn one_of<T: fmt::Display + Copy>(text: &str, values: &[T]) -> Result<T, ParseValueError> {
    values.iter().copied().find(|value| value.to_string() == text).ok_or_else(|| {
        let names: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
        let (last, others) = names.split_last().expect("there is at least one value");
        ParseValueError::new(format!("write {} or {last}", others.join(", ")))
    })
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Sled => "sled",
            Engine::Memory => "memory",
        })
    }
}

impl FromStr for Engine {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Engine, ParseValueError> {
        one_of(text, &[Engine::Sled, Engine::Memory])
    }
}

impl fmt::Display for Unprefixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unprefixed::Refused => "refused",
            Unprefixed::Queue => "queue",
            Unprefixed::Topic => "topic",
        })
    }
}

impl FromStr for Unprefixed {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Unprefixed, ParseValueError> {
        one_of(text, &[Unprefixed::Refused, Unprefixed::Queue, Unprefixed::Topic])
    }
}

impl fmt::Display for ManagementAsks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ManagementAsks::Elsewhere => "elsewhere",
            ManagementAsks::Always => "always",
            ManagementAsks::Never => "never",
        })
    }
}

impl FromStr for ManagementAsks {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<ManagementAsks, ParseValueError> {
        one_of(text, &[ManagementAsks::Elsewhere, ManagementAsks::Always, ManagementAsks::Never])
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogFormat::Human => "human",
            LogFormat::Json => "json",
        })
    }
}

impl FromStr for LogFormat {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<LogFormat, ParseValueError> {
        one_of(text, &[LogFormat::Human, LogFormat::Json])
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Origin, ParseValueError> {
        origin(text).ok_or_else(|| {
            ParseValueError::new(
                "write each origin exactly as a browser sends it, scheme and host without a path, \
                 for example \"https://lessons.school.example\"; a star is not understood",
            )
        })
    }
}

fn origin(text: &str) -> Option<Origin> {
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://")?;
    let own_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let known: hyper::http::uri::Authority = authority.parse().ok()?;
    let plain = !known.host().is_empty() && !authority.contains(['@', '*']);
    let port_fits = known.port_u16().is_some() || !has_port(authority);
    (plain && port_fits)
        .then(|| Origin(format!("{scheme}://{}", authority.strip_suffix(own_port).unwrap_or(authority)).into()))
}

pub(super) fn has_port(authority: &str) -> bool {
    authority.rsplit_once(']').map_or(authority, |(_, after)| after).contains(':')
}

impl fmt::Display for ClassroomShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/topic")?;
        self.0.iter().try_for_each(|segment| match segment {
            ShapeSegment::Literal(text) => write!(f, "/{text}"),
            ShapeSegment::Classroom => f.write_str("/{classroom}"),
            ShapeSegment::One => f.write_str("/*"),
            ShapeSegment::Rest => f.write_str("/**"),
        })
    }
}

impl FromStr for ClassroomShape {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<ClassroomShape, ParseValueError> {
        shape(text).ok_or_else(|| {
            ParseValueError::new(
                "write a topic destination with {classroom} as exactly one of its segments, \
                 for example \"/topic/course/{classroom}/**\"; ** stands only at the end",
            )
        })
    }
}

fn shape(text: &str) -> Option<ClassroomShape> {
    let segments: Vec<ShapeSegment> =
        text.strip_prefix("/topic/")?.split(['/', '.']).map(segment).collect::<Option<_>>()?;
    let named = segments.iter().filter(|segment| **segment == ShapeSegment::Classroom).count() == 1;
    let rest_is_last = !segments[..segments.len() - 1].contains(&ShapeSegment::Rest);
    (named && rest_is_last && text.len() <= 255 && segments.len() <= 16).then_some(ClassroomShape(segments))
}

fn segment(text: &str) -> Option<ShapeSegment> {
    match text {
        "{classroom}" => Some(ShapeSegment::Classroom),
        "*" => Some(ShapeSegment::One),
        "**" => Some(ShapeSegment::Rest),
        "" => None,
        other if other.contains(['{', '}', '*', '#', '>', '$']) || other.contains(char::is_control) => None,
        other => Some(ShapeSegment::Literal(other.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        for (written, kept) in [
            ("https://School.Example", "https://school.example"),
            ("https://school.example:443", "https://school.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(written.parse::<Origin>().unwrap().as_str(), kept);
        }
        for written in [
            "*",
            "school.example",
            "https://",
            "https://a/",
            "https://u@a",
            "https://*.a",
            "ftp://a",
            "https://a:b",
            "https://a:99999",
        ] {
            assert!(written.parse::<Origin>().is_err(), "{written}");
        }
    }

    #[test]
    fn a_shape_names_the_classroom_once() {
        for text in ["/topic/course/{classroom}/**", "/topic/*/{classroom}", "/topic/{classroom}"] {
            assert_eq!(text.parse::<ClassroomShape>().unwrap().to_string(), text);
        }
        for text in [
            "/topic/",
            "/queue/{classroom}",
            "/topic/a",
            "/topic/{classroom}/{classroom}",
            "/topic/**/{classroom}",
            "/topic/{classroom}//a",
            "/topic/c{classroom}",
        ] {
            assert!(text.parse::<ClassroomShape>().is_err(), "{text}");
        }
    }
}
