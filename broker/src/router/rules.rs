//! How names are read.
//!
//! `.` and `/` after the prefix separate segments alike. A destination is split
//! first and each segment is percent-decoded once afterwards, so that a decoded
//! `*`, `#`, `>`, `$`, `.`, `/` or `%` is a letter like any other. The canonical
//! path begins with the kind of the room, has `/` between segments and those
//! letters percent-encoded: two names are the same place exactly if their paths
//! are equal, and a room's name is the beginning of all its paths.

use super::destination::{BYTES_MAX, Destination, DestinationError, Kind, Place, REPLY_QUEUE, SEGMENTS_MAX};
use super::pattern::{Pattern, Segment};
use super::spelling::{decode, literal, segment, segment_of};

/// The prefixes of places that have a log, with RabbitMQ's beside ours.
const PREFIXES: [(&str, Kind); 5] = [
    ("/topic/", Kind::Topic),
    ("/exchange/amq.topic/", Kind::Topic),
    ("/queue/", Kind::Queue),
    ("/amq/queue/", Kind::Queue),
    ("/user/", Kind::Private),
];
/// Below `/user/queue/`, what the broker alone says to each connection.
const OF_THE_BROKER: [&str; 2] = ["errors", "auth"];

/// How names are read on this broker.
#[derive(Clone, Debug)]
pub struct Rules {
    unprefixed: Option<Kind>,
    /// Where the classroom's name ends, for shapes other than `/topic/{classroom}/…`.
    templates: Vec<Vec<Option<String>>>,
    /// What private destinations begin with, behind the user.
    private: Vec<String>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { unprefixed: None, templates: Vec::new(), private: vec!["queue".to_owned()] }
    }
}

impl Rules {
    /// `unprefixed` is what a name without any prefix means. The templates are shapes of classrooms such as
    /// `/topic/course/{classroom}/**`; `private` are first segments behind the user, beside `queue`.
    ///
    /// # Errors
    /// A template that is no destination, or has no `{classroom}`.
    pub fn new(unprefixed: Option<Kind>, templates: &[String], private: &[String]) -> Result<Rules, DestinationError> {
        let mut rules = Rules { unprefixed, ..Rules::default() };
        rules.templates = templates.iter().map(|text| template(text)).collect::<Result<_, _>>()?;
        rules.private.extend_from_slice(private);
        Ok(rules)
    }

    /// Reads a destination to send to.
    ///
    /// # Errors
    /// Anything that does not name exactly one place that clients may send to.
    pub fn sendable(&self, written: &str) -> Result<Destination, DestinationError> {
        let (kind, rest) = self.kind(written)?;
        let (user, rest) = match kind {
            Kind::Private => {
                let (user, rest) =
                    rest.split_once('/').ok_or_else(|| DestinationError::NotOfUser(written.to_owned()))?;
                (Some(named_user(user, written)?), rest)
            }
            Kind::Topic | Kind::Queue => (None, rest),
        };
        let segments = self.segments(kind, user.as_deref(), rest)?;
        if kind == Kind::Private {
            self.check_private(&segments, written).map_err(DestinationError::NotOfUser)?;
        }
        let mut path = String::with_capacity(written.len());
        for segment in &segments {
            match segment {
                Segment::Literal(text) if text.starts_with('$') => {
                    return Err(DestinationError::MadeByBroker(written.to_owned()));
                }
                Segment::Literal(text) => push_segment(&mut path, text),
                Segment::One | Segment::Rest | Segment::Everything => {
                    return Err(DestinationError::Wildcard(written.to_owned()));
                }
            }
        }
        if kind == Kind::Private && is_of_the_broker(&segments) {
            return Err(DestinationError::MadeByBroker(written.to_owned()));
        }
        let depth = self.room_depth(kind, &segments);
        let room_bytes = nth_segment_end(&path, depth).ok_or(DestinationError::NoClassroom(written.to_owned()))?;
        Ok(Destination::Logged(Place { path, room_bytes, shown: format!("/{}/{rest}", kind.root()) }))
    }

    /// Reads a destination that `user` subscribes to: one place or a pattern.
    ///
    /// # Errors
    /// Anything that is no destination of this broker, or belongs to somebody else.
    pub fn subscribable(&self, written: &str, user: Option<&str>) -> Result<Pattern, DestinationError> {
        let (kind, rest) = self.kind(written)?;
        let user = match kind {
            Kind::Private => {
                let user = user.ok_or_else(|| DestinationError::Nobody(written.to_owned()))?;
                Some(segment_of(user)?)
            }
            Kind::Topic | Kind::Queue => None,
        };
        let segments = self.segments(kind, user.as_deref(), rest)?;
        let depth = self.room_depth(kind, &segments);
        match kind {
            Kind::Topic if segments.len() < depth && !matches!(segments.last(), Some(Segment::Rest)) => {
                return Err(DestinationError::NoClassroom(written.to_owned()));
            }
            Kind::Queue if segments.iter().any(|segment| segment.literal().is_none()) => {
                return Err(DestinationError::QueueWildcard(written.to_owned()));
            }
            Kind::Private => self.check_private(&segments, written).map_err(DestinationError::NotOwn)?,
            Kind::Topic | Kind::Queue => {}
        }
        Ok(Pattern::new(segments, depth))
    }

    /// The canonical path of a destination that was stored in a room, and so was sendable once or made by the broker.
    pub fn path_of(&self, room: &str, shown: &str) -> String {
        let mut path = String::with_capacity(room.len() + shown.len());
        let Some((kind, rest)) = known_prefix(shown) else { return path };
        let begin = if kind == Kind::Private { room } else { kind.root() };
        path.push_str(begin);
        for segment in rest.split(['/', '.']).filter_map(segment).flatten() {
            push_segment(&mut path, segment.literal().unwrap_or("*"));
        }
        path
    }

    /// The kind of room that a destination leads to, and what follows the prefix.
    fn kind<'a>(&self, written: &'a str) -> Result<(Kind, &'a str), DestinationError> {
        if written.len() > BYTES_MAX {
            return Err(DestinationError::TooLong(written.len()));
        }
        if written.chars().any(char::is_control) {
            return Err(DestinationError::Control);
        }
        if let Some(known) = known_prefix(written) {
            return Ok(known);
        }
        for prefix in ["/temp-queue/", REPLY_QUEUE] {
            if written.starts_with(prefix) {
                return Err(DestinationError::ReplyQueue { prefix });
            }
        }
        if written.starts_with("/app/") {
            return Err(DestinationError::NotOffered { prefix: "/app/" });
        }
        match self.unprefixed {
            Some(kind) if !written.starts_with('/') => {
                // Subscribers are shown it with its prefix, and may answer there.
                let bytes = kind.root().len() + 2 + written.len();
                if bytes > BYTES_MAX { Err(DestinationError::TooLong(bytes)) } else { Ok((kind, written)) }
            }
            _ => Err(DestinationError::Prefix(written.to_owned())),
        }
    }

    /// Below `/user/` not everything is a queue.
    fn check_private(&self, segments: &[Segment], written: &str) -> Result<(), String> {
        let root = segments.get(2).and_then(Segment::literal);
        let known = root.is_some_and(|root| self.private.iter().any(|known| known == root));
        if known && segments.len() > 3 { Ok(()) } else { Err(written.to_owned()) }
    }

    /// How many leading segments name the room.
    fn room_depth(&self, kind: Kind, segments: &[Segment]) -> usize {
        match kind {
            Kind::Topic => 1 + self.classroom_depth(&segments[1..]),
            Kind::Queue => segments.len(),
            Kind::Private => 2,
        }
    }

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

    /// The whole path: the kind, the user, the rest as written.
    fn segments(&self, kind: Kind, user: Option<&str>, rest: &str) -> Result<Vec<Segment>, DestinationError> {
        let written = rest.split(['/', '.']).count();
        if written > SEGMENTS_MAX {
            return Err(DestinationError::TooDeep(written));
        }
        let mut segments = Vec::with_capacity(written + 2);
        segments.extend([Some(kind.root()), user].into_iter().flatten().map(|text| Segment::Literal(text.into())));
        for text in rest.split(['/', '.']) {
            if matches!(segments.last(), Some(Segment::Rest)) {
                return Err(DestinationError::RestNotLast(rest.to_owned()));
            }
            segments.push(segment(text).ok_or_else(|| DestinationError::EmptySegment(rest.to_owned()))??);
        }
        // With the slash before each: what is canonical is a destination, too. Letters that are encoded take three bytes.
        let bytes =
            segments.len() + segments.iter().map(|segment| segment.literal().map_or(1, str::len)).sum::<usize>();
        if bytes > BYTES_MAX { Err(DestinationError::TooLong(bytes)) } else { Ok(segments) }
    }
}

fn known_prefix(written: &str) -> Option<(Kind, &str)> {
    PREFIXES.iter().find_map(|(prefix, kind)| Some((*kind, written.strip_prefix(prefix)?)))
}

/// The user of `/user/{user}/…`, who ends at the slash alone: `alice@school.de`.
fn named_user(user: &str, written: &str) -> Result<String, DestinationError> {
    if user.is_empty() {
        return Err(DestinationError::NotOfUser(written.to_owned()));
    }
    segment_of(&decode(user).ok_or_else(|| DestinationError::Encoding(user.to_owned()))?)
}

fn is_of_the_broker(segments: &[Segment]) -> bool {
    let texts: Vec<Option<&str>> = segments.iter().skip(2).map(Segment::literal).collect();
    matches!(texts[..], [Some("queue"), Some(name)] if OF_THE_BROKER.contains(&name))
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
        let Destination::Logged(place) = Rules::default().sendable(written)?;
        Ok(place.path)
    }

    #[test]
    fn dots_and_slashes_name_the_same_place() {
        for written in ["/topic/7b/quiz/7", "/topic/7b.quiz.7", "/topic/7b.quiz/7", "/exchange/amq.topic/7b.quiz.7"] {
            assert_eq!(path(written).as_deref(), Ok("topic/7b/quiz/7"), "{written}");
        }
    }

    #[test]
    fn letters_that_are_encoded_count_as_they_are_kept() {
        let stars = |count| format!("/topic/a{}", "*".repeat(count));
        assert!(path(&stars(80)).is_ok_and(|path| path.len() == 247));
        assert_eq!(path(&stars(83)), Err(DestinationError::TooLong(257)));
        assert!(Rules::default().subscribable(&stars(83), None).is_err());
    }

    #[test]
    fn whatever_is_taken_can_be_named_as_it_is_kept_and_shown() {
        let to_the_brim = |letters: &str| format!("/topic/{letters}{}", "*".repeat(82));
        let kept = path(&to_the_brim("aa")).expect("254 bytes, and a slash before them");
        assert_eq!(path(&format!("/{kept}")).as_deref(), Ok(&*kept));
        assert_eq!(path(&to_the_brim("aaa")), Err(DestinationError::TooLong(256)));
        let rules = Rules { unprefixed: Some(Kind::Topic), ..Rules::default() };
        assert!(rules.sendable(&"x".repeat(248)).is_ok());
        assert_eq!(rules.sendable(&"x".repeat(249)), Err(DestinationError::TooLong(256)));
    }

    #[test]
    fn the_publishers_spelling_is_shown_behind_the_canonical_prefix() {
        let Destination::Logged(place) = Rules::default().sendable("/exchange/amq.topic/7b.quiz").expect("a topic");
        assert_eq!((place.shown.as_str(), place.room()), ("/topic/7b.quiz", "topic/7b"));
    }

    #[test]
    fn a_decoded_letter_has_no_meaning_of_its_own() {
        assert_eq!(path("/topic/7b/%2A").as_deref(), Ok("topic/7b/%2A"));
        assert_eq!(path("/topic/7b/a%2Fb").as_deref(), Ok("topic/7b/a%2Fb"));
        assert_eq!(path("/topic/7b/a%2eb").as_deref(), Ok("topic/7b/a%2Eb"));
        assert_eq!(path("/topic/7b/%24presence").as_deref(), Ok("topic/7b/%24presence"));
        assert_eq!(path("/topic/7b/%c3%a4").as_deref(), Ok("topic/7b/ä"));
        // Decoded once, not twice.
        assert_eq!(path("/topic/7b/%252F").as_deref(), Ok("topic/7b/%252F"));
    }

    #[test]
    fn what_names_no_single_place_is_refused_with_its_reason() {
        use DestinationError as E;
        let long = format!("/topic/{}", "x".repeat(BYTES_MAX));
        let deep = format!("/topic/a{}", "/b".repeat(SEGMENTS_MAX));
        for (written, expected) in [
            ("quiz", E::Prefix("quiz".into())),
            ("/app/time", E::NotOffered { prefix: "/app/" }),
            ("/temp-queue/x", E::ReplyQueue { prefix: "/temp-queue/" }),
            ("/user/queue/x", E::NotOfUser("/user/queue/x".into())),
            ("/user/alice", E::NotOfUser("/user/alice".into())),
            ("/user//queue/x", E::NotOfUser("/user//queue/x".into())),
            ("/user/alice/topic/x", E::NotOfUser("/user/alice/topic/x".into())),
            ("/user/alice/queue/errors", E::MadeByBroker("/user/alice/queue/errors".into())),
            ("/user/alice/queue/*", E::Wildcard("/user/alice/queue/*".into())),
            ("/queue/*", E::Wildcard("/queue/*".into())),
            ("/queue/jobs/$dead", E::MadeByBroker("/queue/jobs/$dead".into())),
            ("/topic/", E::EmptySegment(String::new())),
            ("/topic/7b/", E::EmptySegment("7b/".into())),
            ("/topic/7b//quiz", E::EmptySegment("7b//quiz".into())),
            ("/topic/7b/*", E::Wildcard("/topic/7b/*".into())),
            ("/topic/7b/>", E::Wildcard("/topic/7b/>".into())),
            ("/topic/7b/$presence", E::MadeByBroker("/topic/7b/$presence".into())),
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
        let rules = Rules::new(None, &["/topic/course/{classroom}/**".into()], &[]).expect("a template");
        let Destination::Logged(place) = rules.sendable("/topic/course/42/quiz").expect("a topic");
        assert_eq!((place.room(), place.path.as_str()), ("topic/course/42", "topic/course/42/quiz"));
        let Destination::Logged(place) = rules.sendable("/topic/7b/quiz").expect("a topic");
        assert_eq!(place.room(), "topic/7b");
    }

    #[test]
    fn unprefixed_names_mean_what_the_settings_say() {
        let rules = Rules::new(Some(Kind::Topic), &[], &[]).expect("no templates");
        let Destination::Logged(place) = rules.sendable("7b.quiz").expect("a topic");
        assert_eq!((place.path.as_str(), place.shown.as_str()), ("topic/7b/quiz", "/topic/7b.quiz"));
    }

    #[test]
    fn a_queue_is_a_room_of_its_own() {
        for written in ["/queue/grading.essays", "/queue/grading/essays", "/amq/queue/grading.essays"] {
            let Destination::Logged(place) = Rules::default().sendable(written).expect("a queue");
            assert_eq!((place.path.as_str(), place.room()), ("queue/grading/essays", "queue/grading/essays"));
            let pattern = Rules::default().subscribable(written, None).expect("a queue");
            assert_eq!(pattern.room().as_deref(), Some("queue/grading/essays"));
        }
        let refused = Rules::default().subscribable("/queue/grading/*", None);
        assert_eq!(refused, Err(DestinationError::QueueWildcard("/queue/grading/*".into())));
        let rules = Rules::new(Some(Kind::Queue), &[], &[]).expect("no templates");
        let Destination::Logged(place) = rules.sendable("jobs").expect("a queue");
        assert_eq!(place.shown, "/queue/jobs");
    }

    #[test]
    fn what_is_private_is_sent_with_the_name_and_subscribed_to_without() {
        let rules = Rules::default();
        for (user, written) in [
            ("alice", "/user/alice/queue/marks"),
            ("alice@school.de", "/user/alice@school.de/queue/marks"),
            ("a/b.c%", "/user/a%2Fb.c%25/queue.marks"),
            ("$x", "/user/$x/queue/marks"),
        ] {
            let Destination::Logged(place) = rules.sendable(written).expect("a private queue");
            let own = rules.subscribable("/user/queue/marks", Some(user)).expect("her own");
            assert!(own.matches(&place.path), "{user}");
            assert_eq!(own.room().as_deref(), Some(place.room()), "{user}");
            assert!(place.shown.starts_with("/user/queue"), "{}", place.shown);
            assert_eq!(rules.path_of(place.room(), &place.shown), place.path);
            let others = rules.subscribable("/user/queue/marks", Some("mallory")).expect("his own");
            assert!(!others.matches(&place.path) && !others.reaches(place.room()), "{user}");
        }
        assert!(rules.subscribable("/topic/**", None).is_ok_and(|all| !all.reaches("user/alice")));
    }

    #[test]
    fn nobody_subscribes_to_what_is_anothers() {
        use DestinationError as E;
        let read = |written: &str, user| Rules::default().subscribable(written, user);
        for written in ["/user/alice/queue/marks", "/user/*/queue/marks", "/user/**", "/user/queue"] {
            assert_eq!(read(written, Some("mallory")), Err(E::NotOwn(written.to_owned())), "{written}");
        }
        assert_eq!(read("/user/queue/marks", None), Err(E::Nobody("/user/queue/marks".into())));
        assert_eq!(read("/user/queue/marks", Some("a\nb")), Err(E::Control));
    }

    #[test]
    fn other_roots_of_private_places_are_mapped_by_the_settings() {
        let rules = Rules::new(None, &[], &["topic".to_owned()]).expect("no templates");
        let Destination::Logged(place) = rules.sendable("/user/alice/topic/exercise/7").expect("a private topic");
        let own = rules.subscribable("/user/topic/exercise/7", Some("alice")).expect("her own");
        assert!(own.matches(&place.path));
    }
}
