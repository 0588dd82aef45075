//! The `where` of a rule: a pattern with holes for the classrooms and the user of whoever asks.

use std::fmt;
use std::str::FromStr;

use super::super::destination::{BYTES_MAX, DestinationError, Kind, SEGMENTS_MAX};
use super::super::pattern::Segment;
use super::super::spelling::{segment, segment_of};
use crate::auth::Principal;

/// Where a rule holds, as it is written: `/topic/{classroom}/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
    written: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Segment(Segment),
    /// `{classroom}`: each classroom of the token.
    Classroom,
    /// `{user}`: the name of the user.
    User,
}

/// What is wrong with the `where` of a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It begins with none of the kinds of destinations.
    #[error("\"{0}\" begins with none of /topic/, /queue/ and /user/, and is not /** either")]
    Prefix(String),
    /// `{…}` with something else in it, or with something beside it.
    #[error("\"{0}\" is no hole: {{classroom}} and {{user}} are, each a whole segment")]
    Hole(String),
    /// A segment is none.
    #[error(transparent)]
    Segment(#[from] DestinationError),
}

impl Template {
    /// What it covers for this principal: a pattern for each classroom it names, none if it names what nobody has.
    pub(super) fn bind(&self, principal: &Principal) -> Vec<Box<[Segment]>> {
        let user = principal.user.as_deref().and_then(|user| segment_of(user).ok());
        let bound = |classroom: Option<&str>| -> Option<Box<[Segment]>> {
            let literal = |text: &str| Segment::Literal(text.into());
            let fill = |part: &Part| match part {
                Part::Segment(segment) => Some(segment.clone()),
                Part::Classroom => classroom.map(literal),
                Part::User => user.as_deref().map(literal),
            };
            self.parts.iter().map(fill).collect()
        };
        if !self.parts.contains(&Part::Classroom) {
            return bound(None).into_iter().collect();
        }
        // A classroom is one segment, whatever letters are in it: what a token says is never a pattern.
        let classrooms = principal.classrooms.iter().filter(|text| !text.is_empty());
        classrooms.filter_map(|text| bound(Some(&segment_of(text).ok()?))).collect()
    }

    /// What the built-in rules say of all a broker has, also of what it makes itself.
    pub(super) fn everything() -> Template {
        Template { parts: [Part::Segment(Segment::Everything)].into(), written: "/**".into() }
    }

    /// The same with what the broker makes there, `$presence` for one.
    pub(super) fn with_what_the_broker_makes(mut self) -> Template {
        for part in &mut self.parts {
            if *part == Part::Segment(Segment::Rest) {
                *part = Part::Segment(Segment::Everything);
            }
        }
        self
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(written: &str) -> Result<Template, TemplateError> {
        let prefix = || TemplateError::Prefix(written.to_owned());
        let parts = written.strip_prefix('/').ok_or_else(prefix)?;
        if written.len() > BYTES_MAX {
            return Err(DestinationError::TooLong(written.len()).into());
        }
        let parts: Vec<Part> = parts.split(['/', '.']).map(|text| part(text, written)).collect::<Result<_, _>>()?;
        if parts.len() > SEGMENTS_MAX + 1 {
            return Err(DestinationError::TooDeep(parts.len() - 1).into());
        }
        let known = match &parts[..] {
            [Part::Segment(Segment::Rest)] => true,
            [Part::Segment(Segment::Literal(kind)), _, ..] => Kind::ALL.iter().any(|known| known.root() == &**kind),
            _ => false,
        };
        if known { Ok(Template { parts: parts.into(), written: written.into() }) } else { Err(prefix()) }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn part(text: &str, written: &str) -> Result<Part, TemplateError> {
    match text {
        "{classroom}" => Ok(Part::Classroom),
        "{user}" => Ok(Part::User),
        text if text.contains(['{', '}']) => Err(TemplateError::Hole(text.to_owned())),
        text => {
            let read = segment(text).ok_or_else(|| DestinationError::EmptySegment(written.to_owned()))??;
            Ok(Part::Segment(read))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice(classrooms: &[&str]) -> Principal {
        let classrooms = classrooms.iter().map(|&text| text.into()).collect();
        Principal { user: Some("alice".into()), classrooms, ..Principal::default() }
    }

    fn bound(written: &str, principal: &Principal) -> Vec<String> {
        let template: Template = written.parse().expect("a template");
        let text = |segment: &Segment| match segment {
            Segment::Literal(text) => text.to_string(),
            Segment::One => "*".to_owned(),
            Segment::Rest => "**".to_owned(),
            Segment::Everything => "$$".to_owned(),
        };
        template.bind(principal).iter().map(|parts| parts.iter().map(text).collect::<Vec<_>>().join("/")).collect()
    }

    #[test]
    fn holes_are_filled_with_what_the_principal_has() {
        let her = alice(&["7b", "8a"]);
        assert_eq!(bound("/topic/{classroom}.**", &her), ["topic/7b/**", "topic/8a/**"]);
        assert_eq!(bound("/topic/{classroom}/**/{user}", &her), ["topic/7b/**/alice", "topic/8a/**/alice"]);
        assert_eq!(bound("/user/{user}/queue/**", &her), ["user/alice/queue/**"]);
        assert_eq!(bound("/**", &her), ["**"]);
        assert!(bound("/topic/{classroom}/**", &alice(&[])).is_empty());
        assert!(bound("/user/{user}/queue/**", &Principal::default()).is_empty());
    }

    #[test]
    fn what_a_token_says_is_never_a_pattern() {
        let sly = Principal { user: Some("a/**".into()), ..alice(&["*", "7b/quiz", "$all", "**", "", "a\nb", "%2A"]) };
        let filled = ["topic/%2A/x", "topic/7b%2Fquiz/x", "topic/%24all/x", "topic/%2A%2A/x", "topic/%252A/x"];
        assert_eq!(bound("/topic/{classroom}/x", &sly), filled);
        assert_eq!(bound("/user/{user}/queue/x", &sly), ["user/a%2F%2A%2A/queue/x"]);
    }

    #[test]
    fn a_rule_that_leads_nowhere_is_refused_with_its_reason() {
        for (written, begin) in [
            ("topic/7b", "\"topic/7b\" begins with none of"),
            ("/app/time", "\"/app/time\" begins with none of"),
            ("/topic", "\"/topic\" begins with none of"),
            ("/*/7b", "\"/*/7b\" begins with none of"),
            ("/topic/{class}", "\"{class}\" is no hole"),
            ("/topic/x{user}", "\"x{user}\" is no hole"),
            ("/topic//x", "\"/topic//x\" has an empty segment"),
            ("/topic/%zz", "\"%zz\" is not percent-encoded"),
        ] {
            let error = written.parse::<Template>().expect_err(written).to_string();
            assert!(error.starts_with(begin), "{written}: {error}");
        }
    }
}
