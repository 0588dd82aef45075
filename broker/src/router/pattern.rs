//! What a subscription covers: one place, or many by wildcards.

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text, in its canonical spelling.
    Literal(Box<str>),
    /// `*`: any one segment.
    One,
    /// `**`, `#` or `>`: any number of segments, none included. Always last.
    Rest,
}

impl Segment {
    /// The text of a literal.
    pub fn literal(&self) -> Option<&str> {
        match self {
            Segment::Literal(text) => Some(text),
            Segment::One | Segment::Rest => None,
        }
    }

    /// Wildcards pass over what the broker makes (`$…`): it must be named.
    fn takes(&self, segment: &str) -> bool {
        match self {
            Segment::Literal(text) => **text == *segment,
            Segment::One => !segment.starts_with('$'),
            Segment::Rest => false,
        }
    }
}

/// A destination to subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    segments: Box<[Segment]>,
    classroom_segments: usize,
    /// The whole path, where there is no wildcard: the common case, compared at once.
    exact: Option<Box<str>>,
}

/// Which classrooms a pattern reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// One, by its canonical name.
    One,
    /// All whose name fits, those to come included.
    Many,
}

impl Pattern {
    /// A pattern of which the first `classroom_segments` name the classroom.
    pub fn new(segments: Vec<Segment>, classroom_segments: usize) -> Pattern {
        let literals: Option<Vec<&str>> = segments.iter().map(Segment::literal).collect();
        let exact = literals.map(|texts| texts.join("/").into_boxed_str());
        Pattern { segments: segments.into(), classroom_segments, exact }
    }

    /// Whether one classroom is named or many are meant.
    pub fn coverage(&self) -> Coverage {
        if self.classroom().is_some() { Coverage::One } else { Coverage::Many }
    }

    /// The classroom's canonical name, if the pattern names exactly one.
    pub fn classroom(&self) -> Option<String> {
        let named = self.segments.get(..self.classroom_segments)?;
        let texts: Option<Vec<&str>> = named.iter().map(Segment::literal).collect();
        Some(texts?.join("/"))
    }

    /// Whether a path is covered.
    pub fn matches(&self, path: &str) -> bool {
        if let Some(exact) = &self.exact {
            return **exact == *path;
        }
        let mut segments = path.split('/');
        for wanted in &self.segments {
            if *wanted == Segment::Rest {
                return segments.all(|segment| !segment.starts_with('$'));
            }
            if !segments.next().is_some_and(|segment| wanted.takes(segment)) {
                return false;
            }
        }
        segments.next().is_none()
    }

    /// Whether something in this classroom may be covered.
    pub fn reaches(&self, classroom: &str) -> bool {
        let mut wanted = self.segments.iter();
        for segment in classroom.split('/') {
            match wanted.next() {
                Some(Segment::Rest) => return true,
                Some(pattern) if pattern.takes(segment) => {}
                _ => return false,
            }
        }
        true
    }

    /// The canonical spelling: the name of a subscription that is durable without a name of its own.
    pub fn canonical(&self) -> String {
        let texts: Vec<&str> = self
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text) => text,
                Segment::One => "*",
                Segment::Rest => "**",
            })
            .collect();
        format!("/topic/{}", texts.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::{DestinationError, Rules};

    fn pattern(written: &str) -> Pattern {
        Rules::default().subscribable(written).expect("a destination")
    }

    #[test]
    fn wildcards_cover_what_they_should_and_nothing_else() {
        for (written, covered, not_covered) in [
            ("/topic/7b/quiz", &["7b/quiz"][..], &["7b", "7b/quiz/7", "7c/quiz"][..]),
            ("/topic/7b.*", &["7b/quiz"], &["7b", "7b/quiz/7", "7b/$presence"]),
            ("/topic/7b/**", &["7b", "7b/quiz", "7b/quiz/7/answers"], &["7c", "7b/$presence", "7b/a/$x"]),
            ("/topic/7b.#", &["7b", "7b/quiz"], &["7c/quiz"]),
            ("/topic/7b.>", &["7b", "7b/quiz"], &["7c/quiz"]),
            ("/topic/*/quiz", &["7b/quiz", "7c/quiz"], &["7b", "7b/chat", "$all/quiz"]),
            ("/topic/**", &["7b", "7b/quiz"], &["$all", "7b/$presence"]),
            ("/topic/7b/$presence", &["7b/$presence"], &["7b/presence"]),
            ("/topic/7b/a*b", &["7b/a%2Ab"], &["7b/axb"]),
        ] {
            let pattern = pattern(written);
            for path in covered {
                assert!(pattern.matches(path), "{written} covers {path}");
            }
            for path in not_covered {
                assert!(!pattern.matches(path), "{written} does not cover {path}");
            }
        }
    }

    #[test]
    fn a_pattern_knows_its_classrooms() {
        assert_eq!(pattern("/topic/7b/**").classroom().as_deref(), Some("7b"));
        assert_eq!(pattern("/topic/*/quiz").classroom(), None);
        assert_eq!(pattern("/topic/**").coverage(), Coverage::Many);
        assert!(pattern("/topic/*/quiz").reaches("7b") && pattern("/topic/**").reaches("7b"));
        assert!(!pattern("/topic/7b/**").reaches("7c") && !pattern("/topic/*/quiz").reaches("$all"));
    }

    #[test]
    fn a_wildcard_for_the_rest_comes_last() {
        let refused = Rules::default().subscribable("/topic/**/quiz");
        assert_eq!(refused, Err(DestinationError::RestNotLast("**/quiz".into())));
    }

    #[test]
    fn spellings_of_one_pattern_have_one_canonical_form() {
        for written in ["/topic/7b.quiz.#", "/topic/7b/quiz/**", "/exchange/amq.topic/7b.quiz.>"] {
            assert_eq!(pattern(written).canonical(), "/topic/7b/quiz/**");
        }
    }
}
