//! Whose time is over, or who is revoked, hears nothing more: at every door, silent, live or in the middle of a replay.
//!
//! Time stands still here unless everybody waits for it: what takes hours takes none, and each moment is exact.

mod listener;
mod school;

use std::time::Duration;

use homeroom_protocol::{Command, Frame};
use hyper::StatusCode;
use tokio::time::{Instant, sleep_until, timeout_at};

use self::listener::{Heard, Listener, Wish, once};
use self::school::{School, Token};
use crate::access::Revocation;

const QUIZ: &str = "/topic/7b/quiz";
const OTHER: &str = "/topic/8a/quiz";
/// So long a token holds, or passes until something is revoked.
const LESSON: Duration = Duration::from_secs(2 * 3600);
const LONG: Duration = Duration::from_secs(1000 * 3600);
/// So long somebody waits who asks for page after page.
const BETWEEN_PAGES: Duration = Duration::from_millis(300);
/// A stream whose reader does not read is cut so long behind the moment.
const CUT: Duration = Duration::from_millis(500);
/// What a timer may be late.
const GRAIN: Duration = Duration::from_millis(1);
/// In a replay.
const STORED: usize = 10_000;
/// The rest of a message that was begun, an ERROR, the end: what a socket may still be given behind the moment.
const LAST_WORDS: usize = 1024;

/// Where somebody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Tcp,
    WebSocket,
    Sockjs,
    Events,
    Lines,
    Poll,
    Page,
}

/// What somebody does when it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Silent,
    Live,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happens {
    Expiry,
    UserRevoked,
    TokenRevoked,
    Removed,
}

impl Happens {
    /// What a line that stands is told.
    fn code(self) -> u64 {
        if self == Happens::Expiry { 109 } else { 103 }
    }

    /// What a new request is told.
    fn code_of_a_request(self) -> u64 {
        match self {
            Happens::Expiry => 109,
            Happens::UserRevoked | Happens::TokenRevoked => 101,
            Happens::Removed => 103,
        }
    }

    fn revocation(self, student: &str, token: &Token) -> Option<Revocation> {
        let user = || student.into();
        match self {
            Happens::Expiry => None,
            Happens::UserRevoked => Some(Revocation::User { user: user() }),
            Happens::TokenRevoked => Some(Revocation::Proof { token: token.id.clone() }),
            Happens::Removed => Some(Revocation::Member { user: user(), classroom: "7b".into() }),
        }
    }
}

/// One lesson: alice at a door, and a moment from which on she may hear nothing more of 7b.
struct Lesson {
    school: School,
    teacher: Token,
    token: Token,
    /// When it happens.
    moment: Instant,
}

impl Lesson {
    async fn begin(school: &School, student: &str, happens: Happens) -> Lesson {
        // A token ends with a whole second.
        sleep_until(school.whole_second()).await;
        let school = school.clone();
        let teacher = school.token("smith", "teacher", LONG).await;
        let lasts = if happens == Happens::Expiry { LESSON } else { LONG };
        let token = school.token(student, "student", lasts).await;
        let moment = Instant::now() + LESSON;
        if let Some(revocation) = happens.revocation(student, &token) {
            let school = school.clone();
            tokio::spawn(async move {
                sleep_until(moment).await;
                school.revoke(&revocation);
            });
        }
        Lesson { school, teacher, token, moment }
    }

    fn listen(&self, door: Door, place: &'static str) -> Listener {
        let pace = if door == Door::Page { BETWEEN_PAGES } else { Duration::ZERO };
        Listener::at(&self.school, Wish { place, pace, ..Wish::at(door, self.token.text.clone()) })
    }

    async fn publish(&self, place: &str, body: &str) {
        let path = format!("/v1/messages?destination={place}");
        let answer = once(&self.school, "POST", &path, &self.teacher.text, body).await;
        assert_eq!(answer, (StatusCode::CREATED, 0));
    }
}

/// Fills the log, so that whoever comes late has something to read.
async fn fill(school: &School, count: usize) {
    let token = school.token("smith", "teacher", LONG).await.text;
    let wish = Wish { place: OTHER, ..Wish::at(Door::Tcp, token) };
    let mut smith = Listener::at(school, wish);
    for number in 1..=count {
        let send = Frame::new(Command::Send).with("destination", QUIZ).with_body(body(number));
        let is_last = number == count;
        smith.say(if is_last { send.with("receipt", "last") } else { send });
    }
    assert_eq!(smith.next().await.1, Heard::Receipt);
}

fn body(number: usize) -> String {
    format!("{number:05} {}", "x".repeat(100))
}

/// All that is heard up to the end, which has to come by itself.
async fn to_the_end(listener: &mut Listener, until: Instant) -> Vec<(Instant, Heard)> {
    let mut heard = Vec::new();
    loop {
        let next = timeout_at(until, listener.next()).await.expect("it ends in time");
        heard.push(next);
        if heard.last().is_some_and(|(_, last)| *last == Heard::Over) {
            return heard;
        }
    }
}

async fn silent_or_live(school: &School, door: Door, doing: Doing, happens: Happens) {
    let case = format!("{door:?}, {doing:?}, {happens:?}");
    let lesson = Lesson::begin(school, &case, happens).await;
    let moment = lesson.moment;
    if door == Door::Page {
        // It says nothing between two pages.
        sleep_until(moment - Duration::from_secs(60)).await;
    }
    let mut alice = lesson.listen(door, QUIZ);
    let mut elsewhere = (happens == Happens::Removed).then(|| lesson.listen(door, OTHER));
    let (in_time, too_late) = (format!("{case}: in time"), format!("{case}: too late"));
    let half = Duration::from_millis(500);
    if doing == Doing::Live {
        // Also for the minute in which the end is near.
        for second in (0..70).rev() {
            sleep_until(moment - Duration::from_secs(second) - half).await;
            lesson.publish(QUIZ, "as long as you may").await;
        }
    }
    sleep_until(moment - half).await;
    lesson.publish(QUIZ, &in_time).await;
    sleep_until(moment + half).await;
    lesson.publish(QUIZ, &too_late).await;
    lesson.publish(OTHER, "elsewhere").await;

    let mut heard = to_the_end(&mut alice, moment + Duration::from_secs(5)).await;
    if matches!(door, Door::Events | Door::Lines) {
        // Whoever was cut off comes back and is told.
        heard.push(alice.next().await);
    }
    let has = |body: String| heard.iter().any(|(_, heard)| *heard == Heard::Message(body.clone()));
    assert!(has(in_time), "{case}: {:?}", &heard[heard.len().saturating_sub(5)..]);
    assert!(!has(too_late), "{case}");
    let code = match door {
        Door::Tcp | Door::WebSocket | Door::Sockjs | Door::Poll => happens.code(),
        Door::Events | Door::Lines | Door::Page => happens.code_of_a_request(),
    };
    let (told, _) = heard.iter().find(|(_, heard)| *heard == Heard::Refused(code)).unwrap_or_else(|| {
        panic!("{case}: {code} is not in {:?}", &heard[heard.len().saturating_sub(5)..]);
    });
    // A page is told when it next asks.
    let late = if door == Door::Page { BETWEEN_PAGES } else { GRAIN };
    assert!((moment..=moment + late).contains(told), "{case}: {:?} after the moment", *told - moment);
    if let Some(elsewhere) = &mut elsewhere {
        let heard = timeout_at(moment + Duration::from_secs(5), async {
            while elsewhere.next().await.1 != Heard::Message("elsewhere".to_owned()) {}
        });
        assert!(heard.await.is_ok(), "{case}: the other class goes on");
    }
}

/// Whoever reads slowly is given nothing more from the moment on, however much waits for them.
async fn replay(school: &School, door: Door, happens: Happens) {
    let case = format!("{door:?}, replay, {happens:?}");
    let lesson = Lesson::begin(school, &case, happens).await;
    let moment = lesson.moment;
    sleep_until(moment - Duration::from_secs(10)).await;
    // A poll takes all that waits.
    let pace = Duration::from_millis(if door == Door::Sockjs { 1130 } else { 200 });
    let wish = Wish { from_first: true, pace, ..Wish::at(door, lesson.token.text.clone()) };
    let mut alice = Listener::at(&lesson.school, wish);
    let is_stream = matches!(door, Door::Events | Door::Lines);
    sleep_until(moment + GRAIN + if is_stream { CUT } else { Duration::ZERO }).await;
    let before = alice.given.bytes();
    let mut heard = to_the_end(&mut alice, moment + Duration::from_secs(600)).await;
    heard.extend(alice.rest());
    let after = alice.given.bytes() - before;
    let messages = heard.iter().filter(|(_, heard)| matches!(heard, Heard::Message(_))).count();
    assert!((1..STORED).contains(&messages), "{case}: {messages} messages");
    assert!(after <= LAST_WORDS, "{case}: {after} bytes were given behind the moment");
}

const HAPPENINGS: [Happens; 4] = [Happens::Expiry, Happens::UserRevoked, Happens::TokenRevoked, Happens::Removed];

async fn everything(door: Door) {
    let school = School::open().await;
    for happens in HAPPENINGS {
        for doing in [Doing::Silent, Doing::Live] {
            silent_or_live(&school, door, doing, happens).await;
        }
    }
    fill(&school, STORED).await;
    for happens in HAPPENINGS {
        replay(&school, door, happens).await;
    }
}

/// A token's last minutes over STOMP: told a minute before, renewed, told again, and then nobody else's turn.
async fn warned_and_renewed(door: Door) {
    let school = School::open().await;
    let Lesson { token, moment, .. } = Lesson::begin(&school, "alice", Happens::Expiry).await;
    let wish = Wish { hears_broker: true, ..Wish::at(door, token.text) };
    let mut alice = Listener::at(&school, wish);
    let minute = Duration::from_secs(60);
    let warning = Heard::Auth("expires".to_owned(), 60);
    assert_eq!(alice.next().await, (moment - minute, warning.clone()), "{door:?}");
    sleep_until(moment - minute / 2).await;
    let newer = school.token("alice", "student", LESSON).await;
    let (begun, ends) = (Instant::now(), Instant::now() + LESSON);
    let renew = Frame::new(Command::Send).with("destination", "/app/auth").with("receipt", "renewed");
    alice.say(renew.with_body(newer.text));
    let renewed = [alice.next().await, alice.next().await].map(|(_, heard)| heard);
    let silent = alice.next_before(begun + minute).await;
    let left = renewed.iter().find_map(|heard| match heard {
        Heard::Auth(event, left) if event == "renewed" => Some(*left),
        _ => None,
    });
    assert!(renewed.contains(&Heard::Receipt) && left.is_some_and(|left| left > LESSON.as_secs() - 30), "{door:?}");
    assert_eq!(silent, None, "{door:?}: nothing happens when the first token ends");
    assert_eq!(alice.next().await, (ends - minute, warning), "{door:?}");
    let (told, heard) = alice.next().await;
    assert_eq!(heard, Heard::Refused(109), "{door:?}");
    assert!((ends..=ends + GRAIN).contains(&told), "{door:?}: {:?} late", told - ends);
    assert_eq!(alice.next().await.1, Heard::Over);
}

/// Who is removed from one class, and is refused softly, goes on with the other on the same line.
async fn the_other_class_goes_on(door: Door) {
    let school = School::open().await;
    let lesson = Lesson::begin(&school, "alice", Happens::Removed).await;
    let wish = Wish { hears_broker: true, ..Wish::at(door, lesson.token.text.clone()) };
    let mut alice = Listener::at(&school, wish);
    alice.say(Frame::new(Command::Subscribe).with("id", "other").with("destination", OTHER));
    assert_eq!(alice.next().await, (lesson.moment, Heard::Declined(103)), "{door:?}");
    lesson.publish(QUIZ, "not for alice").await;
    lesson.publish(OTHER, "elsewhere").await;
    assert_eq!(alice.next().await.1, Heard::Message("elsewhere".to_owned()), "{door:?}");
}

#[tokio::test(start_paused = true)]
async fn over_stomp_the_end_is_announced_a_minute_before_and_put_off_by_newer_credentials() {
    for door in [Door::Tcp, Door::WebSocket, Door::Sockjs] {
        warned_and_renewed(door).await;
    }
}

#[tokio::test(start_paused = true)]
async fn over_stomp_whoever_leaves_one_class_stays_in_the_other() {
    for door in [Door::Tcp, Door::WebSocket, Door::Sockjs] {
        the_other_class_goes_on(door).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_from_the_moment_on() {
    let school = School::open().await;
    for happens in HAPPENINGS {
        let Lesson { token, moment, .. } = Lesson::begin(&school, &format!("{happens:?}"), happens).await;
        let answers = async |class: &str| {
            let path = format!("/v1/messages?destination=/topic/{class}/answers");
            once(&school, "POST", &path, &token.text, "42").await
        };
        sleep_until(moment - GRAIN).await;
        assert_eq!(answers("7b").await, (StatusCode::CREATED, 0), "{happens:?}");
        sleep_until(moment + GRAIN).await;
        assert_eq!(answers("7b").await.1, happens.code_of_a_request(), "{happens:?}");
        let elsewhere = if happens == Happens::Removed { 0 } else { happens.code_of_a_request() };
        assert_eq!(answers("8a").await.1, elsewhere, "{happens:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_more_comes_over_stomp_over_tcp() {
    everything(Door::Tcp).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_more_comes_over_stomp_over_websocket() {
    everything(Door::WebSocket).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_more_comes_over_stomp_over_sockjs() {
    everything(Door::Sockjs).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_more_comes_over_events() {
    everything(Door::Events).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_more_comes_over_lines() {
    everything(Door::Lines).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_more_comes_over_long_polls() {
    everything(Door::Poll).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_more_comes_over_pages() {
    everything(Door::Page).await;
}
