//! The names that clients write, and the one form they are compared in.
//!
//! `.` and `/` after the prefix separate segments alike. A destination is split
//! first and each segment is percent-decoded once afterwards, so that a decoded
//! `*`, `#`, `>`, `$`, `.`, `/` or `%` is a letter like any other. The canonical
//! path has `/` between segments and those letters percent-encoded: two names
//! are the same place exactly if their paths are equal.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

use super::pattern::{Pattern, Segment};

/// The longest destination, in bytes.
pub const BYTES_MAX: usize = 255;
/// The longest canonical path, in bytes: with its prefix it is the name of a log.
const PATH_BYTES_MAX: usize = BYTES_MAX - "topic/".len();
/// The most segments after the prefix.
pub const SEGMENTS_MAX: usize = 16;

/// Letters with a meaning of their own in a path.
const RESERVED: [char; 7] = ['%', '*', '#', '>', '$', '.', '/'];

/// What a name that can be sent to means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A classroom's channel.
    Topic(Topic),
}

/// One place inside a classroom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The canonical path: the classroom's, then the channel's.
    pub path: String,
    /// How many bytes of `path` name the classroom.
    pub classroom_bytes: usize,
    /// What subscribers are shown: the canonical prefix, then the publisher's spelling.
    pub shown: String,
}

impl Topic {
    /// The classroom's canonical name.
    pub fn classroom(&self) -> &str {
        &self.path[..self.classroom_bytes]
    }

    /// Whether the broker alone makes what is found here.
    pub fn is_made_by_the_broker(&self) -> bool {
        self.path.split('/').any(|segment| segment.starts_with('$'))
    }
}

/// What is wrong with a destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// No known prefix.
    #[error("\"{0}\" begins with no known prefix; topics are written /topic/{{classroom}}/{{channel}}")]
    Prefix(String),
    /// A known prefix that leads nowhere on this broker.
    #[error(
        "\"{prefix}\" destinations are not offered by this broker; topics are written /topic/{{classroom}}/{{channel}}"
    )]
    NotOffered {
        /// The prefix as written.
        prefix: &'static str,
    },
    /// Longer than [`BYTES_MAX`].
    #[error("a destination has at most {BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// More than [`SEGMENTS_MAX`] segments.
    #[error("a destination has at most {SEGMENTS_MAX} segments, this one has {0}")]
    TooDeep(usize),
    /// Nothing between two separators, or after the last.
    #[error("\"{0}\" has an empty segment")]
    EmptySegment(String),
    /// A control character, written or percent-encoded.
    #[error("a destination holds no control characters")]
    Control,
    /// `%` without two hexadecimal digits, or bytes that are no UTF-8.
    #[error("\"{0}\" is not percent-encoded UTF-8")]
    Encoding(String),
    /// A wildcard where one place is needed.
    #[error("\"{0}\" holds a wildcard, which only SUBSCRIBE takes")]
    Wildcard(String),
    /// `**`, `#` or `>` before the end.
    #[error("\"{0}\" goes on after a wildcard for the rest, which must come last")]
    RestNotLast(String),
    /// A segment that begins with `$`, in a SEND.
    #[error("what is below \"$\" is made by the broker and cannot be sent to")]
    MadeByBroker,
    /// The destination stops before the classroom's name.
    #[error("\"{0}\" names no classroom")]
    NoClassroom(String),
}

/// How names are read on this broker.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What a name without any prefix means: the prefix it is given.
    pub unprefixed: Option<&'static str>,
    /// Where the classroom's name ends, for shapes other than `/topic/{classroom}/…`.
    templates: Vec<Vec<Option<String>>>,
}

impl Rules {
    /// Reads templates such as `/topic/course/{classroom}/**`.
    ///
    /// # Errors
    /// A template that is no destination, or has no `{classroom}`.
    pub fn new(unprefixed: Option<&'static str>, templates: &[String]) -> Result<Rules, DestinationError> {
        let templates = templates.iter().map(|text| template(text)).collect::<Result<_, _>>()?;
        Ok(Rules { unprefixed, templates })
    }

    /// Reads a destination to send to.
    ///
    /// # Errors
    /// Anything that does not name exactly one place that clients may send to.
    pub fn sendable(&self, written: &str) -> Result<Destination, DestinationError> {
        let rest = self.topic_rest(written)?;
        let segments = self.segments(rest)?;
        let mut path = String::with_capacity(rest.len());
        for segment in &segments {
            match segment {
                Segment::Literal(text) if text.starts_with('$') => return Err(DestinationError::MadeByBroker),
                Segment::Literal(text) => push_segment(&mut path, text),
                Segment::One | Segment::Rest => return Err(DestinationError::Wildcard(written.to_owned())),
            }
        }
        let depth = self.classroom_depth(&segments);
        let classroom_bytes = nth_segment_end(&path, depth).ok_or(DestinationError::NoClassroom(written.to_owned()))?;
        Ok(Destination::Topic(Topic { path, classroom_bytes, shown: format!("/topic/{rest}") }))
    }

    /// Reads a destination to subscribe to: one place or a pattern.
    ///
    /// # Errors
    /// Anything that is no destination of this broker.
    pub fn subscribable(&self, written: &str) -> Result<Pattern, DestinationError> {
        let segments = self.segments(self.topic_rest(written)?)?;
        let depth = self.classroom_depth(&segments);
        if segments.len() < depth && !matches!(segments.last(), Some(Segment::Rest)) {
            return Err(DestinationError::NoClassroom(written.to_owned()));
        }
        Ok(Pattern::new(segments, depth))
    }

    /// The canonical path of a destination that was stored, and so was sendable once or made by the broker.
    pub fn path_of(&self, shown: &str) -> String {
        let mut path = String::with_capacity(shown.len());
        let segments = shown.strip_prefix("/topic/").and_then(|rest| self.segments(rest).ok()).unwrap_or_default();
        for segment in &segments {
            push_segment(&mut path, segment.literal().unwrap_or("*"));
        }
        path
    }

    /// What follows the prefix of a topic.
    fn topic_rest<'a>(&self, written: &'a str) -> Result<&'a str, DestinationError> {
        if written.len() > BYTES_MAX {
            return Err(DestinationError::TooLong(written.len()));
        }
        if written.chars().any(char::is_control) {
            return Err(DestinationError::Control);
        }
        for prefix in ["/topic/", "/exchange/amq.topic/"] {
            if let Some(rest) = written.strip_prefix(prefix) {
                return Ok(rest);
            }
        }
        for prefix in ["/queue/", "/amq/queue/", "/user/", "/temp-queue/", "/app/"] {
            if written.starts_with(prefix) {
                return Err(DestinationError::NotOffered { prefix });
            }
        }
        match self.unprefixed {
            Some("/topic/") if !written.starts_with('/') => Ok(written),
            Some("/queue/") if !written.starts_with('/') => Err(DestinationError::NotOffered { prefix: "/queue/" }),
            _ => Err(DestinationError::Prefix(written.to_owned())),
        }
    }

    /// How many leading segments name the classroom.
    fn classroom_depth(&self, segments: &[Segment]) -> usize {
        let fits = |template: &&Vec<Option<String>>| {
            template.len() <= segments.len()
                && template
                    .iter()
                    .zip(segments)
                    .all(|(wanted, segment)| wanted.as_deref().is_none_or(|literal| segment.literal() == Some(literal)))
        };
        self.templates.iter().find(fits).map_or(1, Vec::len)
    }

    fn segments(&self, rest: &str) -> Result<Vec<Segment>, DestinationError> {
        let written: Vec<&str> = rest.split(['/', '.']).collect();
        if written.len() > SEGMENTS_MAX {
            return Err(DestinationError::TooDeep(written.len()));
        }
        let last = written.len() - 1;
        let read = written.iter().enumerate().map(|(at, text)| match segment(text) {
            Some(Ok(Segment::Rest)) if at != last => Err(DestinationError::RestNotLast(rest.to_owned())),
            Some(segment) => segment,
            None => Err(DestinationError::EmptySegment(rest.to_owned())),
        });
        let segments = read.collect::<Result<Vec<_>, _>>()?;
        // Letters that are encoded take three bytes each.
        let bytes = last + segments.iter().map(|segment| segment.literal().map_or(1, str::len)).sum::<usize>();
        if bytes > PATH_BYTES_MAX { Err(DestinationError::TooLong(bytes)) } else { Ok(segments) }
    }
}

/// One segment as written; `None` if it is empty.
fn segment(written: &str) -> Option<Result<Segment, DestinationError>> {
    match written {
        "" => None,
        "*" => Some(Ok(Segment::One)),
        "**" | "#" | ">" => Some(Ok(Segment::Rest)),
        _ => Some(literal(written).map(Segment::Literal)),
    }
}

/// A segment's canonical spelling: decoded once, the reserved letters encoded again. A `$` that was written
/// plainly at the beginning keeps its meaning.
fn literal(written: &str) -> Result<Box<str>, DestinationError> {
    let (mark, text) = written.strip_prefix('$').map_or(("", written), |rest| ("$", rest));
    let decoded = decode(text).ok_or_else(|| DestinationError::Encoding(written.to_owned()))?;
    if decoded.chars().any(char::is_control) {
        return Err(DestinationError::Control);
    }
    let mut canonical = String::with_capacity(written.len());
    canonical.push_str(mark);
    for letter in decoded.chars() {
        if RESERVED.contains(&letter) {
            write!(canonical, "%{:02X}", u32::from(letter)).expect("writing to a String cannot fail");
        } else {
            canonical.push(letter);
        }
    }
    Ok(canonical.into_boxed_str())
}

/// Percent-decodes; `None` for a `%` without two digits and for bytes that are no UTF-8.
fn decode(text: &str) -> Option<std::borrow::Cow<'_, str>> {
    let well_formed = text
        .split('%')
        .skip(1)
        .all(|part| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()));
    well_formed.then(|| percent_decode_str(text).decode_utf8().ok())?
}

/// The literal segments of a template up to `{classroom}`, which is `None`.
fn template(text: &str) -> Result<Vec<Option<String>>, DestinationError> {
    let rest = text.strip_prefix("/topic/").ok_or_else(|| DestinationError::Prefix(text.to_owned()))?;
    let mut wanted = Vec::new();
    for part in rest.split(['/', '.']) {
        match part {
            "{classroom}" => {
                wanted.push(None);
                return Ok(wanted);
            }
            "*" => wanted.push(None),
            _ => wanted.push(Some(literal(part)?.into())),
        }
    }
    Err(DestinationError::NoClassroom(text.to_owned()))
}

fn push_segment(path: &mut String, segment: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(segment);
}

/// Where the first `count` segments of a path end.
fn nth_segment_end(path: &str, count: usize) -> Option<usize> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain(std::iter::once(path.len()));
    ends.take(count).enumerate().filter(|(nth, _)| nth + 1 == count).map(|(_, at)| at).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(written: &str) -> Result<String, DestinationError> {
        let Destination::Topic(topic) = Rules::default().sendable(written)?;
        Ok(topic.path)
    }

    #[test]
    fn dots_and_slashes_name_the_same_place() {
        for written in ["/topic/7b/quiz/7", "/topic/7b.quiz.7", "/topic/7b.quiz/7", "/exchange/amq.topic/7b.quiz.7"] {
            assert_eq!(path(written).as_deref(), Ok("7b/quiz/7"), "{written}");
        }
    }

    #[test]
    fn letters_that_are_encoded_count_as_they_are_kept() {
        let stars = |count| format!("/topic/a{}", "*".repeat(count));
        assert!(path(&stars(80)).is_ok_and(|path| path.len() == 241));
        assert_eq!(path(&stars(83)), Err(DestinationError::TooLong(250)));
        assert!(Rules::default().subscribable(&stars(83)).is_err());
    }

    #[test]
    fn the_publishers_spelling_is_shown_behind_the_canonical_prefix() {
        let Destination::Topic(topic) = Rules::default().sendable("/exchange/amq.topic/7b.quiz").expect("a topic");
        assert_eq!((topic.shown.as_str(), topic.classroom()), ("/topic/7b.quiz", "7b"));
    }

    #[test]
    fn a_decoded_letter_has_no_meaning_of_its_own() {
        assert_eq!(path("/topic/7b/%2A").as_deref(), Ok("7b/%2A"));
        assert_eq!(path("/topic/7b/a%2Fb").as_deref(), Ok("7b/a%2Fb"));
        assert_eq!(path("/topic/7b/a%2eb").as_deref(), Ok("7b/a%2Eb"));
        assert_eq!(path("/topic/7b/%24presence").as_deref(), Ok("7b/%24presence"));
        assert_eq!(path("/topic/7b/%c3%a4").as_deref(), Ok("7b/ä"));
        // Decoded once, not twice.
        assert_eq!(path("/topic/7b/%252F").as_deref(), Ok("7b/%252F"));
    }

    #[test]
    fn what_names_no_single_place_is_refused_with_its_reason() {
        use DestinationError as E;
        let long = format!("/topic/{}", "x".repeat(BYTES_MAX));
        let deep = format!("/topic/a{}", "/b".repeat(SEGMENTS_MAX));
        for (written, expected) in [
            ("quiz", E::Prefix("quiz".into())),
            ("/queue/jobs", E::NotOffered { prefix: "/queue/" }),
            ("/user/queue/x", E::NotOffered { prefix: "/user/" }),
            ("/topic/", E::EmptySegment(String::new())),
            ("/topic/7b/", E::EmptySegment("7b/".into())),
            ("/topic/7b//quiz", E::EmptySegment("7b//quiz".into())),
            ("/topic/7b/*", E::Wildcard("/topic/7b/*".into())),
            ("/topic/7b/>", E::Wildcard("/topic/7b/>".into())),
            ("/topic/7b/$presence", E::MadeByBroker),
            ("/topic/7b/%zz", E::Encoding("%zz".into())),
            ("/topic/7b/%ff", E::Encoding("%ff".into())),
            ("/topic/7b/%0a", E::Control),
            ("/topic/7b/\u{7}", E::Control),
            (&long, E::TooLong(BYTES_MAX + 7)),
            (&deep, E::TooDeep(SEGMENTS_MAX + 1)),
        ] {
            assert_eq!(path(written), Err(expected), "{written}");
        }
    }

    #[test]
    fn a_template_says_where_the_classroom_ends() {
        let rules = Rules::new(None, &["/topic/course/{classroom}/**".into()]).expect("a template");
        let Destination::Topic(topic) = rules.sendable("/topic/course/42/quiz").expect("a topic");
        assert_eq!((topic.classroom(), topic.path.as_str()), ("course/42", "course/42/quiz"));
        let Destination::Topic(topic) = rules.sendable("/topic/7b/quiz").expect("a topic");
        assert_eq!(topic.classroom(), "7b");
    }

    #[test]
    fn unprefixed_names_mean_what_the_settings_say() {
        let rules = Rules::new(Some("/topic/"), &[]).expect("no templates");
        let Destination::Topic(topic) = rules.sendable("7b.quiz").expect("a topic");
        assert_eq!((topic.path.as_str(), topic.shown.as_str()), ("7b/quiz", "/topic/7b.quiz"));
    }
}
