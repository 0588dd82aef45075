//! What a subscription covers: one place, or many by wildcards.

use super::destination::Kind;

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This text, in its canonical spelling.
    Literal(Box<str>),
    /// `*`: any one segment.
    One,
    /// `**`, `#` or `>`: any number of segments, none included. Always last.
    Rest,
    /// As [`Segment::Rest`], and what the broker makes as well. Nobody writes it.
    Everything,
}

impl Segment {
    /// The text of a literal.
    pub fn literal(&self) -> Option<&str> {
        match self {
            Segment::Literal(text) => Some(text),
            Segment::One | Segment::Rest | Segment::Everything => None,
        }
    }

    /// Wildcards pass over what the broker makes (`$…`): it must be named.
    fn takes(&self, segment: &str) -> bool {
        match self {
            Segment::Literal(text) => **text == *segment,
            Segment::One => !segment.starts_with('$'),
            Segment::Rest | Segment::Everything => false,
        }
    }
}

/// A destination to subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    segments: Box<[Segment]>,
    room_segments: usize,
    /// The whole path, where there is no wildcard: the common case, compared at once.
    exact: Option<Box<str>>,
}

impl Pattern {
    /// A pattern of which the first `room_segments` name the room.
    pub fn new(segments: Vec<Segment>, room_segments: usize) -> Pattern {
        let literals: Option<Vec<&str>> = segments.iter().map(Segment::literal).collect();
        let exact = literals.map(|texts| texts.join("/").into_boxed_str());
        Pattern { segments: segments.into(), room_segments, exact }
    }

    /// Everything in one room, also what the broker makes there.
    pub fn everything_in(room: &str) -> Pattern {
        let named = room.split('/').map(|segment| Segment::Literal(segment.into()));
        let segments: Vec<Segment> = named.chain([Segment::Everything]).collect();
        Pattern { room_segments: segments.len() - 1, segments: segments.into(), exact: None }
    }

    /// Whether it names a queue, of which each message goes to one consumer.
    pub fn is_of_queue(&self) -> bool {
        self.segments.first().and_then(Segment::literal) == Some(Kind::Queue.root())
    }

    /// What it is made of.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The room's name, if the pattern names exactly one.
    pub fn room(&self) -> Option<String> {
        let named = self.segments.get(..self.room_segments)?;
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
            if *wanted == Segment::Everything {
                return true;
            }
            if *wanted == Segment::Rest {
                return segments.all(|segment| !segment.starts_with('$'));
            }
            if !segments.next().is_some_and(|segment| wanted.takes(segment)) {
                return false;
            }
        }
        segments.next().is_none()
    }

    /// Whether something in this room may be covered.
    pub fn reaches(&self, room: &str) -> bool {
        let mut wanted = self.segments.iter();
        for segment in room.split('/') {
            match wanted.next() {
                Some(Segment::Rest | Segment::Everything) => return true,
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
                Segment::Rest | Segment::Everything => "**",
            })
            .collect();
        format!("/{}", texts.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::{DestinationError, Rules};

    fn pattern(written: &str) -> Pattern {
        Rules::default().subscribable(written, None).expect("a destination")
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
                assert!(pattern.matches(&format!("topic/{path}")), "{written} covers {path}");
            }
            for path in not_covered {
                assert!(!pattern.matches(&format!("topic/{path}")), "{written} does not cover {path}");
            }
        }
    }

    #[test]
    fn a_pattern_knows_its_rooms() {
        assert_eq!(pattern("/topic/7b/**").room().as_deref(), Some("topic/7b"));
        assert!(pattern("/topic/*/quiz").room().is_none() && pattern("/topic/**").room().is_none());
        assert!(pattern("/topic/*/quiz").reaches("topic/7b") && pattern("/topic/**").reaches("topic/7b"));
        assert!(!pattern("/topic/7b/**").reaches("topic/7c") && !pattern("/topic/*/quiz").reaches("topic/$all"));
        assert!(!pattern("/topic/**").reaches("queue/7b"));
    }

    #[test]
    fn a_wildcard_for_the_rest_comes_last() {
        let refused = Rules::default().subscribable("/topic/**/quiz", None);
        assert_eq!(refused, Err(DestinationError::RestNotLast("**/quiz".into())));
    }

    #[test]
    fn spellings_of_one_pattern_have_one_canonical_form() {
        for written in ["/topic/7b.quiz.#", "/topic/7b/quiz/**", "/exchange/amq.topic/7b.quiz.>"] {
            assert_eq!(pattern(written).canonical(), "/topic/7b/quiz/**");
        }
    }
}
