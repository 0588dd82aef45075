//! Whose time is over, or who is revoked, hears nothing more: at every door, silent, live or in the middle of a replay.
//!
//! Time stands still here unless everybody waits for it: what takes hours takes none, and each moment is exact.

mod asking;
mod lines;
mod listener;
mod one_connection;
mod school;
mod sockjs;

use std::time::Duration;

use homeroom_protocol::{Command, Frame};
use hyper::StatusCode;
use tokio::time::{Instant, sleep_until, timeout_at};

use self::asking::once;
use self::listener::{Heard, Listener, Wish};
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
    SockjsStream,
    SockjsEvents,
    SockjsHtml,
    Events,
    /// Over HTTP/2.
    ManyEvents,
    Lines,
    Poll,
    Page,
}

impl Door {
    /// A stream that only says what is published.
    fn is_stream(self) -> bool {
        matches!(self, Door::Events | Door::ManyEvents | Door::Lines)
    }

    /// Whoever does not read there what they were given is cut off.
    fn is_cut(self) -> bool {
        self.is_stream() || matches!(self, Door::SockjsStream | Door::SockjsEvents | Door::SockjsHtml)
    }
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
    if door.is_stream() {
        // Whoever was cut off comes back and is told.
        heard.push(alice.next().await);
    }
    let has = |body: String| heard.iter().any(|(_, heard)| *heard == Heard::Message(body.clone()));
    assert!(has(in_time), "{case}: {:?}", &heard[heard.len().saturating_sub(5)..]);
    assert!(!has(too_late), "{case}");
    let code = match door {
        Door::Events | Door::ManyEvents | Door::Lines | Door::Page => happens.code_of_a_request(),
        _ => happens.code(),
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
    sleep_until(moment + GRAIN + if door.is_cut() { CUT } else { Duration::ZERO }).await;
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
async fn nothing_more_comes_over_stomp_in_answers_of_sockjs_that_go_on() {
    everything(Door::SockjsStream).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_more_comes_over_stomp_in_events_of_sockjs() {
    everything(Door::SockjsEvents).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_more_comes_over_stomp_in_a_page_of_sockjs() {
    everything(Door::SockjsHtml).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_more_comes_over_events_of_http_2() {
    everything(Door::ManyEvents).await;
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
